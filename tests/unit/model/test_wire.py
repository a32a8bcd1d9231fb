"""The protobuf wire format: what is read, what is refused, and that the writers agree with protobuf."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto

from dlalint.model.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    MAX_GROUPS,
    VARINT,
    WireError,
    encode_bytes,
    encode_int,
    encode_varint,
    fields,
    signed,
    varint,
)

RUNS_PAST = "the file is truncated or damaged: a number runs past its end"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x80\x01", 128),
        (b"\xac\x02", 300),
        (b"\x80\x00", 0),  # longer than it needs to be, as protobuf allows
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", (1 << 63) - 1),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", (1 << 64) - 1),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", (1 << 64) - 1),  # bits above 64 are dropped
    ],
)
def test_varint(data: bytes, value: int) -> None:
    assert varint(data, 0, len(data)) == (value, len(data))
    assert varint(b"\xff" + data + b"\x01", 1, len(data) + 2) == (value, len(data) + 1)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\xff" * 10, b"\xff" * 10 + b"\x01"])
def test_varint_without_end(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        varint(data, 0, len(data))
    assert str(caught.value) == f"error[E101]: {RUNS_PAST}. Export or download the model again."


@pytest.mark.parametrize(("value", "number"), [(0, 0), (1, 1), ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, -(1 << 63)), ((1 << 64) - 1, -1)])
def test_signed(value: int, number: int) -> None:
    assert signed(value) == number


@given(st.integers(min_value=-(1 << 63), max_value=(1 << 64) - 1))
@settings(derandomize=True, deadline=None)
def test_varint_round_trip(value: int) -> None:
    data = encode_varint(value)
    assert varint(data, 0, len(data)) == (value % (1 << 64), len(data))
    assert TensorProto.FromString(b"\x08" + data).dims[0] == signed(value % (1 << 64))


def test_fields_of_every_kind(tmp_path: Path) -> None:
    data = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x1d\x01\x02\x03\x04" + b"\x21\x01\x02\x03\x04\x05\x06\x07\x08" + b"\xfa\x07\x00"
    found = [(1, VARINT, 150, 0), (2, BYTES, 5, 8), (3, FIXED32, 9, 13), (4, FIXED64, 14, 22), (127, BYTES, 25, 25)]
    assert list(fields(data, 0, len(data))) == found
    path = tmp_path / "message"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert list(fields(mapped, 0, len(data))) == found


def test_fields_stop_at_their_end() -> None:
    data = b"\x08\x01\x10\x02\x18\x03"
    assert list(fields(data, 2, 4)) == [(2, VARINT, 2, 0)]
    assert list(fields(data, 2, 2)) == []


def test_a_long_field_is_hopped_over() -> None:
    data = b"\x0a\x80\x80\x04" + bytes(65536) + b"\x10\x07"
    assert list(fields(data, 0, len(data))) == [(1, BYTES, 4, 65540), (2, VARINT, 7, 0)]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x00\x01", "the file is damaged: a field has no number"),
        (b"\x0a\x05abcd", "the file is truncated or damaged: a field of 5 bytes runs past its end"),
        (b"\x0a", RUNS_PAST),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            f"the file is truncated or damaged: a field of {2**64 - 1} bytes runs past its end",
        ),
        (b"\x08", RUNS_PAST),
        (b"\x88", RUNS_PAST),
        (b"\x0d\x01\x02\x03", RUNS_PAST),
        (b"\x09\x01\x02\x03\x04\x05\x06\x07", RUNS_PAST),
        (b"\x0e", "the file is damaged: wire type 6 is not protobuf"),
        (b"\x0f", "the file is damaged: wire type 7 is not protobuf"),
        (b"\x0c", "the file is damaged: wire type 4 is not protobuf"),  # the end of a group that did not begin
        (b"\x0b\x14", "the file is damaged: a group ends that did not begin"),
        (b"\x0b\x0f", "the file is damaged: wire type 7 is not protobuf"),
        (b"\x0b\x12\x05a", "the file is truncated or damaged: a group runs past its end"),
        (b"\x0b\x15\x00", "the file is truncated or damaged: a group runs past its end"),
        (b"\x0b\x11\x00", "the file is truncated or damaged: a group runs past its end"),
        (b"\x0b\x08\x01", RUNS_PAST),
        (b"\x0b" * (MAX_GROUPS + 1), "the file is truncated or damaged: a group runs past its end"),
    ],
)
def test_what_is_not_protobuf(data: bytes, what: str) -> None:
    with pytest.raises(WireError) as caught:
        list(fields(data, 0, len(data)))
    assert (caught.value.code, caught.value.what) == ("E101", what)
    assert caught.value.cure == "Export or download the model again."


@pytest.mark.parametrize(
    "group",
    [
        b"\x0b\x0c",
        b"\x0b\x08\x96\x01\x12\x02ab\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\x0c",
        b"\x0b\x13\x1b\x1c\x14\x0c",
        b"\x0b" * MAX_GROUPS + b"\x0c" * MAX_GROUPS,
        b"\x0b\x12\x02\x0c\x0c\x0c",  # the bytes of a field are not its groups
    ],
)
def test_groups_are_skipped(group: bytes) -> None:
    assert list(fields(group + b"\x10\x07", 0, len(group) + 2)) == [(2, VARINT, 7, 0)]


def test_writers_agree_with_protobuf() -> None:
    tensor = TensorProto(dims=[3, -1, 300], data_type=1, name="w" * 200, raw_data=b"\x00\xff")
    written = b"".join(encode_int(1, dim) for dim in (3, -1, 300)) + encode_int(2, 1)
    written += encode_bytes(8, b"w" * 200) + encode_bytes(9, b"\x00\xff")
    assert TensorProto.FromString(written) == tensor
    assert encode_bytes(4, b"Relu") == NodeProto(op_type="Relu").SerializeToString()
