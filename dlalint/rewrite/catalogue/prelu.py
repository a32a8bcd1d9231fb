"""PRelu as the larger one of a tensor and its scaled self, or as two Relus."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.arithmetic import Arithmetic, cannot_bound, per_channel, spelled
from dlalint.rewrite.base import EXACT, Miss, Rewrite
from dlalint.rewrite.graph import Array, Graph


def formula(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    """max(x, s x) for slopes up to 1, min(x, s x) for steeper ones; relu(x) + s min(x, 0) when they are mixed or computed."""
    node = graph.nodes[index]
    source, made = node.input[0], node.output[0]
    if graph.dims(source) != graph.dims(made):
        return Miss("the slope changes the shape")
    slopes = graph.constant(node.input[1])
    if slopes is None and write.by_conv:
        return Miss("the slope is computed")
    if slopes is not None and write.by_conv and not per_channel(slopes, (graph.dims(source) or (0, 0))[1]):
        return Miss("the slope is not one number a channel")
    if slopes is not None and (np.all(slopes <= 1) or np.all(slopes >= 1)):
        write.build.add("Max" if np.all(slopes <= 1) else "Min", [source, write.affine(source, slopes)], made)
        return None
    if cannot_bound(write):
        return Miss("Max and Min of this operator set do not broadcast")
    _mixed(write, source, node.input[1] if slopes is None else slopes, made)
    return None


def _mixed(write: Arithmetic, source: str, slopes: str | Array, output: str) -> None:
    positive = write.build.add("Relu", [source])
    if write.by_conv:
        assert not isinstance(slopes, str)
        negative = write.affine(write.build.add("Relu", [write.affine(source, -1.0)]), -slopes)
    else:
        below = write.between(source, None, 0.0)
        negative = write.build.add("Mul", [below, slopes]) if isinstance(slopes, str) else write.affine(below, slopes)
    write.build.add("Add", [positive, negative], output)


REWRITE = Rewrite("prelu", EXACT, "PRelu becomes Max or Min with the scaled tensor.", frozenset({"PRelu"}), spelled("prelu", formula))
