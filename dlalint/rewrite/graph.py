"""The model while it is rewritten: nodes, who feeds whom, types, and constants that are read only when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto

from dlalint.errors import ModelError
from dlalint.graph import DTYPE_CODES, FLOATING, TensorType
from dlalint.graphview import GraphView
from dlalint.model.inputs import Overrides
from dlalint.rewrite.weights import Array as Array
from dlalint.rewrite.weights import Weights
from dlalint.target import Version

NOT_A_NODE = -1  # a reader inside a body, or outside of the model


class Graph:
    """A model with its view. ``proto`` may lack weights, which ``weights`` then has."""

    def __init__(self, proto: ModelProto, view: GraphView, weights: Weights, release: Version = (99, 0)) -> None:
        """``release`` is that of the TensorRT which will parse the model."""
        self.release = release
        self.proto = proto
        self.view = view
        self.weights = weights
        self.nodes: Sequence[NodeProto] = list(proto.graph.node)
        self.initializers = {tensor.name: tensor for tensor in proto.graph.initializer}
        self.outputs = frozenset(item.name for item in proto.graph.output)
        self.inputs = frozenset(item.name for item in proto.graph.input)
        counts = Counter(node.name for node in self.nodes)
        self.unique_names = frozenset(name for name, count in counts.items() if name and count == 1)
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

    def floating(self, name: str) -> bool:
        """Whether a tensor holds floats, or may."""
        kind = self.view.types.get(name)
        return kind is None or kind.dtype in FLOATING

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
            return self.weights.array(tensor)
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


def parsed(data: bytes, path: str) -> ModelProto:
    """The model ``data``, which ``path`` names. Raises :class:`ModelError` where protobuf gives up, as on bodies nested too deeply."""
    try:
        found: ModelProto = ModelProto.FromString(data)
    except DecodeError:
        cure = "Export it with fewer nested bodies."
        raise ModelError("protobuf cannot read it, its bodies are nested too deeply or it is damaged", where=path, cure=cure) from None
    return found


def tensor_info(name: str, kind: TensorType | None) -> onnx.ValueInfoProto:
    """The declaration of a tensor."""
    if kind is None:
        return onnx.helper.make_empty_tensor_value_info(name)
    return onnx.helper.make_tensor_value_info(name, DTYPE_CODES.get(kind.dtype, 0), kind.shape)


def fix_inputs(model: ModelProto, view: GraphView, overrides: Overrides | None) -> None:
    """Write the shapes that the user fixed, if any, into the model, and those of the outputs that follow from them."""
    if overrides is None or not (overrides.shapes or overrides.batch is not None):
        return
    for item in (*model.graph.input, *model.graph.output):
        found = view.types.get(item.name)
        if found is not None and found.dims is not None:
            del item.type.tensor_type.shape.dim[:]
            for size in found.dims:
                item.type.tensor_type.shape.dim.add(dim_value=size)
    del model.graph.value_info[:]


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
