"""What nodes pick from their input, as indices: for every axis, which element of the input each element of the output is."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from dlalint.rewrite.base import Miss
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.weights import Array

Pick = tuple[Array, ...]

COMPUTED = Miss("its indices are computed")
UNKNOWN = Miss("its input has not four static dimensions")


def whole(dims: tuple[int, ...]) -> Pick:
    """Everything of a tensor."""
    return tuple(np.arange(size) for size in dims)


def is_whole(indices: Array, size: int) -> bool:
    """Whether an axis of ``size`` is taken as it is."""
    return len(indices) == size and bool(np.array_equal(indices, np.arange(size)))


def then(first: Pick, second: Pick) -> Pick:
    """What a pick from a pick takes of the first one's input."""
    return tuple(outer[inner] for outer, inner in zip(first, second, strict=True))


def sliced(graph: Graph, node: NodeProto) -> Pick | Miss:
    """What a Slice of four static dimensions takes."""
    dims = graph.dims(node.input[0])
    if dims is None or len(dims) != 4:
        return UNKNOWN
    if graph.opset < 10:
        given = [attribute(node, name) for name in ("starts", "ends", "axes", "steps")]
    else:
        names = [*node.input[1:], "", ""][:4]
        given = [graph.ints(name) for name in names]
        if any(name and values is None for name, values in zip(names, given, strict=True)):
            return COMPUTED
    starts, ends, axes, steps = given
    if steps and 0 in steps:
        return Miss("it takes steps of no length")
    if starts is None or ends is None:
        return COMPUTED
    found = list(whole(dims))
    for number, axis in enumerate(axes if axes is not None else range(len(starts))):
        found[axis] = _span(starts[number], ends[number], steps[number] if steps else 1, dims[axis])
    return tuple(found)


def _span(start: int, end: int, step: int, size: int) -> Array:
    """The elements between two bounds, of which negative ones count from the end, and those beyond mean the first or last element."""
    low, high = (0, size) if step > 0 else (-1, size - 1)
    first, last = (bound + size * (bound < 0) for bound in (start, end))
    return np.arange(min(max(first, 0), high), min(max(last, low), high), step)


def split(graph: Graph, node: NodeProto) -> list[tuple[str, Pick]] | Miss:
    """The outputs of a Split of four static dimensions, and what each takes."""
    dims = graph.dims(node.input[0])
    if dims is None or len(dims) != 4:
        return UNKNOWN
    axis = attribute(node, "axis", 0) % 4
    sizes = attribute(node, "split")
    if len(node.input) > 1 and node.input[1]:
        sizes = graph.ints(node.input[1])
        if sizes is None:
            return COMPUTED
    if sizes is None:
        most = -(-dims[axis] // len(node.output))
        sizes = [min(most, dims[axis] - most * number) for number in range(len(node.output))]
    bounds = np.cumsum([0, *sizes])
    return [
        (name, tuple(np.arange(bounds[number], bounds[number + 1]) if at == axis else np.arange(size) for at, size in enumerate(dims)))
        for number, name in enumerate(node.output)
        if name
    ]


def gathered(graph: Graph, node: NodeProto) -> tuple[Pick, bool] | Miss:
    """What a Gather, GatherElements or GatherND with constant indices takes; and whether it drops the axis of a single index."""
    dims = graph.dims(node.input[0])
    if dims is None or len(dims) != 4:
        return UNKNOWN
    indices = constant(graph, node.input[1])
    if indices is None:
        return COMPUTED
    axis = attribute(node, "axis", 0) % 4
    found: dict[int, Array | None]
    if node.op_type == "GatherElements" and indices.ndim != 4:
        return Miss("its indices have another rank than its data")
    if node.op_type == "GatherElements":
        whole_lines = all(size == wanted for at, (size, wanted) in enumerate(zip(indices.shape, dims, strict=True)) if at != axis)
        found = {axis: _line(indices, axis) if whole_lines else None}
    elif node.op_type == "GatherND":
        first = attribute(node, "batch_dims", 0)
        fits = indices.ndim == first + indices.shape[-1] + 1
        found = {first + at: _line(indices[..., at], first + at) if fits else None for at in range(indices.shape[-1])}
    else:
        found = {axis: indices.reshape(-1) if indices.ndim < 2 else None}
    lines = [found.get(at, np.arange(size)) for at, size in enumerate(dims)]
    taken = tuple(np.arange(size)[line] for size, line in zip(dims, lines, strict=True) if line is not None)
    if len(taken) < 4:
        return Miss("its indices do not pick whole slices of its axes")
    return taken, node.op_type == "Gather" and indices.ndim == 0


def _line(indices: Array, axis: int) -> Array | None:
    """Indices that differ along one axis only, as a list; ``None`` when they differ along others as well."""
    lines = np.moveaxis(indices, axis, -1).reshape(-1, indices.shape[axis])
    return np.asarray(lines[0]) if len(lines) and bool(np.all(lines == lines[0])) else None


def rearranged(flat: Array, dims: tuple[int, ...]) -> Pick | None:
    """The pick that a tensor ``flat`` of element numbers is, out of a tensor of ``dims``; ``None`` when axes depend on each other."""
    lines = [_line(places, axis) for axis, places in enumerate(np.unravel_index(flat, dims))]
    return tuple(line for line in lines if line is not None) if all(line is not None for line in lines) else None
