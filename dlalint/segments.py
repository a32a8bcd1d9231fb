"""The order in which a placed network runs, as segments, and the tensors that cross between them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from dlalint.graph import Device
from dlalint.network import Network
from dlalint.partition import Grouping
from dlalint.plan import Crossing, Partition, Segment


def partition(network: Network, grouping: Grouping, devices: tuple[Device, ...]) -> Partition:
    """The segments of ``network`` in an order in which they can run, GPU layers joined to runs as long as possible."""
    runs = _runs(network, grouping)
    segment_of = [-1] * len(network.layers)
    for number, (_, members) in enumerate(runs):
        for index in members:
            segment_of[index] = number
    crossings = _crossings(network, segment_of)
    kept = frozenset(grouping.kept)
    enters: list[dict[str, None]] = [{} for _ in runs]
    leaves: list[dict[str, None]] = [{} for _ in runs]
    for crossing in crossings:
        if crossing.target >= 0:
            enters[crossing.target][crossing.tensor] = None
        if crossing.source >= 0:
            leaves[crossing.source][crossing.tensor] = None
    segments = []
    for number, (candidate, members) in enumerate(runs):
        device = Device.DLA if candidate in kept else Device.GPU
        if device is Device.GPU and members and all(devices[index] is Device.UNKNOWN for index in members):
            device = Device.UNKNOWN
        placed = candidate < 0 or candidate in kept
        segments.append(Segment(number, device, tuple(members), tuple(enters[number]), tuple(leaves[number]), placed))
    return Partition(devices, grouping.groups, grouping.kept, grouping.refused, tuple(segments), tuple(segment_of), crossings)


def _runs(network: Network, grouping: Grouping) -> list[tuple[int, list[int]]]:
    """Candidate number (-1 for a run of GPU layers) and layers of each segment."""
    count = len(network.layers)
    unit = list(range(-1, -1 - count, -1))
    for number, members in enumerate(grouping.groups):
        for index in members:
            unit[index] = number
    before = _units_before(network, unit)
    after: dict[int, list[int]] = {}
    for reader, sources in before.items():
        for source in sources:
            after.setdefault(source, []).append(reader)
    waiting = {key: len(sources) for key, sources in before.items()}
    ready = [key for key, left in waiting.items() if not left]
    alone = [-1 - key for key in ready if key < 0]
    together = [key for key in ready if key >= 0]
    heapq.heapify(alone)
    heapq.heapify(together)
    runs: list[tuple[int, list[int]]] = []
    while alone or together:  # layers on the GPU first, in network order
        key = -1 - heapq.heappop(alone) if alone else heapq.heappop(together)
        if key >= 0:
            runs.append((key, list(grouping.groups[key])))
        elif runs and runs[-1][0] < 0:
            runs[-1][1].append(-1 - key)
        else:
            runs.append((-1, [-1 - key]))
        for reader in after.get(key, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(*((together, reader) if reader >= 0 else (alone, -1 - reader)))
    return [(candidate, sorted(found)) for candidate, found in runs]


def _units_before(network: Network, unit: Sequence[int]) -> dict[int, set[int]]:
    before: dict[int, set[int]] = {key: set() for key in unit}
    for own, sources in zip(unit, network.before(), strict=True):
        for source in sources:
            if unit[source] != own:
                before[own].add(unit[source])
    return before


def _crossings(network: Network, segment_of: Sequence[int]) -> tuple[Crossing, ...]:
    producers = network.producers()
    found: dict[Crossing, None] = {}
    inputs = frozenset(network.inputs)
    for layer, own in zip(network.layers, segment_of, strict=True):
        for name in layer.inputs:
            maker = producers.get(name)
            source = segment_of[maker] if maker is not None else -1
            if source != own and (source >= 0 or name in inputs):
                found[Crossing(name, source, own)] = None
    for name in network.outputs:
        if name in producers:
            found[Crossing(name, segment_of[producers[name]], -1)] = None
    return tuple(found)
