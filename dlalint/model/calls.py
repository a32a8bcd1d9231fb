"""The calls of a model while it is opened: typed, folded, and remembered for all that are alike."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Set

from dlalint.graph import Model, Node, Op, Tensor, TensorType
from dlalint.graphview import LOWERED_BY_FLOATS, SHAPED_BY_FLOATS, Call, Value
from dlalint.model.fold import OMITTED, fold, value_of
from dlalint.model.kinds import Fact, Key, Kind, Kinds
from dlalint.model.shapes import ShapeOracle, merged
from dlalint.model.values import Values, deferrable
from dlalint.named_tuple import new_tuple

# outputs whose size depends on values, whatever the input shapes are
_DATA_DEPENDENT = frozenset({"NonZero", "Unique", "Compress", "NonMaxSuppression", "StringSplit", "Loop", "Scan"})
_BY_FLOATS = SHAPED_BY_FLOATS | LOWERED_BY_FLOATS
_NO_OUTPUT = TensorType("omitted", None)  # stands for an output that a node leaves out, which makes it another kind of call


class Opened:
    """What is known of a model so far: its calls in order, the facts of its tensors, its constants and values.

    ``overridden`` says that the user fixed shapes, so that those which the file declares are not believed.
    """

    def __init__(self, model: Model, oracle: ShapeOracle, overridden: bool) -> None:
        self.model = model
        self.oracle = oracle
        self.kinds = oracle.kinds
        self.overridden = overridden
        self.declared = {**model.graph.declared, "": _NO_OUTPUT}
        self.calls: list[Call] = []
        self.facts: dict[str, Fact] = {}
        self.tensors: dict[str, Tensor] = {}  # constants as stored
        self.values = Values()
        self._weights: dict[tuple[str, tuple[int, ...], str, int], Fact] = {}  # of constants that are known or not, whatever they hold
        self.worked_out = self.alone = 0  # calls of which nothing was remembered, and calls of which nothing can be

    def constant(self, name: str, tensor: Tensor) -> None:
        """Note a constant of the file."""
        self.tensors[name] = tensor
        _, dtype, dims, payload, form, _ = tensor
        key = dtype, dims, form, len(payload) if payload is not None else -1
        fact = self._weights.get(key)
        if fact is None:
            fact = self._fact(name, tensor)
            if payload is None or fact.hidden:
                self._weights[key] = fact
        if fact.hidden:
            self.values.defer(name, tensor)
        self.facts[name] = fact

    def _fact(self, name: str, tensor: Tensor) -> Fact:
        if deferrable(tensor):
            return self.kinds.fact(tensor.type, constant=True, hidden=True)
        value = value_of(tensor)
        if value is not None:
            self.values.keep(name, value)
        return self.kinds.fact(tensor.type, constant=True, value=value)

    def value(self, name: str) -> Value | None:
        """The elements of a tensor, when they are known."""
        fact = self.facts.get(name)
        return None if fact is None else self.values[name] if fact.hidden else fact.value

    def bits(self, name: str) -> bytes | None:
        """The floats that the fact of a tensor hides, bit by bit."""
        fact = self.facts.get(name)
        return struct.pack(f"<{len(self.values[name].items)}d", *self.values[name].items) if fact is not None and fact.hidden else None


class Judge:
    """Types and folds the calls of one frame."""

    def __init__(self, opened: Opened, opsets: Mapping[str, int], rename: Mapping[str, str] | None = None) -> None:
        """``opsets`` are those of the frame; ``rename`` maps its names to the outside."""
        model = opened.model
        self.opened = opened
        self.opsets = opsets
        self.rename = rename or {}
        self.kinds = opened.kinds.calls(opsets, model.opset, model.ir_version, opened.overridden)
        self.fact = opened.facts.get
        self.declared = opened.declared.get

    def remembered(self, waiting: Iterator[tuple[int, Node]], plain: Set[Op]) -> tuple[int, Node] | None:
        """Type nodes from memory as far as that goes; the first that takes more, ``None`` at the end.

        ``waiting`` are the nodes and their indices; ``plain`` the operators that are neither opened nor stored constants.
        """
        facts, add = self.opened.facts, self.opened.calls.append
        kinds, declared, fact = self.kinds.get, self.declared, self.fact
        for index, node in waiting:
            _, op, inputs, outputs = node
            kind = kinds((op, len(outputs), *map(declared, outputs), *map(fact, inputs))) if op in plain else None
            if kind is None or kind.only is None or not outputs[0]:
                return index, node
            facts[outputs[0]] = kind.only
            add(new_tuple(Call, (node, index, (), kind.folded, kind)))
        return None

    def call(self, node: Node, origin: int) -> None:
        """Type the outputs of ``node``, from memory where an equal call was met before."""
        opened = self.opened
        outputs = node.outputs
        key: Key = (node.op, len(outputs), *map(self.declared, outputs), *map(self.fact, node.inputs))
        kind = self.kinds.get(key)
        if kind is None and node.op.op_type in _BY_FLOATS:
            key = (*key, *map(opened.bits, node.inputs))
            kind = self.kinds.get(key)
        captured: tuple[str, ...] = ()
        shared: Kind | None = kind
        if kind is None:
            captured = tuple(self.rename.get(name, name) for name in _captured(node.op)) if node.op.graphs else ()
            kind, lasting = self._kind(node, captured)
            opened.worked_out += 1
            opened.alone += not lasting
            if lasting:
                shared = self.kinds[key] = kind
        for name, fact in zip(outputs, kind.outputs, strict=True):
            if name:
                opened.facts[name] = fact
        if kind.values:
            for name, value in zip(outputs, kind.values, strict=True):
                if name:
                    opened.values.keep(name, value)
        opened.calls.append(Call(node, origin, captured, kind.folded, shared))

    def stored(self, node: Node, origin: int) -> bool:
        """Note a Constant that is stored as a tensor, if ``node`` is one."""
        op = node.op
        tensor = op.attributes.get("value") if op.op_type == "Constant" else None
        if op.domain or not isinstance(tensor, Tensor) or not node.outputs or not node.outputs[0]:
            return False
        self.opened.constant(node.outputs[0], tensor)
        self.opened.calls.append(Call(node, origin, (), True))
        return True

    def _kind(self, node: Node, captured: tuple[str, ...]) -> tuple[Kind, bool]:
        """What becomes of ``node``, and whether the same becomes of all calls that are equal in operator and facts."""
        op, kinds = node.op, self.opened.kinds
        inputs = [self.fact(name) for name in node.inputs]
        lasting = bool(op.wire) and not op.graphs and all(fact is not None for fact, name in zip(inputs, node.inputs, strict=True) if name)
        types = [fact.type if fact is not None else None for fact in inputs]
        values = [self.opened.value(name) if name else OMITTED for name in node.inputs]
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
        op, opened = node.op, self.opened
        count = len(node.outputs)
        inferred: tuple[TensorType | None, ...] | None = (None,) * count
        known = op.domain in ("", "ai.onnx.ml", "ai.onnx.training") and not op.graphs
        if known and all(found is not None for found, name in zip(types, node.inputs, strict=True) if name):
            given = [None if value is OMITTED else value for value in values]
            inferred = opened.oracle.answer(op, types, given, count, self.opsets, opened.model.ir_version)
        believed = not (opened.overridden and not op.graphs and known)
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
