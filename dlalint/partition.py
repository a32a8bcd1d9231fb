"""From layers that the DLA takes to the loadables that TensorRT builds.

The steps are those of the builder, read from published logs (TensorRT 5 to 10.3): walk the layers with one open group; cut where the batch
differs; move each layer to the latest group it can be in; take out what the DLA compiler refuses and split there; keep the largest groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from itertools import groupby, pairwise

from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network

Group = tuple[int, ...]
ENTRY = "entry"  # the reason of a layer left out because it reads nothing of its group
Refuse = Callable[[Sequence[Group]], Mapping[int, str]]


class Mechanism(NamedTuple):
    """How a release forms groups.

    ``walk`` is ``parser`` (the order of the layers) or ``breadth-first``. ``cut_batch`` and ``cut_source`` say whether layers
    with different batches, and converted products of different tensors, are kept apart. ``entry_gpu`` are the kinds that do
    not join a group when all they read comes from outside of it. ``limit`` is the number of loadables, ``None`` without one.
    """

    walk: str
    sink: bool
    cut_batch: bool
    cut_source: bool
    entry_gpu: frozenset[str]
    limit: int | None


class Grouping(NamedTuple):
    """The candidates in order, those that stay loadables (indices into ``groups``), and why layers left their group."""

    groups: tuple[Group, ...]
    kept: tuple[int, ...]
    refused: Mapping[int, str]


def group(network: Network, capable: Sequence[bool], batches: Sequence[int | None], mechanism: Mechanism, refuse: Refuse) -> Grouping:
    """The candidates and loadables of ``network``.

    ``capable`` says which layers the DLA takes alone, ``batches`` their batch as the DLA counts it, ``refuse`` which layers of given groups
    the DLA compiler refuses, with the slug of the reason.
    """
    order = _order(network, mechanism.walk)
    groups = _walk(network, order, {index for index, able in enumerate(capable) if able})
    traits = _traits(network, batches, mechanism)
    if mechanism.cut_batch:
        groups = [part for found in groups for part in _cut(found, traits)]
    if mechanism.sink and len(groups) > 1:
        groups = _sink(network, groups, order, traits)
    refused = {index: ENTRY for members in groups for index in _entries(network, members, mechanism.entry_gpu)}
    groups = _split(groups, refused)
    while found := {index: why for index, why in refuse([tuple(part) for part in groups]).items() if index not in refused}:
        refused.update(found)
        groups = _split(groups, refused)
    return Grouping(tuple(tuple(sorted(part)) for part in groups), _largest(groups, mechanism.limit), refused)


def _order(network: Network, walk: str) -> Sequence[int]:
    count = len(network.layers)
    if walk == "parser":
        return range(count)
    after = network.after()
    waiting = list(map(len, network.before()))
    order: list[int] = []
    level = [index for index in range(count) if not waiting[index]]
    while level:
        order += level
        following = []
        for index in level:
            for reader in after[index]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    following.append(reader)
        following.sort()
        level = following
    return order


def _walk(network: Network, order: Sequence[int], capable: Set[int]) -> list[list[int]]:
    """One group is open at a time: a layer joins unless it depends on the group through a layer outside of it."""
    before = network.before()
    groups: list[list[int]] = []
    inside: set[int] = set()
    behind: set[int] = set()  # layers outside that depend on the open group
    for index in order:
        sources = before[index]
        if index not in capable:
            if not (inside.isdisjoint(sources) and behind.isdisjoint(sources)):
                behind.add(index)
            continue
        if not groups or (behind and not behind.isdisjoint(sources)):
            groups.append([])
            inside, behind = set(), set()
        groups[-1].append(index)
        inside.add(index)
    return groups


class Traits(NamedTuple):
    """What layers of one loadable must share: the batch, and the tensor that converted products read (empty for other layers)."""

    batch: int | None
    source: str

    def clash(self, other: Traits) -> bool:
        """Whether two layers must not share a loadable."""
        if self.batch is not None and other.batch is not None and self.batch != other.batch:
            return True
        return bool(self.source and other.source and self.source != other.source)


def _traits(network: Network, batches: Sequence[int | None], mechanism: Mechanism) -> list[Traits]:
    """The traits of each layer; what a converted product reads counts before the reshape made for it."""
    alike = {batch: Traits(batch, "") for batch in set(batches)}
    traits = [alike[batch] for batch in batches]
    layers = network.layers
    products = [index for index, layer in enumerate(layers) if layer.spec.params.get("product")] if mechanism.cut_source else []
    if products:
        reshaped = {layer.outputs[0]: layer.inputs[0] for layer in layers if layer.spec.kind == "SHUFFLE" and layer.spec.helper}
        for index in products:
            source = layers[index].inputs[0]
            traits[index] = Traits(batches[index], reshaped.get(source, source))
    return traits


def _cut(members: Sequence[int], traits: Sequence[Traits]) -> list[list[int]]:
    """``members`` cut between neighbours that clash."""
    parts = [[members[0]]]
    for last, index in pairwise(members):
        if traits[last] is not traits[index] and traits[last].clash(traits[index]):
            parts.append([])
        parts[-1].append(index)
    return parts


def _sink(network: Network, groups: list[list[int]], order: Sequence[int], traits: Sequence[Traits]) -> list[list[int]]:
    """Every layer in the latest group that it can be in: none of its readers earlier, none behind a layer outside, no clash."""
    after = network.after()
    last = len(groups) - 1
    shared = [{traits[index] for index in members} for members in groups]
    place = {index: number for number, members in enumerate(groups) for index in members}
    latest: dict[int, int] = {}
    for index in reversed(order):
        bound = min((latest[reader] - (index not in place and reader in place) for reader in after[index]), default=last)
        if index in place:
            own, start = traits[index], place[index]
            bound = next((number for number in range(bound, start, -1) if not any(own.clash(other) for other in shared[number])), start)
            place[index] = bound
            shared[bound].add(own)
        latest[index] = bound
    sunk: list[list[int]] = [[] for _ in groups]
    for index in order:
        if index in place:
            sunk[place[index]].append(index)
    return [members for members in sunk if members]


def _entries(network: Network, members: Sequence[int], kinds: frozenset[str]) -> list[int]:
    """The members of these kinds that read nothing from their own group."""
    chosen = [index for index in members if network.layers[index].spec.kind in kinds] if kinds else []
    if not chosen:
        return []
    inside, before = set(members), network.before()
    found = []
    for index in chosen:
        if inside.isdisjoint(before[index]):
            inside.discard(index)
            found.append(index)
    return found


def _split(groups: list[list[int]], refused: Mapping[int, str]) -> list[list[int]]:
    """The groups without their refused layers, cut in the walk's order where one of them was.

    What stood on both sides of it parts even where nothing connects the two: in YOLOv4-tiny with TensorRT 7.1 the first output lies
    before a join that left the group, the neck behind it, and the log counts them as two.
    """
    if not refused:
        return groups
    return [list(run) for members in groups for gone, run in groupby(members, refused.__contains__) if not gone]


def _largest(groups: Sequence[Sequence[int]], limit: int | None) -> tuple[int, ...]:
    """The groups with the most layers, the earlier one of two that are equal."""
    ranked = sorted(range(len(groups)), key=lambda number: (-len(groups[number]), number))
    return tuple(sorted(ranked[:limit]))


def devices(network: Network, grouping: Grouping, unknown: frozenset[int]) -> tuple[Device, ...]:
    """Where each layer ends; ``unknown`` are layers that nothing certain can be said about."""
    found = [Device.GPU] * len(network.layers)
    for number in grouping.kept:
        for index in grouping.groups[number]:
            found[index] = Device.DLA
    for index in unknown:
        found[index] = Device.UNKNOWN
    return tuple(found)
