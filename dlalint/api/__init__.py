"""The interface for Python: each function does what the command of its name does, and returns a value instead of printing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlalint.api.report import Fix, Marks, Report
from dlalint.api.tasks import check, fix, mark_outputs, targets, verify

if TYPE_CHECKING:
    from dlalint.numeric import Verification

__all__ = ["Fix", "Marks", "Report", "Verification", "check", "fix", "mark_outputs", "targets", "verify"]


def __getattr__(name: str) -> Any:
    """``Verification`` comes with numpy, which a check does without."""
    if name != "Verification":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dlalint.numeric import Verification

    return Verification
