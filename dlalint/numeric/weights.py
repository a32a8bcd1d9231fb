"""What the constants of a model become in FP16, read from their files piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.graph import Tensor, volume
from dlalint.measured import Weight
from dlalint.model.payload import payload

_CHUNK = 1 << 22  # bytes in memory at once, whole elements
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
    for start in range(0, tensor.nbytes, _CHUNK):
        yield np.frombuffer(payload(path, tensor, start, min(_CHUNK, tensor.nbytes - start)), np.dtype(tensor.dtype).newbyteorder("<"))
