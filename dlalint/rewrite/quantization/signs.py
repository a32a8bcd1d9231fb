"""Which tensors are never below zero: behind them, a grid that begins at zero cuts nothing off.

onnxruntime's quantizer drops a Relu or Clip whose output it gives such a grid, as QuantizeLinear then does the same.
Source: ``QDQRemovableActivation`` of onnxruntime.quantization.
"""

from __future__ import annotations

from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.quantization.pairs import Found

_ALWAYS = frozenset("Abs Exp HardSigmoid ReduceL1 ReduceL2 ReduceSumSquare Relu Sigmoid Softmax Softplus Sqrt".split())
_KEEPS = frozenset(
    "Add AveragePool Cast Concat DepthToSpace Dropout Expand Flatten Gather GlobalAveragePool GlobalMaxPool Identity MaxPool Mean Mul Pow"
    " ReduceMax ReduceMean ReduceSum Reshape Resize Slice SpaceToDepth Split Squeeze Sum Tile Transpose Unsqueeze".split()
)
_FIRST = frozenset("Expand Gather Pow Reshape Resize Slice Split Squeeze Tile Unsqueeze Dropout ReduceMax ReduceMean ReduceSum".split())


def never_negative(graph: Graph, found: Found) -> frozenset[str]:
    """The tensors of a model with Q/DQ nodes of which that is certain, whatever it is fed with."""
    ranges = {index: pair.grid.range[0] for pair in found.pairs for index in pair.dequantizers}
    sources = {index: pair.source for pair in found.pairs for index in pair.dequantizers}
    known: set[str] = {item.name for item in found.baked if item.array.size and float(item.array.min()) >= 0}
    for index, node in enumerate(graph.nodes):
        if index in ranges:
            sure = ranges[index] >= 0 or sources[index] in known
        elif node.op_type == "Clip":
            low = graph.number(node.input[1]) if len(node.input) > 1 and node.input[1] else None
            low = next((item.f for item in node.attribute if item.name == "min"), low)
            sure = (low is not None and low >= 0) or node.input[0] in known
        elif node.op_type in _KEEPS and attribute(node, "mode") != "cubic":
            sure = all(name in known or _constant(graph, name) for name in (node.input[:1] if node.op_type in _FIRST else node.input))
        else:
            sure = node.op_type in _ALWAYS
        if sure and node.domain in ("", "ai.onnx", "com.microsoft"):
            known.update(node.output)
    return frozenset(known)


def _constant(graph: Graph, name: str) -> bool:
    array = graph.constant(name) if graph.is_constant(name) else None
    return array is not None and array.dtype.kind in "fiu" and bool((array >= 0).all())
