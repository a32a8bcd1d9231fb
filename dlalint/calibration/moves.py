"""Tensors that share one INT8 scale because the layer between them only moves elements, or pools them.

A DLA moves and compares INT8 elements as they are: what a shuffle, a slice, a concatenation or a max pooling makes has the scale of what it
reads. For a concatenation the validator says so: the dynamic ranges of its inputs and of its output must be equal.

Source: ``NvInfer.h`` of TensorRT 8.4 to 8.6, ``IConcatenationLayer`` (DLA restrictions in INT8).
"""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.graph import Graph, Node

# operators that hand on elements of their first input; of the latter only the first output holds them
MOVES = frozenset(
    "DepthToSpace Dropout Expand Flatten Gather GlobalMaxPool Identity MaxPool Reshape Slice SpaceToDepth Split Squeeze Tile Transpose"
    " Unsqueeze".split()
)
ONE_OUTPUT = frozenset({"Dropout", "MaxPool"})
_ONE_SCALE = MOVES | {"AveragePool"}  # that computes, but the pooling engine does not rescale


def shared(graph: Graph, ranges: Mapping[str, float]) -> dict[str, float]:
    """``ranges``, largest absolute values by tensor, with those of tensors that share a scale widened to the largest of them."""
    groups = {name: [name] for name in ranges}
    for node in graph.nodes:
        names = [name for name in _joined(graph, node) if name in groups]
        for name in names[1:]:
            one, two = groups[names[0]], groups[name]
            if one is not two:
                small, large = sorted((one, two), key=len)
                large += small
                groups.update(dict.fromkeys(small, large))
    widest = {id(group): max(ranges[name] for name in group) for group in groups.values()}
    return {name: widest[id(groups[name])] for name in ranges}


def _joined(graph: Graph, node: Node) -> tuple[str, ...]:
    """The tensors of ``node`` that hold the same elements, some or all of them."""
    kind = node.op.op_type
    if node.op.domain not in ("", "ai.onnx"):
        return ()
    if kind == "Concat":
        return (*node.inputs, *node.outputs)
    if kind in _ONE_SCALE or (kind == "Pad" and _adds_zeros(graph, node)) or (kind in ("Resize", "Upsample") and _is_nearest(node)):
        return (*node.inputs[:1], *node.outputs[: 1 if kind in ONE_OUTPUT else None])
    return ()


def _adds_zeros(graph: Graph, node: Node) -> bool:
    if node.op.get_string("mode", "constant") != "constant":
        return True
    if len(node.inputs) < 3 or not node.inputs[2]:
        return node.op.get_float("value") == 0
    value = graph.constants.get(node.inputs[2])
    return value is not None and value.values() == (0,)


def _is_nearest(node: Node) -> bool:
    crops = node.op.get_string("coordinate_transformation_mode") == "tf_crop_and_resize"
    return node.op.get_string("mode", "nearest") == "nearest" and not crops
