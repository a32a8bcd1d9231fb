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
TEXT, COUNT, NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "number"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


DEVICE = {"enum": ["dla", "gpu", "folded", "unknown"]}
VERDICT = {"enum": ["full", "partial", "none", "unknown"]}
ANY = {"type": ["string", "number", "boolean", "array", "null"]}
FINDING: dict[str, Any] = {
    "code": {"type": "string", "pattern": "^DLA[0-9]{3}$"},
    "name": TEXT,
    "severity": {"enum": ["error", "warning", "note"]},
    "verdict": {"enum": ["fail", "unknown"]},
    "node": _or_null(TEXT),
    "layer": _or_null(TEXT),
    "tensor": _or_null(TEXT),
    "message": TEXT,
    "observed": ANY,
    "limit": ANY,
    "why": TEXT,
    "fix": TEXT,
    "rewrites": _list(TEXT),
    "sources": _list(TEXT),
    "confidence": _or_null({"enum": ["documented", "observed", "inferred"]}),
    "cause": _or_null(COUNT),
}
SCHEMA = _object(
    schema={"const": 1},
    tool=_object(name={"const": "dlalint"}, version=TEXT),
    model=_object(path=TEXT, sha256=TEXT, ir_version=COUNT, opset={"type": "object"}, producer=TEXT, nodes=COUNT),
    target=_object(name=TEXT, trt=TEXT, soc=TEXT, precision={"enum": ["fp16", "int8"]}, status=TEXT),
    verdict=VERDICT,
    summary=_object(
        **dict.fromkeys(["nodes", "dla_nodes", "gpu_nodes", "folded_nodes", "unknown_nodes", "dla_macs", "gpu_macs", "loadables"], COUNT),
        loadable_limit=_or_null(COUNT),
        **dict.fromkeys(["candidates", "transitions", "boundary_bytes", "reformats", "weight_bytes"], COUNT),
    ),
    nodes=_list(
        _object(
            index=COUNT,
            name=TEXT,
            id=TEXT,
            op_type=TEXT,
            domain=TEXT,
            device=DEVICE,
            segment=_or_null(COUNT),
            codes=_list(TEXT),
            macs=COUNT,
        )
    ),
    layers=_list(_object(name=TEXT, kind=TEXT, device=DEVICE, segment=COUNT, origin=_list(TEXT))),
    segments=_list(
        _object(
            id=COUNT,
            device=DEVICE,
            nodes=_list(TEXT),
            layers=COUNT,
            inputs=_list(TEXT),
            outputs=_list(TEXT),
            bytes_in=COUNT,
            bytes_out=COUNT,
            placed={"type": "boolean"},
        )
    ),
    tensors={"type": "object", "additionalProperties": _object(dtype=TEXT, shape=_or_null(_list(ANY)), bytes=_or_null(COUNT))},
    findings=_list(_object(**FINDING)),
    waived=_list(_object(**FINDING, reason=TEXT, expires=_or_null(TEXT))),
    baseline=_or_null(_object(known=COUNT, new=COUNT, fixed=_list(_object(code=TEXT, name=TEXT, node=_or_null(TEXT))))),
    scales=_or_null(_object(path=TEXT, tensors=COUNT, scaled=COUNT, layers=COUNT, in_fp16=_list(TEXT), macs=COUNT, macs_in_fp16=COUNT)),
    ranges=_or_null(
        _object(
            source=TEXT,
            seed=_or_null(COUNT),
            samples=COUNT,
            tensors={
                "type": "object",
                "additionalProperties": _object(
                    **dict.fromkeys(["low", "high", "largest", "smallest"], NUMBER), nonfinite=COUNT, count=COUNT
                ),
            },
            weights={"type": "object", "additionalProperties": _object(largest=NUMBER, subnormal=COUNT, zero=COUNT, elements=COUNT)},
            overflow=_list(TEXT),
            near=_list(TEXT),
            small=_list(TEXT),
            unmeasured=COUNT,
            tightest=_list(_object(tensor=TEXT, margin=NUMBER)),
            layers=_list(TEXT),
        )
    ),
    unchecked=_list(TEXT),
    targets=_list(_object(name=TEXT, verdict=VERDICT, dla_nodes=COUNT, gpu_nodes=COUNT, loadables=COUNT, remark=TEXT)),
)


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
