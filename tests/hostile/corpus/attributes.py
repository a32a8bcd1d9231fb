"""Attributes at their extremes and of types that they must not have."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto, helper

from dlalint.lower import table
from tests.hostile.corpus.case import Case, conv, graph_of, model

INTS = (0, -1, 1 << 31, (1 << 63) - 1, -(1 << 63), -100_000)
FLOATS = (float("nan"), float("inf"), float("-inf"), -0.0, 1e38, -1e-45)
STRINGS = (b"", b"\xff\xfe", b"\x1b[31m", b"a" * 70_000, b"\x00", b"SAME_UPPER")


def cases(source: random.Random) -> Iterator[Case]:
    """A hundred and fifty from the schemas of the operators that are lowered, forty of wrong types."""
    known = [(name, onnx.defs.get_schema(name, 17, "")) for name in sorted(table()) if onnx.defs.has(name, "") and _at_17(name)]
    slots = [(name, schema, attribute) for name, schema in known for attribute in sorted(schema.attributes)]
    for name, schema, attribute in source.sample(slots, 150):
        node = helper.make_node(name, _inputs(schema), ["y"], "n")
        for other in schema.attributes.values():
            if other.required or other.name == attribute:
                node.attribute.append(_extreme(source, other.name, other.type))
        yield Case(f"{name}_{attribute}", model([node], _constants(schema)).SerializeToString())
    for _ in range(40):
        proto = conv()
        attribute = proto.graph.node[0].attribute[source.randrange(2)]
        wrong = _wrong(source, attribute.name)
        attribute.CopyFrom(wrong)
        yield Case("wrong_type", proto.SerializeToString())


def _at_17(name: str) -> bool:
    try:
        onnx.defs.get_schema(name, 17, "")
    except onnx.defs.SchemaError:
        return False
    return True


def _inputs(schema: onnx.defs.OpSchema) -> list[str]:
    return ["x", *(f"c{index}" for index in range(1, max(1, min(schema.min_input, 4))))]


def _constants(schema: onnx.defs.OpSchema) -> list[TensorProto]:
    return [helper.make_tensor(name, TensorProto.FLOAT, (8, 8, 3, 3), bytes(8 * 8 * 9 * 4), raw=True) for name in _inputs(schema)[1:]]


def _extreme(source: random.Random, name: str, kind: onnx.defs.OpSchema.AttrType) -> AttributeProto:
    kinds = onnx.defs.OpSchema.AttrType
    values: dict[Any, Any] = {
        kinds.INT: source.choice(INTS),
        kinds.FLOAT: source.choice(FLOATS),
        kinds.STRING: source.choice(STRINGS),
        kinds.INTS: [source.choice(INTS) for _ in range(source.choice((1, 2, 4, 9, 5000)))],
        kinds.FLOATS: [source.choice(FLOATS) for _ in range(source.choice((1, 4, 5000)))],
        kinds.STRINGS: [source.choice(STRINGS[:3]) for _ in range(source.choice((1, 4)))],
        kinds.TENSOR: TensorProto(data_type=7, dims=[2], int64_data=[source.choice(INTS), 1]),
        kinds.GRAPH: graph_of([helper.make_node("Relu", ["x"], ["z"])], ["z"]),
    }
    return helper.make_attribute(name, values.get(kind, b"?"))


def _wrong(source: random.Random, name: str) -> AttributeProto:
    found = AttributeProto(name=name)
    found.type = source.choice(list(AttributeProto.AttributeType.values()))
    found.i, found.f, found.s = source.choice(INTS), source.choice(FLOATS), source.choice(STRINGS)
    found.ints.extend(source.choice(INTS) for _ in range(source.randrange(5)))
    found.floats.extend(source.choice(FLOATS) for _ in range(source.randrange(5)))
    found.strings.extend(source.choice(STRINGS) for _ in range(source.randrange(3)))
    found.t.CopyFrom(TensorProto(data_type=source.choice((1, 7, 8)), dims=[source.choice((0, 3))]))
    found.g.CopyFrom(graph_of([helper.make_node("Relu", ["x"], ["z"])], ["z"]))
    if not source.randrange(4):
        found.ref_attr_name = source.choice(("nowhere", "", "kernel_shape"))
    return found
