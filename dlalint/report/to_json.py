"""The JSON report. Its form is public: README, section JSON; every change is a version bump and a line in the CHANGELOG."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from dlalint import __version__
from dlalint.finding import Finding
from dlalint.measured import Reach
from dlalint.plan import Failure, Line, NodePlacement, Outcome

SCHEMA = 1


def to_json(results: Sequence[Outcome | Failure], sources: Mapping[str, Any]) -> str:
    """One object for one result, else ``{"schema": 1, "models": [...]}``; ends with a newline.

    A model that could not be checked has an ``error`` instead of a verdict.
    """
    documents = [document(result, sources) if isinstance(result, Outcome) else _failure(result) for result in results]
    whole = documents[0] if len(documents) == 1 else {"schema": SCHEMA, "models": documents}
    text = json.dumps(whole, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"  # bytes of a name that were not UTF-8


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tool": {"name": "dlalint", "version": __version__},
        "model": {"path": failure.path},
        "error": {"code": failure.code, "message": failure.what, "fix": failure.cure},
    }


def document(outcome: Outcome, sources: Mapping[str, Any]) -> dict[str, Any]:
    """An outcome as plain data."""
    model, target = outcome.model, outcome.target
    ids = [node.id for node in outcome.nodes]
    return {
        "schema": SCHEMA,
        "tool": {"name": "dlalint", "version": __version__},
        "model": {
            "path": model.path,
            "sha256": model.digest,
            "ir_version": model.ir_version,
            "opset": dict(model.opsets),
            "producer": model.producer,
            "nodes": len(outcome.nodes),
        },
        "target": {
            "name": target.name,
            "trt": target.release,
            "soc": target.soc,
            "precision": target.precision,
            "status": outcome.status,
        },
        "verdict": outcome.verdict,
        "summary": outcome.summary._asdict(),
        "nodes": [_node(node) for node in outcome.nodes],
        "layers": _layers(outcome, ids),
        "segments": _segments(outcome, ids),
        "tensors": {
            name: {"dtype": found.dtype, "shape": None if found.shape is None else list(found.shape), "bytes": found.bytes}
            for name, found in outcome.boundaries.items()
        },
        "findings": [_finding(finding, sources) for finding in outcome.findings],
        "waived": [{**_finding(item.finding, sources), "reason": item.reason, "expires": item.expires or None} for item in outcome.waived],
        "baseline": _contrast(outcome),
        "scales": None if outcome.coverage is None else {**outcome.coverage._asdict(), "in_fp16": list(outcome.coverage.in_fp16)},
        "ranges": None if outcome.reach is None else _reach(outcome.reach),
        "unchecked": list(outcome.unchecked),
        "targets": [_line(line) for line in outcome.others],
    }


def _node(node: NodePlacement) -> dict[str, Any]:
    return {
        "index": node.number,
        "name": node.name,
        "id": node.id,
        "op_type": node.op_type,
        "domain": node.domain,
        "device": node.device.value,
        "segment": node.segment if node.segment >= 0 else None,
        "codes": list(node.codes),
        "macs": node.macs,
    }


def _layers(outcome: Outcome, ids: Sequence[str]) -> list[dict[str, Any]]:
    partition = outcome.partition
    return [
        {
            "name": layer.name,
            "kind": layer.spec.kind,
            "device": device.value,
            "segment": segment,
            "origin": [ids[number] for number in layer.origin],
        }
        for layer, device, segment in zip(outcome.network.layers, partition.devices, partition.segment_of, strict=True)
    ]


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": line.target,
        "verdict": line.verdict,
        "dla_nodes": line.dla_nodes,
        "gpu_nodes": line.gpu_nodes,
        "loadables": line.loadables,
        "remark": line.remark,
    }


def _segments(outcome: Outcome, ids: Sequence[str]) -> list[dict[str, Any]]:
    found = []
    for segment in outcome.partition.segments:
        numbers = dict.fromkeys(number for index in segment.layers for number in outcome.network.layers[index].origin)
        found.append(
            {
                "id": segment.number,
                "device": segment.device.value,
                "nodes": [ids[number] for number in numbers],
                "layers": len(segment.layers),
                "inputs": list(segment.inputs),
                "outputs": list(segment.outputs),
                "bytes_in": _bytes(outcome, segment.inputs),
                "bytes_out": _bytes(outcome, segment.outputs),
                "placed": segment.placed,
            }
        )
    return found


def _bytes(outcome: Outcome, names: Iterable[str]) -> int:
    return sum(outcome.boundaries[name].bytes or 0 for name in names)


def _reach(found: Reach) -> dict[str, Any]:
    ranges = found.ranges
    return {
        "source": ranges.source,
        "seed": ranges.seed,
        "samples": ranges.samples,
        "tensors": {name: ranges.tensors[name]._asdict() for name in found.measured},
        "weights": {name: item._asdict() for name, item in ranges.weights.items()},
        "overflow": list(found.over),
        "near": list(found.near),
        "small": list(found.small),
        "unmeasured": found.unmeasured,
        "tightest": [{"tensor": name, "margin": margin} for name, margin in found.margins],
        "layers": list(found.layers),
    }


def _finding(finding: Finding, sources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "verdict": finding.verdict,
        "node": finding.node or None,
        "layer": finding.layer or None,
        "tensor": finding.tensor or None,
        "message": finding.message,
        "observed": _plain(finding.observed),
        "limit": _plain(finding.limit),
        "why": finding.why,
        "fix": finding.fix,
        "rewrites": list(finding.rewrites),
        "sources": [cited(source, sources) for source in finding.sources],
        "confidence": finding.confidence or None,
        "cause": finding.cause,
    }


def _contrast(outcome: Outcome) -> dict[str, Any] | None:
    found = outcome.baseline
    if found is None:
        return None
    fixed = [{"code": item.code, "name": item.name, "node": item.node or None} for item in found.fixed]
    return {"known": found.known, "new": len(outcome.findings), "fixed": fixed}


def cited(source: str, sources: Mapping[str, Any]) -> str:
    """A source as a reader can follow it: title and address."""
    found = sources[source]
    return f"{found['title']} <{found['url']}>" if "url" in found else str(found["title"])


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value  # JSON has no such number
