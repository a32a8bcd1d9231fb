"""A max pooling with a large window as poolings one after the other, whose windows add up; the stride is taken by the last.

Where a smaller pooling of the same tensor exists, as in spatial pyramids, the chain begins behind it. A stride beyond the limit ends with
a pooling of single elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.windows import Pair, Window, inside, pair, window

POOLING = 8  # window and stride that every release takes (cards pooling-window-too-large, pooling-stride-too-large)
STRIDE = 16


class Step(NamedTuple):
    """One pooling of the chain, each field for height and width."""

    kernel: Pair
    begin: Pair
    end: Pair


class Chain(NamedTuple):
    """The poolings instead of the node ``node``, behind the node ``base`` (``None``: behind its own input)."""

    node: int
    base: int | None
    window: Window
    steps: list[Step]


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = _pooling(graph, index)
    if isinstance(found, Miss):
        return found
    if not _beyond(found):
        return Miss("its window and stride are within the limits")
    readers = (other for other in graph.consumers(graph.nodes[index].input[0]) if other != NOT_A_NODE)
    windows = {other: pool for other in readers if isinstance(pool := _pooling(graph, other), Window)}
    pools = sorted(windows.items(), key=lambda item: (prod(item[1].kernel), item[0]))
    chains = [chain for place, (number, pool) in enumerate(pools) if _beyond(pool) and (chain := _planned(number, pool, pools[:place]))]
    if index not in {chain.node for chain in chains}:
        return Miss("its map is too small for a chain of windows")
    build = Builder(graph, index, REWRITE.name)
    made = {chain.node for chain in chains}
    bases = sorted({chain.base for chain in chains if chain.base is not None} - made)
    for base in bases:  # what a chain begins with stays, and is part of the proof
        build.keep(graph.nodes[base], graph.nodes[base].input)
    for chain in chains:
        _add(build, chain)
    return build.replacement(*made, *bases)


def _pooling(graph: Graph, index: int) -> Window | Miss:
    """The window of a MaxPool that a chain can have, or begin with."""
    node = graph.nodes[index]
    if node.op_type != "MaxPool" or node.domain not in ("", "ai.onnx"):
        return Miss("it is no MaxPool")
    found = window(graph, index)
    if isinstance(found, Miss):
        return found
    if found.dilations != (1, 1):
        return Miss("its window is dilated")
    if any(graph.consumers(name) for name in node.output[1:] if name):
        return Miss("its indices are read")
    if not inside(found):
        return Miss("a window of it lies in the padding")
    return found if all(map(_sampling, found.strides)) else Miss("its stride has no factors within the limits")


def _beyond(found: Window) -> bool:
    return max(found.kernel) > POOLING or max(found.strides) > STRIDE


def _leads(part: Window, found: Window) -> bool:
    """Whether the rest of a window and its padding make a chain behind a smaller pooling of the same tensor."""
    more = [whole - size for whole, size in zip(found.kernel, part.kernel, strict=True)]
    pads = [whole - size for whole, size in zip(found.pads, part.pads, strict=True)]
    inside = all(0 <= pad <= size for pad, size in zip(pads, (*more, *more), strict=True))
    return part.strides == (1, 1) and inside and max(more) > 0


def _planned(index: int, found: Window, smaller: Sequence[tuple[int, Window]]) -> Chain | None:
    """The chain behind the largest of the smaller poolings that it can begin with; ``None`` when a map on the way would vanish."""
    base, begin = next((item for item in reversed(smaller) if _leads(item[1], found)), (None, None))
    if begin is None:
        begin = found._replace(kernel=(1, 1), begin=(0, 0), end=(0, 0), beyond=(0, 0))
    steps = _steps(found, begin)
    return Chain(index, base, found, steps) if _fits(found, begin, steps) else None


def _add(build: Builder, chain: Chain) -> None:
    nodes = build.graph.nodes
    node, found = nodes[chain.node], chain.window
    source = node.input[0] if chain.base is None else nodes[chain.base].output[0]
    sampling = pair(_sampling(step) for step in found.strides)
    rest = pair(step // part for step, part in zip(found.strides, sampling, strict=True))
    for number, step in enumerate(chain.steps, 1):
        last = number == len(chain.steps)
        output = node.output[0] if last and sampling == (1, 1) else ""
        options = {"kernel_shape": list(step.kernel), "strides": list(rest if last else (1, 1)), "pads": [*step.begin, *step.end]}
        source = build.add("MaxPool", [source], output, **options)
    if sampling != (1, 1):
        build.add("MaxPool", [source], node.output[0], kernel_shape=[1, 1], strides=list(sampling))


def _sampling(step: int) -> int:
    """The smallest part of a stride that leaves no more than the limit; 0 when there is none."""
    return next((part for part in range(1, STRIDE + 1) if step % part == 0 and step // part <= STRIDE), 0)


def _steps(found: Window, base: Window) -> list[Step]:
    """The poolings that lead from a smaller window and its padding to the one of ``found``."""
    more = pair(whole - part for whole, part in zip(found.kernel, base.kernel, strict=True))
    pads = [whole - part for whole, part in zip(found.pads, base.pads, strict=True)]
    count = max(-(-max(more) // (POOLING - 1)), 1)
    shares = [[_shares(more[axis], whole, count) for whole in (more[axis], pads[axis], pads[axis + 2])] for axis in (0, 1)]
    rows = [[pair((shares[0][kind][number], shares[1][kind][number])) for kind in range(3)] for number in range(count)]
    return [Step(pair(size + 1 for size in grown), front, back) for grown, front, back in rows]


def _shares(more: int, whole: int, count: int) -> list[int]:
    """``whole`` in parts as the growth ``more`` of the window is parted, so that no padding reaches its window."""
    edges = [-(-more * number // count) for number in range(count + 1)]
    parts = [whole * edge // more if more else 0 for edge in edges]
    return [after - before for before, after in pairwise(parts)]


def _fits(found: Window, base: Window, steps: list[Step]) -> bool:
    """Whether no map on the way vanishes."""
    for axis in (0, 1):
        size = found.size[axis] + base.pads[axis] + base.pads[axis + 2] - base.kernel[axis] + 1
        for step in steps:
            size += step.begin[axis] + step.end[axis] - step.kernel[axis] + 1
            if size < 1:
                return False
    return True


REWRITE = Rewrite(
    "pooling-chain",
    EXACT,
    "A max pooling with a large window becomes a chain of poolings.",
    frozenset({"MaxPool"}),
    _plan,
)
