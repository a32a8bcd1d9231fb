"""TensorRT's calibration caches: one scale for each tensor, as text.

The first line is ``TRT-<version>-<algorithm>`` (``1`` before TensorRT 5), every other one ``<tensor>: <scale>``: the bits of a float32
as hexadecimal digits, the most significant first. A scale is the largest absolute value divided by 127. Names may hold anything but a
line break. onnxruntime's TensorRT provider also reads tables without a first line, ``<tensor> <largest absolute value>`` in decimal.

Source: the caches in NVIDIA/TensorRT#2036 and NVIDIA-AI-IOT/cuDLA-samples, NVIDIA/Deep-Learning-Accelerator-SW ``tools/qdq-translator``,
``ReadDynamicRange`` of onnxruntime's TensorRT provider.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping

from dlalint.errors import DlalintError
from dlalint.named_tuple import NamedTuple
from dlalint.target import number_of, release_of

MAX_BYTES = 64 << 20  # of a file
STEPS = 127  # of a symmetric INT8 tensor, on each side of zero
ENTROPY = "EntropyCalibration2"  # the only algorithm of the DLA (NvInfer.h, IInt8EntropyCalibrator2)
_HEADER = re.compile(r"TRT-(\d{3,9})-(\w{1,64})")
_SMALLEST = 2.0**-126  # float32 of full precision (IEEE 754)
_BITS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,8})")
_NUMBER = re.compile(r"[-+]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][-+]?\d{1,3})?|[-+]?inf|nan")


class CacheError(DlalintError):
    """A file that is no calibration cache."""

    default_code = "E140"


class Cache(NamedTuple):
    """The scales of a cache by tensor name, in its order. ``version`` is empty when the file names none, else as in ``10.3.0``."""

    version: str
    algorithm: str
    scales: Mapping[str, float]


def parse(text: str, path: str = "") -> Cache:
    """The cache that ``text`` is. Of a name that comes twice the last line counts. Raises :class:`CacheError` with the line at fault."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n").split("\n")
    header = _HEADER.fullmatch(lines[0].strip())
    if header is not None:
        return Cache(release_of(header[1]), header[2], _entries(lines[1:], 2, path, ranges=False))
    if lines[0].strip() == "1":
        return Cache("", "", _entries(lines[1:], 2, path, ranges=False))
    return Cache("", "", _entries(lines, 1, path, ranges=True))


def to_text(cache: Cache) -> str:
    """``cache`` as TensorRT reads it. Raises :class:`CacheError` for a name that has no place in such a file."""
    odd = next((name for name in cache.scales if not name or "\n" in name or "\r" in name), None)
    if odd is not None:
        what = f"a calibration cache cannot name the tensor {odd[:80]!r}"
        raise CacheError(what, cure="Rename it in the model.", code="E143")
    lines = [f"TRT-{number_of(cache.version)}-{cache.algorithm}", *(f"{name}: {_bits(scale)}" for name, scale in cache.scales.items())]
    return "\n".join(lines) + "\n"


def scale_of(largest: float) -> float:
    """The scale of a tensor whose largest absolute value is ``largest``, rounded to float32 as a cache holds it."""
    try:
        found: float = struct.unpack(">f", struct.pack(">f", largest / STEPS))[0]
    except OverflowError:
        return math.copysign(math.inf, largest)
    return found


def usable(scale: float) -> bool:
    """Whether INT8 values can be made with a scale: positive, finite, and no subnormal number of float32."""
    return math.isfinite(scale) and scale >= _SMALLEST


def _entries(lines: list[str], first: int, path: str, *, ranges: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        name, scale = _entry(line.rstrip(), ranges)
        if not name:
            what = f"line {number} is no entry of a calibration cache: {line[:60]!r}"
            raise CacheError(what, where=path, cure="Give a cache as TensorRT writes it: `tensor: 3c010204`.")
        found[name] = scale
    if not found:
        raise CacheError("the file holds no scale", where=path, cure="Give a calibration cache of TensorRT.")
    return found


def _entry(line: str, ranges: bool) -> tuple[str, float]:
    """The name and the scale of a line, no name when it has none."""
    name, _, value = line.rpartition(":")
    bits = _BITS.fullmatch(value.strip())
    if bits is not None:
        return name.rstrip(), struct.unpack(">f", bytes.fromhex(bits[1].zfill(8)))[0]
    name, _, value = line.rpartition(" ")
    return (name.rstrip(), scale_of(float(value))) if ranges and _NUMBER.fullmatch(value) else ("", 0.0)


def _bits(scale: float) -> str:
    return struct.pack(">f", scale).hex().lstrip("0") or "0"
