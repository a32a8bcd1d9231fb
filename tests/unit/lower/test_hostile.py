"""No node, however odd, ends a lowering with an exception: wrong attributes, unknown types, inputs and outputs left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx.defs
import pytest

from dlalint.graph import Attribute, Graph, Model, Node, Op, TensorType
from dlalint.graphview import Call, GraphView, Value
from dlalint.lower import Lowerer, table
from dlalint.lower.simplify import simplify
from dlalint.target import Version

Names = tuple[str, ...]
RELEASES = ((6, 0), (8, 0), (10, 3))
OPERATORS = sorted(table())
SCHEMAS = {schema.name: schema for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}

# every input and output of a node gets the type, every input the value
TYPES: Mapping[str, TensorType | None] = {
    "none": None,
    "no-rank": TensorType("float32", None),
    "scalar": TensorType("float32", ()),
    "vector": TensorType("float32", (4,)),
    "matrix": TensorType("float32", (2, 4)),
    "cube": TensorType("int64", (2, 4, 6)),
    "image": TensorType("float16", (2, 4, 6, 8)),
    "free": TensorType("float32", ("N", 4, None, 8)),
    "empty": TensorType("float32", (2, 0, 6, 8)),
    "deep": TensorType("int8", (2, 4, 1, 1, 6, 8, 3)),
    "undefined": TensorType("undefined", (2, 4, 6, 8)),
}
ATTRIBUTES: Mapping[str, Attribute] = {
    "zero": 0,
    "negative": -7,
    "large": 1 << 40,
    "float": 0.5,
    "text": b"\xff",
    "same": b"SAME_UPPER",
    "ints": (3, 0, -2),
    "one": (1,),
    "nothing": (),
    "mixed": (1, 2.5, b"x"),
    "none": None,
}


def _view(op: Op, inputs: Names, outputs: Names, kind: TensorType | None, value: Value | None, opset: int) -> GraphView:
    node = Node("", op, inputs, outputs)
    names = [name for name in (*inputs, *outputs) if name]
    types = {name: kind for name in names if kind is not None}
    constants = dict.fromkeys((name for name in inputs[1:] if name), None) if value is not None else {}
    values = dict.fromkeys(constants, value) if value is not None else {}
    graph = Graph("g", (node,), {}, inputs, outputs, {})
    model = Model("m", graph, 8, {"": opset}, "")
    dynamic = frozenset(names if kind is not None and kind.dims is None and kind.shape is not None else ())
    return GraphView(model, (Call(node, 0, (), False),), types, constants, values, dynamic, inputs, outputs, (), frozenset())


def _calls(op: str) -> Iterator[tuple[Names, Names]]:
    """The most and the fewest inputs and outputs, with some left out."""
    schema = SCHEMAS[op]
    most, outputs = min(schema.max_input, 7), min(schema.max_output, 4)
    everything = tuple(f"i{index}" for index in range(most))
    yield everything, tuple(f"o{index}" for index in range(outputs))
    yield everything[: schema.min_input], ("o0",)
    yield tuple(name if index % 2 else "" for index, name in enumerate(everything)), ("", *(f"o{index}" for index in range(1, outputs)))
    yield (), ()


def _attributes(op: str) -> Iterator[Mapping[str, Attribute]]:
    """None at all, then every attribute with the same odd value."""
    names = tuple(SCHEMAS[op].attributes)
    yield {}
    for odd in ATTRIBUTES.values() if names else ():
        yield dict.fromkeys(names, odd)


@pytest.fixture(scope="module")
def anything() -> Lowerer:
    """Lowers every operator for every release, even where no parser imports it."""
    return Lowerer({})


@pytest.mark.parametrize("op", OPERATORS)
def test_odd_attributes(anything: Lowerer, op: str) -> None:
    everything = next(_calls(op))
    for attributes in _attributes(op):
        for kind in (TYPES["none"], TYPES["image"], TYPES["cube"]):
            _check(anything, Op(op, "", attributes), everything, kind, None, 13)


@pytest.mark.parametrize("op", OPERATORS)
def test_odd_types(anything: Lowerer, op: str) -> None:
    for index, kind in enumerate(TYPES.values()):
        for call in _calls(op):
            _check(anything, Op(op, "", {}), call, kind, None, (9, 13)[index % 2])


@pytest.mark.parametrize("op", OPERATORS)
def test_odd_constants(anything: Lowerer, op: str) -> None:
    for items in ((), (0,), (-9, 1 << 40), (3,) * 20):
        for kind in (TYPES["vector"], TYPES["image"], TYPES["no-rank"]):
            for call in _calls(op):
                _check(anything, Op(op, "", {}), call, kind, Value("int64", (len(items),), items), 18)


def _check(lowerer: Lowerer, op: Op, call: tuple[Names, Names], kind: TensorType | None, value: Value | None, opset: int) -> None:
    view = _view(op, *call, kind, value, opset)
    for release in RELEASES:
        _made(lowerer, view, release, *call)


def _made(lowerer: Lowerer, view: GraphView, release: Version, inputs: Names, outputs: Names) -> None:
    """The node makes each of its outputs once, of nothing but its inputs and what it makes in between; so it does when simplified."""
    network = lowerer.lower(view, release)
    produced = [name for layer in network.layers for name in layer.outputs]
    assert len(produced) == len(set(produced))
    assert {name for name in outputs if name} <= set(produced)
    known = {*inputs, ""}
    for layer in network.layers:
        assert set(layer.inputs) <= known
        assert len(layer.inputs) == len(layer.spec.inputs)
        assert len(layer.outputs) == len(layer.spec.outputs)
        known.update(layer.outputs)
    assert {name for layer in simplify(network).layers for name in layer.outputs} >= {name for name in outputs if name}
