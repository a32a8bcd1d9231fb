"""Bytes of real models, broken anywhere; headers that lie."""

from __future__ import annotations

import random
from collections.abc import Iterator

from onnx import ModelProto

from dlalint.model.wire import encode_bytes, encode_int
from tests.hostile.corpus.case import MODELS, Case, conv, relu

REAL = tuple(MODELS / f"{name}.onnx" for name in ("espcn", "mnist-7", "crnn", "fcn_dynamic", "resnet18"))
NUMBERS = (0, 1, 2, 6, 7, 27, 99, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, -1, -(1 << 63))


def cases(source: random.Random) -> Iterator[Case]:
    """Some hundred and fifty."""
    files = [path.read_bytes() for path in REAL] + [conv().SerializeToString()]
    for _ in range(90):
        kind = source.choice((_flipped, _cut, _spliced, _grown, _repeated))
        yield Case(kind.__name__[1:], kind(source, bytearray(source.choice(files)), files))
    yield from _headers()
    yield from _twisted()


def _flipped(source: random.Random, data: bytearray, files: list[bytes]) -> bytes:
    for _ in range(source.choice((1, 1, 2, 20))):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    return bytes(data)


def _cut(source: random.Random, data: bytearray, files: list[bytes]) -> bytes:
    at = source.randrange(len(data))
    del data[at : at + source.choice((1, 7, 500, len(data)))]
    return bytes(data)


def _spliced(source: random.Random, data: bytearray, files: list[bytes]) -> bytes:
    other = source.choice(files)
    at, start = source.randrange(len(data)), source.randrange(len(other))
    size = source.choice((4, 40, 400))
    data[at : at + size] = other[start : start + size]
    return bytes(data)


def _grown(source: random.Random, data: bytearray, files: list[bytes]) -> bytes:
    at = source.randrange(len(data))
    data[at:at] = source.choice((b"\xff" * 10, b"\x80" * 11, b"\x00", b"\x0b" * 100, source.randbytes(9)))
    return bytes(data)


def _repeated(source: random.Random, data: bytearray, files: list[bytes]) -> bytes:
    at = source.randrange(len(data))
    return bytes(data[: at + source.choice((1, 30, 300))] + data[at:])


def _headers() -> Iterator[Case]:
    for number in NUMBERS:
        proto = relu()
        proto.ir_version = number
        yield Case(f"ir_{number}", proto.SerializeToString(), refused=None if 3 <= number < 1 << 16 else True)
        proto = relu()
        proto.opset_import[0].version = number
        yield Case(f"opset_{number}", proto.SerializeToString(), refused=None if 7 <= number < 99 else True)
    whole = relu().SerializeToString()
    graph = encode_bytes(7, relu().graph.SerializeToString())
    header = encode_int(1, 8) + encode_bytes(8, encode_int(2, 17))
    yield Case("twice", whole + whole, refused=True)
    yield Case("no_graph", header, refused=True)
    yield Case("no_header", graph, refused=True)
    yield Case("no_ir", encode_bytes(8, encode_int(2, 17)) + graph, refused=True)
    yield Case("graph_in_graph", header + encode_bytes(7, whole))
    yield Case("text_before", b"ONNX" + whole)
    yield Case("zeros_behind", whole + bytes(64), refused=True)
    yield Case("unknown_behind", whole + encode_bytes(99, b"?"), refused=False)
    yield Case("opset_bare", encode_int(1, 8) + encode_bytes(8, b"") + graph)
    yield Case("opset_many", header * 1000 + graph, refused=False)
    yield Case("unknown_domain", encode_int(1, 8) + encode_bytes(8, encode_bytes(1, b"nowhere") + encode_int(2, 17)) + graph, refused=True)
    empty = ModelProto(ir_version=8)
    empty.opset_import.add(version=17)
    empty.graph.SetInParent()
    yield Case("empty_graph", empty.SerializeToString())


def _twisted() -> Iterator[Case]:
    """Each field of the outer messages with each wire type."""
    header = encode_int(1, 8) + encode_bytes(8, encode_int(2, 17))
    node = encode_bytes(1, b"x") + encode_bytes(2, b"y") + encode_bytes(4, b"Relu")
    for kind in (0, 1, 2, 3, 4, 5, 6, 7):
        for number in (1, 2, 5, 11, 12):
            tail = bytes([number << 3 | kind]) + b"\x01" * 8
            yield Case(f"graph_{number}_{kind}", header + encode_bytes(7, encode_bytes(1, node) + tail))
        for number in (1, 4, 5):
            tail = bytes([number << 3 | kind]) + b"\x01" * 8
            yield Case(f"node_{number}_{kind}", header + encode_bytes(7, encode_bytes(1, node + tail)))
