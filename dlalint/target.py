"""What is built for: a SoC, a TensorRT release, a precision."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple

Version = tuple[int, int]


def release_of(digits: str) -> str:
    """The release that TensorRT writes as a number: 8510 is 8.5.10, 7103 is 7.1.3, 100300 is 10.3.0.

    Source: NV_TENSORRT_VERSION of NvInferVersion.h, two digits each for minor and patch from 10 on, one and two before.
    """
    if len(digits) >= 6:
        return f"{int(digits[:-4])}.{int(digits[-4:-2])}.{int(digits[-2:])}"
    if len(digits) == 5:  # 10001 is 10.0.1 in early releases of 10
        return f"{int(digits[:2])}.{int(digits[2])}.{int(digits[3:])}"
    return f"{digits[0]}.{digits[1]}.{int(digits[2:])}"


def number_of(release: str) -> int:
    """The number of a release, of which patch or minor may be missing."""
    major, minor, patch = (*(int(part) for part in release.split(".")), 0, 0)[:3]
    return major * (10000 if major >= 10 else 1000) + minor * 100 + patch


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
