"""A replacement as two small models with the same inputs and outputs, to be run side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from dlalint.graph import DTYPE_CODES
from dlalint.rewrite.base import Replacement
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Graph, captured, tensor_info
from dlalint.rewrite.weights import nbytes

RUNNABLE_IR = 10  # every onnxruntime at hand runs it, whatever the model states
NEAR = 64  # nodes that are looked at for what two inputs of a replacement have in common
LARGE_BYTES = 64 << 20  # with more weights than this a replacement is only proven with the whole model


def parts(graph: Graph, replacement: Replacement) -> tuple[ModelProto, ModelProto] | None:
    """The replaced nodes and the new ones, each as a model; ``None`` when they are too large for that, or a type is not known."""
    old = [graph.nodes[index] for index in sorted(replacement.remove)]
    own = {tensor.name for tensor in replacement.tensors}
    shared = _between(graph, [name for name in _boundary(old, replacement.nodes) if name not in own], frozenset(replacement.remove))
    old, new = [*shared, *old], [*shared, *replacement.nodes]
    names = [name for name in _boundary(old, new) if name not in own]
    known_before = {name: tensor for name in names if (tensor := _constant(graph, name)) is not None}
    if sum(nbytes(tensor) for tensor in (*known_before.values(), *replacement.tensors)) > LARGE_BYTES:
        return None
    constants, made = ([graph.weights.inside(tensor) for tensor in side] for side in (known_before.values(), replacement.tensors))
    known = {tensor.name for tensor in constants}
    types = {name: graph.type(name) for name in names if name not in known}
    outputs = _outputs(graph, replacement)
    if any(kind is None or kind.dtype not in DTYPE_CODES for kind in types.values()) or not outputs:
        return None
    inputs = [tensor_info(name, kind) for name, kind in types.items() if kind is not None]
    results = [tensor_info(name, graph.type(name)) for name in outputs]
    first = _model(graph, old, inputs, results, constants)
    second = _model(graph, new, inputs, results, (*constants, *made))
    return first, second


def _boundary(old: Sequence[NodeProto], new: Sequence[NodeProto]) -> list[str]:
    """What either side reads and neither makes."""
    made = {name for node in (*old, *new) for name in node.output}
    read = (name for node in (*old, *new) for name in (*node.input, *captured(node)))
    return [name for name in dict.fromkeys(read) if name and name not in made]


def _between(graph: Graph, names: Sequence[str], removed: frozenset[int]) -> list[NodeProto]:
    """The nodes that make some of ``names`` from others: without them, what belongs together would be fed with different data."""
    wanted = frozenset(name for name in names if not graph.is_constant(name))
    before: set[int] = set()
    pending = deque(graph.producer(name) for name in wanted)
    while pending and len(before) < NEAR:
        index = pending.popleft()
        if index is None or index in before or index in removed:
            continue
        before.add(index)
        pending.extend(graph.producer(name) for name in graph.nodes[index].input if name not in wanted)
    reached: set[str] = set(wanted)
    found = []
    for index in sorted(before):
        node = graph.nodes[index]
        if any(name in reached for name in node.input):
            reached.update(name for name in node.output if name)
            found.append(node)
    return found


def _outputs(graph: Graph, replacement: Replacement) -> list[str]:
    """The tensors of the replaced nodes that others need."""
    removed = set(replacement.remove)
    return [
        name
        for index in sorted(removed)
        for name in graph.nodes[index].output
        if name and any(reader not in removed for reader in graph.consumers(name))
    ]


def _constant(graph: Graph, name: str) -> TensorProto | None:
    if name in graph.initializers and graph.is_constant(name):
        found: TensorProto = graph.initializers[name]
        return found
    array = constant(graph, name)
    return None if array is None else numpy_helper.from_array(array, name)


def _model(
    graph: Graph,
    nodes: Sequence[NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    tensors: Iterable[TensorProto],
) -> ModelProto:
    read = {name for node in nodes for name in (*node.input, *captured(node))}
    made = {name for node in nodes for name in node.output}
    kept = [tensor for tensor in tensors if tensor.name in read or tensor.name in {item.name for item in outputs}]
    results = [item for item in outputs if item.name in made or item.name in {tensor.name for tensor in kept}]
    body = onnx.helper.make_graph(list(nodes), "part", list(inputs), results, kept)
    model = onnx.helper.make_model(body, opset_imports=graph.proto.opset_import, ir_version=min(graph.proto.ir_version, RUNNABLE_IR))
    model.functions.extend(graph.proto.functions)
    return model
