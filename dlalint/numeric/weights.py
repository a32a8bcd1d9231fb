"""What the constants of a model become in FP16, read from their files piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.errors import ModelError
from dlalint.graph import Tensor, dtype_size, volume
from dlalint.measured import Weight
from dlalint.model.external import fault
from dlalint.model.tensors import quoted

_CHUNK = 1 << 20  # elements in memory at once
_WIDE = ("float32", "float64")


def weights(path: str, constants: Mapping[str, Tensor]) -> dict[str, Weight]:
    """The floats wider than FP16 among the ``constants`` of the model at ``path``, by name. Raises :class:`ModelError` for a file that
    cannot be read."""
    return {name: _weight(path, tensor) for name, tensor in constants.items() if _readable(tensor)}


def _readable(tensor: Tensor) -> bool:
    return tensor.dtype in _WIDE and tensor.form == "raw" and (isinstance(tensor.payload, bytes) or tensor.where is not None)


def _weight(path: str, tensor: Tensor) -> Weight:
    largest, subnormal, zero = 0.0, 0, 0
    for part in _parts(path, tensor):
        size = np.abs(part)
        finite = size[np.isfinite(size)]
        largest = max(largest, float(finite.max()) if finite.size else 0.0)
        with np.errstate(over="ignore"):
            halves = size.astype(np.float16)
        below = (halves < np.finfo(np.float16).smallest_normal) & (size > 0)
        subnormal += int(np.count_nonzero(below))
        zero += int(np.count_nonzero(below & (halves == 0)))
    return Weight(largest, subnormal, zero, volume(tensor.dims))


def _parts(path: str, tensor: Tensor) -> Iterator[NDArray[Any]]:
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    if isinstance(tensor.payload, bytes):
        yield np.frombuffer(tensor.payload[: tensor.nbytes], dtype)
        return
    where = tensor.where
    assert where is not None
    state = fault(path, where.file, where.offset + tensor.nbytes) if where.file else ""
    file = os.path.join(os.path.dirname(path), where.file) if where.file else path
    try:
        if state:
            what = f"the side file {quoted(where.file)} is {state}"
            raise ModelError(what, where=path, cure="Put the weights beside the model.", code="E113")
        with open(file, "rb") as stream:
            stream.seek(where.offset)
            left = volume(tensor.dims)
            while left:
                data = stream.read(min(left, _CHUNK) * int(dtype_size(tensor.dtype)))
                if not data or len(data) % dtype.itemsize:
                    what = f"the weights {quoted(tensor.name)} are cut off"
                    raise ModelError(what, where=path, cure="Fetch the file again.", code="E113")
                left -= len(data) // dtype.itemsize
                yield np.frombuffer(data, dtype)
    except OSError as error:
        raise ModelError(f"its weights cannot be read ({error.strerror})", where=file, cure="Check the file.", code="E112") from None
