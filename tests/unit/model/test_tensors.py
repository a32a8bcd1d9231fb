"""Tensors and types: the same elements as onnx reads, payloads kept when small, and refusals for what does not fit."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, TypeProto, numpy_helper

from dlalint.errors import ModelError
from dlalint.graph import DTYPES, Location, Tensor, TensorType
from dlalint.model.stored import MAX_RANK, quoted
from dlalint.model.tensors import KEEP_BYTES, KEEP_INTEGER_BYTES, TensorReader
from dlalint.model.wire import WireError, encode_bytes, encode_int, encode_varint

# values that every numeric type of at least eight bits holds exactly
NUMBERS: dict[str, list[Any]] = {
    "float32": [0.0, 1.5, -2.0, 65504.0, float("inf"), 1e-45],
    "float64": [0.0, 1.5, -2.0, 1e300, float("-inf"), 5e-324],
    "float16": [0.0, 1.5, -2.0, 65504.0, float("inf"), 6e-8],
    "bfloat16": [0.0, 1.5, -2.0, 65536.0, float("inf"), 1e-40],
    "int8": [0, 1, -1, 127, -128, 5],
    "int16": [0, 1, -1, 32767, -32768, 5],
    "int32": [0, 1, -1, (1 << 31) - 1, -(1 << 31), 5],
    "int64": [0, 1, -1, (1 << 63) - 1, -(1 << 63), 5],
    "uint8": [0, 1, 255, 128, 127, 5],
    "uint16": [0, 1, 65535, 32768, 127, 5],
    "uint32": [0, 1, (1 << 32) - 1, 1 << 31, 127, 5],
    "uint64": [0, 1, (1 << 64) - 1, 1 << 63, 127, 5],
    "bool": [True, False, True, True, False, False],
}
CODES = {name: code for code, (name, _) in DTYPES.items()}


def _read(proto: TensorProto | bytes) -> Tensor:
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    return TensorReader(data).tensor(0, len(data))


def _type(proto: TypeProto) -> TensorType:
    return TensorReader(proto.SerializeToString()).type()


def _refused(proto: TensorProto | bytes) -> ModelError:
    with pytest.raises(ModelError) as caught:
        _read(proto)
    return caught.value


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("dtype", sorted(NUMBERS))
def test_elements_are_those_of_onnx(dtype: str, raw: bool) -> None:
    array = np.array(NUMBERS[dtype], onnx.helper.tensor_dtype_to_np_dtype(CODES[dtype])).reshape(2, 3)
    proto = (
        numpy_helper.from_array(array, "w")
        if raw
        else onnx.helper.make_tensor("w", CODES[dtype], (2, 3), array.ravel().tolist() if dtype != "bfloat16" else NUMBERS[dtype])
    )
    assert proto.HasField("raw_data") is raw
    tensor = _read(proto)
    assert (tensor.name, tensor.dtype, tensor.dims, tensor.type) == ("w", dtype, (2, 3), TensorType(dtype, (2, 3)))
    values = tensor.values()
    assert values is not None
    expected = numpy_helper.to_array(proto).ravel().astype("float32" if dtype == "bfloat16" else array.dtype).tolist()
    assert [*values] == expected
    assert [type(item) for item in values] == [type(item) for item in expected]


@pytest.mark.parametrize(
    ("dtype", "field", "stored", "values"),
    [
        ("float32", b"\x25", [struct.pack("<f", 1.5), struct.pack("<f", -2.0)], (1.5, -2.0)),
        ("float64", b"\x51", [struct.pack("<d", 1.5), struct.pack("<d", -2.0)], (1.5, -2.0)),
        ("int32", b"\x28", [encode_varint(300), encode_varint(-1)], (300, -1)),
        ("int8", b"\x28", [encode_varint(7), encode_varint(-1)], (7, -1)),
        ("bool", b"\x28", [encode_varint(1), encode_varint(0)], (True, False)),
        ("float16", b"\x28", [encode_varint(0x3E00), encode_varint(0xC000)], (1.5, -2.0)),
        ("bfloat16", b"\x28", [encode_varint(0x3FC0), encode_varint(0xC000)], (1.5, -2.0)),
        ("int64", b"\x38", [encode_varint(1 << 40), encode_varint(-1)], (1 << 40, -1)),
        ("uint64", b"\x58", [encode_varint((1 << 64) - 1), encode_varint(3)], ((1 << 64) - 1, 3)),
        ("uint32", b"\x58", [encode_varint((1 << 32) - 1), encode_varint(3)], ((1 << 32) - 1, 3)),
    ],
)
def test_numbers_one_by_one(dtype: str, field: bytes, stored: Sequence[bytes], values: tuple[object, ...]) -> None:
    """Old writers store a list as one field a number, and dimensions too; new ones pack them."""
    loose = b"\x08\x01\x08\x02" + encode_int(2, CODES[dtype]) + b"".join(field + item for item in stored)
    packed = encode_bytes(1, b"\x01\x02") + encode_int(2, CODES[dtype]) + encode_bytes(field[0] >> 3, b"".join(stored))
    assert onnx.TensorProto.FromString(loose) == onnx.TensorProto.FromString(packed)
    for data in (loose, packed):
        tensor = _read(data)
        assert (tensor.dtype, tensor.dims, tensor.values()) == (dtype, (1, 2), values)


def test_a_packed_list_in_pieces_is_one_list() -> None:
    data = encode_int(1, 3) + encode_int(2, 7) + encode_bytes(7, b"\x01\x02") + encode_bytes(7, b"\x03")
    assert _read(data).values() == (1, 2, 3)


def _strings(count: int, *items: bytes) -> TensorProto:
    return TensorProto(name="s", data_type=TensorProto.STRING, dims=[count], string_data=items)


def test_strings() -> None:
    tensor = _read(_strings(2, b"a", b"\xff"))
    assert (tensor.dtype, tensor.dims, tensor.payload, tensor.form, tensor.values()) == ("string", (2,), (b"a", b"\xff"), "strings", None)
    assert _read(_strings(2, b"a" * KEEP_BYTES, b"a")).payload is None
    assert _read(_strings(2, b"a" * (KEEP_BYTES - 1), b"a")).payload == (b"a" * (KEEP_BYTES - 1), b"a")
    assert _read(_strings(3)).payload == ()
    assert _refused(_strings(1, b"a", b"b")).what == "tensor 's' holds 2 elements, its shape (1,) of string needs 1"


@pytest.mark.parametrize(
    ("dtype", "count", "kept"),
    [
        ("float32", KEEP_BYTES // 4, True),
        ("float32", KEEP_BYTES // 4 + 1, False),
        ("float16", KEEP_BYTES // 2, True),
        ("float16", KEEP_BYTES // 2 + 1, False),
        ("int64", KEEP_INTEGER_BYTES // 8, True),
        ("int64", KEEP_INTEGER_BYTES // 8 + 1, False),
        ("int32", KEEP_INTEGER_BYTES // 4, True),
        ("int32", KEEP_INTEGER_BYTES // 4 + 1, False),
    ],
)
def test_small_payloads_are_kept_large_ones_are_addressed(dtype: str, count: int, kept: bool) -> None:
    raw = (bytes(range(1, 251)) * count * 8)[: count * int(DTYPES[CODES[dtype]][1])]
    data = TensorProto(name="w", data_type=CODES[dtype], dims=[count], raw_data=raw).SerializeToString()
    tensor = _read(data)
    assert tensor.where is not None
    assert (tensor.where.file, tensor.where.length) == ("", len(raw))
    assert data[tensor.where.offset : tensor.where.offset + len(raw)] == raw
    assert tensor.payload == (raw if kept else None)
    assert (tensor.values() is None) is not kept


def test_large_typed_lists_are_not_kept() -> None:
    assert _read(onnx.helper.make_tensor("w", TensorProto.FLOAT, (2000,), [1.0] * 2000)).payload is None
    assert _read(onnx.helper.make_tensor("w", TensorProto.INT8, (5000,), [1] * 5000)).payload is None
    loose = encode_int(1, 2000) + encode_int(2, 1) + b"\x25\x00\x00\x80\x3f" * 2000
    assert (_read(loose).payload, _read(loose).where) == (None, None)


def test_a_tensor_without_elements_is_a_shape() -> None:
    tensor = _read(TensorProto(name="w", data_type=1, dims=[3, 3]))
    assert (tensor.dims, tensor.nbytes, tensor.values(), tensor.where) == ((3, 3), 36, None, None)
    empty = _read(TensorProto(name="w", data_type=7, dims=[0, 3]))
    assert (empty.dims, empty.nbytes, empty.values()) == ((0, 3), 0, ())
    assert _read(TensorProto(name="w", data_type=7, int64_data=[5])).values() == (5,)


@pytest.mark.parametrize(
    ("proto", "what"),
    [
        (TensorProto(data_type=1, dims=[2], raw_data=b"1234"), "holds 4 bytes, its shape (2,) of float32 needs 8"),
        (TensorProto(data_type=1, dims=[2], raw_data=b""), "holds 0 bytes, its shape (2,) of float32 needs 8"),
        (TensorProto(data_type=1, dims=[], raw_data=b"12345678"), "holds 8 bytes, its shape () of float32 needs 4"),
        (TensorProto(data_type=1, dims=[0], raw_data=b"1234"), "holds 4 bytes, its shape (0,) of float32 needs 0"),
        (TensorProto(data_type=1, dims=[3], float_data=[1, 2]), "holds 8 bytes, its shape (3,) of float32 needs 12"),
        (TensorProto(data_type=11, dims=[3], double_data=[1, 2]), "holds 16 bytes, its shape (3,) of float64 needs 24"),
        (TensorProto(data_type=14, dims=[2], float_data=[1, 2]), "holds 8 bytes, its shape (2,) of complex64 needs 16"),
        (TensorProto(data_type=7, dims=[3], int64_data=[1, 200]), "holds 2 elements, its shape (3,) of int64 needs 3"),
        (TensorProto(data_type=3, dims=[1], int32_data=[1, -2]), "holds 2 elements, its shape (1,) of int8 needs 1"),
        (TensorProto(data_type=12, dims=[1], uint64_data=[1, 2]), "holds 2 elements, its shape (1,) of uint32 needs 1"),
        (TensorProto(data_type=22, dims=[3], int32_data=[1]), "holds 1 elements, its shape (3,) of int4 needs 2"),
        (TensorProto(data_type=22, dims=[3], raw_data=b"1"), "holds 1 bytes, its shape (3,) of int4 needs 2"),
        (TensorProto(data_type=7, dims=[1], float_data=[1, 2]), "of int64 keeps its elements in the field of another type"),
        (TensorProto(data_type=1, dims=[1], int32_data=[1]), "of float32 keeps its elements in the field of another type"),
        (TensorProto(data_type=6, dims=[1], int64_data=[1]), "of int32 keeps its elements in the field of another type"),
        (TensorProto(data_type=9, dims=[1], uint64_data=[1]), "of bool keeps its elements in the field of another type"),
        (TensorProto(data_type=1, dims=[1], double_data=[1]), "of float32 keeps its elements in the field of another type"),
        (TensorProto(data_type=1, dims=[-1, 3]), "has the impossible shape (-1, 3)"),
        (TensorProto(data_type=1, dims=[1 << 31]), f"has the impossible shape ({1 << 31},)"),
        (TensorProto(data_type=1, dims=[1 << 30, 1 << 30, 4]), f"has the impossible shape {(1 << 30, 1 << 30, 4)}"),
        (TensorProto(data_type=1, dims=[1 << 30] * MAX_RANK), f"has the impossible shape {(1 << 30,) * MAX_RANK}"),
        (TensorProto(data_type=1, dims=[1] * (MAX_RANK + 1)), "has 65 dimensions"),
    ],
)
def test_what_does_not_fit(proto: TensorProto, what: str) -> None:
    proto.name = "w"
    error = _refused(proto)
    assert (error.code, error.what, error.cure) == ("E104", f"tensor 'w' {what}", "Export the model again.")


@pytest.mark.parametrize(
    ("code", "dims", "raw"), [(22, (3,), b"12"), (21, (4,), b"12"), (23, (1,), b"1"), (26, (1,), b"1"), (25, (5,), b"12"), (99, (5,), b"1")]
)
def test_narrow_and_unknown_types(code: int, dims: tuple[int, ...], raw: bytes) -> None:
    tensor = _read(TensorProto(data_type=code, dims=dims, raw_data=raw))
    assert (tensor.dtype, tensor.dims, tensor.payload, tensor.values()) == (DTYPES.get(code, ("unknown-99", 0))[0], dims, raw, None)


def _external(*entries: tuple[str, str], location: bool = True, dims: Sequence[int] = (3,)) -> TensorProto:
    proto = TensorProto(name="w", data_type=1, dims=dims)
    if location:
        proto.data_location = TensorProto.EXTERNAL
    for key, value in entries:
        proto.external_data.add(key=key, value=value)
    return proto


def test_external_data() -> None:
    whole = _read(_external(("location", "side.bin"), ("offset", "64"), ("length", "12"), ("checksum", "ab")))
    assert (whole.where, whole.payload, whole.nbytes) == (Location("side.bin", 64, 12), None, 12)
    assert _read(_external(("location", "side.bin"))).where == Location("side.bin", 0, None)
    assert _read(_external(("location", "side.bin"), location=False)).where == Location("side.bin", 0, None)
    assert _read(_external(("location", "side.bin"), ("length", "0"), dims=(0,))).where == Location("side.bin", 0, 0)


@pytest.mark.parametrize(
    ("entries", "code", "what"),
    [
        ((), "E105", "external data of tensor 'w' names no file"),
        ((("location", ""),), "E105", "external data of tensor 'w' names no file"),
        ((("location", "a"), ("location", "b")), "E105", "external data states 'location' twice"),
        ((("location", "a"), ("offset", "-1")), "E105", "external data of tensor 'w' has an impossible offset '-1'"),
        ((("location", "a"), ("offset", " 0 ")), "E105", "external data of tensor 'w' has an impossible offset ' 0 '"),
        ((("location", "a"), ("offset", "1_0")), "E105", "external data of tensor 'w' has an impossible offset '1_0'"),
        ((("location", "a"), ("offset", "٣")), "E105", "external data of tensor 'w' has an impossible offset '٣'"),
        ((("location", "a"), ("length", "0x9")), "E105", "external data of tensor 'w' has an impossible length '0x9'"),
        (
            (("location", "a"), ("offset", "9" * 20)),
            "E105",
            "external data of tensor 'w' has an impossible offset '99999999999999999999'",
        ),
        ((("location", "a"), ("length", "8")), "E104", "tensor 'w' holds 8 bytes, its shape (3,) of float32 needs 12"),
        ((("location", "a"), ("length", "16")), "E104", "tensor 'w' holds 16 bytes, its shape (3,) of float32 needs 12"),
        (
            (("location", "a"), ("offset", "64"), ("length", "16")),
            "E104",
            "tensor 'w' holds 16 bytes, its shape (3,) of float32 needs 12",
        ),
    ],
)
def test_external_data_that_cannot_be(entries: tuple[tuple[str, str], ...], code: str, what: str) -> None:
    error = _refused(_external(*entries))
    assert (error.code, error.what, error.cure) == (code, what, "Export the model again.")


@pytest.mark.parametrize("data", [b"\x0a\x01\x80", b"\x12\x05", b"\x42\x09abc", b"\x6a\x03\x0a\x05"])
def test_damaged_tensors(data: bytes) -> None:
    with pytest.raises(WireError):
        _read(data)


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (onnx.helper.make_tensor_type_proto(1, (1, "N", None, 0)), TensorType("float32", (1, "N", None, 0))),
        (onnx.helper.make_tensor_type_proto(1, ("",)), TensorType("float32", (None,))),
        (onnx.helper.make_tensor_type_proto(10, (-1, 1 << 40)), TensorType("float16", (-1, 1 << 40))),
        (onnx.helper.make_tensor_type_proto(7, ()), TensorType("int64", ())),
        (onnx.helper.make_tensor_type_proto(9, None), TensorType("bool", None)),
        (TypeProto(), TensorType("undefined", None)),
        (onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(1, (1,))), TensorType("sequence", None)),
        (onnx.helper.make_optional_type_proto(onnx.helper.make_tensor_type_proto(1, (1,))), TensorType("optional", None)),
        (onnx.helper.make_map_type_proto(7, onnx.helper.make_tensor_type_proto(1, (1,))), TensorType("map", None)),
        (onnx.helper.make_sparse_tensor_type_proto(1, (1,)), TensorType("sparse", None)),
    ],
)
def test_types(proto: TypeProto, expected: TensorType) -> None:
    assert _type(proto) == expected


def test_types_that_say_little() -> None:
    for data, expected in (
        (encode_bytes(1, b""), TensorType("undefined", None)),
        (encode_bytes(1, encode_bytes(2, b"")), TensorType("undefined", ())),
        (encode_bytes(1, encode_int(1, 1) + encode_int(2, 5)), TensorType("float32", None)),
        (encode_int(1, 5) + encode_int(4, 5), TensorType("undefined", None)),
        (encode_bytes(1, encode_int(1, 99)), TensorType("unknown-99", None)),
    ):
        assert TensorReader(data).type() == expected


def test_the_largest_shapes() -> None:
    assert _read(TensorProto(data_type=1, dims=[1 << 30, 1 << 30, 3])).dims == (1 << 30, 1 << 30, 3)
    assert _read(TensorProto(data_type=1, dims=[(1 << 31) - 1])).dims == ((1 << 31) - 1,)
    assert _read(TensorProto(data_type=1, dims=[1] * MAX_RANK)).dims == (1,) * MAX_RANK


def test_names_need_not_be_utf8() -> None:
    tensor = _read(encode_bytes(8, b"w\xff\n") + encode_int(2, 1))
    assert tensor.name == "w\udcff\n"
    assert tensor.name.encode("utf-8", "surrogateescape") == b"w\xff\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("w", "'w'"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("\u202e\udcff", r"'\u202e\udcff'"),
        ("n" * 200, "'" + "n" * 200 + "'"),
        ("n" * 201, "'" + "n" * 200 + "'... (201 characters)"),
    ],
)
def test_names_in_messages(name: str, shown: str) -> None:
    assert quoted(name) == shown
