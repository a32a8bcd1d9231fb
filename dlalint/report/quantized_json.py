"""What became of Q/DQ nodes, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlalint.calibration.translated import Proof, Translated


def to_json(found: Translated, proof: Proof | None, files: Mapping[str, str], flags: Sequence[str]) -> str:
    """One object; ``files`` are those that were written: ``model``, ``cache``, ``layer_precisions``."""
    document: dict[str, Any] = {
        "schema": 1,
        "model": found.model,
        "target": found.target,
        "output": files.get("model"),
        "cache": files.get("cache"),
        "layer_precisions": files.get("layer_precisions"),
        "pairs": found.pairs,
        "constants": found.constants,
        "before": found.before._asdict(),
        "after": {**found.after._asdict(), "int8_nodes": found.int8_nodes},
        "scales": [item._asdict() for item in found.scales],
        "remarks": [item._asdict() for item in found.remarks],
        "fp16": [item._asdict() for item in found.halves],
        "proof": None if proof is None else {**proof._asdict(), "steps": [item._asdict() for item in proof.steps]},
        "trtexec": list(flags),
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
