"""The model while it is rewritten: nodes, who feeds whom, types, and constants that are read only when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from dlalint.errors import ModelError
from dlalint.graph import TensorType
from dlalint.graphview import GraphView

Array = NDArray[Any]
NOT_A_NODE = -1  # a reader inside a body, or outside of the model


class Graph:
    """A model with its view. ``proto`` may lack weights that lie in ``source``, the file that its initializers then refer to."""

    def __init__(self, proto: ModelProto, view: GraphView, source: str) -> None:
        self.proto = proto
        self.view = view
        self.source = source
        self.nodes: Sequence[NodeProto] = list(proto.graph.node)
        self.initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
        self.outputs = frozenset(item.name for item in proto.graph.output)
        self.inputs = frozenset(item.name for item in proto.graph.input)
        self.producers = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self.readers: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            for name in dict.fromkeys(node.input):
                if name:
                    self.readers.setdefault(name, []).append(index)
            for name in captured(node):
                self.readers.setdefault(name, []).append(NOT_A_NODE)

    @property
    def opset(self) -> int:
        """The version of the standard operator set."""
        return self.view.model.opset

    def producer(self, name: str) -> int | None:
        """The node that makes a tensor; ``None`` for inputs and initializers."""
        return self.producers.get(name)

    def consumers(self, name: str) -> list[int]:
        """The nodes that read a tensor, each once; :data:`NOT_A_NODE` stands for a body or an output of the model."""
        return self.readers.get(name, []) + [NOT_A_NODE] * (name in self.outputs)

    def only_consumer(self, name: str) -> int | None:
        """The one node that reads a tensor which nothing else needs."""
        found = self.consumers(name)
        return found[0] if len(found) == 1 and found[0] != NOT_A_NODE else None

    def type(self, name: str) -> TensorType | None:
        """Element type and shape of a tensor, as far as known."""
        return self.view.types.get(name)

    def dims(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor when it is static."""
        found = self.view.types.get(name)
        return found.dims if found is not None else None

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is known before the model runs."""
        return name in self.view.constants

    def constant(self, name: str) -> Array | None:
        """The elements of a constant; ``None`` when the tensor is computed. Raises :class:`ModelError` when its file cannot be read."""
        tensor = self.initializers.get(name)
        if tensor is None:
            index = self.producers.get(name)
            if index is not None and self.nodes[index].op_type == "Constant":
                tensor = next((item.t for item in self.nodes[index].attribute if item.name == "value"), None)
        if tensor is not None and name in self.view.constants:
            return self._array(tensor)
        value = self.view.values.get(name)
        if value is None or name not in self.view.constants:
            return None
        return np.array(value.items, dtype=value.dtype).reshape(value.shape)

    def ints(self, name: str) -> tuple[int, ...] | None:
        """The elements of a constant integer tensor."""
        found = self.constant(name) if name else None
        return tuple(int(item) for item in found.flat) if found is not None and found.dtype.kind in "iu" else None

    def number(self, name: str) -> float | None:
        """The value of a constant with one element."""
        found = self.constant(name) if name else None
        return float(found.reshape(-1)[0]) if found is not None and found.size == 1 and found.dtype.kind in "fiu" else None

    def _array(self, tensor: TensorProto) -> Array:
        if tensor.data_location != TensorProto.EXTERNAL:
            return np.asarray(numpy_helper.to_array(tensor))
        return np.asarray(numpy_helper.to_array(loaded(tensor, self.source)))


def loaded(tensor: TensorProto, source: str) -> TensorProto:
    """A copy of ``tensor`` with the bytes that lie beside, or inside of, the file ``source``. Raises :class:`ModelError`."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    found = TensorProto()
    found.CopyFrom(tensor)
    del found.external_data[:]
    found.ClearField("data_location")
    path = os.path.join(os.path.dirname(source), name)
    if os.path.isabs(name) or ".." in name.replace("\\", "/").split("/") or not os.path.isfile(path) or os.path.islink(path):
        raise ModelError(
            f"the side file {name!r} cannot be used", where=source, cure="It must be a file in the model's folder.", code="E113"
        )
    size = int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize) * int(np.prod(tensor.dims, dtype=np.int64))
    length = int(entries.get("length", size))
    with open(path, "rb") as file:
        file.seek(int(entries.get("offset", 0)))
        found.raw_data = file.read(length)
    if len(found.raw_data) != length:
        raise ModelError(f"the side file {name!r} is too short", where=source, cure="Fetch it again.", code="E113")
    return found


def captured(node: NodeProto) -> Iterator[str]:
    """The tensors that the bodies of ``node`` may take from outside."""
    pending = [graph for item in node.attribute for graph in (*item.graphs, *((item.g,) if item.HasField("g") else ()))]
    while pending:
        graph = pending.pop()
        yield from (item.name for item in graph.output)
        for inner in graph.node:
            yield from (name for name in inner.input if name)
            pending.extend(body for item in inner.attribute for body in (*item.graphs, *((item.g,) if item.HasField("g") else ())))


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of an attribute, ``default`` when it is absent: a number, a string, or a tuple of them."""
    for item in node.attribute:
        if item.name == name:
            value = onnx.helper.get_attribute_value(item)
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace")
            return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
    return default
