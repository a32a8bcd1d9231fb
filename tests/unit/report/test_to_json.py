"""The JSON report: its form, and that its parts agree with each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.plan import Failure
from dlalint.report.to_json import to_json

MODELS = Path(__file__).resolve().parents[3] / "models"
SCHEMA: dict[str, Any] = json.loads((MODELS.parent / "dlalint/report/schemas/check.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["xavier-trt5.0", "orin-trt10.3", "orin-trt10.9", "woa-trt11.4"])
@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_document(session: Session, path: Path, target: str) -> None:
    outcome = session.check(session.view(path), parse(target, session.rules), [parse("orin-trt8.6", session.rules)])
    found = json.loads(to_json([outcome], session.rules.sources))
    jsonschema.validate(found, SCHEMA)
    summary, nodes, segments = found["summary"], found["nodes"], found["segments"]
    for device in ("dla", "gpu", "folded", "unknown"):
        assert summary[f"{device}_nodes"] == sum(node["device"] == device for node in nodes)
    ids = [node["id"] for node in nodes]
    assert len(set(ids)) == len(ids) == summary["nodes"] == found["model"]["nodes"]
    assert [segment["id"] for segment in segments] == list(range(len(segments)))
    assert sum(segment["layers"] for segment in segments) == len(found["layers"])
    assert summary["loadables"] == sum(segment["device"] == "dla" for segment in segments)
    assert summary["candidates"] == summary["loadables"] + sum(not segment["placed"] for segment in segments)
    codes = {(finding["node"], finding["code"]) for finding in found["findings"] if finding["node"]}
    assert codes == {(node["id"], code) for node in nodes for code in node["codes"]}
    order = [(ids.index(finding["node"]) if finding["node"] else -1, finding["code"]) for finding in found["findings"]]
    assert order == sorted(order)
    for index, finding in enumerate(found["findings"]):
        assert finding["cause"] is None or (finding["cause"] != index and finding["cause"] < len(found["findings"]))
    for segment in segments:
        assert set(segment["inputs"]) | set(segment["outputs"]) <= set(found["tensors"])


def test_several_results_are_a_list_and_failures_are_in_it(session: Session) -> None:
    outcome = session.check(session.view(MODELS / "mnist-7.onnx"), parse("orin-trt10.3", session.rules))
    found = json.loads(to_json([outcome, Failure("gone.onnx", "E111", "there is no such file", "Check the path.")], session.rules.sources))
    assert [set(entry) >= {"verdict"} for entry in found["models"]] == [True, False]
    assert found["models"][1]["error"] == {"code": "E111", "message": "there is no such file", "fix": "Check the path."}


def test_every_gpu_node_has_a_reason(session: Session) -> None:
    """On every model and target with a DLA, a node on the GPU carries the code of an error."""
    errors = {card.code for card in session.rules.cards if card.severity == "error"}
    for path in sorted(MODELS.glob("*.onnx")):
        for target in ("xavier-trt5.0", "xavier-trt8.5", "orin-trt8.4", "orin-trt10.3"):
            outcome = session.check(session.view(path), parse(target, session.rules))
            bare = [node.id for node in outcome.nodes if node.device.value == "gpu" and not errors.intersection(node.codes)]
            assert bare == [], f"{path.stem} on {target}"
