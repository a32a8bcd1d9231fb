"""From the names of TensorRT's layers to the nodes of the model, and from the two ends of a loadable to what lies between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum

from dlalint.graph import UNNAMED, Node
from dlalint.graphview import Call
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network
from dlalint.plan import Outcome
from dlalint.trtexec.names import is_helper, pieces

_CLONE = re.compile(r"(?:_clone_\d{1,6}|\[Constant\])$")
_NUMBERED = re.compile(r"_\d{1,6}$")
_KERNEL = re.compile(r"_myl\d{0,6}_\d{1,6}$")
_NOT_KEPT = re.compile(r"[^A-Za-z0-9/]")


class Role(str, Enum):
    """What a layer's name stands for."""

    NODE = "node"
    CONSTANT = "constant"
    HELPER = "helper"
    UNKNOWN = "unknown"


class Found(NamedTuple):
    """What a name stands for; ``nodes`` are indices into the model's nodes, several when they share the name."""

    role: Role
    nodes: tuple[int, ...] = ()


class Names:
    """Finds the model's nodes by the names that TensorRT gives to layers."""

    def __init__(self, outcome: Outcome, registered: Mapping[str, str]) -> None:
        """``registered`` maps layers to nodes, where a log states it."""
        self._registered = registered
        self._by_name: dict[str, tuple[int, ...]] = {}
        self._by_form: dict[str, tuple[int, ...]] = {}
        for node in outcome.nodes:
            if node.name:
                self._by_name[node.name] = (*self._by_name.get(node.name, ()), node.number)
                form = _form(node.name)
                self._by_form[form] = (*self._by_form.get(form, ()), node.number)
            self._by_name.setdefault(node.id, (node.number,))
        graph = outcome.model.graph
        self._maker = {name: index for index, node in enumerate(graph.nodes) for name in node.outputs if name}
        self._constants = frozenset(graph.constants)

    def parts(self, name: str) -> list[tuple[str, Found]]:
        """What the layers stand for that are fused under ``name``, each by its own name."""
        if name in self._by_name:
            return [(name, Found(Role.NODE, self._by_name[name]))]
        return [(piece, self.find(piece)) for piece in pieces(name)]

    def nodes(self, name: str) -> tuple[int, ...]:
        """All nodes under ``name``."""
        return tuple(dict.fromkeys(number for _, found in self.parts(name) for number in found.nodes))

    def unnamed(self, name: str, writes: Sequence[str]) -> tuple[int, ...]:
        """The node that a layer without a name of its own works for: the one whose output it writes."""
        if not name.startswith("(Unnamed Layer*") or self.nodes(name):
            return ()
        return tuple(dict.fromkeys(self._maker[tensor] for tensor in writes if tensor in self._maker))

    def find(self, name: str) -> Found:
        """What the layer ``name`` stands for."""
        for known in (name, self._registered.get(name, "")):
            if known in self._by_name:
                return Found(Role.NODE, self._by_name[known])
        plain = _CLONE.sub("", name)
        if plain in self._constants or plain in self._maker:
            return Found(Role.CONSTANT)
        if is_helper(name):
            return Found(Role.HELPER)
        if name.startswith(UNNAMED) and name[len(UNNAMED) :] in self._maker:
            return Found(Role.NODE, (self._maker[name[len(UNNAMED) :]],))
        return self._altered(name)

    def _altered(self, name: str) -> Found:
        """A name with a number that the parser put behind it, or of a kernel of Myelin."""
        base = _NUMBERED.sub("", name)
        if base in self._by_name:
            return Found(Role.NODE, self._by_name[base])
        kernel = _KERNEL.sub("", name)
        alike = self._by_form.get(_form(kernel), ()) if kernel != name else ()
        if len(alike) == 1:
            return Found(Role.NODE, alike)
        return Found(Role.HELPER if name.startswith("__myl") else Role.UNKNOWN)


def _form(name: str) -> str:
    """A name as Myelin writes it in the name of a kernel."""
    return _NOT_KEPT.sub("_", name)


class Paths:
    """What lies on the ways from some nodes to others: through the predicted network, else through the model's own graph."""

    def __init__(self, outcome: Outcome, calls: Sequence[Call]) -> None:
        """``calls`` are those of the opened model, which know what bodies of a node read from around it."""
        self._network = outcome.network
        self._before, self._after = _wired(outcome.network)
        self._layers: dict[int, list[int]] = {}
        for index, layer in enumerate(outcome.network.layers):
            for number in layer.origin:
                self._layers.setdefault(number, []).append(index)
        self._nodes = outcome.model.graph.nodes
        self._captured: dict[int, tuple[str, ...]] = {}
        for call in calls:
            self._captured[call.origin] = self._captured.get(call.origin, ()) + call.captured
        self._own: tuple[list[set[int]], list[set[int]]] | None = None

    def between(self, first: Iterable[int], last: Iterable[int], barred: frozenset[int] = frozenset()) -> frozenset[int]:
        """The nodes on all ways from ``first`` to ``last``, both with them, that avoid ``barred``; none when no way leads there."""
        first, last = tuple(first), tuple(last)
        starts = [index for number in first for index in self._layers.get(number, ())]
        ends = [index for number in last for index in self._layers.get(number, ())]
        if starts and ends:
            closed = {index for number in barred.difference(first, last) for index in self._layers.get(number, ())}
            layers = _on_ways(starts, ends, self._before, self._after, closed)
            return frozenset(number for index in layers for number in self._network.layers[index].origin)
        before, after = self._graph()
        return frozenset(_on_ways(first, last, before, after, barred.difference(first, last)))

    def _graph(self) -> tuple[list[set[int]], list[set[int]]]:
        if self._own is None:
            self._own = _linked(self._nodes, self._captured)
        return self._own


def _wired(network: Network) -> tuple[list[set[int]], list[set[int]]]:
    producers = network.producers()
    before = [{producers[name] for name in layer.inputs if name in producers} for layer in network.layers]
    return before, _turned(before)


def _linked(nodes: Sequence[Node], captured: Mapping[int, Sequence[str]]) -> tuple[list[set[int]], list[set[int]]]:
    maker = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    before = [
        {maker[name] for name in (*node.inputs, *captured.get(index, ())) if name in maker} - {index} for index, node in enumerate(nodes)
    ]
    return before, _turned(before)


def _turned(before: Sequence[Iterable[int]]) -> list[set[int]]:
    after: list[set[int]] = [set() for _ in before]
    for index, sources in enumerate(before):
        for source in sources:
            after[source].add(index)
    return after


def _on_ways(
    first: Sequence[int], last: Sequence[int], before: Sequence[set[int]], after: Sequence[set[int]], closed: AbstractSet[int]
) -> set[int]:
    return _reached(first, after, closed) & _reached(last, before, closed)


def _reached(start: Iterable[int], step: Sequence[set[int]], closed: AbstractSet[int]) -> set[int]:
    found = set(start)
    waiting = list(found)
    while waiting:
        for other in step[waiting.pop()] - found - closed:
            found.add(other)
            waiting.append(other)
    return found
