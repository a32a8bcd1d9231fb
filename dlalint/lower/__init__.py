"""From ONNX nodes to TensorRT layers, as the parser of one release makes them.

TensorRT 5.0 is read as 5.1. Its own parser adds a padding layer before a convolution or pooling whose two sides are padded differently,
and makes plugins of all activations but Relu, Sigmoid and Tanh; neither is modelled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from dlalint.graph import Node, TensorType
from dlalint.graphview import LOWERED_BY_FLOATS, Call, GraphView
from dlalint.lower.context import Context, Lowering, Step, simple
from dlalint.named_tuple import NamedTuple, new_tuple
from dlalint.network import Layer, LayerSpec, Network, Operand
from dlalint.target import Version

FAMILIES = (
    "activation",
    "convolution",
    "elementwise",
    "matmul",
    "normalization",
    "others",
    "pooling",
    "reduce",
    "resize",
    "shuffle",
    "slicing",
)
_MAX_ITEMS = 16  # elements of a constant that a layer may depend on


def table() -> Mapping[str, Lowering]:
    """Every standard operator and its lowering."""
    found: dict[str, Lowering] = {}
    for family in FAMILIES:
        found.update(import_module(f"dlalint.lower.{family}").LOWERINGS)
    return found


class Signature(NamedTuple):
    """What decides how a node is lowered, but for the release; equal nodes share one ``number``."""

    number: int
    inputs: tuple[Operand | None, ...]
    outputs: tuple[TensorType | None, ...]
    opset: int


class Template(NamedTuple):
    """The layers of all nodes of a kind. ``plain`` is the spec when it is one layer that reads and makes just what the node does."""

    steps: tuple[Step, ...]
    plain: LayerSpec | None


class Lowerer:
    """Lowers views for any release; remembers what equal nodes became, since most nodes of a model are equal to others."""

    def __init__(self, since: Mapping[str, Version | None]) -> None:
        """``since`` is the release whose parser first knows an operator, ``None`` when none does; others were always known."""
        self._table = table()
        self._since = since
        self._known: dict[tuple[int, Version], tuple[Step, ...]] = {}
        self._signatures: dict[tuple[Any, ...], Signature] = {}
        self._specs: dict[tuple[Any, ...], LayerSpec] = {}
        self._templates: dict[Version, dict[object, Template]] = {}  # by the kinds of calls

    def lower(self, view: GraphView, trt: Version) -> Network:
        """The network that the parser of release ``trt`` makes of ``view``, before the builder simplifies it."""
        layers: list[Layer] = []
        types: dict[str, TensorType] = {}
        known = {} if view.unopened else self._templates.setdefault(trt, {})  # what is not opened here may be elsewhere
        for call in view.calls:
            node, index, captured, folded, kind = call
            if folded:
                continue
            template = known.get(kind)
            if template is None:
                template = _template(self._made_of(view, node, trt), node)
                if kind is not None:
                    known[kind] = template
            if template.plain is None or captured:
                _instantiate(call, template, layers, types)
            else:
                name, _, inputs, outputs = node
                layers.append(new_tuple(Layer, (name or node.label, template.plain, inputs, outputs, (index,))))
        return Network(tuple(layers), view.inputs, view.outputs, {**view.types, **types} if types else view.types, view.dynamic)

    def _made_of(self, view: GraphView, node: Node, trt: Version) -> tuple[Step, ...]:
        signature = self._signature(view, node)
        steps = self._known.get((signature.number, trt))
        if steps is None:
            steps = self._known[signature.number, trt] = self._steps(view, node, signature, trt)
        return steps

    def _signature(self, view: GraphView, node: Node) -> Signature:
        floats = node.op.op_type in LOWERED_BY_FLOATS
        inputs = tuple(_operand(view, name, floats) if name else None for name in node.inputs)
        outputs = tuple(_type(view, name) if name else None for name in node.outputs)
        opset = view.model.opset
        key = (node.op.wire or node.op, inputs, outputs, opset, (node.op.domain, node.op.op_type) in view.unopened)
        found = self._signatures.get(key)
        if found is None:
            found = self._signatures[key] = Signature(len(self._signatures), inputs, outputs, opset)
        return found

    def _steps(self, view: GraphView, node: Node, signature: Signature, trt: Version) -> tuple[Step, ...]:
        context = Context(node.op, signature.inputs, signature.outputs, signature.opset, trt)
        self._lowering(view, node, trt)(context)
        _make_the_rest(context)
        return tuple(step._replace(spec=self._shared(step.spec)) for step in context.steps)

    def _shared(self, spec: LayerSpec) -> LayerSpec:
        """One spec for all that are equal, whatever node and release they come from."""
        key = (spec.kind, tuple(spec.params.items()), spec.inputs, spec.outputs, spec.helper, spec.note)
        return self._specs.setdefault(key, spec)

    def _lowering(self, view: GraphView, node: Node, trt: Version) -> Lowering:
        op = node.op
        if (op.domain, op.op_type) in view.unopened:
            return simple("UNKNOWN", note=f"the local function {op.op_type} calls itself or is nested too deeply")
        if op.domain:
            return simple("PLUGIN", note=f"{op.domain}.{op.op_type}, an operator outside of ONNX")
        if op.op_type in self._since:
            first = self._since[op.op_type]
            if first is None or trt < first:
                return simple("MISSING", note=op.op_type)
        found = self._table.get(op.op_type)
        return found if found is not None else simple("UNKNOWN", note=f"{op.op_type} is not an operator that this version of dlalint knows")


def _make_the_rest(node: Context) -> None:
    """Every output comes from somewhere, also those that no importer of TensorRT makes: indices of maxima, means of a training step."""
    made = {ref for step in node.steps for ref in step.outputs}
    for index in range(len(node.outputs)):
        if f"o{index}" not in made:
            source = ("i0",) if node.has(0) else ()
            node.layer("PLUGIN", source, f"o{index}", suffix=f"[{index}]", note=f"output {index} of {node.op.op_type}")


def _operand(view: GraphView, name: str, floats: bool) -> Operand:
    kind = _type(view, name)
    if name not in view.constants:
        return Operand(kind, free=name in view.dynamic)
    value = view.values.get(name)
    if value is None or len(value.items) > _MAX_ITEMS or (value.dtype[0] == "f" and not floats):
        return Operand(kind, True)
    return Operand(kind, True, value.items)


def _type(view: GraphView, name: str) -> TensorType | None:
    """The type of a tensor; a shape that is neither static nor free is taken as unknown as a whole."""
    kind = view.types.get(name)
    if kind is None or kind.dims is not None or name in view.dynamic:
        return kind
    return TensorType(kind.dtype, None)


def _template(steps: Sequence[Step], node: Node) -> Template:
    """How to make ``steps`` for all nodes that are like ``node``."""
    own = tuple(f"i{index}" for index in range(len(node.inputs))), tuple(f"o{index}" for index in range(len(node.outputs)))
    plain = len(steps) == 1 and not steps[0].suffix and (steps[0].inputs, steps[0].outputs) == own and all(node.outputs)
    return Template(tuple(steps), steps[0].spec if plain else None)


def _instantiate(call: Call, template: Template, layers: list[Layer], types: dict[str, TensorType]) -> None:
    node = call.node
    label = node.label
    origin = (call.origin,)
    stem = next((name for name in node.outputs if name), label)
    for step in template.steps:
        outputs = tuple(_name(node, ref, stem) for ref in step.outputs)
        kinds = zip(outputs, step.spec.outputs, strict=True)
        types.update({name: kind for name, kind in kinds if kind is not None and name not in node.outputs})
        inputs = tuple(_name(node, ref, stem) for ref in step.inputs)
        layers.append(Layer(f"{label} {step.suffix}" if step.suffix else label, step.spec, inputs + call.captured, outputs, origin))


def _name(node: Node, ref: str, stem: str) -> str:
    """The name of a tensor: the node's own, or one made up; an input that the node does not have is empty."""
    index = int(ref[1:])
    if ref[0] == "i":
        return node.inputs[index] if index < len(node.inputs) else ""
    own = node.outputs[index] if ref[0] == "o" and index < len(node.outputs) else ""
    return own or f"{stem}#{ref}"
