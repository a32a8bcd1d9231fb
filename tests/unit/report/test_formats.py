"""The formats for other programs: valid, complete, the same every time, and safe whatever a model is called."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import onnx
import pytest

from dlalint.engine.targets import parse
from dlalint.finding import Finding
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.formats import FORMATS

SARIF: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
NEW = ("sarif", "junit", "github", "gitlab", "markdown", "csv", "html")
BROKEN = Failure("models/cut.onnx", "E101", "the file is truncated", "Download it again.")
NAMES = {
    "markup": "</text><script>alert(1)</script>",
    "escapes": "\x1b[31mred\x1b]0;title\x07",
    "lines": "a\nb\r::error::c",
    "commands": "::error file=x::y ##vso[task.complete]",
    "bidi": "\u202eevil\u2066",
    "formula": "=1+1|cmd",
    "table": "a|b`c`[d](e)",
    "bytes": "\udcff\udcfe",
    "long": "n" * 5_000_000,
}


def _outcomes(session: Session, models: Path) -> list[Outcome | Failure]:
    views = [session.view(models / f"{name}.onnx") for name in ("mnist-7", "shufflenet_v2_x0_5", "fcn_dynamic")]
    targets = [parse(name, session.rules) for name in ("xavier-trt5.0", "orin-trt10.3", "woa-trt11.4")]
    return [*(session.check(view, target) for view in views for target in targets), BROKEN]


def _render(form: str, results: list[Outcome | Failure], session: Session) -> str:
    text: str = import_module(f"dlalint.report.to_{form}").render(results, session.rules)
    return text


def test_every_format_has_a_module() -> None:
    assert set(NEW) | {"text", "json"} == set(FORMATS)


def test_sarif(session: Session, models: Path) -> None:
    results = _outcomes(session, models)
    document = json.loads(_render("sarif", results, session))
    jsonschema.Draft7Validator(SARIF).validate(document)
    run = document["runs"][0]
    findings = [finding for result in results if isinstance(result, Outcome) for finding in result.findings]
    assert [(item["ruleId"], item["level"]) for item in run["results"]] == [(finding.code, finding.severity) for finding in findings]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[item["ruleIndex"]]["id"] == item["ruleId"] for item in run["results"])
    prints = [item["partialFingerprints"]["ruleAndNode/v1"] for item in run["results"]]
    assert len(set(prints)) == len(prints)
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "the file is truncated. Download it again."


def test_a_fingerprint_stays_when_other_models_come_and_go(session: Session, models: Path) -> None:
    results = _outcomes(session, models)
    whole = json.loads(_render("sarif", results, session))["runs"][0]["results"]
    alone = json.loads(_render("sarif", results[3:4], session))["runs"][0]["results"]
    count = len(results[3].findings) if isinstance(results[3], Outcome) else 0
    start = sum(len(result.findings) for result in results[:3] if isinstance(result, Outcome))
    assert [item["partialFingerprints"] for item in whole[start : start + count]] == [item["partialFingerprints"] for item in alone]


def test_junit(session: Session, models: Path) -> None:
    root = ElementTree.fromstring(_render("junit", _outcomes(session, models), session))
    assert len(root) == 10
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    assert root.attrib["errors"] == "1"
    assert sum(int(suite.attrib["tests"]) for suite in root) == int(root.attrib["tests"])


def test_github(session: Session, models: Path) -> None:
    lines = _render("github", _outcomes(session, models), session).splitlines()
    assert all(re.match(r"::(error|warning|notice) file=[^,:]+\.onnx,title=[^,:]+::\S", line) for line in lines)
    assert lines[-1] == "::error file=models/cut.onnx,title=E101::the file is truncated. Download it again."


def test_gitlab(session: Session, models: Path) -> None:
    issues = json.loads(_render("gitlab", _outcomes(session, models), session))
    assert {issue["severity"] for issue in issues} == {"info", "minor", "major", "blocker"}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert all(set(issue) == {"description", "check_name", "fingerprint", "severity", "location"} for issue in issues)


def test_csv(session: Session, models: Path) -> None:
    results = _outcomes(session, models)
    rows = list(csv.DictReader(io.StringIO(_render("csv", results, session))))
    assert len(rows) == sum(len(result.findings) for result in results if isinstance(result, Outcome)) + 1
    assert rows[-1]["code"] == "E101"
    assert next(row for row in rows if row["name"] == "elementwise-constant")["observed"] == "1"
    assert next(row for row in rows if row["name"] == "layer-not-on-dla")["limit"].startswith("ACTIVATION, CONCATENATION, ")


def test_csv_writes_a_range_as_messages_do(session: Session, models: Path) -> None:
    outcome = session.check(session.view(models / "mnist-7.onnx"), parse("orin-trt10.3", session.rules))
    finding = Finding("DLA302", "pooling-window-too-large", "error", "fail", "window 9x9", observed=(9, 9), limit=(1, 8))
    (row,) = csv.DictReader(io.StringIO(_render("csv", [outcome._replace(findings=(finding,))], session)))
    assert (row["observed"], row["limit"]) == ("9x9", "1 to 8")


def test_markdown(session: Session, models: Path) -> None:
    text = _render("markdown", _outcomes(session, models), session)
    assert text.count("<details>") == text.count("</details>") == 9
    assert text.splitlines()[4].startswith("| ")
    assert "❌ E101\\: the file is truncated" in text or "❌ E101: the file is truncated" in text


def test_a_markdown_comment_can_always_be_posted(session: Session, models: Path) -> None:
    results = _outcomes(session, models) * 40
    text = _render("markdown", results, session)
    assert len(text) <= 65_536
    assert "are left out; run `dlalint check` for them." in text
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", NEW)
def test_names_are_only_text(form: str, name: str, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1,3,8,8] x) => (y) { y = Erf(x) }')
    mark = "NAMENAME"
    proto.graph.node[0].name = mark
    data = proto.SerializeToString()
    raw = NAMES[name].encode("utf-8", "surrogateescape")
    if len(raw) < 8:
        path.write_bytes(data.replace(mark.encode(), raw.ljust(8)))
    else:
        proto.graph.node[0].name = NAMES[name]
        path.write_bytes(proto.SerializeToString())
    outcome = session.check(session.view(path), parse("orin-trt10.3", session.rules))
    text = _render(form, [outcome], session)
    assert len(text) < (60_000 if form == "html" else 20_000)  # the page has its script and style in it
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2066\udc80-\udcff]", text)
    if form == "github":
        assert all(re.match(r"::(error|warning|notice) file=[^,:]+,title=[^,:]+::", line) for line in text.splitlines())
    if form == "html":
        assert len(re.findall("<script", text)) == text.count("</script>") == 2
        assert "<script>alert" not in text
    if form == "markdown":
        assert "<script>" not in text
        assert "`c`" not in text
    if form == "csv":
        assert not any(cell[:1] in ("=", "+", "-", "@") for row in csv.reader(io.StringIO(text)) for cell in row)
    if form == "junit":
        ElementTree.fromstring(text)
    if form in ("sarif", "gitlab"):
        json.loads(text)
