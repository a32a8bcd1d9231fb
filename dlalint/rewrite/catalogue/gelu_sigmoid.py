"""GELU as x * sigmoid(1.702 x): the cheapest form, up to 2e-2 away from the one of the error function."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, refusal
from dlalint.rewrite.base import APPROXIMATE, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.gelu import exact_gelu
from dlalint.rewrite.graph import Graph

SLOPE = 1.702


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = exact_gelu(graph, index)
    if found is None:
        return Miss("it is no GELU of the error function that nothing else reads")
    refused = refusal(graph, found.source, by_conv=False)
    if refused:
        return Miss(refused)
    build = Builder(graph, index, REWRITE.name)
    scaled = Arithmetic(build, found.source, by_conv=False).affine(found.source, SLOPE)
    build.add("Mul", [found.source, build.add("Sigmoid", [scaled])], found.output)
    return build.replacement(*found.nodes)


REWRITE = Rewrite("gelu-sigmoid", APPROXIMATE, "GELU becomes x * Sigmoid(1.702 x).", frozenset({"Erf", "Gelu"}), _plan)
