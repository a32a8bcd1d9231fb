"""Activations and arithmetic with constants as depthwise 1x1 convolutions and Relu.

For releases whose DLA takes neither a constant operand nor a clipped activation (up to TensorRT 7.0).
"""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.rewrite.arithmetic import Arithmetic, Formula, spelled
from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.catalogue import abs_to_max, clip_to_max_min, hard_sigmoid, hard_swish, leaky_relu, prelu, sub_to_add
from dlalint.rewrite.graph import Graph

NAME = "arithmetic-to-conv"


def _mean(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    """The sum, divided by the number of inputs."""
    node = graph.nodes[index]
    inputs = [name for name in node.input if name]
    if any(graph.is_constant(name) or graph.dims(name) != graph.dims(node.output[0]) for name in inputs):
        return Miss("an input is constant or broadcast")
    made = inputs[0]
    for name in inputs[1:]:
        made = write.build.add("Add", [made, name])
    write.affine(made, 1 / len(inputs), output=node.output[0])
    return None


FORMULAS: Mapping[str, Formula] = {
    "Abs": abs_to_max.formula,
    "Clip": clip_to_max_min.formula,
    "HardSigmoid": hard_sigmoid.formula,
    "HardSwish": hard_swish.formula,
    "LeakyRelu": leaky_relu.formula,
    "Mean": _mean,
    "PRelu": prelu.formula,
    "Sub": sub_to_add.formula,
}


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return spelled(NAME, FORMULAS[graph.nodes[index].op_type], by_conv=True)(graph, index)


REWRITE = Rewrite(
    NAME, ROUNDING, "Activations and arithmetic with constants become 1x1 convolutions and Relu.", frozenset(FORMULAS), _plan, LAST
)
