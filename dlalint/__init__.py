"""dlalint: predict what TensorRT puts on the Deep Learning Accelerator of a Jetson or DRIVE board, without one.

::

    report = dlalint.check("model.onnx", "orin-trt10.3")
    report.verdict                        # full, partial, none or unknown
    [finding.code for finding in report.findings]

What is named in ``__all__`` is the interface; it is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlalint.api import Fix, Marks, Report, Verification, check, fix, mark_outputs, targets, verify
    from dlalint.errors import DlalintError
    from dlalint.finding import Finding
    from dlalint.pipeline import Session
    from dlalint.target import Target

__version__ = "0.1.0"
__all__ = [
    "DlalintError",
    "Finding",
    "Fix",
    "Marks",
    "Report",
    "Session",
    "Target",
    "Verification",
    "__version__",
    "check",
    "fix",
    "mark_outputs",
    "targets",
    "verify",
]
_ELSEWHERE = {"DlalintError": "dlalint.errors", "Finding": "dlalint.finding", "Session": "dlalint.pipeline", "Target": "dlalint.target"}


def __getattr__(name: str) -> Any:
    """What the interface names, from where it lives."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "dlalint.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
