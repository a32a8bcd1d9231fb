"""The weights of a model that is rewritten: those of its file are read when asked for, large new ones wait in a file of their own.

So a model of any size is rewritten without being in memory.
"""

from __future__ import annotations

import os
import tempfile
from math import prod
from types import TracebackType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from dlalint.errors import ModelError
from dlalint.model.external import fault

Array = NDArray[Any]
LARGE_BYTES = 1 << 20  # new tensors from this size on leave memory


class Weights:
    """The weights around the model file ``source``. Use as a context manager, or no new tensor leaves memory."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._new = ""
        self._size = 0

    def __enter__(self) -> Weights:
        self._folder = tempfile.TemporaryDirectory(prefix="dlalint-", ignore_cleanup_errors=True)
        self._new = os.path.join(self._folder.name, f"{os.path.basename(self._folder.name)}.weights")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose bytes belong into the model itself when it is written."""
        return (self.source, self._new) if self._new else (self.source,)

    def new(self, array: Array, name: str) -> TensorProto:
        """A tensor with these elements; a large one refers to the file of new weights."""
        if self._folder is None or array.nbytes < LARGE_BYTES:
            return numpy_helper.from_array(np.ascontiguousarray(array), name)
        found = TensorProto(name=name, dims=array.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
        found.data_location = TensorProto.EXTERNAL
        with open(self._new, "ab") as file:
            for part in array.reshape(array.shape[0], -1) if array.ndim > 1 and array.flags.c_contiguous else (array,):
                file.write(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
        places = {"location": os.path.basename(self._new), "offset": str(self._size), "length": str(array.nbytes)}
        for key, value in places.items():
            found.external_data.add(key=key, value=value)
        self._size += array.nbytes
        return found

    def belongs(self, tensor: TensorProto) -> bool:
        """Whether the bytes of a tensor will lie in the model itself: they do now, or wait in one of :attr:`files`."""
        names = {os.path.basename(path) for path in self.files}
        return tensor.data_location != TensorProto.EXTERNAL or _entries(tensor).get("location") in names

    def array(self, tensor: TensorProto) -> Array:
        """The elements of a tensor, mapped and not read where that is possible. Raises :class:`ModelError`."""
        if tensor.data_location != TensorProto.EXTERNAL:
            return np.asarray(numpy_helper.to_array(tensor))
        path, offset, length = self._place(tensor)
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        if dtype.kind not in "fiub" or length != dtype.itemsize * prod(tensor.dims) or not length:
            return np.asarray(numpy_helper.to_array(self.inside(tensor)))
        return np.memmap(path, dtype.newbyteorder("<"), "r", offset, tuple(tensor.dims)).view(np.ndarray)

    def inside(self, tensor: TensorProto) -> TensorProto:
        """A tensor that holds its bytes. Raises :class:`ModelError`."""
        if tensor.data_location != TensorProto.EXTERNAL:
            return tensor
        path, offset, length = self._place(tensor)
        found = TensorProto()
        found.CopyFrom(tensor)
        del found.external_data[:]
        found.ClearField("data_location")
        with open(path, "rb") as file:
            file.seek(offset)
            found.raw_data = file.read(length)
        return found

    def whole(self, model: ModelProto) -> bytes:
        """A model with the weights of side files inside of it; those in the model's own file are copied when it is written."""
        for tensor in model.graph.initializer:
            if not self.belongs(tensor):
                tensor.CopyFrom(self.inside(tensor))
        return bytes(model.SerializeToString())

    def _place(self, tensor: TensorProto) -> tuple[str, int, int]:
        """File, offset and length of the bytes of a tensor that does not hold them."""
        entries = _entries(tensor)
        name = entries.get("location", "")
        own = self._new and name == os.path.basename(self._new)
        path = self._new if own else os.path.join(os.path.dirname(self.source), name)
        outside = os.path.isabs(name) or ".." in name.replace("\\", "/").split("/")
        if outside or not os.path.isfile(path) or os.path.islink(path) or (path not in self.files and fault(self.source, name, 0)):
            cure = "It must be a file in the model's folder."
            raise ModelError(f"the side file {name!r} cannot be used", where=self.source, cure=cure, code="E113")
        itemsize = int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or itemsize * prod(tensor.dims))
        if offset + length > os.path.getsize(path):
            raise ModelError(f"the side file {name!r} is too short", where=self.source, cure="Fetch it again.", code="E113")
        return path, offset, length


def nbytes(tensor: TensorProto) -> int:
    """The bytes of a tensor, wherever they lie."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return int(tensor.ByteSize())
    return int(prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}
