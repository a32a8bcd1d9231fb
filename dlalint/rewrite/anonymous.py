"""A copy of a model that gives nothing away but its structure: no weights, no remarks, and names hashed if they are to be."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, TypeProto

from dlalint.graph import DTYPES, volume
from dlalint.model.skeleton import excise

Rename = Callable[[str], str]
_FEW = 8  # elements of a float tensor that stay: bounds of a Clip, scales of a Resize
_MANY = 4096  # of an integer tensor: shapes, axes, indices
_INDICES = frozenset({TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL})
_PUBLIC = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft"})
_REMARKS = ("doc_string", "metadata_props", "denotation", "producer_name", "producer_version", "model_version", "training_info")
# where names stand: message and field
_NAMES: Mapping[str, tuple[str, ...]] = {
    "NodeProto": ("name", "input", "output"),
    "ValueInfoProto": ("name",),
    "TensorProto": ("name",),
    "GraphProto": ("name",),
    "FunctionProto": ("name", "input", "output", "domain"),
    "TensorAnnotation": ("tensor_name",),
    "Dimension": ("dim_param",),
}


def hasher(path: str) -> Rename:
    """A hash for names that is the same for every run with the file at ``path``, and cannot be guessed without it."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    key = digest.digest()

    def renamed(name: str) -> str:
        return "n" + hmac.new(key, name.encode("utf-8", "surrogateescape"), "sha256").hexdigest()[:12] if name else ""

    return renamed


def anonymous(path: str, side_file: str, shapes: Mapping[str, tuple[int, ...]], rename: Rename | None) -> bytes:
    """The model at ``path`` without weights: those are said to lie in ``side_file``, which is not written.

    ``shapes`` fixes inputs by name. ``rename`` is applied to all names; operators outside of ONNX lose their attributes with it.
    Raises :class:`ModelError` for a file that is no model.
    """
    model = ModelProto.FromString(excise(path))
    for item in model.graph.input:
        if item.name in shapes:
            _fix(item.type, shapes[item.name])
    offset = 0
    for message in _all(model):
        _clear(message)
        if isinstance(message, TensorProto):
            offset = _emptied(message, side_file, offset)
    if rename is not None:
        _rename(model, rename)
    return bytes(model.SerializeToString(deterministic=True))


def _all(message: Any) -> Iterator[Any]:
    """Every message in ``message``, itself first; without recursion, for bodies may be nested deeply."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        yield current
        inner: list[Any] = []
        for field, value in current.ListFields():
            if field.message_type is not None:
                inner += value if field.is_repeated else [value]
        waiting.extend(reversed(inner))


def _clear(message: Any) -> None:
    known = message.DESCRIPTOR.fields_by_name
    for name in _REMARKS:
        if name in known:
            message.ClearField(name)
    if isinstance(message, ModelProto):
        message.ClearField("domain")


def _fix(kind: TypeProto, shape: tuple[int, ...]) -> None:
    dims = kind.tensor_type.shape.dim
    del dims[:]
    for size in shape:
        dims.add().dim_value = size


def _emptied(tensor: TensorProto, side_file: str, offset: int) -> int:
    """Take the elements out of ``tensor`` unless they are few or an index; returns where the next one's would lie."""
    count = volume(tuple(tensor.dims))
    most = _MANY if tensor.data_type in _INDICES else _FEW
    if tensor.data_type == TensorProto.STRING or (count <= most and tensor.data_location != TensorProto.EXTERNAL):
        return offset
    for name in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(name)
    size = int(count * DTYPES.get(tensor.data_type, ("", 4.0))[1] + 0.5)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", side_file), ("offset", str(offset)), ("length", str(size))):
        tensor.external_data.add(key=key, value=value)
    return offset + size


def _rename(model: ModelProto, rename: Rename) -> None:
    local = {(function.domain, function.name) for function in model.functions}
    for message in _all(model):
        if isinstance(message, NodeProto) and (message.domain not in _PUBLIC or (message.domain, message.op_type) in local):
            if (message.domain, message.op_type) not in local:
                message.ClearField("attribute")
            message.op_type, message.domain = rename(message.op_type), rename(message.domain)
        if isinstance(message, AttributeProto) and message.type == AttributeProto.STRINGS and len(message.strings) > _FEW:
            message.ClearField("strings")  # words of a vocabulary
        for name in _NAMES.get(message.DESCRIPTOR.name, ()):
            value = getattr(message, name)
            if not isinstance(value, str):
                value[:] = [rename(item) for item in value]
            elif value:  # writing an empty name of a dimension would take the place of its size
                setattr(message, name, rename(value))
        if isinstance(message, TensorProto) and message.data_type == TensorProto.STRING:
            message.string_data[:] = [rename(item.decode("utf-8", "replace")).encode() for item in message.string_data]
    for entry in (*model.opset_import, *(entry for function in model.functions for entry in function.opset_import)):
        if entry.domain not in _PUBLIC:
            entry.domain = rename(entry.domain)
