"""Where a model computes GELU: the operator, or its spelling with the error function."""

from __future__ import annotations

import math

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.arithmetic import Arithmetic
from dlalint.rewrite.graph import Graph, attribute

CLOSE = 1e-3  # constants may be rounded to FP16
SLOPE, CUBE = 2 * math.sqrt(2 / math.pi), 0.044715  # of the tanh form; twice its slope, since (1 + tanh z) / 2 is sigmoid(2 z)


class Gelu(NamedTuple):
    """x * (1 + erf(x / sqrt 2)) / 2: the tensor x, the one that is made, and the nodes between."""

    source: str
    output: str
    nodes: tuple[int, ...]


def exact_gelu(graph: Graph, index: int) -> Gelu | None:
    """The GELU of the error function at a node Gelu or Erf."""
    found = _found(graph, index)
    return found if found is not None and graph.type(found.source) == graph.type(found.output) else None


def _found(graph: Graph, index: int) -> Gelu | None:
    node = graph.nodes[index]
    if node.op_type == "Gelu":
        exact = attribute(node, "approximate", "none") == "none"
        return Gelu(node.input[0], node.output[0], (index,)) if exact else None
    before = graph.producer(node.input[0])
    added = graph.only_consumer(node.output[0])
    if before is None or added is None or graph.only_consumer(node.input[0]) != index or graph.nodes[added].op_type != "Add":
        return None
    source, factor = _scaled(graph, before)
    if not _is(factor, math.sqrt(0.5)) or not _is(_other(graph, added, node.output[0]), 1.0):
        return None
    return _product(graph, source, (before, index, added))


def _product(graph: Graph, source: str, nodes: tuple[int, int, int]) -> Gelu | None:
    """The multiplications with ``source`` and one half behind the sum, in any order."""
    made = graph.nodes[nodes[-1]].output[0]
    first = graph.only_consumer(made)
    if first is None or graph.nodes[first].op_type != "Mul":
        return None
    left, right = graph.nodes[first].input
    other = right if left == made else left
    half = graph.producer(other)
    if half is not None and _is(_scaled(graph, half)[1], 0.5) and _scaled(graph, half)[0] == source:
        return Gelu(source, graph.nodes[first].output[0], (*nodes, first))
    last = graph.only_consumer(graph.nodes[first].output[0])
    if last is None or graph.nodes[last].op_type not in ("Mul", "Div"):
        return None
    factor, rest = (graph.number(other), source) if other != source else (0.5, "")
    if not _is(factor, 0.5) or (rest and rest not in graph.nodes[last].input):
        return None
    if not rest and not _is(_scaled(graph, last)[1], 0.5):
        return None
    return Gelu(source, graph.nodes[last].output[0], (*nodes, first, last))


def _scaled(graph: Graph, index: int) -> tuple[str, float | None]:
    """The tensor that a Mul or Div by one number takes, and the factor."""
    node = graph.nodes[index]
    if node.op_type == "Div":
        divisor = graph.number(node.input[1])
        return node.input[0], 1 / divisor if divisor else None
    if node.op_type != "Mul":
        return "", None
    place = 0 if graph.is_constant(node.input[0]) else 1
    return node.input[1 - place], graph.number(node.input[place])


def _other(graph: Graph, index: int, name: str) -> float | None:
    left, right = graph.nodes[index].input
    return graph.number(right if left == name else left)


def _is(value: float | None, wanted: float) -> bool:
    return value is not None and math.isclose(value, wanted, rel_tol=CLOSE)


def write_tanh_form(write: Arithmetic, source: str, output: str) -> None:
    """x * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, as a product with a sigmoid."""
    square = write.build.add("Mul", [source, source])
    line = write.build.add("Mul", [source, write.affine(square, SLOPE * CUBE, SLOPE)])
    write.build.add("Mul", [source, write.build.add("Sigmoid", [line])], output)
