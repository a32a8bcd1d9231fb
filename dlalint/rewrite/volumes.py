"""Operators on volumes N, C, D, H, W as operators on maps of C x D channels, depth behind channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.frame import FLOATS
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.lifts import BINARY, UNARY

POOLINGS = frozenset(("AveragePool", "MaxPool"))
MAX_WEIGHTS = 1 << 24


class Depth(NamedTuple):
    """The window of a convolution along the depth: sizes before and behind, and where each tap reads."""

    size: int
    made: int
    step: int
    begin: int
    spread: int


def volume(graph: Graph, name: str) -> tuple[int, ...] | None:
    """The shape of a float tensor of five static dimensions."""
    found, dims = graph.type(name), graph.dims(name)
    return dims if found is not None and dims is not None and len(dims) == 5 and 0 not in dims and found.dtype in FLOATS else None


def flat(dims: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The shape of a volume as a map."""
    return dims[0], dims[1] * dims[2], dims[3], dims[4]


def fits(graph: Graph, index: int) -> bool:
    """Whether a node computes the same on maps; its constants are not read."""
    node = graph.nodes[index]
    made = volume(graph, node.output[0])
    computed = [name for name in node.input if name and not graph.is_constant(name)]
    if node.domain not in ("", "ai.onnx") or made is None or not computed or any(volume(graph, name) is None for name in computed):
        return False
    if any(graph.consumers(name) for name in node.output[1:] if name):
        return False
    alone = computed == [node.input[0]]
    if node.op_type == "Conv":
        weights = graph.dims(node.input[1])
        dims = volume(graph, node.input[0])
        automatic = attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        if weights is None or dims is None or automatic or not alone:
            return False
        return made[1] * made[2] * weights[1] * dims[2] * weights[3] * weights[4] <= MAX_WEIGHTS
    if node.op_type in POOLINGS:
        return alone and _flat_window(node)
    if node.op_type in BINARY:
        constants = [graph.dims(name) for name in node.input if graph.is_constant(name)]
        return all(volume(graph, name) == made for name in computed) and all(map(_per_channel, constants))
    return (node.op_type in UNARY or node.op_type in ("BatchNormalization", "GlobalAveragePool")) and alone


def _flat_window(node: NodeProto) -> bool:
    """Whether a pooling does nothing along the depth."""
    pads, sizes = (
        attribute(node, "pads", (0,) * 6),
        (attribute(node, name, (1, 1, 1))[0] for name in ("kernel_shape", "strides", "dilations")),
    )
    return pads[0] == pads[3] == 0 and all(size == 1 for size in sizes)


def _per_channel(dims: tuple[int, ...] | None) -> bool:
    """Whether a constant is one number, or one a channel."""
    if dims is None or len(dims) > 5:
        return False
    batch, _, *space = (1,) * (5 - len(dims)) + dims
    return batch == 1 and all(size == 1 for size in space)


def lift(build: Builder, node: NodeProto, sources: Mapping[str, str], output: str) -> str | None:
    """Add the node on maps; the name of what it makes, ``None`` when a constant of it is not known."""
    graph = build.graph
    dims = graph.dims(node.input[0]) or (0,) * 5
    inputs = [sources.get(name, name) for name in node.input]
    kept: dict[str, Any] = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Conv":
        return _convolution(build, node, inputs[0], output)
    if node.op_type == "GlobalAveragePool":
        mean = build.add("GlobalAveragePool", [inputs[0]])
        return build.conv(mean, np.full((dims[1], dims[2], 1, 1), 1 / dims[2], build.dtype(node.input[0])), output=output, group=dims[1])
    if node.op_type in POOLINGS:
        for name in ("kernel_shape", "strides", "dilations"):
            kept[name] = list(kept[name])[1:] if name in kept else None
        kept["pads"] = [list(kept["pads"])[place] for place in (1, 2, 4, 5)] if "pads" in kept else None
    elif node.op_type in BINARY or node.op_type == "BatchNormalization":
        made = graph.dims(node.output[0]) or dims
        for place, name in enumerate(node.input):
            if name not in sources:
                array = graph.constant(name)
                if array is None:
                    return None
                inputs[place] = build.tensor(_repeated(array, made[2], node.op_type in BINARY))
    return build.add(node.op_type, inputs, output, **kept)


def _repeated(array: Array, depth: int, spread: bool) -> Array:
    """One number a channel, for each slice of the depth; ``spread`` over a map."""
    row = np.repeat(array.reshape(-1), depth) if array.size > 1 or not spread else array.reshape(-1)
    return row.reshape(1, -1, 1, 1) if spread else row


def _convolution(build: Builder, node: NodeProto, source: str, output: str) -> str | None:
    """Each slice of the result sums over the slices that its window sees."""
    graph = build.graph
    weights = graph.constant(node.input[1])
    third = node.input[2] if len(node.input) > 2 else ""
    bias = graph.constant(third) if third else None
    before, after = graph.dims(node.input[0]), graph.dims(node.output[0])
    if weights is None or (third and bias is None) or before is None or after is None:
        return None
    strides, spreads = attribute(node, "strides", (1, 1, 1)), attribute(node, "dilations", (1, 1, 1))
    valid = attribute(node, "auto_pad", "NOTSET") == "VALID"
    pads = (0,) * 6 if valid else attribute(node, "pads", (0,) * 6)
    depth = Depth(before[2], after[2], strides[0], pads[0], spreads[0])
    many = np.repeat(bias, depth.made) if bias is not None else None
    options = {"strides": strides[1:], "dilations": spreads[1:], "pads": (*pads[1:3], *pads[4:6])}
    return build.conv(source, _banded(weights, depth), many, output, group=attribute(node, "group", 1), **options)


def _banded(weights: Array, depth: Depth) -> Array:
    maps, channels, taps, *kernel = weights.shape
    wide = np.zeros((maps, depth.made, channels, depth.size, *kernel), weights.dtype)
    for place in range(depth.made):
        for tap in range(taps):
            at = place * depth.step - depth.begin + tap * depth.spread
            if 0 <= at < depth.size:
                wide[:, place, :, at] = weights[:, :, tap]
    return wide.reshape(maps * depth.made, channels * depth.size, *kernel)
