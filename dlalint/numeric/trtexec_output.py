"""The outputs that ``trtexec --exportOutput`` writes: ``[{"name": ..., "dimensions": "1x3x4", "values": [...]}, ...]``.

It is not always JSON: trtexec escapes no name, writes ``nan`` and ``inf`` as they are, and for an output whose shape depends on its data
puts a sentence into the values (samples/common/sampleReporting.cpp, exportJSONOutput; sampleInference.cpp, Binding::dump). Numbers have six
significant digits, outputs stand in no order. Before TensorRT 10 an engine of implicit batch gives dimensions without the batch.
"""

from __future__ import annotations

import re
import warnings
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.model.stored import quoted

_OPEN = re.compile(r"[\s,]*\{")
_CLOSE = re.compile(r"\s*\}")
_KEY = re.compile(r'[\s,]*"(name|dimensions|values)"\s*:\s*')
# a name ends where the next key or the end of the object follows, since quotes in it are not escaped
_STRING = re.compile(r'"([^\n]*?)"(?=\s*(?:,\s*"(?:name|dimensions|values)"\s*:|\}))')
_LIST = re.compile(r"\[([^\]]*)\]")
_END = re.compile(r"[\s,]*\]\s*\Z")
_FINAL = re.compile(r"Final shape is ([\dx(), ]*) reported by the output allocator\.")
_DIMENSIONS = re.compile(r"\s*\(?\s*(?:\d{1,12}(?:[x,\s]{1,4}\d{1,12}){0,63})?\s*\)?\s*")
_WINDOWS_NAN = re.compile(r"nan\([a-z]*\)")
_MAX_RANK = 32


class MalformedError(ValueError):
    """The text is not of this form."""


def parse(text: str) -> dict[str, NDArray[Any]]:
    """The tensors by name, as float64. Raises :class:`MalformedError`."""
    pos = len(text) - len(text.lstrip()) + 1
    found: dict[str, NDArray[Any]] = {}
    while not _END.match(text, pos):
        start = _OPEN.match(text, pos)
        if start is None:
            raise MalformedError(f"no tensor at character {pos}")
        fields, pos = _object(text, start.end())
        name = fields.get("name", "")
        if len(fields) != 3:
            raise MalformedError(f"tensor {quoted(name)} lacks its name, dimensions or values")
        if name in found:
            raise MalformedError(f"tensor {quoted(name)} is there twice")
        found[name] = _tensor(name, fields["dimensions"], fields["values"])
    return found


def _object(text: str, pos: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while (key := _KEY.match(text, pos)) is not None:
        value = (_LIST if key[1] == "values" else _STRING).match(text, key.end())
        if value is None:
            raise MalformedError(f"no {key[1]} at character {key.end()}")
        fields[key[1]] = value[1]
        pos = value.end()
    end = _CLOSE.match(text, pos)
    if end is None:
        raise MalformedError(f"no end of a tensor at character {pos}")
    return fields, end.end()


def _tensor(name: str, dimensions: str, values: str) -> NDArray[Any]:
    final = _FINAL.search(values[:1000])
    if final is not None:
        dimensions, values = final[1], values[final.end() :]
    if _DIMENSIONS.fullmatch(dimensions) is None:
        raise MalformedError(f"tensor {quoted(name)} has the dimensions {quoted(dimensions)}")
    shape = tuple(int(size) for size in re.findall(r"\d+", dimensions))
    flat = _numbers(name, values)
    count = prod(shape)
    samples = flat.size // count if count else 0
    if len(shape) > _MAX_RANK or (flat.size != count and (not samples or flat.size != samples * count)):
        raise MalformedError(f"tensor {quoted(name)} has {flat.size} values for the dimensions {dimensions!r}")
    if flat.size != count:  # several samples of implicit batch
        shape = (samples, *shape)
    try:
        return flat.reshape(shape)
    except (ValueError, OverflowError):  # sizes beside a 0 that no array can have
        raise MalformedError(f"tensor {quoted(name)} has the dimensions {dimensions!r}") from None


def _numbers(name: str, values: str) -> NDArray[Any]:
    values = values.strip()
    if not values:
        return np.empty(0)
    if "(" in values:
        values = _WINDOWS_NAN.sub("nan", values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            flat = np.fromstring(values, np.float64, sep=",")
        except (ValueError, DeprecationWarning):
            raise MalformedError(f"a value of tensor {quoted(name)} is no number") from None
    if flat.size != values.count(",") + 1 or values.endswith(","):
        raise MalformedError(f"a value of tensor {quoted(name)} is no number")
    return flat
