"""A model without its Q/DQ nodes: activations are floats throughout, constants are the floats that their integers stood for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.applying import drop_unread
from dlalint.rewrite.graph import Array, Graph, captured
from dlalint.rewrite.quantization.carriers import Carriers, Clamp, carriers
from dlalint.rewrite.quantization.pairs import Baked, Found, reached


class Removed(NamedTuple):
    """``model`` has neither Q nor DQ nodes; its large weights are in the ``weights`` of the graph it comes from.

    By pair: ``tensors`` stand for them, ``readers`` are the places (node, input) in the new model where the pair was in between, and
    ``parents`` the pair that it directly followed, or -1. ``floats`` are inputs and outputs that were integers.
    """

    model: ModelProto
    tensors: tuple[str, ...]
    readers: tuple[tuple[tuple[int, int], ...], ...]
    parents: tuple[int, ...]
    clamps: tuple[Clamp, ...]
    floats: tuple[str, ...]


def removed(graph: Graph, found: Found) -> Removed:
    """The model of ``graph`` without the Q/DQ nodes ``found``; ``graph`` itself stays as it is."""
    chosen = carriers(graph, found)
    made = _nodes(graph, found, chosen)
    nodes = [item.node for item in made]
    proto = ModelProto()
    proto.CopyFrom(graph.proto)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.quantization_annotation[:]
    floats = tuple(_retyped(proto, graph, found))
    proto.graph.initializer.extend(_tensors(graph, found, chosen, proto))
    drop_unread(proto, graph)
    _drop_inputs(proto, graph)
    readers: list[list[tuple[int, int]]] = [[] for _ in found.pairs]
    for number, item in enumerate(made):
        for position, pair in item.reads:
            readers[pair].append((number, position))
    return Removed(proto, chosen.tensors, tuple(map(tuple, readers)), _parents(graph, found), chosen.clamps, floats)


class _Made(NamedTuple):
    """A node of the new model; ``reads`` are (input, pair) where the old one read from a DQ node."""

    node: NodeProto
    reads: tuple[tuple[int, int], ...] = ()


def _nodes(graph: Graph, found: Found, chosen: Carriers) -> list[_Made]:
    needed, pairs = _needed(graph, found), _made_by(graph, found)
    gone = {index for pair in found.pairs for index in (pair.quantizer, *pair.dequantizers) if index is not None}
    gone.update(index for item in found.baked for index in item.nodes)
    clamps: dict[int, list[Clamp]] = {}
    for clamp in chosen.clamps:
        clamps.setdefault(clamp.place, []).append(clamp)
    baked = {item.nodes[-1]: item for item in found.baked}
    names = {node.name for node in graph.nodes}
    made: list[_Made] = []
    for index, node in enumerate(graph.nodes):
        reads = tuple((position, pairs[name]) for position, name in enumerate(node.input) if name in pairs)
        made += [_Made(_clamp(graph, clamp, names), reads) for clamp in clamps.get(index, ())]
        item = baked.get(index)
        if item is not None and _by_node(graph, item):
            made.append(_Made(onnx.helper.make_node("Constant", [], [item.name], value=numpy_helper.from_array(item.array))))
        elif index not in gone and index in needed:
            made.append(_Made(_renamed(node, chosen), reads))
    for tensor, name, pair in chosen.copies:
        made.append(_Made(onnx.helper.make_node("Identity", [tensor], [name], name=_free(f"{name}/copy", names)), ((0, pair),)))
    return made


def _made_by(graph: Graph, found: Found) -> dict[str, int]:
    """The pair behind each tensor that a DQ node makes."""
    return {graph.nodes[index].output[0]: number for number, pair in enumerate(found.pairs) for index in pair.dequantizers}


def _parents(graph: Graph, found: Found) -> tuple[int, ...]:
    pairs = _made_by(graph, found)
    return tuple(pairs.get(pair.source, -1) for pair in found.pairs)


def _needed(graph: Graph, found: Found) -> frozenset[int]:
    """The nodes that outputs still depend on: those that only made scales, zero points and the integers of constants are none."""
    sources: dict[int, tuple[str, ...]] = {index: () for item in found.baked for index in item.nodes}
    for pair in found.pairs:
        sources.update((index, tuple(graph.nodes[index].input[:1])) for index in (pair.quantizer, *pair.dequantizers) if index is not None)
    return reached(graph, sources)


def _renamed(node: NodeProto, chosen: Carriers) -> NodeProto:
    if not any(name in chosen.names for name in (*node.input, *node.output)):
        return node
    found = NodeProto()
    found.CopyFrom(node)
    for field in (found.input, found.output):
        new = [chosen.names.get(name, name) for name in field]
        del field[:]
        field.extend(new)
    return found


def _by_node(graph: Graph, item: Baked) -> bool:
    """Whether a constant has to be made by a node: where every initializer is an input of the model, and as an output of it."""
    return graph.proto.ir_version < 4 or item.name in graph.outputs


def _clamp(graph: Graph, clamp: Clamp, names: set[str]) -> NodeProto:
    quantizer = graph.nodes[clamp.place]
    name = _free(f"{quantizer.name or clamp.made}/{'relu' if clamp.upper is None else 'clip'}", names)
    if clamp.upper is None:
        return onnx.helper.make_node("Relu", [clamp.source], [clamp.made], name=name)
    if graph.opset < 11:
        return onnx.helper.make_node("Clip", [clamp.source], [clamp.made], name=name, min=0.0, max=clamp.upper)
    return onnx.helper.make_node("Clip", [clamp.source, f"{clamp.made}/min", f"{clamp.made}/max"], [clamp.made], name=name)


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _tensors(graph: Graph, found: Found, chosen: Carriers, proto: ModelProto) -> Iterator[TensorProto]:
    read = {name for node in proto.graph.node for name in (*node.input, *captured(node))} | set(graph.outputs)
    yield from (graph.weights.new(item.array, item.name) for item in found.baked if item.name in read and not _by_node(graph, item))
    grids = {pair.quantizer: pair.grid for pair in found.pairs}
    for clamp in chosen.clamps:
        if clamp.upper is not None and graph.opset >= 11:
            bounds: list[tuple[str, float]] = [("min", 0.0), ("max", clamp.upper)]
            dtype = grids[clamp.place].scale.dtype
            yield from (numpy_helper.from_array(np.asarray(value, dtype), f"{clamp.made}/{end}") for end, value in bounds)


def _retyped(proto: ModelProto, graph: Graph, found: Found) -> Iterator[str]:
    """Make floats of inputs and outputs that were integers; returns their names."""
    for pair in found.pairs:
        name = pair.integers if pair.quantizer is not None else pair.source
        for item in proto.graph.output if pair.quantizer is not None else proto.graph.input:
            if name and item.name == name:
                item.type.tensor_type.elem_type = _float(graph, pair.source if pair.quantizer is not None else "", pair.grid.scale)
                yield name


def _float(graph: Graph, name: str, scale: Array) -> int:
    kind = graph.type(name)
    dtype = np.dtype(kind.dtype) if kind is not None and kind.dtype in ("float16", "float32") else scale.dtype
    return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))


def _drop_inputs(proto: ModelProto, graph: Graph) -> None:
    """Take out initializers that are inputs too, as all are before IR version 4, when only Q/DQ nodes read them."""
    read = {name for node in proto.graph.node for name in (*node.input, *captured(node))} | set(graph.outputs)
    idle = {name for name in graph.initializers if name in graph.inputs and name not in read and graph.readers.get(name)}
    for field in (proto.graph.initializer, proto.graph.input):
        for item in [item for item in field if item.name in idle]:
            field.remove(item)
