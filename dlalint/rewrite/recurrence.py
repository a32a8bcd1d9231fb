"""The steps of a recurrent layer as 1x1 convolutions, activations, sums and products over batch,features,1,1."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array

GATES = {"LSTM": "iofc", "GRU": "zrh", "RNN": "h"}  # in the order of the weights


class Gate(NamedTuple):
    """The weights of a gate: of the input (hidden, features), of the state (hidden, hidden), and the bias of each (hidden)."""

    inputs: Array
    state: Array
    bias: Array
    state_bias: Array


class State(NamedTuple):
    """The tensors that a step hands on; an empty name is zero."""

    hidden: str = ""
    cell: str = ""


class Cell:
    """Writes the steps of one direction, which share their weights. ``split_reset`` is GRU's ``linear_before_reset``."""

    def __init__(self, build: Builder, kind: str, gates: Mapping[str, Gate], *, split_reset: bool) -> None:
        self._build = build
        self._gates = gates
        self._split_reset = split_reset
        self._known: dict[str, list[str]] = {}
        self.step = {"LSTM": self._lstm, "GRU": self._gru, "RNN": self._rnn}[kind]

    def _lstm(self, item: str, old: State) -> State:
        both = self._joined(item, old.hidden)
        enter, leave, fresh = self._gate("i", both, old), self._gate("o", both, old), self._gate("c", both, old, "Tanh")
        cell = self._build.add("Mul", [enter, fresh])
        if old.cell:
            kept = self._build.add("Mul", [self._gate("f", both, old), old.cell])
            cell = self._build.add("Add", [kept, cell])
        return State(self._build.add("Mul", [leave, self._build.add("Tanh", [cell])]), cell)

    def _gru(self, item: str, old: State) -> State:
        both = self._joined(item, old.hidden)
        update, gate = self._gate("z", both, old), self._gates["h"]
        fresh = self._build.add("Tanh", [self._fresh(item, both, old)])
        ones = np.ones_like(gate.bias)
        rest = self._scaled("rest", update, -ones, ones)
        made = self._build.add("Mul", [rest, fresh])
        return State(self._build.add("Add", [made, self._build.add("Mul", [update, old.hidden])]) if old.hidden else made)

    def _rnn(self, item: str, old: State) -> State:
        return State(self._gate("h", self._joined(item, old.hidden), old, "Tanh"))

    def _fresh(self, item: str, both: str, old: State) -> str:
        """GRU's new state before its tanh; the reset gate works on the old state, or on what its weights make of it."""
        gate = self._gates["h"]
        if not old.hidden and not (self._split_reset and np.any(gate.state_bias)):
            return self._linear("h first", item, gate.inputs, gate.bias + (0 if self._split_reset else gate.state_bias))
        if not old.hidden:
            reset = self._gate("r", both, old)
            kept = self._scaled("h reset", reset, gate.state_bias, np.zeros_like(gate.bias))
        elif self._split_reset:
            state = self._linear("h state", old.hidden, gate.state, gate.state_bias)
            kept = self._build.add("Mul", [self._gate("r", both, old), state])
        else:
            kept = self._build.add("Mul", [self._gate("r", both, old), old.hidden])
            weights = np.concatenate([gate.inputs, gate.state], 1)
            return self._linear("h", self._joined(item, kept), weights, gate.bias + gate.state_bias)
        return self._build.add("Add", [self._linear("h input", item, gate.inputs, gate.bias), kept])

    def _gate(self, name: str, both: str, old: State, activation: str = "Sigmoid") -> str:
        gate = self._gates[name]
        weights = np.concatenate([gate.inputs, gate.state], 1) if old.hidden else gate.inputs
        made = self._linear(name if old.hidden else f"{name} first", both, weights, gate.bias + gate.state_bias)
        return self._build.add(activation, [made])

    def _joined(self, item: str, hidden: str) -> str:
        return self._build.add("Concat", [item, hidden], axis=1) if hidden else item

    def _linear(self, key: str, source: str, weights: Array, bias: Array) -> str:
        return self._conv(key, source, weights[:, :, None, None], bias, 1)

    def _scaled(self, key: str, source: str, factors: Array, bias: Array) -> str:
        return self._conv(key, source, factors[:, None, None, None], bias, len(factors))

    def _conv(self, key: str, source: str, weights: Array, bias: Array, group: int) -> str:
        if key not in self._known:
            self._known[key] = [self._build.tensor(weights), self._build.tensor(bias)]
        return self._build.add("Conv", [source, *self._known[key]], kernel_shape=[1, 1], group=group)
