"""A model cut into pieces that run one after the other, so that what they give need not be in memory at once.

A tensor that is handed out stays in memory until its run is over, so that all tensors of a large model take gigabytes. Pieces compute each
node once: a piece takes what earlier ones gave. Weights stay in the model's own file, which pieces refer to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from dlalint.graph import Graph, Model, Node, TensorType
from dlalint.model.encode import tensor_type
from dlalint.model.load import parse
from dlalint.model.marking import Rest, marked
from dlalint.model.save import Span
from dlalint.model.skeleton import excise
from dlalint.model.wire import encode_bytes
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.placing import placed

_GRAPH, _INPUT, _OUTPUT = 7, 11, 12  # fields of ModelProto and GraphProto
_NAME = ".dlalint-skeleton"


class Piece(NamedTuple):
    """Some nodes by index. ``takes`` must be there when it runs, ``gives`` is what it hands out, ``keeps`` what pieces behind it take."""

    nodes: frozenset[int]
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    keeps: frozenset[str]


class Flow:
    """Which node of a model makes which tensor from which others. ``changing`` are the tensors that depend on the model's inputs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs = tuple(name for name in graph.inputs if name not in graph.constants)
        self.reads = tuple(tuple(_reads(node)) for node in graph.nodes)
        self.maker = {name: index for index, node in enumerate(graph.nodes) for name in node.outputs if name}
        changing = set(self.inputs)
        for node, reads in zip(graph.nodes, self.reads, strict=True):
            if node.op.op_type.startswith("Random") or not changing.isdisjoint(reads):
                changing.update(filter(None, node.outputs))
        self.changing = frozenset(changing)

    def made(self) -> Iterator[str]:
        """The changing tensors in the order in which nodes make them, inputs of the model left out."""
        return (name for name in self.maker if name in self.changing)

    def needed(self, wanted: Iterable[str]) -> frozenset[int]:
        """The nodes that ``wanted`` depend on."""
        found: set[int] = set()
        pending = [self.maker[name] for name in wanted if name in self.maker]
        while pending:
            index = pending.pop()
            if index not in found:
                found.add(index)
                pending.extend(self.maker[name] for name in self.reads[index] if name in self.maker)
        return frozenset(found)

    def pieces(self, wanted: Collection[str], size: Callable[[str], int], budget: int, held: Collection[str]) -> tuple[Piece, ...]:
        """The model cut so that the ``wanted`` tensors of a piece have ``budget`` bytes together, as far as that can be.

        None of the tensors ``held`` is handed from one piece to another.
        """
        needed = self.needed(wanted)
        order = [index for index in sorted(needed) if not self.changing.isdisjoint(self.graph.nodes[index].outputs)]
        last = {name: place for place, index in enumerate(order) for name in self.reads[index]}
        parts: list[list[int]] = [[]]
        total = blocked = 0
        for place, index in enumerate(order):
            names = [name for name in self.graph.nodes[index].outputs if name]
            added = sum(size(name) for name in names if name in wanted)
            if parts[-1] and total + added > budget and place > blocked:
                parts.append([])
                total = 0
            parts[-1].append(index)
            total += added
            blocked = max([blocked, *(last.get(name, 0) for name in names if name in held)])
        return self._linked(parts, wanted) if order else ()

    def _linked(self, parts: Sequence[Sequence[int]], wanted: Collection[str]) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        later: set[str] = set()  # changing tensors that pieces behind take
        for part in reversed(parts):
            fixed = self.needed(name for index in part for name in self.reads[index] if name not in self.changing)
            made = [name for index in part for name in self.graph.nodes[index].outputs if name]
            reads = dict.fromkeys(name for index in part for name in self.reads[index] if name in self.changing)
            takes = tuple(name for name in reads if name not in made)
            gives = tuple(name for name in made if name in wanted or name in later)
            pieces.append(Piece(fixed.union(part), takes, gives, frozenset(later)))
            later = (later - set(made)) | set(takes)
        return tuple(reversed(pieces))


class Pieces:
    """The bytes of a model's pieces."""

    def __init__(self, path: str, folder: str) -> None:
        """``path`` is the model's, ``folder`` is where a copy without weights is put. Raises :class:`DlalintError` as the reader does."""
        data = excise(path)
        self.model: Model = parse(data, path)
        self._data, self.home = placed(data, self.model, path)  # the folder in which pieces find the model and its side files
        self._copy = os.path.join(folder, _NAME)
        with open(self._copy, "wb") as file:
            file.write(self._data)
        self.flow = Flow(self.model.graph)

    def whole(self, outputs: Iterable[str]) -> bytes:
        """The model with further ``outputs``."""
        given = frozenset(self.model.graph.outputs)
        return self._data + _stated((name for name in outputs if name not in given), ())

    def part(self, piece: Piece, types: Callable[[str], TensorType]) -> bytes:
        """The model of ``piece`` alone. ``types`` are those of the tensors that it takes."""
        graph, flow = self.model.graph, self.flow
        made = {name for index in piece.nodes for name in graph.nodes[index].outputs}
        outputs = made.intersection(graph.outputs, piece.gives)
        tensors = made.union(*(flow.reads[index] for index in piece.nodes))
        rest = Rest(piece.nodes, frozenset(outputs), frozenset(tensors))
        parts = (
            self._data[part.offset : part.offset + part.length] if isinstance(part, Span) else part for part in marked(self._copy, (), rest)
        )
        new = [name for name in piece.takes if name not in flow.inputs]
        return b"".join(parts) + _stated((name for name in piece.gives if name not in outputs), ((name, types(name)) for name in new))


def _stated(outputs: Iterable[str], inputs: Iterable[tuple[str, TensorType]]) -> bytes:
    """More of a graph, to stand behind a model: protobuf merges the two. Of an output onnxruntime knows the type."""
    stated = [encode_bytes(_INPUT, encode_bytes(1, _text(name)) + encode_bytes(2, tensor_type(kind))) for name, kind in inputs]
    stated += [encode_bytes(_OUTPUT, encode_bytes(1, _text(name))) for name in outputs]
    return encode_bytes(_GRAPH, b"".join(stated)) if stated else b""


def _text(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _reads(node: Node) -> Iterator[str]:
    """All that a node reads by name; what its bodies make themselves is among it."""
    yield from filter(None, node.inputs)
    pending = list(node.op.graphs)
    while pending:
        body = pending.pop()
        yield from body.outputs
        for inner in body.nodes:
            yield from filter(None, inner.inputs)
            pending.extend(inner.op.graphs)
