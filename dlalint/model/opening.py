"""Local functions and decided branches, opened in place: their nodes under prefixed names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count

from dlalint.graph import Attribute, Function, Graph, Node, Op, TensorType
from dlalint.named_tuple import NamedTuple


class Frame(NamedTuple):
    """Nodes being opened: how their names map to the outside, and which node of the model they come from."""

    nodes: Iterator[Node]
    rename: Mapping[str, str]
    prefix: str
    origin: int
    opsets: Mapping[str, int]
    depth: int
    attributes: Mapping[str, Attribute]


class Scopes:
    """Hands out the prefixes of the names inside calls and branches, such that no tensor of the opened model is named twice."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def prefix(self, node: Node, inner: Iterable[str]) -> str:
        """The prefix for the tensors ``inner`` of a function or branch that stands in place of ``node``."""
        stem = node.name or next((name for name in node.outputs if name), node.op.op_type)
        names = [name for name in inner if name]
        for prefix in chain((f"{stem}/",), (f"{stem}#{number}/" for number in count(2))):
            found = {f"{prefix}{name}" for name in names}
            if self._taken.isdisjoint(found):
                self._taken |= found
                return prefix
        raise AssertionError  # pragma: no cover - the numbers do not end


def tensors_of(nodes: Iterable[Node]) -> Iterator[str]:
    """What ``nodes`` make."""
    return (name for node in nodes for name in node.outputs)


def renamed(node: Node, frame: Frame) -> Node:
    """``node`` with the names and attributes of the frame it is opened in."""
    rename = frame.rename
    op = _resolved(node.op, frame.attributes) if frame.attributes else node.op
    name = f"{frame.prefix}{node.name}" if node.name else ""
    return Node(name, op, tuple(rename.get(x, x) for x in node.inputs), tuple(rename.get(x, x) for x in node.outputs))


def _resolved(op: Op, attributes: Mapping[str, Attribute]) -> Op:
    """``op`` with the attributes that refer to the function's own replaced by their values."""
    references = {
        key: value.shape[0]
        for key, value in op.attributes.items()
        if isinstance(value, TensorType) and value.dtype == "attribute-reference" and value.shape
    }
    if not references:
        return op
    resolved = {key: value for key, value in op.attributes.items() if key not in references}
    for key, reference in references.items():
        if isinstance(reference, str) and reference in attributes:
            resolved[key] = attributes[reference]
    return Op(op.op_type, op.domain, resolved, b"", op.overload)


def call_frame(function: Function, node: Node, prefix: str, frame: Frame) -> Frame:
    """The body of ``function`` in place of the call ``node``."""
    rename = dict.fromkeys(function.inputs, "")
    rename.update(zip(function.inputs, node.inputs, strict=False))
    rename.update((name, f"{prefix}{name}") for name in tensors_of(function.nodes) if name)
    nodes = _handing_out(function.nodes, function.outputs, node.outputs, rename)
    attributes = {**function.defaults, **node.op.attributes}
    opsets = {**frame.opsets, **function.opsets}
    return Frame(iter(nodes), rename, prefix, frame.origin, opsets, frame.depth + 1, attributes)


def branch_frame(branch: Graph, node: Node, prefix: str, frame: Frame) -> Frame:
    """The decided ``branch`` in place of the If ``node``."""
    rename = dict(frame.rename)
    rename.update((name, f"{prefix}{name}") for name in chain(branch.constants, tensors_of(branch.nodes)) if name)
    nodes = _handing_out(branch.nodes, branch.outputs, node.outputs, rename)
    return Frame(iter(nodes), rename, prefix, frame.origin, frame.opsets, frame.depth + 1, frame.attributes)


def _handing_out(nodes: tuple[Node, ...], formals: tuple[str, ...], actuals: tuple[str, ...], rename: dict[str, str]) -> list[Node]:
    """``nodes``, with the outputs ``formals`` under their names outside; one that none of them makes is handed on by an Identity."""
    made = set(tensors_of(nodes))
    out = list(nodes)
    for formal, actual in zip(formals, actuals, strict=False):
        if not actual:
            continue
        if formal in made:
            made.discard(formal)  # the same tensor handed out a second time is a copy
            rename[formal] = actual
        else:
            outside = f"\ud800{actual}"  # a name that no file can hold
            out.append(Node("", Op("Identity", "", {}), (formal,), (outside,)))
            rename[outside] = actual
    return out
