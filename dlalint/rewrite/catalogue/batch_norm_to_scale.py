"""Batch normalization as a product and a sum with constants, where no convolution takes it."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.affine import affine
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = affine(graph, index)
    if isinstance(found, Miss):
        return found
    node = graph.nodes[index]
    kind = graph.type(node.output[0])
    build = Builder(graph, index, REWRITE.name)
    dims = (-1,) + (1,) * (len(kind.shape) - 2 if kind is not None and kind.shape is not None else 2)
    with np.errstate(over="ignore"):
        scale, shift = (item.reshape(dims).astype(build.dtype(found.source)) for item in (found.scale, found.shift))
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(shift))):
        return Miss(f"its factors are out of the range of {scale.dtype}")
    product = build.add("Mul", [found.source, build.tensor(scale)])
    build.add("Add", [product, build.tensor(shift)], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "batch-norm-to-scale", ROUNDING, "Batch normalization becomes a Mul and an Add.", frozenset({"BatchNormalization"}), _plan
)
