"""What rewriting did, as JSON."""

from __future__ import annotations

import json
from typing import Any

from dlalint.changes import Proof, Rewritten
from dlalint.report.fix_text import summary


def to_json(found: Rewritten, proof: Proof | None, output: str) -> str:
    """One object; ``output`` is the file that was written, empty when none was."""
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
        "proof": proof._asdict() if proof is not None else None,
    }
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
