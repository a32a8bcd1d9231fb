"""A protobuf message as the byte ranges of its fields: for editing a file in place of decoding it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from dlalint.errors import DlalintError, LimitError, ModelError, reason
from dlalint.model.load import MAX_BYTES, READ_WHOLE_BYTES
from dlalint.model.wire import BYTES, FIXED32, FIXED64, GROUP, GROUP_END, VARINT, Buffer, WireError, encode_varint, varint
from dlalint.named_tuple import NamedTuple

_LARGE = 1 << 20  # a field this long is a weight, and the pages around its ends are 2 MB each in a kernel that caches files so


class Record(NamedTuple):
    """One field: its tag begins at ``start``, its payload is ``[a, b)``, and it ends at ``b``. ``number`` is 0 for a part of a group."""

    number: int
    kind: int
    start: int
    a: int
    b: int


@contextmanager
def mapped(path: str) -> Iterator[Buffer]:
    """The bytes of a file, mapped; only what is looked at is read. Raises :class:`ModelError` when it cannot be opened.

    An error of dlalint's that is raised under it names the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise ModelError(f"it cannot be opened ({reason(error)})", where=path, cure="Check the path.", code="E112") from None
    try:
        length = os.fstat(descriptor).st_size
        if length > MAX_BYTES:
            raise LimitError("more than one protobuf message may hold (2 GiB)", cure="Save its weights as external data.", code="E202")
        if not length:
            yield b""
            return
        with mmap.mmap(descriptor, length, access=mmap.ACCESS_READ) as data:
            if length > READ_WHOLE_BYTES and hasattr(mmap, "MADV_RANDOM"):  # Windows has none
                data.madvise(mmap.MADV_RANDOM)  # hopping over weights must not read them ahead
            yield data
    except DlalintError as error:
        error.where = error.where or path
        raise
    finally:
        os.close(descriptor)


def records(buf: Buffer, pos: int, end: int) -> Iterator[Record]:
    """The fields of the message ``buf[pos:end]``, without gaps. Raises :class:`WireError` when it is none."""
    groups = 0
    while pos < end:
        start = pos
        tag, pos = varint(buf, pos, end)
        kind = tag & 7
        payload = pos
        if kind == BYTES:
            length, payload = varint(buf, pos, end)
            pos = payload + length
            if length > _LARGE and pos <= end and isinstance(buf, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                buf.madvise(mmap.MADV_DONTNEED)  # what was looked at so far is not needed in memory any more
        elif kind == VARINT:
            _, pos = varint(buf, pos, end)
        elif kind in (FIXED32, FIXED64):
            pos += 4 if kind == FIXED32 else 8
        elif kind in (GROUP, GROUP_END):
            groups += 1 if kind == GROUP else -1
        else:
            raise WireError(f"the file is damaged: wire type {kind} is not protobuf")
        if pos > end or groups < 0:
            raise WireError("the file is truncated or damaged: a field runs past its end")
        yield Record(0 if groups or kind == GROUP_END else tag >> 3, kind, start, payload, pos)
    if groups:
        raise WireError("the file is truncated or damaged: a group has no end")


def heading(number: int, length: int) -> bytes:
    """What stands before the ``length`` bytes of a length-delimited field."""
    return encode_varint(number << 3 | BYTES) + encode_varint(length)


def text_field(buf: Buffer, start: int, end: int, *path: int) -> str:
    """The text of a field inside the message ``buf[start:end]``, found by field numbers from the outside in; empty when it is not there."""
    for number in path:
        found = [(record.a, record.b) for record in records(buf, start, end) if record.number == number and record.kind == BYTES]
        if not found:
            return ""
        start, end = found[-1]
    return bytes(buf[start:end]).decode("utf-8", "surrogateescape")
