"""SARIF tells what is waived and what a baseline knows, where other formats leave it out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlalint.cli import execute

ROOT = Path(__file__).resolve().parents[3]
SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
WAIVER = '[[waiver]]\nrule = "DLA412"\nnode = "Plus30"\nreason = "measured <b>twice</b>\\u202e"\nexpires = 2999-12-31\n'
Results = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Results:
    """The results of a valid SARIF report on a model, whose findings are DLA412 twice, DLA101, DLA711 and more."""
    shutil.copy(ROOT / "models" / "mnist-7.onnx", tmp_path / "m.onnx")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        execute(["check", "m.onnx", "--format", "sarif", *arguments])
        document = json.loads(capsys.readouterr().out)
        jsonschema.Draft7Validator(SCHEMA).validate(document)
        found: list[dict[str, Any]] = document["runs"][0]["results"]
        return found

    return run


def _prints(found: list[dict[str, Any]]) -> list[str]:
    return [item["partialFingerprints"]["ruleAndNode/v1"] for item in found]


def test_nothing_is_said_where_nobody_looked(results: Results) -> None:
    assert not any(key in item for item in results() for key in ("suppressions", "baselineState"))


def test_what_is_waived_is_suppressed(results: Results) -> None:
    before = results()
    Path("dlalint.toml").write_text(WAIVER, encoding="utf-8")
    found = results()
    assert _prints(found) == _prints(before)
    assert [item["ruleId"] for item in found] == [item["ruleId"] for item in before]
    waived = [item for item in found if item["suppressions"]]
    assert [(item["ruleId"], item["locations"][0]["logicalLocations"][0]["name"]) for item in waived] == [("DLA412", "Plus30")]
    assert waived[0]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "measured <b>twice</b>\\u202e",
            "properties": {"expires": "2999-12-31"},
        }
    ]
    assert [item["suppressions"] for item in found if item not in waived] == [[]] * (len(found) - 1)


def test_a_waiver_without_end(results: Results) -> None:
    Path("dlalint.toml").write_text('[[waiver]]\nrule = "DLA412"\nreason = "x"\n', encoding="utf-8")
    suppressions = [item["suppressions"] for item in results() if item["ruleId"] == "DLA412"]
    assert suppressions == [[{"kind": "external", "status": "accepted", "justification": "x"}]] * 2


def test_one_that_is_over_suppresses_nothing(results: Results) -> None:
    Path("dlalint.toml").write_text(WAIVER.replace("2999", "2001"), encoding="utf-8")
    assert not any("suppressions" in item for item in results())


def test_what_a_baseline_knows_is_unchanged(results: Results) -> None:
    before = results()
    results("--write-baseline", "base.json")
    known = json.loads(Path("base.json").read_text())
    gone = known["findings"].pop([item["node"] for item in known["findings"]].index("Plus30"))
    Path("base.json").write_text(json.dumps(known))
    found = results("--baseline", "base.json")
    assert _prints(found) == _prints(before)
    states = {item["partialFingerprints"]["ruleAndNode/v1"]: item["baselineState"] for item in found}
    assert {print for print, state in states.items() if state == "new"} == {gone["print"]}
    assert set(states.values()) == {"new", "unchanged"}
    assert not any("suppressions" in item for item in found)


def test_both(results: Results) -> None:
    results("--write-baseline", "base.json")
    Path("dlalint.toml").write_text(WAIVER, encoding="utf-8")
    found = results("--baseline", "base.json")
    assert [(bool(item["suppressions"]), item["baselineState"]) for item in found if item["ruleId"] == "DLA412"] == [
        (True, "unchanged"),
        (False, "unchanged"),
    ]


def test_other_formats_leave_them_out(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(results()) == 5
    results("--write-baseline", "base.json")
    execute(["check", "m.onnx", "--format", "gitlab", "--baseline", "base.json"])
    assert json.loads(capsys.readouterr().out) == []
