"""A Pad with zeros as the padding of the convolutions behind it."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, FOLD, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.padding import padding
from dlalint.rewrite.windows import window


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = padding(graph, index)
    if isinstance(found, Miss):
        return found
    if found.value or any((*found.begin[:2], *found.end[:2])) or min(*found.begin, *found.end) < 0:
        return Miss("it does more than add zeros to height and width")
    made = graph.nodes[index].output[0]
    readers = graph.consumers(made)
    build = Builder(graph, index, REWRITE.name)
    for reader in readers:
        if reader == NOT_A_NODE or graph.nodes[reader].op_type != "Conv" or made in graph.nodes[reader].input[1:]:
            return Miss("not every node behind is a convolution of it")
        node, view = graph.nodes[reader], window(graph, reader)
        if isinstance(view, Miss):
            return view
        pads = [old + more for old, more in zip((*view.begin, *view.end), (*found.begin[2:], *found.end[2:]), strict=True)]
        build.keep(node, [found.source, *node.input[1:]], pads=pads, auto_pad=None)
    return build.replacement(index, *readers)


REWRITE = Rewrite(
    "pad-into-conv", EXACT, "A Pad with zeros becomes the padding of the convolutions behind it.", frozenset({"Pad"}), _plan, FOLD
)
