"""What is built for: a SoC, a TensorRT release, a precision."""

from __future__ import annotations

from typing import NamedTuple

Version = tuple[int, int]


class Target(NamedTuple):
    """One build target. ``name`` is ``<soc>-trt<major.minor>``; ``precision`` is ``fp16`` or ``int8`` (INT8 with FP16 allowed)."""

    name: str
    soc: str
    trt: Version
    precision: str = "fp16"

    @property
    def release(self) -> str:
        """The TensorRT release as named, for instance ``8.5``."""
        return self.name.partition("-trt")[2]

    @property
    def element_bytes(self) -> int:
        """Bytes per element on the DLA."""
        return 1 if self.precision == "int8" else 2
