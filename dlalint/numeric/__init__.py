"""Numeric proof with onnxruntime: running models, and saying how far their outputs are apart."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from dlalint.numeric.difference import Difference, Tolerance, difference
from dlalint.numeric.inputs import SETS, feeds, fitted
from dlalint.numeric.process import RunError
from dlalint.numeric.proof import InterfaceError, Sets, Verification, explains, fixed_types, unrest, verify
from dlalint.numeric.runner import Interface, Runner

Array = NDArray[Any]

__all__ = [
    "SETS",
    "Array",
    "Difference",
    "Interface",
    "InterfaceError",
    "RunError",
    "Runner",
    "Sets",
    "Tolerance",
    "Verification",
    "difference",
    "explains",
    "feeds",
    "fitted",
    "fixed_types",
    "unrest",
    "verify",
]
