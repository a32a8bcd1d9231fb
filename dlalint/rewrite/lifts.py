"""Operators on tensors with the channels last, and the same ones on maps of four dimensions with the channels in front."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.frame import Frame
from dlalint.rewrite.graph import Array, Graph, attribute

UNARY = frozenset(
    "Abs Celu Clip Dropout Elu Erf Exp Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Reciprocal Relu Selu Sigmoid Softplus "
    "Softsign Sqrt Swish Tanh ThresholdedRelu".split()
)
BINARY = frozenset("Add Div Max Mean Min Mul PRelu Pow Sub Sum".split())
SOFTMAX = frozenset(("LogSoftmax", "Softmax"))
PRODUCTS = frozenset(("Gemm", "MatMul"))
_FORMS = frozenset("Flatten Identity Reshape Squeeze Transpose Unsqueeze".split())


class Source(NamedTuple):
    """A tensor of four dimensions that holds one of the region. ``kernel`` are its channels, height and width when a product sums over all
    of them; ``last`` says that they were flattened with the channels last."""

    name: str
    kernel: tuple[int, int, int] | None = None
    last: bool = False


Sources = Mapping[str, Source]


class Product(NamedTuple):
    """Weights (channels, maps) and the vector added to each row."""

    weights: Array
    bias: Array | None


def product(graph: Graph, node: NodeProto) -> Product | None:
    """The constants of a matrix product; ``None`` when it has others, or multiplies them from the left."""
    weights = _constant(graph, node.input[1])
    if weights is None or weights.ndim < 2 or weights.dtype.kind != "f":
        return None
    if node.op_type == "MatMul":
        return Product(weights.reshape(weights.shape[-2:]), None) if weights.size == np.prod(weights.shape[-2:]) else None
    if attribute(node, "transA", 0) or weights.ndim != 2:
        return None
    weights = weights.T if attribute(node, "transB", 0) else weights
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    if alpha != 1:
        weights = weights * weights.dtype.type(alpha)
    if len(node.input) < 3 or not node.input[2]:
        return Product(weights, None)
    bias = _constant(graph, node.input[2])
    if bias is None or (bias.ndim == 2 and bias.shape[0] != 1) or bias.ndim > 2:
        return None
    return Product(weights, np.broadcast_to(bias.reshape(-1) * bias.dtype.type(beta), weights.shape[1:]))


def formed(graph: Graph, name: str) -> tuple[int, ...]:
    """The nodes that only give a stored constant another shape or order of axes, the last one first; empty when it is stored as it is."""
    index = graph.producer(name)
    if index is None or not graph.is_constant(name) or graph.nodes[index].op_type not in _FORMS or graph.constant(name) is not None:
        return ()
    return (index, *formed(graph, graph.nodes[index].input[0]))


def _constant(graph: Graph, name: str) -> Array | None:
    """A constant, stored or formed from one."""
    path = formed(graph, name)
    found = graph.constant(graph.nodes[path[-1]].input[0] if path else name)
    for index in reversed(path):
        node = graph.nodes[index]
        dims = graph.dims(node.output[0])
        if found is None or dims is None:
            return None
        found = found.transpose(attribute(node, "perm")) if node.op_type == "Transpose" else found.reshape(dims)
    return found


def fits(graph: Graph, index: int, frame: Frame) -> bool:
    """Whether a node computes the same in four dimensions; constants are not read."""
    node = graph.nodes[index]
    if node.domain not in ("", "ai.onnx") or not _OPERATORS.get(node.op_type, _never)(graph, node, frame):
        return False
    return frame.holds(graph, node.output[0]) and not any(graph.consumers(name) for name in node.output[1:] if name)


def data(graph: Graph, node: NodeProto) -> list[str]:
    """The computed tensors that a node reads."""
    return [name for name in node.input if name and not graph.is_constant(name)]


def joinable(graph: Graph, index: int) -> tuple[int, ...]:
    """The sum behind a product that adds a constant vector to each row, as its bias; empty when there is none."""
    node = graph.nodes[index]
    reader = graph.only_consumer(node.output[0]) if node.op_type == "MatMul" else None
    if reader is None or graph.nodes[reader].op_type != "Add":
        return ()
    constants = [name for name in graph.nodes[reader].input if graph.is_constant(name)]
    dims, rows = graph.dims(constants[0]) if len(constants) == 1 else None, graph.dims(node.output[0])
    vector = bool(dims) and dims is not None and rows is not None and len(dims) <= len(rows) and dims[-1] == rows[-1]
    return (reader,) if vector and dims is not None and all(size == 1 for size in dims[:-1]) else ()


def lift(build: Builder, node: NodeProto, frame: Frame, sources: Sources, output: str, added: NodeProto | None = None) -> str | None:
    """Add the node in four dimensions; the name of what it makes, ``None`` when a constant of it has another form.

    ``added`` is the sum behind a product that becomes its bias.
    """
    if node.op_type in PRODUCTS:
        return _convolution(build, node, sources[node.input[0]], output, added)
    inputs = [sources[name].name if name in sources else name for name in node.input]
    kept = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type in BINARY:
        for place, name in enumerate(node.input):
            if name not in sources:
                array = _constant(build.graph, name)
                found = frame.constant(array) if array is not None else None
                if found is None:
                    return None
                inputs[place] = build.tensor(found)
    elif node.op_type in SOFTMAX or node.op_type == "Concat":
        kept["axis"] = 1
    return build.add(node.op_type, inputs, output, **kept)


def _convolution(build: Builder, node: NodeProto, source: Source, output: str, added: NodeProto | None) -> str | None:
    found = product(build.graph, node)
    if found is not None and added is not None:
        bias = next((array for array in (_constant(build.graph, name) for name in added.input) if array is not None), None)
        found = found._replace(bias=bias.reshape(-1)) if bias is not None else None
    if found is None:
        return None
    weights = found.weights.T
    if source.kernel is None:
        return build.conv(source.name, weights.reshape(*weights.shape, 1, 1), found.bias, output)
    channels, height, width = source.kernel
    if source.last:
        weights = weights.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    return build.conv(source.name, weights.reshape(-1, channels, height, width), found.bias, output)


def _never(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    return False


def _unary(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    """Bounds and ratios are constants of one element."""
    others = all(graph.is_constant(name) for name in node.input[1:] if name)
    return others and data(graph, node) == [node.input[0]] and frame.holds(graph, node.input[0])


def _binary(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    found = data(graph, node)
    constants = [graph.dims(name) for name in node.input if name and graph.is_constant(name)]
    rank = len(frame.between) + 2
    known = all(dims is not None and len(dims) <= rank for dims in constants)
    return known and bool(found) and all(frame.holds(graph, name) for name in found)


def _softmax(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    """Before operator set 13 everything behind the axis is one, which is the same for a matrix."""
    rank = len(frame.between) + 2
    axis = attribute(node, "axis", -1 if graph.opset >= 13 else 1)
    return axis in (-1, rank - 1) and (rank == 2 or graph.opset >= 13) and frame.holds(graph, node.input[0])


def _concat(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    axis = attribute(node, "axis", 1)
    return axis in (-1, len(frame.between) + 1) and all(not graph.is_constant(name) and frame.holds(graph, name) for name in node.input)


def _batch_norm(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    return not frame.between and not attribute(node, "training_mode", 0) and _unary(graph, node, frame)


def _product(graph: Graph, node: NodeProto, frame: Frame) -> bool:
    weights = graph.dims(node.input[1])
    if graph.is_constant(node.input[0]) or not graph.is_constant(node.input[1]) or weights is None:
        return False
    if not frame.holds(graph, node.input[0]):
        return False
    bias = node.input[2] if len(node.input) > 2 else ""
    shape = graph.dims(bias) if bias else ()
    if bias and (not graph.is_constant(bias) or shape is None or len(shape) > 2 or (len(shape) == 2 and shape[0] != 1)):
        return False
    return len(weights) >= 2 and not any(size != 1 for size in weights[:-2]) and not attribute(node, "transA", 0)


Fits = Callable[[Graph, NodeProto, Frame], bool]
_OPERATORS: dict[str, Fits] = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(SOFTMAX, _softmax),
    **dict.fromkeys(PRODUCTS, _product),
    "BatchNormalization": _batch_norm,
    "Concat": _concat,
}
