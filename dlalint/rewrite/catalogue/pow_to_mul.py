"""Squares and cubes as products; squares are bit-equal."""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    base, made = graph.type(node.input[0]), graph.type(node.output[0])
    if graph.constant(node.input[1]) is None:
        return Miss("the exponent is computed")
    exponent = graph.number(node.input[1])
    if exponent not in (2, 3):
        return Miss(f"the exponent is {'not one number' if exponent is None else format(exponent, 'g')}; products make 2 and 3")
    if base is None or base != made:
        return Miss("the exponent changes the shape")
    build = Builder(graph, index, REWRITE.name)
    source = node.input[0]
    square = build.add("Mul", [source, source], node.output[0] if exponent == 2 else "")
    if exponent == 3:
        build.add("Mul", [square, source], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite("pow-to-mul", ROUNDING, "A square or cube becomes a product.", frozenset({"Pow"}), _plan)
