"""A node that hands on its input as it is, taken out: Identity, Dropout, a Concat of one tensor, a Reshape to the same shape."""

from __future__ import annotations

from onnx import NodeProto

from dlalint.rewrite.base import CANCEL, EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute

_OF_ONE = frozenset({"Concat", "Max", "Min", "Sum"})
_OF_SAME_SHAPE = frozenset({"Expand", "Flatten", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Unsqueeze"})


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    made, source = node.output[0], _original(graph, index)
    if source == made:
        return Miss("it changes its input")
    build = Builder(graph, index, REWRITE.name)
    readers = graph.consumers(made)
    if NOT_A_NODE not in readers:
        _read(build, readers, made, source)
        return build.replacement(index, *readers)
    maker, others = graph.producer(source), graph.consumers(source)
    if maker is None or NOT_A_NODE in others:
        return Miss("the model needs both its input and its output")
    build.keep(graph.nodes[maker], graph.nodes[maker].input, [made if name == source else name for name in graph.nodes[maker].output])
    _read(build, [reader for reader in others if reader != index], source, made)
    return build.replacement(maker, index, *others)


def _original(graph: Graph, index: int) -> str:
    """The tensor that a node hands on, through all the nodes before it that hand it on; its own output when it changes something."""
    name: str = graph.nodes[index].output[0]
    place: int | None = index
    while place is not None and not any(graph.nodes[place].output[1:]) and _copies(graph, graph.nodes[place]):
        name = graph.nodes[place].input[0]
        place = graph.producer(name)
    return name


def _read(build: Builder, readers: list[int], old: str, new: str) -> None:
    """The readers of ``old``, reading ``new``."""
    for reader in readers:
        node = build.graph.nodes[reader]
        build.keep(node, [new if name == old else name for name in node.input])


def _copies(graph: Graph, node: NodeProto) -> bool:
    """Whether the output is the first input."""
    before, after = graph.type(node.input[0]), graph.type(node.output[0])
    if node.op_type in _OF_ONE:
        return len(node.input) == 1
    if node.op_type == "Dropout":
        return len(node.input) < 3 or not node.input[2] or graph.number(node.input[2]) == 0
    if node.op_type == "Cast":
        return before is not None and after is not None and before.dtype == after.dtype
    if node.op_type == "Transpose":
        order = attribute(node, "perm", ())
        return bool(order) and list(order) == sorted(order)
    if node.op_type == "Pad":
        pads = graph.ints(node.input[1]) if len(node.input) > 1 else attribute(node, "pads")
        return pads is not None and not any(pads)
    if node.op_type in _OF_SAME_SHAPE:
        forward = node.op_type != "Slice" or len(node.input) < 5 or min(graph.ints(node.input[4]) or (-1,)) > 0
        return before is not None and after is not None and before.dims is not None and before.dims == after.dims and forward
    return node.op_type == "Identity"


REWRITE = Rewrite(
    "drop-copy",
    EXACT,
    "A node that hands on its input as it is, such as a Concat of one tensor, is taken out.",
    frozenset({"Cast", "Dropout", "Identity", "Pad", "Transpose"}) | _OF_ONE | _OF_SAME_SHAPE,
    _plan,
    CANCEL,
)
