"""A model without its weights, and the way back: large initializers become references into the model's own file.

What is left is a valid model of some kilobytes. It can be parsed and edited, and anything that resolves external data finds the weights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from dlalint.errors import LimitError, ModelError
from dlalint.model.records import heading, mapped, records
from dlalint.model.save import Piece, Span, merged, size
from dlalint.model.stored import quoted
from dlalint.model.wire import BYTES, VARINT, Buffer, encode_bytes, encode_int, varint

THRESHOLD = 1024
MAX_DEPTH = 256  # messages in messages; a body in a body takes three
_SMALL = 65536  # nodes up to this are searched for a name before they are walked
_RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 9, 13, 14
_EXTERNAL = 1

Schema = Mapping[str, Mapping[int, str]]
Leaf = Callable[[Buffer, int, int], "list[Piece] | None"]

# onnx.proto: where tensors lie in a model, message by message
_EVERYWHERE: Schema = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_INITIALIZERS: Schema = {"model": {7: "graph"}, "graph": {5: "tensor"}}


def excise(path: str, threshold: int = THRESHOLD) -> bytes:
    """The model at ``path``, each initializer of its graph with more than ``threshold`` bytes of raw data referring to that file instead.

    A tensor keeps all its other fields and their order; the reference stands behind them. Nothing else changes, by a single byte.
    Elements in typed fields, external data, and tensors inside of nodes, bodies and functions stay as they are.
    Raises :class:`ModelError` for a file that is no model, and for one whose tensors refer to the file itself already.
    """
    name = os.path.basename(path).encode("utf-8", "surrogateescape")

    def refer(buf: Buffer, start: int, end: int) -> list[Piece] | None:
        raw = []
        for record in records(buf, start, end):
            if record.number == _RAW_DATA and record.kind == BYTES:
                raw.append(record)
            elif record.number == _EXTERNAL_DATA or _is_external(buf, record.number, record.kind, record.a, record.b):
                return None
        if len(raw) != 1 or raw[0].b - raw[0].a <= threshold:
            return None
        (data,) = raw
        return [bytes(buf[start : data.start]), bytes(buf[data.b : end]), _reference(name, data.a, data.b - data.a)]

    with mapped(path) as buf:
        refuse_own_references(buf, path)
        pieces = _Walk(buf, _INITIALIZERS, refer).edited("model", 0, len(buf))
        return bytes(buf[:]) if pieces is None else b"".join(piece for piece in pieces if isinstance(piece, bytes))


def restore(skeleton: bytes, source: str, *others: str) -> list[Piece]:
    """The pieces of the model that ``skeleton``, made by :func:`excise` from ``source`` and edited since, stands for.

    Every tensor that refers to ``source``, or to one of the files ``others`` with weights that are new, has its bytes inside of it again,
    wherever it is by now, where the canonical order puts them. For a canonical ``source`` and no edit that gives the same file. Raises
    :class:`ModelError` when a reference makes no sense.
    """
    files = {os.path.basename(path): path for path in (source, *others)}

    def inline(buf: Buffer, start: int, end: int) -> list[Piece] | None:
        entries: dict[str, str] = {}
        kept: list[Piece] = []
        place = -1
        for record in records(buf, start, end):
            if record.number == _EXTERNAL_DATA and record.kind == BYTES:
                key, value = _entry(buf, record.a, record.b)
                entries[key] = value
            elif not _is_external(buf, record.number, record.kind, record.a, record.b):
                if record.number > _RAW_DATA and place < 0:
                    place = len(kept)
                kept.append(bytes(buf[record.start : record.b]))
        path = files.get(entries.get("location", ""))
        if path is None:
            return None
        offset, length = (entries.get(key, "") for key in ("offset", "length"))
        if not (offset.isascii() and offset.isdigit() and length.isascii() and length.isdigit()):
            raise ModelError("a reference to the model's own weights says not where they lie", where=source, code="E105")
        span = Span(path, int(offset), int(length))
        place = len(kept) if place < 0 else place
        return [*kept[:place], heading(_RAW_DATA, span.length), span, *kept[place:]]

    needles = tuple(encode_bytes(2, name.encode("utf-8", "surrogateescape")) for name in files)
    pieces = _Walk(skeleton, _EVERYWHERE, inline, needles).edited("model", 0, len(skeleton))
    return [skeleton] if pieces is None else merged(pieces)


def refuse_own_references(buf: Buffer, path: str) -> None:
    """Raise :class:`ModelError` when a tensor of the model ``buf``, read from ``path``, has its external data in that file itself.

    Moving the model's bytes would break such a reference, and restoring a skeleton could not tell it from its own.
    """
    name = os.path.basename(path)

    def check(buf: Buffer, start: int, end: int) -> None:
        for record in records(buf, start, end):
            if record.number == _EXTERNAL_DATA and record.kind == BYTES:
                key, value = _entry(buf, record.a, record.b)
                if key == "location" and os.path.normpath(value) == name:
                    raise ModelError(
                        f"external data of a tensor lies in the model file itself ({quoted(value)})",
                        where=path,
                        cure="Load and save it with onnx first, so that the weights lie inside the model or in a file of their own.",
                        code="E105",
                    )

    _Walk(buf, _EVERYWHERE, check, (name.encode("utf-8", "surrogateescape"),)).edited("model", 0, len(buf))


class _Walk:
    """Walks the messages of ``schema`` and puts what ``leaf`` returns in place of tensors, with the lengths around them.

    A message that holds none of ``needles`` is passed over when it is small enough to be searched; tensors are not, for that would read
    their payload.
    """

    def __init__(self, buf: Buffer, schema: Schema, leaf: Leaf | Callable[[Buffer, int, int], None], needles: Sequence[bytes] = ()) -> None:
        self._buf = buf
        self._schema = schema
        self._leaf = leaf
        self._needles = needles

    def edited(self, kind: str, start: int, end: int, depth: int = 0) -> list[Piece] | None:
        """What stands in place of the message ``buf[start:end]``; ``None`` when it stays."""
        buf = self._buf
        if depth > MAX_DEPTH:
            raise LimitError("the model is nested too deeply", cure="Export it with fewer nested bodies.", code="E201")
        if kind == "tensor":
            return self._leaf(buf, start, end)
        if self._needles and end - start <= _SMALL and all(buf.find(needle, start, end) < 0 for needle in self._needles):
            return None
        parts = self._schema[kind]
        pieces: list[Piece] = []
        done = start
        for record in records(buf, start, end):
            if record.number not in parts or record.kind != BYTES:
                continue
            inner = self.edited(parts[record.number], record.a, record.b, depth + 1)
            if inner is not None:
                pieces += [bytes(buf[done : record.start]), heading(record.number, size(inner)), *inner]
                done = record.b
        return [*pieces, bytes(buf[done:end])] if pieces else None


def _reference(name: bytes, offset: int, length: int) -> bytes:
    entries = ((b"location", name), (b"offset", b"%d" % offset), (b"length", b"%d" % length))
    stated = b"".join(encode_bytes(_EXTERNAL_DATA, encode_bytes(1, key) + encode_bytes(2, value)) for key, value in entries)
    return stated + encode_int(_DATA_LOCATION, _EXTERNAL)


def _is_external(buf: Buffer, number: int, kind: int, a: int, b: int) -> bool:
    """Whether a field of a tensor says that its data is elsewhere."""
    return number == _DATA_LOCATION and kind == VARINT and varint(buf, a, b)[0] == _EXTERNAL


def _entry(buf: Buffer, start: int, end: int) -> tuple[str, str]:
    found = {1: "", 2: ""}
    for record in records(buf, start, end):
        if record.kind == BYTES and record.number in found:
            found[record.number] = bytes(buf[record.a : record.b]).decode("utf-8", "surrogateescape")
    return found[1], found[2]
