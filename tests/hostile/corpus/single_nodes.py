"""Models of one random node, from the schemas of all operators that onnx knows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper
from onnx.defs import OpSchema

from tests.hostile.corpus.case import Case, graph_of, info, model

INTS = (0, 0, 1, 1, 1, 2, 3, 4, -1, -2, 8, 64, 1 << 31, (1 << 63) - 1, -(1 << 63))
FLOATS = (0.0, 1.0, -1.0, 0.5, 6.0, 1e30, float("nan"), float("inf"))
STRINGS = (
    "",
    "NOTSET",
    "SAME_UPPER",
    "VALID",
    "linear",
    "nearest",
    "cubic",
    "floor",
    "DCR",
    "constant",
    "ij,jk->ik",
    "\x1b[1m",
    "é",
    "LSTM",
)
SHAPES: tuple[tuple[int | str, ...] | None, ...] = (
    (1, 8, 16, 16),
    (1, 8, 16, 16),
    (2, 3),
    (),
    (0,),
    (1, 1, 8193, 1),
    ("N", 3, "H", "W"),
    (1, 2, 3, 4, 5),
    (7,),
    None,
)
KINDS = (1, 1, 1, 10, 7, 6, 9, 3, 2, 8, 11, 16, 17, 22)
OPSETS = (7, 9, 11, 13, 17, 18, 19, 21)


def cases(source: random.Random) -> Iterator[Case]:
    """A hundred and fifty."""
    for _ in range(150):
        name, data = random_node(source)
        yield Case(name, data)


@lru_cache(maxsize=1)
def _schemas() -> tuple[tuple[str, str], ...]:
    return tuple(sorted({(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas()}))


@lru_cache(maxsize=4096)
def _schema(domain: str, name: str, opset: int) -> OpSchema | None:
    try:
        return onnx.defs.get_schema(name, opset if not domain else 1, domain)
    except onnx.defs.SchemaError:
        return None


def random_node(source: random.Random) -> tuple[str, bytes]:
    """The operator and the bytes of a model with one node: as many inputs and attributes as its schema takes, now and then others."""
    opset = source.choice(OPSETS)
    while True:
        domain, name = source.choice(_schemas())
        schema = _schema(domain, name, opset)
        if schema is not None:
            break
    inputs: list[str] = []
    constants: list[TensorProto] = []
    given: list[onnx.ValueInfoProto] = []
    few = schema.min_input
    for place in range(source.randint(few, min(schema.max_input, few + 3)) if source.randrange(8) else source.randrange(6)):
        kind = source.choice(("input", "input", "constant", "constant", "omitted", "same"))
        if kind == "constant":
            constants.append(_constant(source, f"c{place}"))
        elif kind == "input":
            given.append(info(f"i{place}", source.choice(SHAPES), source.choice(KINDS)))
        inputs.append({"input": f"i{place}", "constant": f"c{place}", "omitted": "", "same": "x"}[kind])
    outputs = [f"y{place}" for place in range(source.choice((1, 1, 1, 2, 3, max(1, min(schema.max_output, 9)))))]
    node: NodeProto = helper.make_node(name, inputs, outputs, source.choice(("", "n")), domain=domain)
    for key, attribute in sorted(schema.attributes.items()):
        if attribute.required or source.randrange(2):
            node.attribute.append(_attribute(source, key, attribute.type if source.randrange(20) else OpSchema.AttrType.INT))
    given.append(info("x", source.choice(SHAPES), source.choice(KINDS[:6])))
    return name, model([node], constants, opset=opset, inputs=given).SerializeToString()


def _constant(source: random.Random, name: str) -> TensorProto:
    dims = [source.choice((1, 1, 2, 3, 4, 0)) for _ in range(source.choice((0, 1, 1, 1, 2, 4)))]
    count = 1
    for dim in dims:
        count *= dim
    kind = source.choice((TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT64, TensorProto.BOOL, TensorProto.INT8))
    pool: tuple[Any, ...] = {TensorProto.FLOAT: FLOATS, TensorProto.INT64: INTS}.get(kind, (0, 1))
    return helper.make_tensor(name, kind, dims, [source.choice(pool) for _ in range(count)])


def _attribute(source: random.Random, name: str, kind: OpSchema.AttrType) -> AttributeProto:
    kinds = OpSchema.AttrType
    count = source.choice((1, 2, 2, 4, 6))
    values: dict[Any, Any] = {
        kinds.INT: lambda: source.choice(INTS),
        kinds.FLOAT: lambda: source.choice(FLOATS),
        kinds.STRING: lambda: source.choice(STRINGS),
        kinds.INTS: lambda: [source.choice(INTS) for _ in range(count)],
        kinds.FLOATS: lambda: [source.choice(FLOATS) for _ in range(count)],
        kinds.STRINGS: lambda: [source.choice(STRINGS) for _ in range(count)],
        kinds.TENSOR: lambda: _constant(source, "t"),
        kinds.GRAPH: lambda: graph_of([helper.make_node("Relu", ["x"], ["z"])], ["z"]),
    }
    make = values.get(kind)
    return helper.make_attribute(name, make()) if make is not None else AttributeProto(name=name, type=AttributeProto.INT, i=1)
