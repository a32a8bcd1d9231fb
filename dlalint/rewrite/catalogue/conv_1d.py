"""One-dimensional convolutions and poolings with the work between them, as two-dimensional ones over maps of one row or column.

The builder does the same node by node, with a reshape on the GPU before and behind each one.
"""

from __future__ import annotations

from dlalint.rewrite.base import CANCEL, EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.regions import RESHAPES, relabels
from dlalint.rewrite.rows import CONVOLUTIONS, WINDOWS, Row, entering, maps, row


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = row(graph, index)
    if found is None:
        return Miss("no one-dimensional window with constant weights is beside it")
    build = Builder(graph, index, REWRITE.name)
    names = {}
    for name, source in entering(graph, found).items():
        shape = found.dims(graph, name)
        names[name] = source if graph.dims(source) == shape else build.reshape(source, shape)
    gone: list[int] = []
    for item in found.nodes:
        node = graph.nodes[item]
        inputs = [names.get(name, name) for name in node.input]
        for place, name in enumerate(node.input):
            if graph.is_constant(name) and (name in maps(node) or (place == 1 and node.op_type in CONVOLUTIONS)):
                inputs[place] = found.constant(build, name)
        gone += _made(build, found, item, inputs, names)
    return build.replacement(*found.nodes, *gone)


def _made(build: Builder, found: Row, index: int, inputs: list[str], names: dict[str, str]) -> list[int]:
    """Add a node and what its readers outside need; returns the reshapes among them that are not needed any more."""
    graph = build.graph
    node = graph.nodes[index]
    old, shape = node.output[0], found.dims(graph, node.output[0])
    readers = [reader for reader in graph.consumers(old) if reader not in found.nodes]
    reshapes = [reader for reader in readers if reader != NOT_A_NODE and relabels(graph, reader)]
    results = {graph.nodes[reader].output[0]: graph.dims(graph.nodes[reader].output[0]) or () for reader in reshapes}
    straight = next((name for name, dims in results.items() if dims == shape), "")
    new = names[old] = build.keep(node, inputs, [straight or build.name()], **found.attributes(node))
    for name, dims in results.items():
        if name != new:
            build.reshape(new, dims, name)
    if len(reshapes) < len(readers):
        build.squeeze(new, [found.axis], old)
    return reshapes


REWRITE = Rewrite(
    "conv-1d",
    EXACT,
    "One-dimensional convolutions and poolings in a row become two-dimensional ones.",
    WINDOWS | RESHAPES | {"Transpose"},
    _plan,
    CANCEL,
)
