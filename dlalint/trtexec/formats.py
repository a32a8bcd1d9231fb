"""Tensor formats: TensorRT's descriptions, its strides and its vectorized dimensions, in one notation."""

from __future__ import annotations

import re

from dlalint.trtexec.names import opening, split
from dlalint.trtexec.observed import Format, Use

DTYPES = {
    "float": "FP32",
    "fp32": "FP32",
    "half": "FP16",
    "fp16": "FP16",
    "int8": "INT8",
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
    "int4": "INT4",
    "bool": "BOOL",
    "bfloat16": "BF16",
    "bf16": "BF16",
    "fp8": "FP8",
    "float8": "FP8",
    "fp4": "FP4",
}
_WIDE = {"two": "CHW2", "four": "CHW4", "sixteen": "CHW16", "thirty-two": "CHW32"}
_DIVISOR = re.compile(r"(?:channel|C) % (\d{1,3}) == 0")
_TYPED = re.compile(r"([A-Za-z]{3,8}\d{0,2})([(\[])(.*)[)\]]", re.DOTALL)
_CUT = re.compile(r"([A-Za-z]{3,8}\d{0,2})\[")
_VECTOR = re.compile(r"(-?\d{1,18})(?::(\d{1,3}))?")


def described(text: str) -> Format:
    """A format from its description (``Thirty-two wide channel vectorized row major Int8 format``) or type alone (``Half``)."""
    words = text.split()
    dtype = next((DTYPES[word.lower()] for word in words if word.lower() in DTYPES), "")
    if len(words) <= 1:
        return Format(dtype)
    first = words[0].lower()
    if first in _WIDE:
        return Format(dtype, _WIDE[first])
    if text.startswith("Channel major"):
        if "channel == 4" in text and "stride" in text:
            return Format(dtype, "DLA_HWC4")
        divisor = _DIVISOR.search(text)
        return Format(dtype, f"HWC{divisor[1]}" if divisor else "HWC")
    if text.startswith("Row major"):
        return Format(dtype, "DLA_LINEAR" if "stride" in text else "linear")
    return Format(dtype)


def strided(text: str, dims: tuple[int, ...] | None = None) -> Format:
    """A format from type and strides: ``Half(50176,50176:16,224,1)``, ``Float(150528,50176,224,1)``.

    With ``dims`` rows that are longer than the width tell the DLA's own linear and HWC4 formats.
    """
    found = _TYPED.fullmatch(text.strip())
    if not found:
        return Format("")
    dtype = DTYPES.get(found[1].lower(), found[1].upper())
    strides = [_VECTOR.fullmatch(part.strip()) for part in found[3].split(",")] if found[3] else []
    if any(stride is None for stride in strides):
        return Format(dtype)
    values = [(int(stride[1]), int(stride[2] or 0)) for stride in strides if stride is not None]
    if values and values[-1][0] > values[0][0]:
        values.reverse()  # 7.x writes the innermost stride first
    layout = _layout_of(values, dtype)
    padded = dims is not None and len(dims) == len(values) >= 3 and values[-1][0] == 1 and values[-2][0] > dims[-1]
    return Format(dtype, {"linear": "DLA_LINEAR", "HWC4": "DLA_HWC4", "CHW4": "DLA_HWC4"}.get(layout, layout) if padded else layout)


def _layout_of(strides: list[tuple[int, int]], dtype: str) -> str:
    """Channels innermost where their stride is 1 while the image's is not; a vector of 16 or more is always a row of planes."""
    channel = next((index for index, (_, lanes) in enumerate(strides) if lanes), -1)
    if channel >= 0:
        stride, lanes = strides[channel]
        inner = [value for value, _ in strides[channel + 1 :]]
        by_pixel = stride == 1 and any(value > 1 for value in inner) and lanes < 16
        return f"HWC{lanes}" if by_pixel or (lanes == 8 and dtype == "FP16") else f"CHW{lanes}"
    if len(strides) >= 3 and strides[-3][0] == 1 and strides[-1][0] > 1:
        return "HWC"
    return "linear"


def sized(text: str) -> tuple[Format, tuple[int, ...] | None]:
    """Format and dimensions from type and sizes: ``Int8[1,3:4,224,224]``, ``Half([1,64,112,112])``, ``Float(1,28,28)``."""
    found = _TYPED.fullmatch(text.strip())
    if not found:
        return Format(""), None
    dtype = DTYPES.get(found[1].lower(), found[1].upper())
    sizes = [_VECTOR.fullmatch(part.strip()) for part in found[3].strip("[]() ").split(",")] if found[3].strip("[]() ") else []
    if any(size is None for size in sizes):
        return Format(dtype), None
    dims = tuple(int(size[1]) for size in sizes if size is not None)
    lanes = next(((int(size[2]), int(size[1])) for size in sizes if size is not None and size[2]), None)
    return Format(dtype, _vectorized(lanes, dtype) if lanes else "linear"), dims


def _vectorized(lanes: tuple[int, int], dtype: str) -> str:
    """The layout of so many lanes over so many channels; sizes do not tell planes from pixels, so by what TensorRT uses."""
    width, channels = lanes
    if width == 8 or (width == 4 and (dtype == "FP32" or channels <= 4)):
        return f"HWC{width}"
    return f"CHW{width}"


def uses(text: str) -> tuple[Use, ...]:
    """The tensors of one side of an engine layer line: ``a (Half[1,3:16,8,8]), b (Float[1])``, ``a[Float(1,28,28)]``."""
    found = []
    for part in split(text, ", "):
        use = _use(part.strip())
        if use is not None:
            found.append(use)
    return tuple(found)


def _use(text: str) -> Use | None:
    if text.endswith(")") and " (" in text:  # 10.x
        name, _, inner = text[:-1].rpartition(" (")
    elif text.endswith("]") and "[" in text:  # up to 8.x, and inside loadables
        start = opening(text)
        name, inner = text[:start], text[start + 1 : -1]
    else:  # the logger cuts lines at its length: the type may still be there
        name, mark, inner = text.rpartition(" (")
        cut = _CUT.match(inner) if mark else None
        return Use(name.strip(), Format(DTYPES.get(cut[1].lower(), cut[1].upper()))) if cut else None
    form, dims = sized(inner)
    return Use(name.strip(), form, dims) if form.dtype else None
