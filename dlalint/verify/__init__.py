"""Numeric proof with onnxruntime: running models, and saying how far their outputs are apart."""

from __future__ import annotations

from dlalint.verify.difference import Difference, Tolerance, difference
from dlalint.verify.inputs import SETS, feeds, fitted
from dlalint.verify.process import RunError
from dlalint.verify.proof import InterfaceError, Verification, verify
from dlalint.verify.runner import Interface, Runner

__all__ = [
    "SETS",
    "Difference",
    "Interface",
    "InterfaceError",
    "RunError",
    "Runner",
    "Tolerance",
    "Verification",
    "difference",
    "feeds",
    "fitted",
    "verify",
]
