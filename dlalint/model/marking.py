"""A model file with other graph outputs: new lengths in front, the bytes themselves stay ranges of the file they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dlalint.graph import TensorType
from dlalint.model.encode import tensor_type
from dlalint.model.records import Record, heading, mapped, records, text_field
from dlalint.model.save import Piece, Span, merged, size
from dlalint.model.skeleton import refuse_own_references
from dlalint.model.wire import BYTES, Buffer, encode_bytes
from dlalint.named_tuple import NamedTuple

_GRAPH = 7
# fields of a GraphProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO, _ANNOTATION, _SPARSE = 1, 5, 11, 12, 13, 14, 15
# where each of them that may go has the name of its tensor
_NAMES = {_INITIALIZER: (8,), _INPUT: (1,), _OUTPUT: (1,), _VALUE_INFO: (1,), _ANNOTATION: (1,), _SPARSE: (1, 8)}


class Rest(NamedTuple):
    """What stays of a graph: its nodes by index, its outputs by name, and all tensors that exist then."""

    nodes: frozenset[int]
    outputs: frozenset[str]
    tensors: frozenset[str]


def marked(path: str, outputs: Sequence[tuple[str, TensorType]], rest: Rest | None = None) -> list[Piece]:
    """The pieces of the model at ``path`` with ``outputs`` as further graph outputs, and with only ``rest`` of the others when it is given.

    New outputs follow those that were there, so that a canonical file stays canonical. Everything else keeps its bytes and its order.
    Raises :class:`ModelError` for a file that is no model, and for one whose tensors refer to the file itself.
    """
    stated = b"".join(_output(name, kind) for name, kind in outputs)
    with mapped(path) as buf:
        refuse_own_references(buf, path)
        graphs = [record for record in records(buf, 0, len(buf)) if record.number == _GRAPH and record.kind == BYTES]
        pieces: list[Piece] = []
        done = nodes = 0
        for graph in graphs:  # protobuf merges a graph that is stored in parts
            edits, nodes = _edits(buf, graph, nodes, stated if graph is graphs[-1] else b"", rest)
            inner = _edited(path, graph.a, graph.b, edits)
            pieces += [Span(path, done, graph.start - done), heading(_GRAPH, size(inner)), *inner]
            done = graph.b
        return merged([*pieces, Span(path, done, len(buf) - done)])


def _output(name: str, kind: TensorType) -> bytes:
    value = encode_bytes(1, name.encode("utf-8", "surrogateescape")) + encode_bytes(2, tensor_type(kind))
    return heading(_OUTPUT, len(value)) + value


Edit = tuple[int, int, bytes]


def _edits(buf: Buffer, graph: Record, node: int, stated: bytes, rest: Rest | None) -> tuple[list[Edit], int]:
    """What changes in one part of the graph: ranges of the file with what replaces them. ``node`` is the index of its first node."""
    edits: list[Edit] = []
    place = -1
    for record in records(buf, graph.a, graph.b):
        if record.number == _OUTPUT:
            place = record.b
        elif record.number > _OUTPUT and place < 0:
            place = record.start
        if rest is not None and not _stays(buf, record, node, rest):
            edits.append((record.start, record.b, b""))
        node += record.number == _NODE
    if stated:
        place = graph.b if place < 0 else place
        edits.append((place, place, stated))
    return sorted(edits), node


def _stays(buf: Buffer, record: Record, node: int, rest: Rest) -> bool:
    if record.number == _NODE:
        return node in rest.nodes
    if record.number not in _NAMES or record.kind != BYTES:
        return True
    name = text_field(buf, record.a, record.b, *_NAMES[record.number])
    return name in (rest.outputs if record.number == _OUTPUT else rest.tensors)


def _edited(path: str, start: int, end: int, edits: Iterable[Edit]) -> list[Piece]:
    pieces: list[Piece] = []
    for first, last, new in edits:
        pieces += [Span(path, start, first - start), new]
        start = last
    return [*pieces, Span(path, start, end - start)]
