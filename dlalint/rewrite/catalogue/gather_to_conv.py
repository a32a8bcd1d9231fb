"""A Gather with constant indices as a convolution that selects; also between two transposes, as torch.export writes x[:, [2, 1, 0]]."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.known import settle
from dlalint.rewrite.picks import gathered
from dlalint.rewrite.sandwich import keep_shared, sandwich
from dlalint.rewrite.selection import pick
from dlalint.rewrite.shuffles import RESHAPES

_OPERATORS = frozenset({"Gather", "GatherElements", "GatherND"})


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = gathered(graph, node)
    if isinstance(found, Miss):
        return found
    indices, dropped = found
    build = Builder(graph, index, REWRITE.name)
    if dropped:
        restored = graph.only_consumer(node.output[0])
        after = graph.nodes[restored] if restored is not None else node
        if restored is None or after.op_type not in RESHAPES or graph.dims(after.output[0]) != tuple(map(len, indices)):
            return Miss("its single index drops a dimension, which no Unsqueeze behind it restores")
        return pick(build, node.input[0], indices, after.output[0]) or build.replacement(index, restored)
    around = sandwich(graph, index)
    if around is None:
        return pick(build, node.input[0], indices, node.output[0]) or build.replacement(index)
    indices = tuple(indices[around.order.index(axis)] for axis in range(4))
    keep_shared(build, around.before, {index})
    known = settle(build, node.output[0])
    return pick(build, around.source, indices, around.output) or build.replacement(around.before, index, around.after, *known)


REWRITE = Rewrite("gather-to-conv", EXACT, "A Gather with constant indices becomes a convolution that selects.", _OPERATORS, _plan)
