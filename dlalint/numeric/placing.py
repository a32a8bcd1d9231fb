"""Where onnxruntime finds the weights of a model that it gets as bytes: all in one folder, past any link."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from dlalint.graph import Model
from dlalint.model.external import tensors
from dlalint.model.records import heading, records, text_field
from dlalint.model.wire import BYTES, encode_bytes

_GRAPH, _INITIALIZER, _EXTERNAL_DATA = 7, 5, 13  # fields of ModelProto, GraphProto and TensorProto


def placed(skeleton: bytes, model: Model, path: str) -> tuple[bytes, str]:
    """``skeleton``, made of the model at ``path`` and read as ``model``, with its references as seen from a folder; and that folder.

    From bytes onnxruntime follows no link out of the folder that it looks in, while a cache of downloads is made of such links.
    """
    folder = os.path.dirname(os.path.abspath(path))
    names = {os.path.basename(path), *(tensor.where.file for tensor in tensors(model) if tensor.where is not None and tensor.where.file)}
    real = {name: os.path.realpath(os.path.join(folder, name)) for name in names}
    home = os.path.commonpath([os.path.dirname(file) for file in real.values()])
    moved = {name: os.path.relpath(file, home) for name, file in real.items()}
    if all(os.path.normpath(name) == place for name, place in moved.items()):
        return skeleton, home
    return _message(skeleton, _GRAPH, lambda graph: _message(graph, _INITIALIZER, lambda tensor: _tensor(tensor, moved))), home


def _tensor(data: bytes, moved: Mapping[str, str]) -> bytes:
    def entry(data: bytes) -> bytes:
        if text_field(data, 0, len(data), 1) != "location":
            return data
        name = text_field(data, 0, len(data), 2)
        return encode_bytes(1, b"location") + encode_bytes(2, moved.get(name, name).encode("utf-8", "surrogateescape"))

    return _message(data, _EXTERNAL_DATA, entry)


def _message(data: bytes, number: int, edit: Callable[[bytes], bytes]) -> bytes:
    """``data`` with every message in its field ``number`` edited."""
    parts: list[bytes] = []
    for record in records(data, 0, len(data)):
        if record.number == number and record.kind == BYTES:
            inner = edit(data[record.a : record.b])
            parts += [heading(number, len(inner)), inner]
        else:
            parts.append(data[record.start : record.b])
    return b"".join(parts)
