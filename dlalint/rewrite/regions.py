"""Elementwise nodes between nodes that change the layout: their work can be done in the layout outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import NOT_A_NODE, Array, Graph, attribute

# operators that treat each element alone: those of one tensor (further inputs are numbers), and those of tensors that are broadcast
ALONE = frozenset(
    "Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Dropout Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity "
    "LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh "
    "ThresholdedRelu".split()
)
TOGETHER = frozenset("Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Or PRelu Pow Sub Sum Where Xor".split())
RESHAPES = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
MAX_NODES = 256


class Region(NamedTuple):
    """``entries`` and ``exits`` change the layout, ``inner`` work in between; all by index, in the order of the graph."""

    entries: tuple[int, ...]
    inner: tuple[int, ...]
    exits: tuple[int, ...]


def operands(node: NodeProto) -> list[str]:
    """The inputs that have the layout of the output, or are broadcast to it."""
    return list(node.input[:1] if node.op_type in ALONE else node.input)


def grow(graph: Graph, start: str, changes: Callable[[int], bool], works: Callable[[int], bool]) -> Region | Miss:
    """What is connected with the tensor ``start`` by nodes that ``works`` accepts, up to those that ``changes`` does."""
    pending, seen = [start], set[str]()
    entries, inner, exits = set[int](), set[int](), set[int]()
    while pending:
        name = pending.pop()
        if name in seen or graph.is_constant(name):
            continue
        seen.add(name)
        maker = graph.producer(name)
        if maker is None:
            return Miss("an input of the model has the layout")
        around = [(maker, entries), *((reader, exits) for reader in graph.consumers(name))]
        for index, border in around:
            if index != NOT_A_NODE and changes(index):
                border.add(index)
            elif index != NOT_A_NODE and works(index):
                inner.add(index)
                pending += [*operands(graph.nodes[index]), graph.nodes[index].output[0]]
            else:
                return Miss(f"{'an output of the model' if index == NOT_A_NODE else graph.nodes[index].op_type} needs the layout")
        if len(inner) > MAX_NODES:
            return Miss("too many nodes work in the layout")
    if not exits or entries & exits:
        return Miss("nothing changes the layout back")
    return Region(tuple(sorted(entries)), tuple(sorted(inner)), tuple(sorted(exits)))


def elementwise(graph: Graph, index: int) -> bool:
    """Whether a node treats each element alone and has one output."""
    node = graph.nodes[index]
    return not node.domain and node.op_type in ALONE | TOGETHER and not any(node.output[1:])


def relabels(graph: Graph, index: int) -> bool:
    """Whether a node changes the shape and moves no element; transposes of single elements count."""
    node = graph.nodes[index]
    before, after = graph.dims(node.input[0]), graph.dims(node.output[0])
    if before is None or after is None or node.domain:
        return False
    if node.op_type != "Transpose":
        return node.op_type in RESHAPES
    long = [axis for axis in attribute(node, "perm", tuple(reversed(range(len(before))))) if before[axis] != 1]
    return long == sorted(long)


class Layout(NamedTuple):
    """How to move to the layout outside: what a constant becomes (``None`` when it does not fit), and the attributes of a node."""

    constant: Callable[[Array], Array | None]
    attributes: Callable[[NodeProto], Mapping[str, int]] = lambda _: {}


def rebuild(
    build: Builder, region: Region, layout: Layout, names: Mapping[str, str], wanted: Mapping[str, str]
) -> Mapping[str, str] | Miss:
    """Add the inner nodes in the new layout and return what each tensor is called there.

    ``names`` has the tensors that enter, ``wanted`` the names for some that the inner nodes make.
    """
    graph, found = build.graph, dict(names)
    for index in region.inner:
        node = graph.nodes[index]
        inputs = list(node.input)
        for place, name in enumerate(operands(node)):
            if name not in found:
                values = constant(graph, name)
                laid = None if values is None else layout.constant(values)
                if laid is None:
                    return Miss("a constant does not fit the layout")
                found[name] = build.tensor(laid)
            inputs[place] = found[name]
        made = node.output[0]
        found[made] = build.keep(node, inputs, [wanted.get(made) or build.name()], **layout.attributes(node))
    return found


def handed_on(graph: Graph, exits: Sequence[int], same: Callable[[int], bool]) -> dict[str, str]:
    """For tensors that leave through an exit which changes nothing any more, the name of what the first such exit makes."""
    found: dict[str, str] = {}
    for index in exits:
        if same(index):
            found.setdefault(graph.nodes[index].input[0], graph.nodes[index].output[0])
    return found
