"""The largest element of a map as max poolings one after the other; the smallest as that of the negated map."""

from __future__ import annotations

from itertools import zip_longest

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reduction import POOLING, reduction


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = reduction(graph, index)
    if isinstance(found, Miss):
        return found
    if not found.long <= {2, 3}:
        return Miss("it goes over channels too, which reduce-max-halves does")
    build = Builder(graph, index, REWRITE.name)
    source, smallest = node.input[0], node.op_type == "ReduceMin"
    dtype = build.like(-1, source) if smallest else ""
    if smallest:
        source = build.add("Mul", [source, dtype])
    steps = list(zip_longest(*(_steps(size) for size in found.map), fillvalue=(1, 1)))
    for number, (high, wide) in enumerate(steps, 1):
        last = number == len(steps) and found.keeps and not smallest
        options = {"kernel_shape": [high[0], wide[0]], "strides": [high[1], wide[1]]}
        source = build.add("MaxPool", [source], node.output[0] if last else "", **options)
    if smallest:
        source = build.add("Mul", [source, dtype], node.output[0] if found.keeps else "")
    if not found.keeps:
        build.squeeze(source, found.axes, node.output[0])
    return build.replacement(index)


def _steps(size: int) -> list[tuple[int, int]]:
    """Window and stride of each pooling until one element is left; windows may overlap, for that changes no maximum."""
    found = []
    while size > POOLING:
        count, window, stride = next(filter(None, (_cover(size, count) for count in range(-(-size // POOLING), size))))
        found.append((window, stride))
        size = count
    return [*found, (size, 1)]


def _cover(size: int, count: int) -> tuple[int, int, int] | None:
    """``count`` windows of equal size that cover a row without a rest."""
    stride = size // count
    window = size - (count - 1) * stride
    return (count, window, stride) if stride <= window <= POOLING else None


REWRITE = Rewrite(
    "global-max-pool",
    EXACT,
    "The largest element of a map is found by max poolings.",
    frozenset({"GlobalMaxPool", "ReduceMax", "ReduceMin"}),
    _plan,
)
