"""LSTM, GRU and RNN of a fixed, short length, step by step in four dimensions.

The sequence lies in the width of batch,features,1,steps: a depthwise convolution with one weight of 1 takes a step out of it, one with
padding puts the result of a step at its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlalint.graph import TensorType
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.arithmetic import refusal
from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.recurrence import GATES, Cell, Gate, State
from dlalint.rewrite.sequences import as_image, tail, to_sequence, to_stack

LONGEST = 32  # steps: the widest kernel of a DLA convolution
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


class _Layer(NamedTuple):
    """A recurrent node: its kind, its element type, which directions run backwards, and its sizes."""

    kind: str
    dtype: np.dtype[Any]
    backwards: tuple[bool, ...]
    steps: int
    batch: int
    features: int
    hidden: int


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    layer = _read(graph, index)
    if isinstance(layer, Miss):
        return layer
    node = graph.nodes[index]
    gates = _gates(graph, index, layer)
    if gates is None:
        return Miss("its weights are computed")
    build = Builder(graph, index, REWRITE.name)
    image, before = as_image(build, node.input[0])
    taken = [build.conv(image, _one(layer, layer.features, step), group=layer.features) for step in range(layer.steps)]
    made: list[list[State]] = []
    for direction, backwards in enumerate(layer.backwards):
        cell = Cell(build, layer.kind, gates[direction], split_reset=bool(attribute(node, "linear_before_reset", 0)))
        state = State(*(_initial(build, name, layer, direction) for name in (*node.input[5:], "", "")[:2]))
        states = []
        for item in taken[::-1] if backwards else taken:
            state = cell.step(item, state)
            states.append(state)
        made.append(states)
    _write_last(build, index, layer, made)
    return build.replacement(index, *before, *_write_all(build, index, layer, made))


def _read(graph: Graph, index: int) -> _Layer | Miss:
    """The layer, if it is one that can be unrolled."""
    node = graph.nodes[index]
    backwards = DIRECTIONS.get(attribute(node, "direction", "forward"), ())
    dims, weights = graph.dims(node.input[0]), graph.dims(node.input[2])
    refused = refusal(graph, node.input[0], by_conv=False)
    if refused or dims is None or len(dims) != 3 or weights is None or not backwards:
        return Miss(refused or "its input has no static shape of three dimensions")
    if len(node.input) > 4 and node.input[4] and graph.ints(node.input[4]) != (dims[0],) * dims[1]:
        return Miss("the lengths of its sequences are computed, or differ")
    usual = DEFAULTS[node.op_type] * len(backwards)
    if attribute(node, "activations", usual) != usual:
        return Miss("its activations are not the usual ones")
    if attribute(node, "clip") is not None or attribute(node, "input_forget", 0) or attribute(node, "layout", 0):
        return Miss("it clips, couples its gates, or has the batch in front")
    if len(node.input) > 7 and node.input[7]:
        return Miss("it has peepholes")
    if not 0 < dims[0] <= LONGEST:
        return Miss(f"it has {dims[0]} steps, and a DLA convolution spans at most {LONGEST}")
    return _Layer(node.op_type, np.dtype((graph.type(node.input[0]) or TensorType("float32", None)).dtype), backwards, *dims, weights[2])


def _gates(graph: Graph, index: int, layer: _Layer) -> list[dict[str, Gate]] | None:
    """The weights of each direction, gate by gate."""
    node = graph.nodes[index]
    names, count = GATES[layer.kind], len(layer.backwards)
    inputs, state = graph.constant(node.input[1]), graph.constant(node.input[2])
    given = len(node.input) > 3 and node.input[3]
    bias = graph.constant(node.input[3]) if given else np.zeros(count * 2 * len(names) * layer.hidden, layer.dtype)
    if inputs is None or state is None or bias is None:
        return None
    inputs, state = (array.reshape(count, len(names), layer.hidden, -1) for array in (inputs, state))
    bias = bias.reshape(count, 2, len(names), layer.hidden)
    return [
        {
            name: Gate(inputs[side, place], state[side, place], bias[side, 0, place], bias[side, 1, place])
            for place, name in enumerate(names)
        }
        for side in range(count)
    ]


def _initial(build: Builder, name: str, layer: _Layer, direction: int) -> str:
    """A direction's state before the first step, which the model has as directions,batch,hidden; empty for zeros."""
    known = build.graph.constant(name) if name else np.zeros(1)
    if known is not None and not np.any(known):
        return ""
    if len(layer.backwards) > 1:
        name = build.slice(name, (direction,), (direction + 1,), (0,))
    return build.reshape(name, (layer.batch, layer.hidden, 1, 1))


def _one(layer: _Layer, channels: int, step: int) -> Array:
    """Depthwise weights that are 1 at one of the steps."""
    weights = np.zeros((channels, 1, 1, layer.steps), layer.dtype)
    weights[..., step] = 1
    return weights


def _write_last(build: Builder, index: int, layer: _Layer, made: Sequence[Sequence[State]]) -> None:
    """The states after the last step as directions,batch,hidden, where they are read."""
    for place, output in enumerate(build.graph.nodes[index].output[1:]):
        if output and build.graph.consumers(output):
            last = [states[-1][place] for states in made]
            if len(last) == 1:
                build.reshape(last[0], (1, layer.batch, layer.hidden), output)
                continue
            joined = build.add("Concat", last, axis=1)
            build.transpose(build.reshape(joined, (layer.batch, len(last), layer.hidden)), (1, 0, 2), output)


def _write_all(build: Builder, index: int, layer: _Layer, made: Sequence[Sequence[State]]) -> tuple[int, ...]:
    """The states of all steps side by side, where they are read; the moves of the model that this replaces."""
    graph, output, count = build.graph, build.graph.nodes[index].output[0], len(made)
    if not output or not graph.consumers(output):
        return ()
    image = ""
    for step in range(layer.steps):
        sides = [(states[::-1] if backwards else states)[step].hidden for states, backwards in zip(made, layer.backwards, strict=True)]
        joined = build.add("Concat", sides, axis=1) if count > 1 else sides[0]
        weights, room = _one(layer, count * layer.hidden, layer.steps - 1 - step), layer.steps - 1
        placed = build.conv(joined, weights, pads=(0, room, 0, room), group=len(weights))
        image = build.add("Add", [image, placed]) if image else placed
    moves = tail(graph, index, count, layer.hidden)
    if moves:
        to_sequence(build, image, graph.nodes[moves[-1]].output[0])
    else:
        to_stack(build, image, (layer.steps, count, layer.batch, layer.hidden), output)
    return moves


REWRITE = Rewrite(
    "rnn-unroll",
    ROUNDING,
    "A recurrent layer of up to 32 steps becomes convolutions, activations, sums and products.",
    frozenset(GATES),
    _plan,
    LAST,
)
