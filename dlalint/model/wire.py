"""The protobuf wire format: fields of a message, hopped over without copying, and the few encoders that questions to onnx need.

Everything in the buffer is untrusted: each length is checked against its container before use.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Union

from dlalint.errors import ModelError

Buffer = Union[bytes, mmap]
Span = tuple[int, int]

MAX_GROUPS = 64  # nested groups; ONNX has none

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = 0, 1, 2, 3, 4, 5
_SHORT = tuple(bytes((value,)) for value in range(128))  # the varints of one byte


class WireError(ModelError):
    """The bytes are not a well-formed protobuf message."""

    default_code = "E101"

    def __init__(self, what: str) -> None:
        super().__init__(what, cure="Export or download the model again.")


def varint(buf: Buffer, pos: int, end: int) -> tuple[int, int]:
    """Decode one unsigned varint at ``pos``; returns the value and the position behind it."""
    value = shift = 0
    while pos < end:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7
        if shift > 63:
            break
    raise WireError("the file is truncated or damaged: a number runs past its end")


def signed(value: int) -> int:
    """A varint read as a 64-bit two's complement integer."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(buf: Buffer, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(field number, wire type, a, b)`` of a message: ``a`` is the value of a varint, ``buf[a:b]`` the bytes of anything else."""
    while pos < end:
        tag = buf[pos]
        if tag < 0x80:
            pos += 1
        else:
            tag, pos = varint(buf, pos, end)
        kind = tag & 7
        number = tag >> 3
        if number == 0:
            raise WireError("the file is damaged: a field has no number")
        if kind == BYTES:
            length = buf[pos] if pos < end else 0x80
            if length < 0x80:
                pos += 1
            else:
                length, pos = varint(buf, pos, end)
            stop = pos + length
            if stop > end:
                raise WireError(f"the file is truncated or damaged: a field of {length} bytes runs past its end")
            yield number, BYTES, pos, stop
            pos = stop
        elif kind == VARINT:
            value, pos = varint(buf, pos, end)
            yield number, VARINT, value, 0
        elif kind in (FIXED32, FIXED64):
            stop = pos + (4 if kind == FIXED32 else 8)
            if stop > end:
                raise WireError("the file is truncated or damaged: a number runs past its end")
            yield number, kind, pos, stop
            pos = stop
        elif kind == GROUP:
            pos = _skip_group(buf, pos, end, number)
        else:
            raise WireError(f"the file is damaged: wire type {kind} is not protobuf")


def row(buf: Buffer, pos: int, end: int, tag: int) -> Iterator[Span]:
    """The spans of the length-delimited fields with the one-byte ``tag`` that follow one another from ``pos``; the last ends the row."""
    while pos + 2 < end and buf[pos] == tag:
        size, start = buf[pos + 1], pos + 2
        if size > 0x7F:
            size, start = varint(buf, pos + 1, end)
        pos = start + size
        if pos > end:
            raise WireError(f"the file is truncated or damaged: a field of {size} bytes runs past its end")
        yield start, pos


def _skip_group(buf: Buffer, pos: int, end: int, number: int) -> int:
    """The position behind a group: ONNX has none, so whatever is inside is an unknown field."""
    open_groups = [number]
    while open_groups:
        tag, pos = varint(buf, pos, end)
        kind = tag & 7
        if kind == VARINT:
            _, pos = varint(buf, pos, end)
        elif kind == BYTES:
            length, pos = varint(buf, pos, end)
            pos += length
        elif kind == GROUP:
            open_groups.append(tag >> 3)
        elif kind == GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise WireError("the file is damaged: a group ends that did not begin")
        elif kind in (FIXED32, FIXED64):
            pos += 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"the file is damaged: wire type {kind} is not protobuf")
        if pos > end or len(open_groups) > MAX_GROUPS:
            raise WireError("the file is truncated or damaged: a group runs past its end")
    return pos


def encode_varint(value: int) -> bytes:
    """The varint bytes of a signed or unsigned 64-bit integer."""
    if 0 <= value < 128:
        return _SHORT[value]
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(number: int, payload: bytes) -> bytes:
    """One length-delimited field."""
    return encode_varint(number << 3 | BYTES) + encode_varint(len(payload)) + payload


def encode_int(number: int, value: int) -> bytes:
    """One varint field."""
    return encode_varint(number << 3) + encode_varint(value)
