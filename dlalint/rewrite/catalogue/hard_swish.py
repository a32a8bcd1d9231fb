"""HardSwish as a product with a clipped sum: x * clip(x + 3, 0, 6) / 6."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Rewrite
from dlalint.rewrite.graph import Graph


def formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """The gate is scaled before the product, which keeps FP16 in its range."""
    node = graph.nodes[index]
    shifted = write.affine(node.input[0], 1.0, 3.0)
    gate = write.between(shifted, 0.0, 6.0) if write.by_conv else write.build.clip(shifted, 0.0, 6.0, write.like)
    write.build.add("Mul", [node.input[0], write.affine(gate, 1 / 6)], node.output[0])


REWRITE = Rewrite("hard-swish", ROUNDING, "HardSwish becomes Add, Clip and Mul.", frozenset({"HardSwish"}), spelled("hard-swish", formula))
