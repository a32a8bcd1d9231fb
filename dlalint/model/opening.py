"""Local functions and decided branches, opened in place: their nodes under prefixed names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dlalint.graph import Attribute, Function, Graph, Node, Op, TensorType


class Frame(NamedTuple):
    """Nodes being opened: how their names map to the outside, and which node of the model they come from."""

    nodes: Iterator[Node]
    rename: Mapping[str, str]
    prefix: str
    origin: int
    opsets: Mapping[str, int]
    depth: int
    attributes: Mapping[str, Attribute]


def scope(node: Node) -> str:
    """The prefix of the names inside a call or branch."""
    return f"{node.name or next((name for name in node.outputs if name), node.op.op_type)}/"


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


def call_frame(function: Function, node: Node, frame: Frame) -> Frame:
    """The body of ``function`` in place of the call ``node``."""
    prefix = scope(node)
    rename = dict.fromkeys(function.inputs, "")
    rename.update(zip(function.inputs, node.inputs, strict=False))
    _scoped(rename, prefix, function.nodes)
    rename.update((formal, actual) for formal, actual in zip(function.outputs, node.outputs, strict=False) if actual)
    attributes = {**function.defaults, **node.op.attributes}
    opsets = {**frame.opsets, **function.opsets}
    return Frame(iter(function.nodes), rename, prefix, frame.origin, opsets, frame.depth + 1, attributes)


def branch_frame(branch: Graph, node: Node, frame: Frame) -> Frame:
    """The decided ``branch`` in place of the If ``node``."""
    prefix = scope(node)
    rename = {name: f"{prefix}{name}" for name in branch.constants}
    _scoped(rename, prefix, branch.nodes)
    made = {name for inner in branch.nodes for name in inner.outputs}
    nodes = list(branch.nodes)
    for formal, actual in zip(branch.outputs, node.outputs, strict=False):
        if formal in made:
            rename[formal] = actual
        else:  # a branch that hands on a tensor from outside
            nodes.append(Node("", Op("Identity", "", {}), (formal,), (f"{prefix}{actual}",)))
            rename[f"{prefix}{actual}"] = actual
    return Frame(iter(nodes), rename, prefix, frame.origin, frame.opsets, frame.depth + 1, frame.attributes)


def _scoped(rename: dict[str, str], prefix: str, nodes: tuple[Node, ...]) -> None:
    for node in nodes:
        for name in node.outputs:
            if name:
                rename.setdefault(name, f"{prefix}{name}")
