"""GELU in its tanh form; at most 4.7e-4 away from the one of the error function."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, refusal
from dlalint.rewrite.base import APPROXIMATE, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.gelu import exact_gelu, write_tanh_form
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = exact_gelu(graph, index)
    if found is None:
        return Miss("it is no GELU of the error function that nothing else reads")
    refused = refusal(graph, found.source, by_conv=False)
    if refused:
        return Miss(refused)
    build = Builder(graph, index, REWRITE.name)
    write_tanh_form(Arithmetic(build, found.source, by_conv=False), found.source, found.output)
    return build.replacement(*found.nodes)


REWRITE = Rewrite("gelu", APPROXIMATE, "GELU becomes its tanh form.", frozenset({"Erf", "Gelu"}), _plan)
