"""Sequences steps,batch,features as tensors of four dimensions, batch,features,1,steps, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute

MOVES = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
LONGEST = 6  # moves in a row
LARGEST = 1 << 22  # elements of a tensor whose moves are followed


def as_image(build: Builder, name: str) -> tuple[str, tuple[int, ...]]:
    """The sequence ``name`` in four dimensions, and the moves that made it, which take part in the replacement.

    It is the tensor that the sequence was moved from, if there is one, else one that is moved to them. The moves are written again, for
    others that read what they make.
    """
    graph = build.graph
    steps, batch, features = graph.dims(name) or (0, 0, 0)
    shape = (batch, features, 1, steps)
    moves: list[int] = []
    current = name
    while len(moves) <= LONGEST:
        if graph.dims(current) == shape and _moved(graph, moves, shape):
            for index in moves:
                build.keep(graph.nodes[index], graph.nodes[index].input)
            return current, tuple(moves)
        before = graph.producer(current)
        if before is None or graph.nodes[before].op_type not in MOVES or graph.is_constant(current):
            break
        moves.insert(0, before)
        current = graph.nodes[before].input[0]
    return build.unsqueeze(build.transpose(name, (1, 2, 0)), (2,)), ()


def tail(graph: Graph, index: int, directions: int, hidden: int) -> tuple[int, ...]:
    """The moves behind the output steps,directions,batch,hidden of a node that bring it to steps,batch,features; empty without them."""
    made = graph.nodes[index].output[0]
    steps, _, batch, _ = graph.dims(made) or (0, 0, 0, 0)
    shape = (batch, directions * hidden, 1, steps)
    moves: list[int] = []
    current = made
    while len(moves) < LONGEST:
        reader = graph.only_consumer(current)
        if reader is None or graph.nodes[reader].op_type not in MOVES or graph.nodes[reader].input[0] != current:
            return ()
        moves.append(reader)
        current = graph.nodes[reader].output[0]
        if graph.dims(current) == (steps, batch, shape[1]):
            start = _stacked(np.arange(int(np.prod(shape))).reshape(shape), directions)
            wanted = _to_sequence(np.arange(int(np.prod(shape))).reshape(shape))
            found = _apply(graph, moves, start) if start.size <= LARGEST else None
            return tuple(moves) if found is not None and np.array_equal(found, wanted) else ()
    return ()


def to_sequence(build: Builder, image: str, output: str) -> None:
    """batch,features,1,steps to steps,batch,features."""
    build.transpose(build.squeeze(image, (2,)), (2, 0, 1), output)


def to_stack(build: Builder, image: str, shape: Sequence[int], output: str) -> None:
    """batch,directions*hidden,1,steps to ``shape``: steps,directions,batch,hidden."""
    steps, directions, batch, hidden = shape
    build.transpose(build.reshape(image, (batch, directions, hidden, steps)), (3, 1, 0, 2), output)


def _to_sequence(image: Array) -> Array:
    return np.transpose(image[:, :, 0], (2, 0, 1))


def _stacked(image: Array, directions: int) -> Array:
    batch, features, _, steps = image.shape
    return np.transpose(image.reshape(batch, directions, features // directions, steps), (3, 1, 0, 2))


def _moved(graph: Graph, moves: Sequence[int], shape: tuple[int, ...]) -> bool:
    size = int(np.prod(shape))
    if size > LARGEST:
        return False
    start = np.arange(size).reshape(shape)
    found = _apply(graph, moves, start)
    return found is not None and np.array_equal(found, _to_sequence(start))


def _apply(graph: Graph, moves: Sequence[int], values: Array) -> Array | None:
    """What nodes that only move elements make of ``values``."""
    for index in moves:
        node = graph.nodes[index]
        dims = graph.dims(node.output[0])
        if dims is None:
            return None
        if node.op_type == "Transpose":
            values = values.transpose(attribute(node, "perm", tuple(reversed(range(values.ndim)))))
        else:
            values = values.reshape(dims)
    return values
