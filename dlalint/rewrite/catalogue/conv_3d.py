"""Convolutions over small volumes as convolutions over maps, the depth laid beside the channels; and what lies between them."""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.lifting import RESHAPES
from dlalint.rewrite.lifts import BINARY, UNARY
from dlalint.rewrite.volumes import POOLINGS, fits, flat, lift


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    region = _grown(graph, index)
    if not any(graph.nodes[item].op_type == "Conv" for item in region):
        return Miss("it is no convolution over a small volume of static size, nor beside one")
    build = Builder(graph, region[0], REWRITE.name)
    remove, sources = list(region), dict[str, str]()
    for item in region:
        node = graph.nodes[item]
        for name in node.input:
            if name and not graph.is_constant(name) and name not in sources:
                sources[name] = _entered(graph, build, name, set(region), remove)
        name = node.output[0]
        ways = _exits(graph, name)
        made = lift(build, node, sources, graph.nodes[ways[0]].output[0] if ways else "")
        if made is None:
            return Miss(f"a constant of {node.op_type} is not known")
        sources[name] = made
        remove += ways
        for way in ways[1:]:
            build.add("Identity", [made], graph.nodes[way].output[0])
        if set(graph.consumers(name)) - set(region) - set(ways):
            build.reshape(made, graph.dims(name) or (), name)
    return build.replacement(*remove)


def _grown(graph: Graph, start: int) -> list[int]:
    pending, found = [start], set[int]()
    while pending:
        index = pending.pop()
        if index in found or index == NOT_A_NODE or not fits(graph, index):
            continue
        found.add(index)
        node = graph.nodes[index]
        pending += [source for source in map(graph.producer, node.input) if source is not None]
        pending += graph.consumers(node.output[0])
    return sorted(found)


def _entered(graph: Graph, build: Builder, name: str, region: set[int], remove: list[int]) -> str:
    """The map that holds a volume: one that was reshaped to it and nothing else, or a reshape of it."""
    index, dims = graph.producer(name), flat(graph.dims(name) or (0,) * 5)
    alone = index is not None and graph.nodes[index].op_type in RESHAPES and set(graph.consumers(name)) <= region
    if index is None or not alone or graph.dims(graph.nodes[index].input[0]) != dims:
        return build.reshape(name, dims)
    remove.append(index)
    return str(graph.nodes[index].input[0])


def _exits(graph: Graph, name: str) -> list[int]:
    """The nodes that reshape a volume to the map that holds it."""
    readers = [index for index in graph.consumers(name) if index != NOT_A_NODE and graph.nodes[index].op_type in RESHAPES]
    return [index for index in readers if graph.dims(graph.nodes[index].output[0]) == flat(graph.dims(name) or (0,) * 5)]


REWRITE = Rewrite(
    "conv-3d",
    ROUNDING,
    "Convolutions over small volumes become convolutions over maps.",
    frozenset({"BatchNormalization", "Conv", "GlobalAveragePool"}) | POOLINGS | UNARY | BINARY,
    _plan,
)
