"""The pairs put back into the model that lost them, at the scales that were recorded: then it has to compute what it did with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.applying import in_order
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.quantization.grid import Grid
from dlalint.rewrite.quantization.pairs import Found, Pair
from dlalint.rewrite.quantization.removing import Removed


class Restored(NamedTuple):
    """A model with Q/DQ nodes; ``tensors`` are what the DQ node of each pair makes, ``cached`` counts the pairs at a scale of the cache."""

    model: ModelProto
    tensors: tuple[str, ...]
    cached: int


def restored(graph: Graph, found: Found, removed: Removed, scales: Mapping[str, float], *, everywhere: bool = False) -> Restored:
    """``removed`` with its pairs in place, at the ``scales`` of the cache where that is the only symmetric grid of a tensor, else at their
    own in the model, which ``graph`` and ``found`` are. ``everywhere`` takes the scales of the cache for all, symmetric as on the DLA."""
    proto = ModelProto()
    proto.CopyFrom(removed.model)
    proto.ir_version = max(proto.ir_version, 4)  # from then on an initializer need not be an input
    outputs = {item.name for item in proto.graph.output}
    made: list[str] = []
    ends = [name in outputs and _ends(graph, pair, name) for name, pair in zip(removed.tensors, found.pairs, strict=True)]
    feeds = {name: f"{name}#float" for name, end in zip(removed.tensors, ends, strict=True) if end}
    nodes = [_fed(node, feeds) for node in proto.graph.node]
    cached = 0
    for number, pair in enumerate(found.pairs):
        name, parent = removed.tensors[number], removed.parents[number]
        source = made[parent] if parent >= 0 and removed.tensors[parent] == name else feeds.get(name, name)
        made.append(name if ends[number] else f"{name}#{number}")
        grid = _symmetric(pair.grid, scales[name]) if everywhere else _recorded(number, found, removed, scales)
        cached += grid is not pair.grid
        nodes += _pair(graph, pair, grid, source, made[-1], proto)
        for reader, position in removed.readers[number]:
            if nodes[reader].input[position] == feeds.get(name, name):  # else it reads something else than it should, and that has to show
                nodes[reader].input[position] = made[-1]
    nodes += _behind_nodes(proto, nodes, frozenset(item.name for item in found.baked))
    del proto.graph.node[:]
    proto.graph.node.extend(in_order(nodes))
    del proto.graph.value_info[:]
    return Restored(proto, tuple(made), cached)


def _ends(graph: Graph, pair: Pair, name: str) -> bool:
    """Whether the pair made the graph output ``name``."""
    return name in (pair.integers, *(graph.nodes[index].output[0] for index in pair.dequantizers))


def _fed(node: NodeProto, feeds: Mapping[str, str]) -> NodeProto:
    found = NodeProto()
    found.CopyFrom(node)
    for field in (found.input, found.output):
        new = [feeds.get(name, name) for name in field]
        del field[:]
        field.extend(new)
    return found


def _behind_nodes(proto: ModelProto, nodes: Sequence[NodeProto], baked: frozenset[str]) -> list[NodeProto]:
    """The constants ``baked`` made by nodes, as they were: onnxruntime packs weights that it sees, and then rounds otherwise."""
    found = []
    for tensor in proto.graph.initializer:
        if tensor.name in baked:
            found.append(onnx.helper.make_node("Identity", [f"{tensor.name}#baked"], [tensor.name]))
            tensor.name = f"{tensor.name}#baked"
    for node in nodes:
        if node.op_type == "Constant" and node.output[0] in baked:
            found.append(onnx.helper.make_node("Identity", [f"{node.output[0]}#baked"], [node.output[0]]))
            node.output[0] = f"{node.output[0]}#baked"
    return found


def _recorded(number: int, found: Found, removed: Removed, scales: Mapping[str, float]) -> Grid:
    """The grid of a pair with its scale from the cache, the pair's own where the cache has no other choice than a different one."""
    own = found.pairs[number].grid
    name = removed.tensors[number]
    alike = all(own.same(pair.grid) for pair, other in zip(found.pairs, removed.tensors, strict=True) if other == name)
    if not (alike and own.symmetric and own.per_tensor and name in scales):
        return own
    return own._replace(scale=np.full(own.scale.shape, scales[name], own.scale.dtype))


def _symmetric(grid: Grid, scale: float) -> Grid:
    return Grid(np.asarray(scale, grid.scale.dtype), np.zeros((), np.int64), "int8", 1, 0)


def _pair(graph: Graph, pair: Pair, grid: Grid, source: str, made: str, proto: ModelProto) -> Sequence[NodeProto]:
    old = graph.nodes[pair.quantizer if pair.quantizer is not None else pair.dequantizers[0]]
    stem = f"{made}#pair"
    proto.graph.initializer.append(numpy_helper.from_array(grid.scale, f"{stem}/scale"))
    proto.graph.initializer.append(numpy_helper.from_array(grid.zero.astype(grid.dtype), f"{stem}/zero"))
    given = [f"{stem}/scale", f"{stem}/zero"]
    axis: dict[str, Any] = {} if grid.per_tensor else {"axis": grid.axis}
    return (
        onnx.helper.make_node("QuantizeLinear", [source, *given], [f"{stem}/q"], domain=old.domain, **axis),
        onnx.helper.make_node("DequantizeLinear", [f"{stem}/q", *given], [made], domain=old.domain, **axis),
    )
