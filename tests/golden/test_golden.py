"""What `dlalint check` says is what it said, byte for byte, and keeps to the schema of its format."""

from __future__ import annotations

import csv
import json
import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE.parent / "unit" / "report" / "schemas"
OWN_SCHEMAS = HERE.parents[1] / "dlalint" / "report" / "schemas"
WRITE = runpy.run_path(str(HERE / "write.py"))  # a program and no module
STEMS = [case.model.stem for case in WRITE["CASES"]]
NAMES = [f"{stem}.{ending}" for stem in STEMS for ending in WRITE["FORMS"].values()]
# of Jenkins' junit-10.xsd: for each element its attributes (those with ! must be there) and the elements it may hold
JUNIT = {
    "testsuites": ("name time tests failures errors", "testsuite"),
    "testsuite": ("name! tests! failures! errors! group time skipped timestamp hostname id package file log url", "testsuite testcase"),
    "testcase": ("name! time classname group", "skipped error failure system-out system-err"),
    "failure": ("type message", ""),
    "error": ("type message", ""),
    "skipped": ("type message", ""),
    "system-out": ("", ""),
}


@cache
def _now() -> dict[str, str]:
    return dict(WRITE["reports"]())


def _then(name: str) -> str:
    return (HERE / "reports" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_report_is_the_kept_one(name: str) -> None:
    """`python tests/golden/write.py` renews them all."""
    assert _now()[name] == _then(name)


def test_nothing_else_is_kept() -> None:
    assert sorted(path.name for path in (HERE / "reports").iterdir()) == sorted(NAMES)
    assert sum(path.stat().st_size for path in (HERE / "reports").iterdir()) < 1_500_000


def test_they_differ_in_what_they_stand_for() -> None:
    found = {stem: [model["verdict"] for model in json.loads(_then(f"{stem}.json"))["models"]] for stem in STEMS}
    assert found == {
        "unet_k2s2": ["full", "full", "unknown"],
        "mnist-7": ["partial", "partial", "unknown"],
        "espcn": ["partial", "partial", "unknown"],
        "fcn_dynamic": ["none", "none", "unknown"],
        "light_zfnet512": ["partial", "partial", "unknown"],
    }


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize(("form", "schema"), [("json", "check"), ("sarif", "sarif-2.1.0"), ("gitlab.json", "gitlab")])
def test_schema(form: str, schema: str, stem: str) -> None:
    rules: dict[str, Any] = json.loads(((OWN_SCHEMAS if schema == "check" else SCHEMAS) / f"{schema}.json").read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(rules)(rules).validate(json.loads(_then(f"{stem}.{form}")))


@pytest.mark.parametrize("stem", STEMS)
def test_junit_schema(stem: str) -> None:
    root = ElementTree.fromstring(_then(f"{stem}.xml"))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = (part.split() for part in JUNIT[element.tag])
        assert set(element.attrib) <= {name.rstrip("!") for name in attributes}
        assert {name[:-1] for name in attributes if name.endswith("!")} <= set(element.attrib)
        assert {child.tag for child in element} <= set(children)
        assert children == [] or not (element.text or "").strip()


@pytest.mark.parametrize("stem", STEMS)
def test_formats_tell_of_the_same_findings(stem: str) -> None:
    models = json.loads(_then(f"{stem}.json"))["models"]
    found = [(model["target"]["name"], finding["code"]) for model in models for finding in model["findings"]]
    results = json.loads(_then(f"{stem}.sarif"))["runs"][0]["results"]
    assert [(item["properties"]["target"], item["ruleId"]) for item in results] == found
    rows = list(csv.DictReader(_then(f"{stem}.csv").splitlines()))
    assert [(row["target"], row["code"]) for row in rows] == found
    assert len(json.loads(_then(f"{stem}.gitlab.json"))) == len(found)
    data = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', _then(f"{stem}.html"), re.DOTALL)
    assert [[finding[0] for finding in json.loads(part)["findings"]] for part in data] == [
        [finding["code"] for finding in model["findings"]] for model in models
    ]
