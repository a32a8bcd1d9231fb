"""A prediction held against a build, as JSON: every node with both devices, the numbers, the causes of what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from dlalint import __version__
from dlalint.trtexec.agreement import Agreement, Split, Tally
from dlalint.trtexec.comparison import Loadable, Pair
from dlalint.trtexec.correction import Correction, Group, toml
from dlalint.trtexec.observed import Observed
from dlalint.trtexec.result import Compared

SOURCE = "your-build"


def to_json(result: Compared, files: Sequence[Observed]) -> str:
    """One object; nodes in the order of the model, by their ids."""
    found = result.found
    target, summary = found.outcome.target, found.outcome.summary
    ids = [node.id for node in found.outcome.nodes]
    document = {
        "schema": 1,
        "tool": {"name": "dlalint", "version": __version__},
        "model": {"path": found.outcome.model.path},
        "files": [{"path": file.path, "kinds": list(file.kinds), "unknown_lines": file.unknown.lines} for file in files],
        "target": {
            "name": target.name,
            "trt": target.release,
            "soc": target.soc,
            "precision": target.precision,
            "told_by": list(result.chosen),
        },
        "agrees": found.agrees,
        "doubtful": found.doubtful,
        "summary": _summary(result.numbers),
        "parts": {
            "loadables": {"real": found.loaded, "predicted": summary.loadables},
            "candidates": {"real": found.candidates, "predicted": summary.candidates},
        },
        "operators": [{"op_type": item.name, **_split(item)} for item in result.numbers.operators],
        "rules": [{"code": item.code or None, "name": item.name, "used": item.used, "right": item.right} for item in result.numbers.rules],
        "differences": [_group(group, result, ids) for group in result.groups],
        "loadables": [_loadable(item, result, ids) for item in found.loadables],
        "times_estimated": result.estimated,
        "nodes": [_node(pair, result) for pair in found.pairs],
        "unnamed_layers": [{"layer": layer, "node": ids[number]} for layer, number in found.unnamed],
        "unknown_names": list(found.unjoined),
        "notes": list(found.notes),
    }
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda part: f"\\u{ord(part[0]):04x}", text) + "\n"  # bytes of a name that were not UTF-8


def _summary(numbers: Agreement) -> dict[str, Any]:
    return {
        **_split(numbers.whole),
        "percent": numbers.whole.whole.share,
        "balanced_percent": numbers.whole.balanced,
        "not_told": numbers.untold,
        "not_predicted": numbers.unpredicted,
        "vanished": numbers.folded,
    }


def _split(item: Split) -> dict[str, dict[str, int]]:
    return {"dla": _tally(item.dla), "gpu": _tally(item.gpu), "copies": _tally(item.copies)}


def _tally(item: Tally) -> dict[str, int]:
    return {"real": item.real, "as_predicted": item.found}


def _group(group: Group, result: Compared, ids: Sequence[str]) -> dict[str, Any]:
    first = group.pairs[0]
    soc = result.found.outcome.target.soc
    return {
        "predicted": first.node.device.value,
        "real": first.real.device,
        "nodes": [ids[pair.node.number] for pair in group.pairs],
        "rules": [{"code": code, "message": message} for code, message in group.rules],
        "reason": group.reason or None,
        "remark": group.remark or None,
        "suggestion": {
            "file": result.limits,
            "either": group.either,
            "corrections": [_correction(item) for item in group.corrections],
            "toml": toml(group.corrections, soc, SOURCE, either=group.either),
        }
        if group.corrections
        else None,
    }


def _correction(item: Correction) -> dict[str, Any]:
    return {"limit": item.limit, "table": item.table, "now": item.now, "value": item.value, "because": item.because}


def _loadable(item: Loadable, result: Compared, ids: Sequence[str]) -> dict[str, Any]:
    return {
        "name": item.name,
        "nodes": [ids[number] for number in item.nodes],
        "complete": item.exact,
        "as_predicted": item.same,
        "predicted": None if item.twin < 0 else [ids[number] for number in result.found.predicted[item.twin]],
        "ms": result.loadable_ms.get(item.name),
    }


def _node(pair: Pair, result: Compared) -> dict[str, Any]:
    node, real, time = pair.node, pair.real, result.times.get(pair.node.number)
    return {
        "index": node.number,
        "id": node.id,
        "op_type": node.op_type,
        "predicted": node.device.value,
        "real": real.device or None,
        "agrees": pair.agrees,
        "told_by": real.basis or None,
        "layer": real.layer or None,
        "loadable": real.loadable if real.loadable >= 0 else None,
        "codes": list(dict.fromkeys(finding.code for finding in pair.rules)),
        "reason": real.reason or None,
        "not_told": real.why or None,
        "precision": (time.precision or None) if time else None,
        "ms": time.ms if time else None,
        "layer_ms": time.layer_ms if time else None,
        "layer_nodes": time.shared if time else None,
    }
