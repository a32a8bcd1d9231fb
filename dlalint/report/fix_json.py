"""What rewriting did, as JSON."""

from __future__ import annotations

import json
from typing import Any

from dlalint.calibration.kept import Placed
from dlalint.changes import Proof, Rewritten
from dlalint.report.fix_text import summary


def to_json(found: Rewritten, proof: Proof | None, output: str, kept: Placed | None = None) -> str:
    """One object; ``output`` is the file that was written, empty when none was. ``kept`` is the cache that was kept in step."""
    document: dict[str, Any] = {
        "schema": 1,
        "model": found.before.model.path,
        "target": found.before.target.name,
        "precision": found.before.target.precision,
        "output": output or None,
        "before": summary(found.before),
        "after": summary(found.after),
        "changes": [item._asdict() for item in found.changes],
        "attempts": [item._asdict() for item in found.attempts],
        "offers": [item._asdict() for item in found.offers],
        "proof": proof._asdict() if proof is not None else None,
    }
    if kept is not None:
        document["calibration"] = {
            "output": kept.path or None,
            "scales": len(kept.kept.cache.scales),
            "dropped": list(kept.kept.dropped),
            "carried": [item._asdict() for item in kept.kept.carried],
            "missing": list(kept.kept.missing),
            "unknown": list(kept.kept.strangers),
        }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
