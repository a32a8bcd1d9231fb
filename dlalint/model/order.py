"""Whether the tensors of a model are wired as they must be: each made once, and before its first use."""

from __future__ import annotations

from collections.abc import Iterable

from dlalint.errors import ModelError
from dlalint.graph import Function, Graph, Model, Node
from dlalint.model.stored import quoted

_AGAIN = "Export the model again."


def check_order(model: Model) -> None:
    """Refuse a model whose graph, functions or nested bodies use what nothing makes, or makes too late. Raises :class:`ModelError`."""
    _check(model.graph, model.graph.constants, ())
    for function in model.functions:
        _check(function, (), ())


class _Scope:
    """The tensors of one graph: those known at the node that is looked at, and what makes the others."""

    def __init__(self, part: Graph | Function, constants: Iterable[str]) -> None:
        self.known = {"", *part.inputs, *constants}
        self.nodes = part.nodes


def _check(part: Graph | Function, constants: Iterable[str], outer: tuple[_Scope, ...]) -> None:
    """``outer`` are the graphs around this one: a body may use what they know at its place."""
    scope = _Scope(part, constants)
    known = scope.known
    _once(part.inputs, "input")
    scopes = (*outer, scope)
    makes = known.update
    fit, before, made = known.issuperset, len(known), 0
    for node in part.nodes:
        _, op, inputs, outputs = node
        if not fit(inputs):
            for name in inputs:
                if not _is_known(name, scopes):
                    _made_once(part, constants)
                    raise _unmade(node, name, scopes)
        for graph in op.graphs:
            _check(graph, graph.constants, scopes)
        makes(outputs)
        made += len(outputs)
    if len(known) - before != made:
        _made_once(part, constants)
    for name in part.outputs:
        if not _is_known(name, scopes):
            raise ModelError(f"graph output {quoted(name)} is made by no node", cure=_AGAIN, code="E106")


def _made_once(part: Graph | Function, constants: Iterable[str]) -> None:
    known = _Scope(part, constants).known
    for name in (name for node in part.nodes for name in node.outputs if name):
        if name in known:
            raise ModelError(f"tensor {quoted(name)} is made twice", cure="Give each output its own name.", code="E106")
        known.add(name)


def _once(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelError(f"{what} {quoted(name)} is there twice", cure="Give each tensor its own name.", code="E106")
        seen.add(name)


def _is_known(name: str, scopes: tuple[_Scope, ...]) -> bool:
    return any(name in scope.known for scope in scopes)


def _unmade(node: Node, name: str, scopes: tuple[_Scope, ...]) -> ModelError:
    user = quoted(node.label)
    if any(name in node.outputs for scope in scopes for node in scope.nodes):
        return ModelError(
            f"the nodes are not in order, or form a cycle: {user} uses {quoted(name)} before it is made",
            cure="Sort them: onnx_graphsurgeon.import_onnx(model).toposort().",
            code="E107",
        )
    return ModelError(f"{user} uses tensor {quoted(name)}, which nothing makes", cure=_AGAIN, code="E106")
