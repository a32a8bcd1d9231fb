"""A coarser placement: small parts that the DLA would take, sent to the GPU, so that fewer tensors change device.

Each step tries the loadables, their unconnected pieces and their ends, by placing the network again without them, and keeps the best
placement that makes nothing worse. What the loadable limit leaves to the GPU anyway can be barred along with a part, so that it does not
take its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from dlalint.graph import Device, Node
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome, Partition

_Item = TypeVar("_Item", str, int)
Simulate = Callable[[frozenset[int]], Partition]
_VISITS = 150_000  # layers placed in all simulations together, about a second
_FEWEST = 24  # simulations, however large the network
_ENDS = 6  # of a loadable that are tried in a step
_LARGEST = 600  # layers of a loadable whose ends are looked at; their number grows with the square


class Cost(NamedTuple):
    """What a placement costs: ``boundary_bytes`` change device in ``transitions`` tensors; ``dla_macs`` run on the DLA."""

    loadables: int
    candidates: int
    transitions: int
    boundary_bytes: int
    dla_macs: int


class Coarser(NamedTuple):
    """A coarser placement: ``names`` are the layers to send to the GPU, ``layers`` how many run there that would not without it.

    ``over`` are named too, although the limit leaves them there anyway: with room in the limit they would take the place of the others.
    """

    names: tuple[str, ...]
    layers: int
    over: int
    before: Cost
    after: Cost
    total_macs: int
    partition: Partition


class _State(NamedTuple):
    barred: frozenset[int]
    partition: Partition
    cost: Cost


def search(outcome: Outcome, macs: Sequence[int], simulate: Simulate, nameable: Callable[[str], bool], most: float) -> Coarser | None:
    """The coarser placement of ``outcome``, ``None`` when none saves anything.

    ``macs`` is the work of each layer, ``simulate`` places the network with layers barred from the DLA, ``nameable`` says whether trtexec
    can be told a name, ``most`` is the largest share of the multiplications that may leave the DLA (0.02: 2 %).
    """
    return _Search(outcome, macs, simulate, nameable, most).run()


class _Search:
    def __init__(self, outcome: Outcome, macs: Sequence[int], simulate: Simulate, nameable: Callable[[str], bool], most: float) -> None:
        self._network = outcome.network
        self._size = outcome.target.element_bytes
        self._macs = macs
        self._total = sum(macs)
        self._simulate = simulate
        self._names = layer_names(outcome, nameable)
        self._most = most
        self._left = max(_FEWEST, _VISITS // max(len(macs), 1))
        self._start = self._state(frozenset(), outcome.partition)

    def run(self) -> Coarser | None:
        start = state = self._start
        lost = 0
        while state.cost.transitions and self._total:
            found = self._step(state, self._most * self._total - lost)
            if found is None:
                break
            lost += max(0, state.cost.dla_macs - found.cost.dla_macs)
            state = found
        state = self._trim(state)
        if not state.barred:
            return None
        names = tuple(dict.fromkeys(name for index in sorted(state.barred) for name in self._names[index] or ()))
        moved = sum(
            old is Device.DLA and new is not Device.DLA for old, new in zip(start.partition.devices, state.partition.devices, strict=True)
        )
        over = sum(start.partition.devices[index] is not Device.DLA for index in state.barred)
        return Coarser(names, moved, over, start.cost, state.cost, self._total, state.partition)

    def _step(self, state: _State, room: float) -> _State | None:
        """The best placement with one more part barred that makes nothing worse; ``room`` is how many multiplications may leave the DLA."""
        best: tuple[tuple[int, int, int, int], _State] | None = None
        tried: set[frozenset[int]] = set()
        for part in self._moves(state.partition, room):
            barred = state.barred | part
            if barred in tried or self._left <= 0:
                continue
            tried.add(barred)
            self._left -= 1
            found = self._state(barred, self._simulate(barred))
            if not _better(found.cost, state.cost) or state.cost.dla_macs - found.cost.dla_macs > room:
                continue
            gain = self._gain(found.cost, state.cost)
            if best is None or gain > best[0]:
                best = gain, found
        return best[1] if best is not None else None

    def _gain(self, new: Cost, old: Cost) -> tuple[int, int, int, int]:
        """What a step brings, the most important first: work in steps of the allowed share, crossings, bytes, work."""
        work = new.dla_macs - old.dla_macs
        steps = int(work / (self._most * self._total)) if self._most else 0
        return steps, old.transitions - new.transitions, old.boundary_bytes - new.boundary_bytes, work

    def _moves(self, partition: Partition, room: float) -> Iterator[frozenset[int]]:
        over = frozenset(index for number in partition.dropped for index in self._movable(partition.candidates[number]) or ())
        for number in partition.kept:
            members = partition.candidates[number]
            for part in (members, *self._pieces(members)):
                found = self._movable(part)
                if found:
                    yield found
                    yield found | over
        for number in partition.kept:
            for end in self._ends(partition.candidates[number], room):
                found = self._movable(end)
                if found:
                    yield found

    def _movable(self, members: Sequence[int]) -> frozenset[int] | None:
        """The layers to name for sending ``members`` to the GPU; ``None`` when one of them has no name of its own."""
        work = [index for index in members if not self._network.layers[index].spec.helper]
        return None if any(self._names[index] is None for index in work) else frozenset(work)

    def _pieces(self, members: Sequence[int]) -> list[list[int]]:
        """The parts of a loadable that no tensor connects; none when it is one piece."""
        root = {index: index for index in members}

        def find(index: int) -> int:
            while root[index] != index:
                root[index] = root[root[index]]
                index = root[index]
            return index

        makers = {name: index for index in members for name in self._network.layers[index].outputs}
        for index in members:
            for name in self._network.layers[index].inputs:
                if name in makers:
                    root[find(index)] = find(makers[name])
        pieces: dict[int, list[int]] = {}
        for index in members:
            pieces.setdefault(find(index), []).append(index)
        return list(pieces.values()) if len(pieces) > 1 else []

    def _ends(self, members: Sequence[int], room: float) -> list[tuple[int, ...]]:
        """Ends of a loadable (a layer and all that follows from it) that read less than they hand out, the most saving first."""
        if len(members) > _LARGEST:
            return []
        inside, readers = set(members), self._network.consumers()
        behind: dict[int, frozenset[int]] = {}
        found = []
        for index in sorted(members, reverse=True):
            after = {reader for name in self._network.layers[index].outputs for reader in readers.get(name, ()) if reader > index}
            end = frozenset({index}).union(*(behind[reader] for reader in after & inside))
            behind[index] = end
            if len(end) == len(members) or sum(self._macs[member] for member in end) > room:
                continue
            saved = self._saved(end, inside, readers)
            if min(saved) >= 0 and max(saved) > 0:
                found.append((saved, tuple(sorted(end))))
        found.sort(reverse=True)
        return [end for _, end in found[:_ENDS]]

    def _saved(self, end: frozenset[int], inside: set[int], readers: dict[str, list[int]]) -> tuple[int, int]:
        """How many tensors, and elements of them, cross less when ``end`` leaves its loadable."""
        layers = self._network.layers
        made = {name for index in inside - end for name in layers[index].outputs}
        read = {name for index in end for name in layers[index].inputs if name in made}
        out = {name for index in end for name in layers[index].outputs if any(reader not in inside for reader in readers.get(name, ()))}
        return len(out) - len(read), self._elements(out) - self._elements(read)

    def _elements(self, names: set[str]) -> int:
        return sum(self._network.types[name].elements or 0 for name in names if name in self._network.types)

    def _trim(self, state: _State) -> _State:
        """Without the candidates that need not be barred."""
        for candidate in self._start.partition.candidates:
            barred = state.barred.difference(candidate)
            if barred == state.barred or self._left <= 0:
                continue
            self._left -= 1
            found = self._state(barred, self._simulate(barred))
            if _no_worse(found.cost, state.cost) and found.cost.dla_macs >= state.cost.dla_macs:
                state = found
        return state

    def _state(self, barred: frozenset[int], partition: Partition) -> _State:
        work = sum(self._macs[index] for number in partition.kept for index in partition.candidates[number])
        transitions = elements = 0
        for crossing in partition.crossings:
            if crossing.source < 0 or crossing.target < 0:
                continue
            ends = {partition.segments[end].device is Device.DLA for end in (crossing.source, crossing.target)}
            if len(ends) == 2:
                transitions += 1
                elements += self._elements({crossing.tensor})
        cost = Cost(len(partition.kept), len(partition.candidates), transitions, elements * self._size, work)
        return _State(barred, partition, cost)


def _no_worse(new: Cost, old: Cost) -> bool:
    return new.transitions <= old.transitions and new.boundary_bytes <= old.boundary_bytes


def _better(new: Cost, old: Cost) -> bool:
    """Whether fewer tensors or bytes change device, or more work runs on the DLA, and neither of the first two is worse."""
    same = (new.transitions, new.boundary_bytes) == (old.transitions, old.boundary_bytes)
    return new.dla_macs > old.dla_macs if same else _no_worse(new, old)


def layer_names(outcome: Outcome, nameable: Callable[[str], bool]) -> list[tuple[str, ...] | None]:
    """The names by which TensorRT knows each layer, ``None`` when it has none of its own.

    The ONNX parser calls a layer like its node, ``node_of_`` and the first output when the node has no name. A second layer of the same
    node has a name that is not in the file (the sum behind a Gemm with bias), and so have two nodes of one name. Source: getNodeName and
    registerLayer of onnx-tensorrt, 8.4 to 10.1; "/fc/Gemm + (Unnamed Layer* 125) [ElementWise]" in a 10.3 log (build-detr-10-3).
    """
    nodes = outcome.model.graph.nodes
    called = [node.layer_name for node in nodes]
    once = {name for name, count in _counts(called).items() if count == 1}
    work = [number for layer in outcome.network.layers if not layer.spec.helper for number in layer.origin]
    single = {number for number, count in _counts(work).items() if count == 1}
    own = {
        number
        for number in single
        if called[number] in once and nameable(called[number]) and not nodes[number].op.domain and not _adds_a_sum(nodes[number])
    }
    found: list[tuple[str, ...] | None] = []
    for layer in outcome.network.layers:
        known = own.issuperset(layer.origin)
        found.append(tuple(called[number] for number in layer.origin) if layer.origin and known else None)
    return found


def _adds_a_sum(node: Node) -> bool:
    return node.op.op_type == "Gemm" and len(node.inputs) > 2 and bool(node.inputs[2])


def _counts(items: Sequence[_Item]) -> dict[_Item, int]:
    found: dict[_Item, int] = {}
    for item in items:
        found[item] = found.get(item, 0) + 1
    return found
