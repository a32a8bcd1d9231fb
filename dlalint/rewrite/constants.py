"""The elements of constants that the model computes from others, such as reshaped or converted weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx

from dlalint.rewrite.graph import Array, Graph

# operators whose result does not depend on who computes it: moves of elements, and arithmetic that is rounded once
_SAFE = frozenset(
    "Abs Add Cast Concat Div Expand Flatten Gather Identity Mul Neg Reshape Slice Sqrt Squeeze Sub Tile Transpose Unsqueeze".split()
)
MAX_ELEMENTS = 1 << 26  # in all the tensors on the way


def constant(graph: Graph, name: str, given: Mapping[str, Array] | None = None) -> Array | None:
    """The elements of a constant, also of one that is computed; ``None`` for what the model computes when it runs, or at great cost.

    ``given`` are constants that are known although nobody here can compute them.
    """
    given = given or {}
    found = given.get(name, graph.constant(name))
    if found is not None or not graph.is_constant(name):
        return found
    nodes, leaves, pending = set[int](), dict[str, Array](), [name]
    while pending:
        wanted = pending.pop()
        known = given.get(wanted, graph.constant(wanted))
        index = graph.producer(wanted)
        if known is not None:
            leaves[wanted] = known
        elif index is None or graph.nodes[index].op_type not in _SAFE:
            return None
        elif index not in nodes:
            nodes.add(index)
            pending += [source for source in graph.nodes[index].input if source]
    shapes = [graph.dims(made) for index in nodes for made in graph.nodes[index].output]
    sizes = [MAX_ELEMENTS + 1 if dims is None else prod(dims) for dims in shapes]
    return _computed(graph, name, sorted(nodes), leaves) if sum(sizes) <= MAX_ELEMENTS else None


def _computed(graph: Graph, name: str, nodes: list[int], leaves: dict[str, Array]) -> Array:
    from onnx.reference import ReferenceEvaluator  # slow to import, and seldom needed

    inputs = [onnx.helper.make_empty_tensor_value_info(leaf) for leaf in leaves]
    outputs = [onnx.helper.make_empty_tensor_value_info(name)]
    body = onnx.helper.make_graph([graph.nodes[index] for index in nodes], "constants", inputs, outputs)
    model = onnx.helper.make_model(body, opset_imports=graph.proto.opset_import, ir_version=graph.proto.ir_version)
    results: Any = ReferenceEvaluator(model).run([name], leaves)
    return np.asarray(results[0])
