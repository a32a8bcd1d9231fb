"""A model ready to be lowered: functions and decided branches opened, shape arithmetic folded, every tensor typed as far as it can be."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from dlalint.errors import DlalintError, LimitError
from dlalint.graph import Graph, Model, Node, Op, Tensor, TensorType
from dlalint.graphview import LOWERED_BY_FLOATS, SHAPED_BY_FLOATS, Call, GraphView, Value
from dlalint.model.fold import OMITTED, fold, value_of
from dlalint.model.inputs import Overrides, input_types
from dlalint.model.kinds import Fact, Key, Kind, Kinds
from dlalint.model.opening import Frame, Scopes, branch_frame, call_frame, renamed, tensors_of
from dlalint.model.shapes import ShapeOracle, merged
from dlalint.model.values import Values

MAX_STEPS = 200_000  # nodes and calls on the way while functions are opened: a guard against functions that call functions
MAX_NESTING = 30
# outputs whose size depends on values, whatever the input shapes are
_DATA_DEPENDENT = frozenset({"NonZero", "Unique", "Compress", "NonMaxSuppression", "StringSplit", "Loop", "Scan"})
_BY_FLOATS = SHAPED_BY_FLOATS | LOWERED_BY_FLOATS
_NO_OUTPUT = TensorType("omitted", None)  # stands for an output that a node leaves out, which makes it another kind of call


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
        self.oracle = oracle
        self.overridden = bool(overrides.shapes) or overrides.batch is not None
        self.functions = {(f.domain, f.name, f.overload): f for f in model.functions}
        self.calls: list[Call] = []
        self.facts: dict[str, Fact] = {}
        self.tensors: dict[str, Tensor] = {}  # constants as stored
        self.values = Values()
        self.worked_out = self.alone = 0  # calls of which nothing was remembered, and calls of which nothing can be
        self.declared = {**model.graph.declared, "": _NO_OUTPUT}
        self.unopened: set[tuple[str, str]] = set()
        self.steps = len(model.graph.nodes)
        self.scopes: Scopes | None = None
        self.inputs = tuple(name for name in model.graph.inputs if name not in model.graph.constants)
        for tensor in model.graph.constants.values():
            self.constant(tensor.name, tensor)
        for name, found in input_types(model, self.inputs, overrides).items():
            self.facts[name] = oracle.kinds.fact(found, free=found.dims is None)

    def build(self) -> GraphView:
        self._visit_all()
        self.oracle.kinds.count(len(self.calls), self.worked_out, self.alone)
        facts = self.facts
        constants: dict[str, Tensor | None] = {name: None for name, fact in facts.items() if fact.constant}
        constants.update(self.tensors)
        for name, fact in facts.items():
            if fact.value is not None:
                self.values.keep(name, fact.value)
        return GraphView(
            self.model,
            tuple(self.calls),
            MappingProxyType({name: fact.type for name, fact in facts.items() if fact.type is not None}),
            MappingProxyType(constants),
            self.values,
            frozenset(name for name, fact in facts.items() if fact.free and fact.dynamic),
            self.inputs,
            self.model.graph.outputs,
            tuple(str(crash.what) for crash in self.oracle.crashes),
            frozenset(self.unopened),
        )

    def _visit_all(self) -> None:
        self._limit()
        nameless = self.facts.pop("", None)  # an empty name is an omitted input, whatever else the file calls so
        judge = _Judge(self, self.model.opsets)
        plain: set[Op] = set()  # operators that are neither opened nor stored constants
        for index, node in enumerate(self.model.graph.nodes):
            if node.op in plain:
                judge.call(node, index)
            elif self._may_open(node.op):
                self._open(node, index)
            elif not judge.stored(node, index):
                plain.add(node.op)
                judge.call(node, index)
        if nameless is not None:
            self.facts[""] = nameless

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

    def constant(self, name: str, tensor: Tensor) -> None:
        """Note a constant of the file."""
        fact = self.oracle.kinds.fact
        self.tensors[name] = tensor
        if self.values.defer(name, tensor):
            self.facts[name] = fact(tensor.type, constant=True, hidden=True)
            return
        value = value_of(tensor)
        self.facts[name] = fact(tensor.type, constant=True, value=value)
        if value is not None:
            self.values.keep(name, value)

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
                    self.constant(f"{prefix}{tensor.name}", tensor)
                return branch_frame(branch, node, prefix, frame)
        judge = _Judge(self, frame.opsets, frame.rename)
        if not judge.stored(node, frame.origin):
            judge.call(node, frame.origin)
        return None

    def _prefix(self, node: Node, inner: Iterable[str]) -> str:
        if self.scopes is None:
            graph = self.model.graph
            self.scopes = Scopes((*graph.inputs, *graph.constants, *tensors_of(graph.nodes)))
        return self.scopes.prefix(node, inner)

    def _branch(self, node: Node) -> Graph | None:
        condition = self.value(node.inputs[0]) if node.inputs else None
        if condition is None or not condition.items:
            return None
        branch = node.op.attributes.get("then_branch" if condition.items[0] else "else_branch")
        return branch if isinstance(branch, Graph) and len(branch.outputs) >= len(node.outputs) else None

    def value(self, name: str) -> Value | None:
        """The elements of a tensor, when they are known."""
        fact = self.facts.get(name)
        return None if fact is None else self.values[name] if fact.hidden else fact.value

    def bits(self, name: str) -> bytes | None:
        """The floats that the fact of a tensor hides, bit by bit."""
        fact = self.facts.get(name)
        return struct.pack(f"<{len(self.values[name].items)}d", *self.values[name].items) if fact is not None and fact.hidden else None


class _Judge:
    """Types and folds the calls of one frame."""

    def __init__(self, builder: _Builder, opsets: Mapping[str, int], rename: Mapping[str, str] | None = None) -> None:
        model = builder.model
        self.builder = builder
        self.opsets = opsets
        self.rename = rename or {}
        self.kinds = builder.oracle.kinds.calls(opsets, model.opset, model.ir_version, builder.overridden)
        self.fact = builder.facts.get
        self.declared = builder.declared.get

    def call(self, node: Node, origin: int) -> None:
        """Type the outputs of ``node``, from memory where an equal call was met before."""
        builder = self.builder
        outputs = node.outputs
        key: Key = (node.op, len(outputs), *map(self.declared, outputs), *map(self.fact, node.inputs))
        kind = self.kinds.get(key)
        if kind is None and node.op.op_type in _BY_FLOATS:
            key = (*key, *map(builder.bits, node.inputs))
            kind = self.kinds.get(key)
        captured: tuple[str, ...] = ()
        shared: Kind | None = kind
        if kind is None:
            captured = tuple(self.rename.get(name, name) for name in _captured(node.op)) if node.op.graphs else ()
            kind, lasting = self._kind(node, captured)
            builder.worked_out += 1
            builder.alone += not lasting
            if lasting:
                shared = self.kinds[key] = kind
        for name, fact in zip(outputs, kind.outputs, strict=True):
            if name:
                builder.facts[name] = fact
        if kind.values:
            for name, value in zip(outputs, kind.values, strict=True):
                if name:
                    builder.values.keep(name, value)
        builder.calls.append(Call(node, origin, captured, kind.folded, shared))

    def stored(self, node: Node, origin: int) -> bool:
        """Note a Constant that is stored as a tensor, if ``node`` is one."""
        op = node.op
        tensor = op.attributes.get("value") if op.op_type == "Constant" else None
        if op.domain or not isinstance(tensor, Tensor) or not node.outputs or not node.outputs[0]:
            return False
        self.builder.constant(node.outputs[0], tensor)
        self.builder.calls.append(Call(node, origin, (), True))
        return True

    def _kind(self, node: Node, captured: tuple[str, ...]) -> tuple[Kind, bool]:
        """What becomes of ``node``, and whether the same becomes of all calls that are equal in operator and facts."""
        op, kinds = node.op, self.builder.oracle.kinds
        inputs = [self.fact(name) for name in node.inputs]
        lasting = bool(op.wire) and not op.graphs and all(fact is not None for fact, name in zip(inputs, node.inputs, strict=True) if name)
        types = [fact.type if fact is not None else None for fact in inputs]
        values = [self.builder.value(name) if name else OMITTED for name in node.inputs]
        hidden = any(fact is not None and fact.hidden for fact in inputs)
        if _may_fold(op, values):
            lasting = lasting and (not hidden or op.op_type in _VALUELESS)
            found = fold(op, values, types, self.opsets.get("", 1), len(node.outputs))
            if found is not None and len(found) == len(node.outputs):
                return _folded(found, kinds), lasting
        inferred, answered = self._inferred(node, types, values)
        folded = bool(node.inputs) and not captured and all(map(_is_constant, node.inputs, inputs))
        outer = [self.fact(name) for name in captured]
        free = not folded and (op.op_type in _DATA_DEPENDENT or any(fact is not None and fact.free for fact in (*inputs, *outer)))
        return Kind(tuple(kinds.fact(found, constant=folded, free=free) for found in inferred), folded), lasting and answered

    def _inferred(self, node: Node, types: list[TensorType | None], values: list[Value | None]) -> tuple[list[TensorType | None], bool]:
        """The types of the outputs, from onnx and from the file; and whether onnx answered if it was asked."""
        op, builder = node.op, self.builder
        count = len(node.outputs)
        inferred: tuple[TensorType | None, ...] | None = (None,) * count
        known = op.domain in ("", "ai.onnx.ml", "ai.onnx.training") and not op.graphs
        if known and all(found is not None for found, name in zip(types, node.inputs, strict=True) if name):
            given = [None if value is OMITTED else value for value in values]
            inferred = builder.oracle.answer(op, types, given, count, self.opsets, builder.model.ir_version)
        believed = not (builder.overridden and not op.graphs and known)
        declared = [self.declared(name) if believed and name else None for name in node.outputs]
        return [merged(a, b) for a, b in zip(inferred or (None,) * count, declared, strict=True)], inferred is not None


def _folded(found: tuple[Value, ...], kinds: Kinds) -> Kind:
    outputs = tuple(kinds.fact(TensorType(value.dtype, value.shape), constant=True, value=value) for value in found)
    return Kind(outputs, True, found if any(made.hidden for made in outputs) else ())


def _is_constant(name: str, fact: Fact | None) -> bool:
    return not name or (fact is not None and fact.constant)


# operators worth folding only when a value is at hand; Shape and Size need none
_VALUELESS = frozenset({"Shape", "Size", "Constant"})


def _may_fold(op: Op, values: list[Value | None]) -> bool:
    """Whether folding can succeed: nothing is folded whose first input is not known, but for what needs no values."""
    return not op.domain and (op.op_type in _VALUELESS or bool(values and values[0] is not None and values[0] is not OMITTED))


def _captured(op: Op) -> tuple[str, ...]:
    """The outer tensors that the subgraphs of ``op`` use."""
    found: dict[str, None] = {}
    pending = [(graph, frozenset[str]()) for graph in op.graphs]
    while pending:
        graph, outer = pending.pop()
        known = outer | set(graph.inputs) | set(graph.constants) | {name for node in graph.nodes for name in node.outputs}
        for node in graph.nodes:
            found.update(dict.fromkeys(name for name in node.inputs if name and name not in known))
            pending.extend((inner, known) for inner in node.op.graphs)
        found.update(dict.fromkeys(name for name in graph.outputs if name and name not in known))
    return tuple(found)
