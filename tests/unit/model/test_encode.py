"""What is written for onnx: protobuf that says the same as the values it is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import pytest
from onnx import AttributeProto, NodeProto, TensorProto, TypeProto, numpy_helper

from dlalint.graph import Attribute, Op, Scalar, Shape, Tensor, TensorType
from dlalint.model import encode
from dlalint.model.read import Reader
from dlalint.model.wire import encode_bytes


def _attributes(data: bytes) -> dict[str, Any]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in NodeProto.FromString(data).attribute}


def test_operator() -> None:
    given: Mapping[str, Attribute] = {
        "an_int": -3,
        "a_float": 0.5,
        "a_string": b"\xff\x00",
        "ints": (1, -1, 1 << 40),
        "floats": (1.5, math.inf),
        "strings": (b"a", b""),
    }
    proto = NodeProto.FromString(encode.operator("Any", "com.x", given))
    assert (proto.op_type, proto.domain) == ("Any", "com.x")
    assert _attributes(encode.operator("Any", "", given)) == {
        key: list(value) if isinstance(value, tuple) else value for key, value in given.items()
    }
    kinds = [attribute.type for attribute in proto.attribute]
    kind = AttributeProto
    assert kinds == [kind.INT, kind.FLOAT, kind.STRING, kind.INTS, kind.FLOATS, kind.STRINGS]
    assert not NodeProto.FromString(encode.operator("Any", "", {})).HasField("domain")


@pytest.mark.parametrize(
    "value",
    [Tensor("t", "float32", (1,)), TensorType("attribute-reference", ("k",)), None, (Tensor("t", "float32", (1,)),), (1, 2.0), (None,)],
)
def test_attributes_that_are_left_out(value: Attribute) -> None:
    assert _attributes(encode.operator("Any", "", {"left": value, "kept": 1})) == {"kept": 1}


def test_node_with_and_without_stored_bytes() -> None:
    stored = NodeProto(op_type="Elu", attribute=[onnx.helper.make_attribute("alpha", 2.0)]).SerializeToString()
    for op in (Op("Elu", "", {"alpha": 2.0}), Op("Elu", "", {}, wire=stored)):
        proto = NodeProto.FromString(encode.node(op, ("i0", "", "i2"), ("o0", "")))
        assert (proto.op_type, list(proto.input), list(proto.output)) == ("Elu", ["i0", "", "i2"], ["o0", ""])
        assert onnx.helper.get_node_attr_value(proto, "alpha") == 2.0


def test_names_go_back_as_they_came() -> None:
    data = encode.operator("R\udcff", "d\udcfe", {"a\udcfd": 1})
    assert data.startswith(encode_bytes(4, b"R\xff"))
    assert encode_bytes(1, b"a\xfd") in data
    assert data.endswith(encode_bytes(7, b"d\xfe"))


@pytest.mark.parametrize("shape", [(), (1, 3), (0,), (1 << 40,), ("N", None, 2), None])
@pytest.mark.parametrize("dtype", ["float32", "bool", "float16", "int64"])
def test_tensor_type(dtype: str, shape: Shape | None) -> None:
    data = encode.tensor_type(TensorType(dtype, shape))
    assert data == onnx.helper.make_tensor_type_proto(onnx.TensorProto.DataType.Value(_onnx_name(dtype)), shape).SerializeToString()


def _onnx_name(dtype: str) -> str:
    return {"float32": "FLOAT"}.get(dtype, dtype.upper())


def test_tensor_types_of_other_kinds_have_no_element_type() -> None:
    for dtype in ("undefined", "sequence", "unknown-99"):
        assert TypeProto.FromString(encode.tensor_type(TensorType(dtype, None))).tensor_type.elem_type == 0


def test_symbols_need_not_be_utf8() -> None:
    proto = TypeProto.FromString(encode.tensor_type(TensorType("float32", ("N\udcff",))))
    assert proto.tensor_type.shape.dim[0].dim_param == "N?"


@pytest.mark.parametrize(
    ("dtype", "shape", "items"),
    [
        ("int64", (3,), (1, -1, (1 << 63) - 1)),
        ("int32", (2, 1), (-(1 << 31), 7)),
        ("float32", (), (0.1,)),
        ("float32", (2,), (math.inf, -0.0)),
        ("bool", (2,), (True, False)),
        ("int64", (0,), ()),
    ],
)
def test_tensor(dtype: str, shape: Sequence[int], items: Sequence[Scalar]) -> None:
    data = encode.tensor(dtype, shape, items)
    assert data is not None
    array = numpy_helper.to_array(TensorProto.FromString(data))
    assert (str(array.dtype), array.shape) == (dtype, tuple(shape))
    assert array.tobytes() == array.dtype.type(items).tobytes() if items else array.size == 0


@pytest.mark.parametrize("dtype", ["float16", "float64", "uint8", "bfloat16", "string"])
def test_tensors_that_never_carry_a_shape(dtype: str) -> None:
    assert encode.tensor(dtype, (1,), (1,)) is None


def test_what_is_written_is_read_back() -> None:
    op = Op("Pad", "", {"mode": b"reflect", "pads": (0, 1), "value": 0.25})
    header = encode_bytes(7, encode_bytes(1, encode.node(op, ("x",), ("y",))))
    (found,) = Reader(header).model("m").graph.nodes
    assert (found.op.op_type, dict(found.op.attributes)) == ("Pad", dict(op.attributes))
