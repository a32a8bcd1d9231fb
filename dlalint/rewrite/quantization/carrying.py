"""Scales carried to tensors that have none, through nodes that do not change values, up and down until nothing changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from onnx import NodeProto

from dlalint.calibration.cache import scale_of
from dlalint.calibration.translated import CARRIED, TensorScale
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.quantization.moves import Move, largest, move


class Carried(NamedTuple):
    """All ``scales`` by tensor, the new ones in ``steps`` with where they are from. ``uneven`` are the nodes that join tensors of different
    scales: name, largest scale over smallest."""

    scales: Mapping[str, float]
    steps: tuple[TensorScale, ...]
    uneven: tuple[tuple[str, float], ...]


def carry(
    graph: Graph,
    scales: Mapping[str, float],
    *,
    average: bool = False,
    selections: bool = False,
    only: Collection[str] | None = None,
) -> Carried:
    """``scales`` with what follows from them; none that is there changes. ``only`` names the tensors that may get one.

    What a node makes takes the scale of what it reads (of several, the largest). What it reads takes that of what it makes only when all
    that read it hand it on so (the largest again): another reader may need values beyond.
    """
    moves = {index: found for index, node in enumerate(graph.nodes) if (found := move(graph, node, average=average, selections=selections))}
    work = _Work(graph, dict(scales), moves, only)
    while work.pass_down() or work.pass_up():
        pass
    return Carried(work.scales, tuple(work.steps), tuple(work.uneven()))


class _Work:
    def __init__(self, graph: Graph, scales: dict[str, float], moves: Mapping[int, Move], only: Collection[str] | None) -> None:
        self._graph = graph
        self.scales = scales
        self._moves = moves
        self._only = only
        self.steps: list[TensorScale] = []

    def pass_down(self) -> bool:
        """From inputs to outputs, in the order of the graph."""
        before = len(self.steps)
        for index, found in self._moves.items():
            known = {name: self._scale(name) for name in found.inputs}
            if all(scale is not None for scale in known.values()):
                source = max(known, key=lambda name: known[name] or 0.0)
                for name in found.outputs:
                    self._set(name, known[source], source, self._graph.nodes[index])
        return len(self.steps) > before

    def pass_up(self) -> bool:
        """From outputs to inputs, against the order of the graph."""
        before = len(self.steps)
        for index in reversed(tuple(self._moves)):
            for name in self._moves[index].inputs:
                if self._scale(name) is None:
                    self._raise(name)
        return len(self.steps) > before

    def _raise(self, name: str) -> None:
        """Give a tensor the largest scale of what its readers make of it, if that is all that is done with it."""
        readers = self._graph.consumers(name)
        if any(reader == NOT_A_NODE or reader not in self._moves or name not in self._moves[reader].inputs for reader in readers):
            return
        made = {output: (self.scales.get(output), reader) for reader in readers for output in self._moves[reader].outputs}
        known = {output: (scale, reader) for output, (scale, reader) in made.items() if scale is not None}
        if known and len(known) == len(made):
            source = max(known, key=lambda output: known[output][0])
            scale, reader = known[source]
            self._set(name, scale, source, self._graph.nodes[reader])

    def _set(self, name: str, scale: float | None, source: str, node: NodeProto) -> None:
        if scale and name not in self.scales and (self._only is None or name in self._only):
            self.scales[name] = scale
            self.steps.append(TensorScale(name, scale, CARRIED, source, named(node), node.op_type))

    def _scale(self, name: str) -> float | None:
        """The scale of a tensor; a constant has the one that its elements need."""
        found = self.scales.get(name)
        if found is None and self._graph.is_constant(name):
            array = self._graph.constant(name)
            return scale_of(largest(array)) if array is not None and array.dtype.kind == "f" else None
        return found

    def uneven(self) -> list[tuple[str, float]]:
        """The nodes that read tensors of different scales."""
        found = []
        for index, item in self._moves.items():
            known = [scale for name in item.inputs if (scale := self.scales.get(name))]
            if len(known) > 1 and max(known) > min(known):
                found.append((named(self._graph.nodes[index]), max(known) / min(known)))
        return found


def named(node: NodeProto) -> str:
    """What a report calls a node."""
    return str(node.name or f"{node.op_type}:{next(iter(node.output), '')}")
