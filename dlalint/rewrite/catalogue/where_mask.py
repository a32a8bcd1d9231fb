"""Where with a constant condition as arithmetic: each side times a mask of zeros and ones, and their sum."""

from __future__ import annotations

import numpy as np

from dlalint.graph import NUMPY_FLOATS
from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Array


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    condition, kind = constant(graph, node.input[0]), graph.type(node.output[0])
    if condition is None:
        return Miss("its condition is computed")
    if kind is None or kind.dims is None or kind.dtype not in NUMPY_FLOATS:
        return Miss("its output is no float tensor of static shape")
    computed = [side for side in (1, 2) if not graph.is_constant(node.input[side])]
    if any(np.broadcast_shapes(graph.dims(node.input[side]) or (), condition.shape) != kind.dims for side in computed):
        return Miss("an operand is broadcast to more than the condition")
    build = Builder(graph, index, REWRITE.name)
    masks = {1: condition, 2: ~condition}
    if len(computed) == 1:
        (side,) = computed
        values = constant(graph, node.input[3 - side])
        if values is None:
            return Miss("the values of a constant are not known")
        kept = build.add("Mul", [node.input[side], build.like(masks[side], node.output[0])])
        build.add("Add", [kept, build.tensor(_masked(values, masks[3 - side]))], node.output[0])
    elif len(computed) == 2:
        sides = [build.add("Mul", [node.input[side], build.like(masks[side], node.output[0])]) for side in computed]
        build.add("Add", sides, node.output[0])
    else:
        return Miss("both sides are constants")
    return build.replacement(index)


def _masked(values: Array, mask: Array) -> Array:
    """``values`` where the mask is, else zero; also of values that are not finite."""
    return np.where(mask, values, np.zeros((), values.dtype))


REWRITE = Rewrite("where-mask", EXACT, "Where with a constant condition becomes products and a sum.", frozenset({"Where"}), _plan)
