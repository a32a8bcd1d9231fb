"""What TensorRT makes one layer of, and cannot when a tensor in between has to be written out.

The pairs follow the layer fusion catalog of the TensorRT documentation
<https://docs.nvidia.com/deeplearning/tensorrt/latest/performance/fusion-catalog.html>. Whether a build really fuses a pair depends on
precision, shapes and release, so this is what may be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlalint.graph import Node
from dlalint.graphview import GraphView

_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_POINTWISE = frozenset(
    "Abs Add BatchNormalization Ceil Clip Div Elu Erf Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log Max Min Mish Mul Neg Pow PRelu"
    " Reciprocal Relu Round Selu Sigmoid Softplus Softsign Sqrt Sub Sum Swish Tanh ThresholdedRelu".split()
)
_POOLINGS = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"})
_SHUFFLES = frozenset({"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
_REDUCTIONS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})
_PAIRS = (
    (_CONVOLUTIONS, _POINTWISE),
    (_POINTWISE, _POINTWISE),
    (frozenset({"Conv"}), _POOLINGS),
    (frozenset({"Pad"}), frozenset({"Conv", "ConvTranspose", "AveragePool", "MaxPool"})),
    (_SHUFFLES, _SHUFFLES | _REDUCTIONS),
    (frozenset({"Softmax"}), frozenset({"Log", "TopK"})),
)
MAX_CHAIN = 4  # nodes shown on either side


class Fusions:
    """The chains of a model's nodes that may become one layer."""

    def __init__(self, view: GraphView) -> None:
        self._nodes = view.model.graph.nodes
        self._producers = {name: index for index, node in enumerate(self._nodes) for name in node.outputs if name}
        self._readers = _readers(self._nodes, view)

    def across(self, tensor: str) -> tuple[int, ...]:
        """The nodes, in order, that may become one layer around ``tensor``; empty when it is written out in any case."""
        first = self._producers[tensor]
        second = self._next(first, tensor)
        if second is None:
            return ()
        before = [first]
        while len(before) < MAX_CHAIN and (earlier := self._previous(before[-1])) is not None:
            before.append(earlier)
        after = [second]
        while len(after) < MAX_CHAIN and (later := self._next(after[-1], self._nodes[after[-1]].outputs[0])) is not None:
            after.append(later)
        return (*before[::-1], *after)

    def _next(self, index: int, tensor: str) -> int | None:
        """The only reader of ``tensor``, an output of node ``index``, when both may be fused."""
        readers = self._readers.get(tensor, ())
        return readers[0] if len(readers) == 1 and readers[0] >= 0 and _fusible(self._nodes[index], self._nodes[readers[0]]) else None

    def _previous(self, index: int) -> int | None:
        for name in self._nodes[index].inputs:
            producer = self._producers.get(name)
            if producer is not None and self._next(producer, name) == index:
                return producer
        return None


def _readers(nodes: Sequence[Node], view: GraphView) -> Mapping[str, Sequence[int]]:
    """The nodes that read each tensor, each once; -1 stands for a body or an output of the model."""
    found: dict[str, list[int]] = {name: [-1] for name in view.outputs}
    for index, node in enumerate(nodes):
        for name in dict.fromkeys(node.inputs):
            if name and name not in view.constants:
                found.setdefault(name, []).append(index)
    for call in view.calls:
        for name in call.captured:
            found.setdefault(name, []).append(-1)
    return found


def _fusible(first: Node, second: Node) -> bool:
    if first.op.domain or second.op.domain:
        return False
    return any(first.op.op_type in firsts and second.op.op_type in seconds for firsts, seconds in _PAIRS)
