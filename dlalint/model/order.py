"""Whether the tensors of a model are wired as they must be: each made once, and before its first use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from dlalint.errors import ModelError
from dlalint.graph import Function, Graph, Model, Node
from dlalint.model.tensors import quoted

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
    _made_once(part.nodes, scope)
    scopes = (*outer, scope)
    for node in part.nodes:
        if not known.issuperset(node.inputs):
            for name in node.inputs:
                if not _is_known(name, scopes):
                    raise _unmade(node, name, scopes)
        for graph in node.op.graphs:
            _check(graph, graph.constants, scopes)
        known.update(node.outputs)
    for name in part.outputs:
        if not _is_known(name, scopes):
            raise ModelError(f"graph output {quoted(name)} is made by no node", cure=_AGAIN, code="E106")


def _made_once(nodes: Sequence[Node], scope: _Scope) -> None:
    names = [name for node in nodes for name in node.outputs if name]
    if len(set(names)) == len(names) and scope.known.isdisjoint(names):
        return
    times = Counter(names)
    twice = next(name for name in names if times[name] > 1 or name in scope.known)
    raise ModelError(f"tensor {quoted(twice)} is made twice", cure="Give each output its own name.", code="E106")


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
