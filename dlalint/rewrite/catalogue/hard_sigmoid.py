"""HardSigmoid as a clipped line."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Rewrite
from dlalint.rewrite.graph import Graph, attribute


def formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """clip(alpha x + beta, 0, 1)."""
    node = graph.nodes[index]
    line = write.affine(node.input[0], float(attribute(node, "alpha", 0.2)), float(attribute(node, "beta", 0.5)))
    if write.by_conv:
        write.between(line, 0.0, 1.0, node.output[0])
    else:
        write.build.clip(line, 0.0, 1.0, write.like, node.output[0])


REWRITE = Rewrite(
    "hard-sigmoid", ROUNDING, "HardSigmoid becomes Mul, Add and Clip.", frozenset({"HardSigmoid"}), spelled("hard-sigmoid", formula)
)
