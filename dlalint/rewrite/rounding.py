"""A model that rounds to FP16 where a build in FP16 does: its weights, and what a TensorRT layer hands to the next one.

Casts to FP16 and back do it, which round to the nearest, ties to even, and give infinities from 65520 on (IEEE 754). A layer itself is
computed as the model states it, so that its sums are wider than FP16. Values that TensorRT folds are folded here too before they are
rounded: chains of constants, and a batch normalization, alone or behind the convolution that takes it in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx import ModelProto, NodeProto, TensorProto, helper

from dlalint.graph import Device
from dlalint.graphview import GraphView
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.rewrite.graph import Graph, attribute, captured
from dlalint.rewrite.weights import Weights

_WIDE = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
# operators that take constants as parameters, which no layer computes with in FP16
_PARAMETERS = frozenset(
    "BatchNormalization Clip DequantizeLinear GroupNormalization If InstanceNormalization LayerNormalization Loop NonMaxSuppression OneHot"
    " Pad QuantizeLinear Range Resize Scan Upsample".split()
)


class Point(NamedTuple):
    """A tensor that a layer hands on, and the node of the model that makes it."""

    tensor: str
    layer: str
    node: str
    op_type: str
    device: Device


class Rounded(NamedTuple):
    """The rounding model without its large weights. ``closed`` counts nodes that hold a function or bodies, inside of which nothing is
    rounded."""

    model: ModelProto
    points: tuple[Point, ...]
    closed: int


def rounded(proto: ModelProto, view: GraphView, outcome: Outcome, path: str) -> Rounded:
    """``proto``, which ``path`` holds and ``view`` and ``outcome`` are of, with every tensor between two layers rounded to FP16."""
    graph = Graph(proto, view, Weights(path))
    work = _Work(graph, outcome)
    points = tuple(_points(graph, outcome, work.folded))
    made = ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:]
    made.graph.node.extend(work.nodes(frozenset(point.tensor for point in points)))
    functions = {(function.domain, function.name) for function in proto.functions}
    closed = sum((node.domain, node.op_type) in functions or any(True for _ in captured(node)) for node in graph.nodes)
    return Rounded(made, points, closed)


def _points(graph: Graph, outcome: Outcome, folded: frozenset[int]) -> Iterator[Point]:
    """What layers hand on, in their order; what a folded convolution makes is no tensor of the build."""
    layers, devices = outcome.network.layers, outcome.partition.devices
    names = {number: layer.name for layer in layers if not layer.spec.helper for number in layer.origin}
    for layer, device in zip(layers, devices, strict=True):
        for name in layer.outputs:
            index = graph.producer(name)
            kind = graph.type(name)
            if index is None or index in folded or kind is None or kind.dtype not in (*_WIDE, "float16"):
                continue
            node = outcome.nodes[index]
            yield Point(name, names.get(index, layer.name), node.id, node.op_type, device)


class _Work:
    """The nodes of a model while casts are put between them. ``folded`` are convolutions that take in what follows them."""

    def __init__(self, graph: Graph, outcome: Outcome) -> None:
        self._graph = graph
        self._idle = {node.number for node in outcome.nodes if node.device is Device.FOLDED}
        self._taken = {*graph.inputs, *graph.initializers, *graph.producers, *graph.readers}
        self._rounded: dict[str, str] = {}  # constants with their rounded form
        self._made: list[NodeProto] = []
        scales = {layer.origin[0] for layer in outcome.network.layers if layer.spec.kind == "SCALE"}
        self._normal = {index for index in scales if _is_normal(graph.nodes[index])}
        self._before = dict(self._pairs())
        self.folded = frozenset(self._before.values())

    def _pairs(self) -> Iterator[tuple[int, int]]:
        """Batch normalizations with the convolution before them that nothing else reads."""
        for index in sorted(self._normal):
            source = self._graph.nodes[index].input[0]
            before = self._graph.producer(source)
            if before is not None and self._graph.only_consumer(source) == index and self._takes(self._graph.nodes[before]):
                yield index, before

    def _takes(self, node: NodeProto) -> bool:
        """Whether a factor for each channel can go into the weights."""
        whole = node.op_type == "Conv" or (node.op_type == "ConvTranspose" and attribute(node, "group", 1) == 1)
        constant = all(self._graph.is_constant(name) for name in node.input[1:] if name)
        return whole and constant and not node.domain and self._graph.dims(node.input[1]) is not None

    def nodes(self, points: frozenset[str]) -> list[NodeProto]:
        """All nodes of the rounding model, where ``points`` are rounded."""
        for index, node in enumerate(self._graph.nodes):
            if index in self.folded:
                continue
            if index in self._normal:
                self._normalize(index, node)
            else:
                self._copy(index, node)
            last = self._made[-1]
            for place, name in enumerate(last.output):
                if name in points and self._dtype(name) is not None:
                    last.output[place] = self._new(name)
                    self._cast(last.output[place], name, self._dtype(name))
        return self._made

    def _copy(self, index: int, node: NodeProto) -> None:
        """A node with its constants rounded."""
        copy = NodeProto()
        copy.CopyFrom(node)
        if index not in self._idle and node.op_type not in _PARAMETERS:
            for place, name in enumerate(node.input):
                if self._graph.is_constant(name) and self._dtype(name) is not None:
                    copy.input[place] = self._round(name, self._dtype(name))
        self._made.append(copy)

    def _normalize(self, index: int, node: NodeProto) -> None:
        """A batch normalization as the convolution that it was folded into, else as a product and a sum for each channel."""
        data, gain, bias, mean, variance = node.input
        dtype = self._dtype(gain) or TensorProto.FLOAT
        conv = self._graph.nodes[self._before[index]] if index in self._before else None
        epsilon = self._constant(gain, dtype, (), [attribute(node, "epsilon", 1e-5)])
        scale = self._add("Div", gain, self._add("Sqrt", self._add("Add", variance, epsilon)))
        own = conv.input[2] if conv is not None and len(conv.input) > 2 else ""
        shift = self._add("Sub", bias, self._add("Mul", self._add("Sub", mean, own) if own else mean, scale))
        channels = (self._graph.dims(gain) or (-1,))[0]
        if conv is None:
            kind = self._graph.type(data)
            rank = len(kind.shape) if kind is not None and kind.shape is not None else 4
            columns = [self._column(self._round(name, dtype), 1, rank, channels) for name in (scale, shift)]
            scaled = self._add("Mul", data, columns[0])
            self._made.append(helper.make_node("Add", [scaled, columns[1]], node.output[:1]))
            return
        rank = len(self._graph.dims(conv.input[1]) or ())
        column = self._column(scale, 0 if conv.op_type == "Conv" else 1, rank, channels)
        weights = self._round(self._add("Mul", conv.input[1], column), dtype)
        copy = NodeProto()
        copy.CopyFrom(conv)
        del copy.input[1:], copy.output[:]
        copy.input.extend([weights, self._round(shift, dtype)])
        copy.output.extend(node.output[:1])
        self._made.append(copy)

    def _column(self, name: str, axis: int, rank: int, channels: int) -> str:
        """A value for each channel at the rank of what it multiplies."""
        shape = [channels if place == axis else 1 for place in range(max(rank, axis + 1))]
        return self._add("Reshape", name, self._constant(name, TensorProto.INT64, (len(shape),), shape))

    def _round(self, name: str, dtype: int | None) -> str:
        """The rounded form of a constant, which is made once."""
        if name not in self._rounded:
            self._rounded[name] = self._new(name)
            self._cast(name, self._rounded[name], dtype)
        return self._rounded[name]

    def _cast(self, source: str, target: str, dtype: int | None) -> None:
        half = self._new(target)
        self._made.append(helper.make_node("Cast", [source], [half], to=TensorProto.FLOAT16))
        self._made.append(helper.make_node("Cast", [half], [target], to=dtype))

    def _add(self, operator: str, *inputs: str) -> str:
        name = self._new(inputs[0])
        self._made.append(helper.make_node(operator, inputs, [name]))
        return name

    def _constant(self, stem: str, dtype: int, dims: Sequence[int], values: Sequence[float]) -> str:
        name = self._new(stem)
        self._made.append(helper.make_node("Constant", [], [name], value=helper.make_tensor(name, dtype, dims, values)))
        return name

    def _dtype(self, name: str) -> int | None:
        """The element type to cast back to, ``None`` for what is no float wider than FP16."""
        kind = self._graph.type(name)
        return _WIDE.get(kind.dtype) if kind is not None else None

    def _new(self, stem: str) -> str:
        """A tensor name that is not taken."""
        count = 0
        while (name := f"{stem}/fp16-{count}") in self._taken:
            count += 1
        self._taken.add(name)
        return name


def _is_normal(node: NodeProto) -> bool:
    """Whether a node is a batch normalization as it runs, not as it is trained."""
    return node.op_type == "BatchNormalization" and not any(node.output[1:])
