"""A model ready to be lowered: functions and decided branches opened, shape arithmetic folded, every tensor typed as far as it can be."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from dlalint.errors import DlalintError, LimitError
from dlalint.graph import Graph, Model, Node, Op, Tensor
from dlalint.graphview import GraphView
from dlalint.model.calls import Judge, Opened
from dlalint.model.inputs import Overrides, input_types
from dlalint.model.opening import Frame, Scopes, branch_frame, call_frame, renamed, tensors_of
from dlalint.model.shapes import ShapeOracle

MAX_STEPS = 200_000  # nodes and calls on the way while functions are opened: a guard against functions that call functions
MAX_NESTING = 30


def build(model: Model, oracle: ShapeOracle, overrides: Overrides | None = None) -> GraphView:
    """Open and type ``model``. Raises :class:`UsageError` when an override does not fit the model's inputs."""
    oracle.forget_crashes()
    try:
        return _Builder(model, oracle, overrides or Overrides()).build()
    except DlalintError as error:
        error.where = f"{model.path}: {error.where}" if error.where else model.path
        raise


class _Builder:
    def __init__(self, model: Model, oracle: ShapeOracle, overrides: Overrides) -> None:
        self.model = model
        self.opened = Opened(model, oracle, bool(overrides.shapes) or overrides.batch is not None)
        self.functions = {(f.domain, f.name, f.overload): f for f in model.functions}
        self.unopened: set[tuple[str, str]] = set()
        self.steps = len(model.graph.nodes)
        self.scopes: Scopes | None = None
        self.inputs = tuple(name for name in model.graph.inputs if name not in model.graph.constants)
        for tensor in model.graph.constants.values():
            self.opened.constant(tensor.name, tensor)
        for name, found in input_types(model, self.inputs, overrides).items():
            self.opened.facts[name] = oracle.kinds.fact(found, free=found.dims is None)

    def build(self) -> GraphView:
        self._visit_all()
        opened, facts = self.opened, self.opened.facts
        opened.kinds.count(len(opened.calls), opened.worked_out, opened.alone)
        special = {fact for fact in set(facts.values()) if fact.constant or fact.value is not None or fact.dynamic}
        noted = [(name, fact) for name, fact in facts.items() if fact in special]
        constants: dict[str, Tensor | None] = {}
        for name, fact in noted:
            if fact.constant:
                constants[name] = opened.tensors.get(name)
            if fact.value is not None:
                opened.values.keep(name, fact.value)
        constants.update(opened.tensors)
        return GraphView(
            self.model,
            tuple(opened.calls),
            MappingProxyType({name: fact.type for name, fact in facts.items() if fact.type is not None}),
            MappingProxyType(constants),
            opened.values,
            frozenset(name for name, fact in noted if fact.dynamic),
            self.inputs,
            self.model.graph.outputs,
            tuple(str(crash.what) for crash in opened.oracle.crashes),
            frozenset(self.unopened),
        )

    def _visit_all(self) -> None:
        self._limit()
        nameless = self.opened.facts.pop("", None)  # an empty name is an omitted input, whatever else the file calls so
        judge = Judge(self.opened, self.model.opsets)
        plain: set[Op] = set()  # operators that are neither opened nor stored constants
        waiting = enumerate(self.model.graph.nodes)
        while (unknown := judge.remembered(waiting, plain)) is not None:
            index, node = unknown
            if node.op in plain:
                judge.call(node, index)
            elif self._may_open(node.op):
                self._open(node, index)
            elif not judge.stored(node, index):
                judge.call(node, index)
                if node.op.op_type != "Constant":
                    plain.add(node.op)
        if nameless is not None:
            self.opened.facts[""] = nameless

    def _may_open(self, op: Op) -> bool:
        return (op.op_type == "If" and not op.domain) or (op.domain, op.op_type, op.overload) in self.functions

    def _open(self, node: Node, index: int) -> None:
        """Visit a node of the model that may be a call of a function or an If, and all that is inside of it."""
        stack = [Frame(iter((node,)), {}, "", index, self.model.opsets, 0, {})]
        while stack:
            inner = next(stack[-1].nodes, None)
            if inner is None:
                stack.pop()
                continue
            opened = self._visit(inner, stack[-1])
            if opened is not None:
                stack.append(opened)

    def _limit(self) -> None:
        if self.steps > MAX_STEPS:
            raise LimitError(
                f"the model has more than {MAX_STEPS} nodes once its functions are opened",
                cure="Export it with fewer nested functions.",
                code="E203",
            )

    def _visit(self, node: Node, frame: Frame) -> Frame | None:
        if frame.depth:
            node = renamed(node, frame)
            self.steps += 1
            self._limit()
        op = node.op
        function = self.functions.get((op.domain, op.op_type, op.overload)) if self.functions else None
        if function is not None:
            if frame.depth >= MAX_NESTING:
                self.unopened.add((op.domain, op.op_type))
            else:
                return call_frame(function, node, self._prefix(node, tensors_of(function.nodes)), frame)
        if op.op_type == "If" and not op.domain:
            branch = self._branch(node)
            if branch is not None:
                prefix = self._prefix(node, (*branch.constants, *tensors_of(branch.nodes)))
                for tensor in branch.constants.values():
                    self.opened.constant(f"{prefix}{tensor.name}", tensor)
                return branch_frame(branch, node, prefix, frame)
        judge = Judge(self.opened, frame.opsets, frame.rename)
        if not judge.stored(node, frame.origin):
            judge.call(node, frame.origin)
        return None

    def _prefix(self, node: Node, inner: Iterable[str]) -> str:
        if self.scopes is None:
            graph = self.model.graph
            self.scopes = Scopes((*graph.inputs, *graph.constants, *tensors_of(graph.nodes)))
        return self.scopes.prefix(node, inner)

    def _branch(self, node: Node) -> Graph | None:
        condition = self.opened.value(node.inputs[0]) if node.inputs else None
        if condition is None or not condition.items:
            return None
        branch = node.op.attributes.get("then_branch" if condition.items[0] else "else_branch")
        return branch if isinstance(branch, Graph) and len(branch.outputs) >= len(node.outputs) else None
