"""LeakyRelu as the larger one of a tensor and its scaled self."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Rewrite
from dlalint.rewrite.graph import Graph, attribute


def formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """max(x, alpha x) for a slope up to 1, min(x, alpha x) for a steeper one; bit-equal but for a slope that FP16 rounds."""
    node = graph.nodes[index]
    slope = float(attribute(node, "alpha", 0.01))
    scaled = write.affine(node.input[0], slope)
    write.build.add("Max" if slope <= 1 else "Min", [node.input[0], scaled], node.output[0])


REWRITE = Rewrite(
    "leaky-relu", ROUNDING, "LeakyRelu becomes the maximum of x and alpha x.", frozenset({"LeakyRelu"}), spelled("leaky-relu", formula)
)
