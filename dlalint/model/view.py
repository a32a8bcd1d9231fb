"""A model ready to be lowered: functions and decided branches opened, shape arithmetic folded, every tensor typed as far as it can be."""

from __future__ import annotations

from types import MappingProxyType

from dlalint.errors import DlalintError, LimitError
from dlalint.graph import Graph, Model, Node, Op, Tensor, TensorType
from dlalint.graphview import Call, GraphView, Value
from dlalint.model.fold import OMITTED, fold, value_of
from dlalint.model.inputs import Overrides, input_types
from dlalint.model.opening import Frame, Scopes, branch_frame, call_frame, renamed, tensors_of
from dlalint.model.shapes import ShapeOracle, merged

MAX_STEPS = 200_000  # nodes and calls on the way while functions are opened: a guard against functions that call functions
MAX_NESTING = 30
# outputs whose size depends on values, whatever the input shapes are
_DATA_DEPENDENT = frozenset({"NonZero", "Unique", "Compress", "NonMaxSuppression", "StringSplit", "Loop", "Scan"})


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
        self.types: dict[str, TensorType] = {}
        self.constants: dict[str, Tensor | None] = {}
        self.values: dict[str, Value] = {}
        self.dynamic: set[str] = set()
        self.tainted: set[str] = set()  # what depends on a free dimension
        self.unopened: set[tuple[str, str]] = set()
        self.steps = 0
        self.scopes = Scopes((*model.graph.inputs, *model.graph.constants, *tensors_of(model.graph.nodes)))
        self.inputs = tuple(name for name in model.graph.inputs if name not in model.graph.constants)
        for tensor in model.graph.constants.values():
            self._constant(tensor.name, tensor)
        for name, found in input_types(model, self.inputs, overrides).items():
            self.types[name] = found
            if found.dims is None:
                self.dynamic.add(name)
                self.tainted.add(name)

    def build(self) -> GraphView:
        graph = self.model.graph
        stack = [Frame(iter(()), {}, "", -1, self.model.opsets, 0, {})]
        for index, node in enumerate(graph.nodes):
            stack.append(Frame(iter((node,)), {}, "", index, self.model.opsets, 0, {}))
            while len(stack) > 1:
                inner = next(stack[-1].nodes, None)
                if inner is None:
                    stack.pop()
                    continue
                opened = self._visit(inner, stack[-1])
                if opened is not None:
                    stack.append(opened)
        return GraphView(
            self.model,
            tuple(self.calls),
            MappingProxyType(self.types),
            MappingProxyType(self.constants),
            MappingProxyType(self.values),
            frozenset(self.dynamic),
            self.inputs,
            graph.outputs,
            tuple(str(crash.what) for crash in self.oracle.crashes),
            frozenset(self.unopened),
        )

    def _constant(self, name: str, tensor: Tensor) -> None:
        self.constants[name] = tensor
        self.types[name] = tensor.type
        value = value_of(tensor)
        if value is not None:
            self.values[name] = value

    def _visit(self, node: Node, frame: Frame) -> Frame | None:
        if frame.rename or frame.prefix:
            node = renamed(node, frame)
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise LimitError(
                f"the model has more than {MAX_STEPS} nodes once its functions are opened",
                cure="Export it with fewer nested functions.",
                code="E203",
            )
        op = node.op
        function = self.functions.get((op.domain, op.op_type, op.overload)) if self.functions else None
        if function is not None:
            if frame.depth >= MAX_NESTING:
                self.unopened.add((op.domain, op.op_type))
            else:
                return call_frame(function, node, self.scopes.prefix(node, tensors_of(function.nodes)), frame)
        if op.op_type == "If" and not op.domain:
            branch = self._branch(node)
            if branch is not None:
                prefix = self.scopes.prefix(node, (*branch.constants, *tensors_of(branch.nodes)))
                for tensor in branch.constants.values():
                    self._constant(f"{prefix}{tensor.name}", tensor)
                return branch_frame(branch, node, prefix, frame)
        self._call(node, frame)
        return None

    def _branch(self, node: Node) -> Graph | None:
        condition = self.values.get(node.inputs[0]) if node.inputs else None
        if condition is None or not condition.items:
            return None
        branch = node.op.attributes.get("then_branch" if condition.items[0] else "else_branch")
        return branch if isinstance(branch, Graph) and len(branch.outputs) >= len(node.outputs) else None

    def _call(self, node: Node, frame: Frame) -> None:
        op = node.op
        tensor = op.attributes.get("value")
        if op.op_type == "Constant" and not op.domain and isinstance(tensor, Tensor) and node.outputs and node.outputs[0]:
            self._constant(node.outputs[0], tensor)
            self.calls.append(Call(node, frame.origin, (), True))
            return
        captured = tuple(frame.rename.get(name, name) for name in _captured(op)) if op.graphs else ()
        types = [self.types.get(name) if name else None for name in node.inputs]
        values = [self.values.get(name) if name else OMITTED for name in node.inputs]
        found = fold(op, values, types, frame.opsets.get("", 1), len(node.outputs)) if _may_fold(op, values) else None
        if found is not None and len(found) == len(node.outputs):
            for name, value in zip(node.outputs, found, strict=True):
                if name:
                    self.values[name] = value
                    self.types[name] = TensorType(value.dtype, value.shape)
                    self.constants[name] = None
            self.calls.append(Call(node, frame.origin, captured, True))
            return
        self._type_outputs(node, frame, types, values)
        folded = bool(node.inputs) and not captured and all(name in self.constants for name in node.inputs if name)
        if folded:
            self.constants.update(dict.fromkeys((name for name in node.outputs if name), None))
        else:
            self._mark_dynamic(node, captured)
        self.calls.append(Call(node, frame.origin, captured, folded))

    def _type_outputs(self, node: Node, frame: Frame, types: list[TensorType | None], values: list[Value | None]) -> None:
        op = node.op
        count = len(node.outputs)
        inferred: tuple[TensorType | None, ...] = (None,) * count
        known = op.domain in ("", "ai.onnx.ml", "ai.onnx.training") and not op.graphs
        if known and all(found is not None for found, name in zip(types, node.inputs, strict=True) if name):
            given = [None if value is OMITTED else value for value in values]
            inferred = self.oracle.outputs(op, types, given, count, frame.opsets, self.model.ir_version)
        for name, found in zip(node.outputs, inferred, strict=True):
            if not name:
                continue
            declared = None if self.overridden and not op.graphs and known else self.model.graph.declared.get(name)
            best = merged(found, declared)
            if best is not None:
                self.types[name] = best

    def _mark_dynamic(self, node: Node, captured: tuple[str, ...]) -> None:
        tainted = node.op.op_type in _DATA_DEPENDENT or any(name in self.tainted for name in (*node.inputs, *captured))
        if not tainted:
            return
        self.tainted.update(name for name in node.outputs if name)
        for name in node.outputs:
            found = self.types.get(name)
            if name and (found is None or found.dims is None):
                self.dynamic.add(name)


# operators worth folding only when a value is at hand; Shape and Size need none
_VALUELESS = frozenset({"Shape", "Size", "Constant"})


def _may_fold(op: Op, values: list[Value | None]) -> bool:
    return not op.domain and (op.op_type in _VALUELESS or any(value is not None and value is not OMITTED for value in values))


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
