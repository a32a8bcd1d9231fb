"""A node between two transposes that undo each other: what it does to the tensor before them."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.known import only_worker


class Sandwich(NamedTuple):
    """The Transposes ``before`` and ``after`` a node; axis i that the node sees is the axis ``order[i]`` of ``source``."""

    before: int
    after: int
    order: tuple[int, ...]
    source: str
    output: str


def transposed(graph: Graph, name: str) -> tuple[int, tuple[int, ...]] | None:
    """The Transpose that makes a tensor, and its order."""
    index = graph.producer(name)
    shape = graph.dims(name)
    if index is None or shape is None or graph.nodes[index].op_type != "Transpose":
        return None
    return index, tuple(attribute(graph.nodes[index], "perm", tuple(reversed(range(len(shape))))))


def sandwich(graph: Graph, index: int) -> Sandwich | None:
    """The Transposes around a node's first input and its output, when one undoes the other."""
    node = graph.nodes[index]
    first, last = transposed(graph, node.input[0]), only_worker(graph, node.output[0])
    second = transposed(graph, graph.nodes[last].output[0]) if last is not None else None
    if first is None or second is None or [first[1][axis] for axis in second[1]] != list(range(len(first[1]))):
        return None
    return Sandwich(first[0], second[0], first[1], graph.nodes[first[0]].input[0], graph.nodes[second[0]].output[0])


def keep_shared(build: Builder, before: int, own: set[int]) -> None:
    """Make a node again under its names when others than the nodes ``own`` read it."""
    node = build.graph.nodes[before]
    if not own.issuperset(build.graph.consumers(node.output[0])):
        build.keep(node, node.input)
