"""Tensors and types of an ONNX file: payloads are kept when small, otherwise only their place in the file."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping

from dlalint.errors import ModelError
from dlalint.graph import Location, Tensor, TensorType, dtype_name, volume
from dlalint.model.stored import external_location, fit, possible_shape, quoted, stored_bytes
from dlalint.model.wire import BYTES, VARINT, Buffer, encode_varint, fields, row, signed, varint
from dlalint.named_tuple import NamedTuple, new_tuple

KEEP_BYTES = 4096  # payloads up to this are kept: every shape carrier, per-channel scales of 1024 channels
KEEP_INTEGER_BYTES = 65536  # index tensors are needed whole
LARGE_BYTES = 1 << 20  # of a tensor this long the pages around its ends are 2 MB each in a kernel that caches files so
_AGAIN = "Export the model again."
_INTEGER_CODES = (6, 7)
_RAW = 9
# TensorProto.float_data, int64_data, double_data, uint64_data -> the types they are for; int32_data takes all that are left
_TYPED = {
    4: ("float32", "complex64"),
    7: ("int64",),
    10: ("float64", "complex128"),
    11: ("uint32", "uint64"),
}
_NOT_INT32 = frozenset(name for names in _TYPED.values() for name in names)
_CONTAINERS = {4: "sequence", 5: "map", 7: "opaque", 8: "sparse", 9: "optional"}

_INITIALIZER, _EXTERNAL = 0x2A, 0x6A  # the tags of a tensor in a graph, and of where a tensor lies
_DIM = re.compile(rb"\x08([\x80-\xff]*[\x00-\x7f])", re.S)
_HEAD = re.compile(rb"(?:\x08[\x80-\xff]*[\x00-\x7f])*\x10[\x00-\x7f]\x42", re.S)  # dims, data_type, and the tag of the name
# entries of external data and the mark that ends them; the groups before a value are the lengths of its entry and of itself
_PLACE = re.compile(
    rb"\x6a(.)\x0a\x08location\x12(.)(.{1,115})\x6a(.)\x0a\x06offset\x12(.)([0-9]{1,19})\x6a(.)\x0a\x06length\x12(.)([0-9]{1,19})\x70\x01",
    re.S,
)


class TensorReader:
    """Decodes tensors, types and names of one buffer."""

    def __init__(self, buf: Buffer, heads: dict[bytes, Head] | None = None) -> None:
        """``heads`` are those met in other buffers, to be added to."""
        self._buf = buf
        self._names: dict[bytes, str] = {}
        self._heads = {} if heads is None else heads
        self._types: dict[bytes, TensorType] = {}
        self.irregular = 0  # what was not in the usual form, and took longer
        self._forget = buf if isinstance(buf, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None

    def tensor(self, start: int, end: int) -> Tensor:
        """Read a TensorProto; its payload is kept only when small."""
        found = self._plain_tensor(start, end)
        if found is None:
            self.irregular += 1
            found = self._any_tensor(start, end)
        if self._forget is not None and end - start > LARGE_BYTES:
            self._forget.madvise(mmap.MADV_DONTNEED)  # what was looked at so far is not needed in memory any more
        return found

    def _tensors(self, pos: int, end: int, constants: dict[str, Tensor]) -> int:
        """Read the initializers that follow one another from the field at ``pos``; returns the position behind them."""
        stop = pos
        for at, stop in row(self._buf, pos, end, _INITIALIZER):
            add(self.tensor(at, stop), constants)
        return stop

    def _plain_tensor(self, start: int, end: int) -> Tensor | None:
        """A tensor as exporters write it: sizes, type and name in this order, then raw bytes or a place; ``None`` for any other."""
        buf = self._buf
        head = _HEAD.match(buf, start, end)
        if head is None:
            return None
        a = head.end() + 1
        b = a + buf[a - 1]
        if b + 1 >= end or buf[a - 1] > 0x7F:
            return None
        known = self._heads.get(head[0])
        if known is None:
            known = self._heads[head[0]] = _head(head[0], self._name(a, b))
        dtype, shape, needed, kept, before = known
        at = b + len(before)
        if buf[b:at] == before and at + needed == end and dtype != "string":
            payload, where = buf[at:end] if kept else None, new_tuple(Location, ("", at, needed))
            return new_tuple(Tensor, (self._name(a, b), dtype, shape, payload, "raw", where))
        place = self._place(b, end, needed) if buf[b] == _EXTERNAL else None
        return None if place is None else Tensor(self._name(a, b), dtype, shape, None, "raw", place)

    def _place(self, pos: int, end: int, needed: int) -> Location | None:
        """File, offset and length of external data, in this order, of the length that is needed; ``None`` for anything else."""
        found = _PLACE.fullmatch(self._buf, pos, end)
        if found is None:
            return None
        entry, own, file, second, its, offset, third, last, length = found.groups()
        stated = (len(file) + 12, len(file), len(offset) + 10, len(offset), len(length) + 10, len(length))
        if tuple(entry + own + second + its + third + last) != stated or int(length) != needed:
            return None
        return Location(self._decoded(file), int(offset), needed)

    def _any_tensor(self, start: int, end: int) -> Tensor:
        buf = self._buf
        dims: list[int] = []
        code = location = 0
        name = ""
        chunks: list[tuple[int, int, int]] = []  # field, span
        loose: dict[int, bytearray] = {}  # unpacked numbers, field by field
        external: dict[str, str] = {}
        for number, kind, a, b in fields(buf, start, end):
            if number == 1:
                if kind == VARINT:
                    dims.append(signed(a))
                elif kind == BYTES:
                    dims.extend(self._packed(a, b))
            elif number == 2 and kind == VARINT:
                code = a
            elif number == 8 and kind == BYTES:
                name = self._name(a, b)
            elif number in (4, 5, 6, 7, 9, 10, 11):
                if kind == VARINT:
                    loose.setdefault(number, bytearray()).extend(encode_varint(a))
                elif kind == BYTES:
                    chunks.append((number, a, b))
                else:
                    loose.setdefault(number, bytearray()).extend(buf[a:b])
            elif number == 13 and kind == BYTES:
                self._entry(a, b, external)
            elif number == 14 and kind == VARINT:
                location = a
        dtype = dtype_name(code)
        shape = possible_shape(dims, name)
        if location == 1 or external:
            return Tensor(name, dtype, shape, where=external_location(external, name, dtype, shape))
        return self._payload(name, dtype, code, shape, chunks, loose)

    def _payload(
        self,
        name: str,
        dtype: str,
        code: int,
        dims: tuple[int, ...],
        chunks: list[tuple[int, int, int]],
        loose: Mapping[int, bytearray],
    ) -> Tensor:
        buf = self._buf
        if dtype == "string":
            strings = [(a, b) for number, a, b in chunks if number == 6]
            fit(name, dtype, dims, len(strings), "elements", volume(dims) if strings else 0)
            small = sum(b - a for a, b in strings) <= KEEP_BYTES
            return Tensor(name, dtype, dims, tuple(bytes(buf[a:b]) for a, b in strings) if small else None, "strings")
        field = _RAW if any(c[0] == _RAW for c in chunks) else next((c[0] for c in chunks), next(iter(loose), 0))
        if field in (0, _RAW):
            form = "raw"
        elif dtype in _TYPED.get(field, ()) or (field == 5 and dtype not in _NOT_INT32):
            form = "raw" if field in (4, 10) else "varint"
        else:
            raise ModelError(f"tensor {quoted(name)} of {dtype} keeps its elements in the field of another type", cure=_AGAIN, code="E104")
        spans = [(a, b) for number, a, b in chunks if number == field]
        total = sum(b - a for a, b in spans) + len(loose.get(field, b""))
        if field and form == "raw":
            fit(name, dtype, dims, total, "bytes", stored_bytes(dtype, dims))
        where = Location("", spans[0][0], spans[0][1] - spans[0][0]) if len(spans) == 1 else None
        if total > (KEEP_INTEGER_BYTES if code in _INTEGER_CODES else KEEP_BYTES):
            return Tensor(name, dtype, dims, None, form, where)
        payload = b"".join(bytes(buf[a:b]) for a, b in spans) + bytes(loose.get(field, b""))
        if form == "varint":
            fit(name, dtype, dims, sum(byte < 0x80 for byte in payload), "elements", min(volume(dims), stored_bytes(dtype, dims)))
        return Tensor(name, dtype, dims, payload, form, where)

    def _sparse(self, start: int, end: int) -> Tensor:
        """A sparse tensor, as a constant of its dense shape whose elements are not kept."""
        name, dtype = "", "undefined"
        dims: list[int] = []
        for number, kind, a, b in fields(self._buf, start, end):
            if number == 1 and kind == BYTES:
                values = self.tensor(a, b)
                name, dtype = values.name, values.dtype
            elif number == 3:
                dims.extend([signed(a)] if kind == VARINT else self._packed(a, b))
        return Tensor(name, dtype, possible_shape(dims, name))

    def _entry(self, start: int, end: int, into: dict[str, str]) -> None:
        key = value = ""
        for number, kind, a, b in fields(self._buf, start, end):
            if kind == BYTES and number == 1:
                key = self._text(a, b)
            elif kind == BYTES and number == 2:
                value = self._text(a, b)
        if key in into:
            raise ModelError(f"external data states {quoted(key)} twice", cure=_AGAIN, code="E105")
        into[key] = value

    def _value_info(self, start: int, end: int) -> tuple[str, TensorType | None]:
        name = ""
        found: TensorType | None = None
        for number, kind, a, b in fields(self._buf, start, end):
            if number == 1 and kind == BYTES:
                name = self._name(a, b)
            elif number == 2 and kind == BYTES:
                stored = self._buf[a:b]
                found = self._types.get(stored)
                if found is None:
                    found = self._types[stored] = self._type(a, b)
        return name, found

    def type(self) -> TensorType:
        """Read the whole buffer as a TypeProto."""
        return self._type(0, len(self._buf))

    def _type(self, start: int, end: int) -> TensorType:
        for number, kind, a, b in fields(self._buf, start, end):
            if kind == BYTES and number == 1:
                return self._tensor_type(a, b)
            if kind == BYTES and number in (4, 5, 7, 8, 9):
                return TensorType(_CONTAINERS[number], None)
        return TensorType("undefined", None)

    def _tensor_type(self, start: int, end: int) -> TensorType:
        code = 0
        shape: tuple[int | str | None, ...] | None = None
        for number, kind, a, b in fields(self._buf, start, end):
            if number == 1 and kind == VARINT:
                code = a
            elif number == 2 and kind == BYTES:
                shape = tuple(self._dim(c, d) for n, k, c, d in fields(self._buf, a, b) if n == 1 and k == BYTES)
        return TensorType(dtype_name(code), shape)

    def _dim(self, start: int, end: int) -> int | str | None:
        dim: int | str | None = None
        for number, kind, a, b in fields(self._buf, start, end):
            if number == 1 and kind == VARINT:
                dim = signed(a)
            elif number == 2 and kind == BYTES and b > a:
                dim = self._text(a, b)
        return dim

    # text

    def _name(self, start: int, end: int) -> str:
        raw = self._buf[start:end]
        return raw.decode() if raw.isascii() else self._decoded(raw)

    def _decoded(self, raw: bytes) -> str:
        name = self._names.get(raw)
        if name is None:
            name = self._names[raw] = raw.decode("utf-8", "surrogateescape")
        return name

    def _text(self, start: int, end: int) -> str:
        return bytes(self._buf[start:end]).decode("utf-8", "surrogateescape")

    def _packed(self, pos: int, end: int) -> Iterator[int]:
        while pos < end:
            value, pos = varint(self._buf, pos, end)
            yield signed(value)


class Head(NamedTuple):
    """Type and sizes of a tensor: its bytes, whether they are kept, and what stands in front of them in a file."""

    dtype: str
    dims: tuple[int, ...]
    needed: int
    kept: bool
    before: bytes


def _head(stored: bytes, name: str) -> Head:
    """What the fields of a tensor up to the tag of its name say."""
    dims = [signed(varint(part, 0, len(part))[0]) for part in _DIM.findall(stored[:-3])]
    dtype, shape = dtype_name(stored[-2]), possible_shape(dims, name)
    needed = stored_bytes(dtype, shape)
    limit = KEEP_INTEGER_BYTES if stored[-2] in _INTEGER_CODES else KEEP_BYTES
    return Head(dtype, shape, needed, needed <= limit, bytes((_RAW << 3 | BYTES,)) + encode_varint(needed))


def add(tensor: Tensor, constants: dict[str, Tensor]) -> None:
    """Add a tensor to the constants of a graph. Raises :class:`ModelError` when its name is taken."""
    if constants.setdefault(tensor.name, tensor) is not tensor:
        raise ModelError(f"initializer {quoted(tensor.name)} is there twice", cure="Give each tensor its own name.", code="E106")
