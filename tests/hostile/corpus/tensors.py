"""Tensors that lie about what they hold, and types that are none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from onnx import ModelProto, TensorProto, TypeProto, helper

from tests.hostile.corpus.case import Case, conv, info, model

SHAPES: tuple[tuple[int, ...], ...] = ((), (0,), (4,), (-1, 4), (1 << 31,), (1 << 62, 4), (1 << 40, 0), (1,) * 65, (2,) * 62)
PAYLOADS: dict[str, tuple[str, Any]] = {
    "none": ("raw_data", b""),
    "short": ("raw_data", b"123"),
    "raw": ("raw_data", bytes(16)),
    "floats": ("float_data", [float("nan"), float("inf"), -0.0, 1e-45]),
    "integers": ("int64_data", [(1 << 63) - 1, -(1 << 63), 0, -1]),
    "words": ("string_data", [b"\x1b[1m", b"\xff", b"", b"a"]),
    "narrow": ("int32_data", [1 << 30, -1, 0, 1]),
    "unsigned": ("uint64_data", [(1 << 64) - 1, 0, 1, 2]),
}


def cases(source: random.Random) -> Iterator[Case]:
    """Some hundred and twenty."""
    for shape in SHAPES:
        for name, (field, value) in source.sample(sorted(PAYLOADS.items()), 4):
            kind = source.choice((1, 3, 6, 7, 8, 9, 10, 16, 21, 22, 23, 26, 0, 99))
            payload: dict[str, Any] = {field: value}
            tensor = TensorProto(name="w", data_type=kind, dims=shape, **payload)
            impossible = any(not 0 <= dim < 1 << 31 for dim in shape) or len(shape) > 64
            yield Case(f"{len(shape)}d_{kind}_{name}", _added(tensor).SerializeToString(), refused=True if impossible else None)
    yield from _shape_carriers(source)
    yield from _declared()
    yield from _sparse()


def _added(tensor: TensorProto) -> ModelProto:
    return model([helper.make_node("Add", ["x", "w"], ["y"], "n")], [tensor])


# operator, input that carries a shape, number of inputs
CARRIERS = (
    ("Reshape", 1, 2),
    ("Expand", 1, 2),
    ("Tile", 1, 2),
    ("Slice", 1, 5),
    ("Slice", 4, 5),
    ("Pad", 1, 2),
    ("Resize", 3, 4),
    ("Resize", 2, 3),
    ("Unsqueeze", 1, 2),
    ("Squeeze", 1, 2),
    ("Gather", 1, 2),
    ("ReduceSum", 1, 2),
    ("Split", 1, 2),
    ("TopK", 1, 2),
    ("ConstantOfShape", 0, 1),
    ("OneHot", 1, 3),
    ("Clip", 1, 3),
    ("Range", 1, 3),
    ("GatherElements", 1, 2),
    ("Upsample", 1, 2),
)
VALUES = ((), (0,), (-1, -1), (0, 0, 0, 0), ((1 << 63) - 1,) * 4, (-(1 << 63),) * 4, (1 << 31,), (3, -1, 7), (1,) * 9, (-1,), (2, 2, 2, 2))


def _shape_carriers(source: random.Random) -> Iterator[Case]:
    for operator, place, count in CARRIERS:
        for values in source.sample(VALUES, 3):
            inputs = [f"c{index}" if index else "x" for index in range(count)]
            inputs[place] = "s"
            fill = [helper.make_tensor(name, TensorProto.INT64, (1,), [1]) for name in inputs if name not in ("x", "s")]
            kind = source.choice((TensorProto.INT64, TensorProto.INT64, TensorProto.FLOAT, TensorProto.INT32, TensorProto.BOOL))
            fitting: Sequence[int] = [value % 2 for value in values] if kind in (TensorProto.BOOL, TensorProto.INT32) else values
            tensor = helper.make_tensor("s", kind, (len(values),), fitting)
            opset = 9 if operator == "Upsample" else source.choice((13, 17, 18))
            yield Case(
                f"{operator}_{place}", model([helper.make_node(operator, inputs, ["y"])], [*fill, tensor], opset=opset).SerializeToString()
            )


INPUTS: tuple[Sequence[int | str] | None, ...] = (
    (-1, 8, 1, 1),
    (1 << 31, 1),
    (1 << 62,) * 3,
    (0, 8, 16, 16),
    (1,) * 65,
    ("", 8, 1, 1),
    ("N" * 3000, 8, 1, 1),
    None,
    (),
)


def _declared() -> Iterator[Case]:
    """Types of inputs and of inner tensors."""
    for dims in INPUTS:
        yield Case("input_shape", model([helper.make_node("Relu", ["x"], ["y"])], inputs=[info("x", dims)]).SerializeToString())
    for kind in (0, 8, 9, 14, 17, 22, 99):
        yield Case(
            f"input_type_{kind}", model([helper.make_node("Relu", ["x"], ["y"])], inputs=[info("x", (1, 8), kind)]).SerializeToString()
        )
    for inside in ((2, 2), (1 << 40,), (-5, 1, 1, 1), (1,) * 70):
        proto = conv()
        proto.graph.value_info.append(info("c", inside))
        yield Case("inner_shape", proto.SerializeToString())
    deep = TypeProto()
    inner = deep
    for _ in range(60):
        inner = inner.sequence_type.elem_type
    for name, kind in (
        ("sequence", deep),
        ("optional", TypeProto(optional_type=TypeProto.Optional())),
        ("map", TypeProto(map_type=TypeProto.Map())),
    ):
        proto = conv()
        proto.graph.input[0].type.CopyFrom(kind)
        yield Case(f"input_{name}", proto.SerializeToString())


def _sparse() -> Iterator[Case]:
    for dims in ((4, 4), (1 << 30, 1 << 30), (-1,), (1 << 62, 1 << 62)):
        proto = _added(TensorProto(name="w0", data_type=1, dims=[1], float_data=[1]))
        found = proto.graph.sparse_initializer.add(dims=dims)
        found.values.CopyFrom(TensorProto(name="w", data_type=1, dims=[1], float_data=[1]))
        found.indices.CopyFrom(TensorProto(data_type=7, dims=[1], int64_data=[1 << 62]))
        del proto.graph.initializer[:]
        yield Case("sparse", proto.SerializeToString())
