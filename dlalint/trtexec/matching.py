"""What lies between the ends of a range, and which real loadable is which predicted one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dlalint.trtexec.claims import DLA, GPU, IDLE, Basis, Claim, Told
from dlalint.trtexec.comparison import Loadable, Pair
from dlalint.trtexec.joining import Names, Paths

_MOST = 2000  # ranges that are filled; no engine has as many


def filled(told: Told, names: Names, paths: Paths, claims: dict[int, list[Claim]]) -> list[set[int]]:
    """The nodes of each loadable; what lies between the ends of a range is added to ``claims`` too.

    A way through a layer on the other device is none: the range would have to wait for itself.
    """
    on = {
        device: frozenset(
            number for number, said in claims.items() if {claim.device for claim in said if claim.kind not in IDLE} == {device}
        )
        for device in (DLA, GPU)
    }
    inside = [{node for member in held.members for node in names.nodes(member)} for held in told.loadables]
    ranges = [(held.name, held.sides, DLA, number) for number, held in enumerate(told.loadables) if not held.exact]
    ranges += [("...".join(ends), ends, GPU, -1) for ends in told.ranges]
    for layer, ends, device, number in ranges[:_MOST]:
        claim = Claim(layer, ends, device, Basis.RANGE, "", number)
        nodes = paths.between(names.nodes(ends[0]), names.nodes(ends[1]), on[GPU if device == DLA else DLA])
        for node in nodes:
            claims.setdefault(node, []).append(claim)
        if number >= 0:
            inside[number] |= nodes
    return inside


def matched(
    told: Told, names: Names, inside: Sequence[set[int]], predicted: Sequence[Sequence[int]], pairs: Sequence[Pair]
) -> tuple[Loadable, ...]:
    """The real loadables beside the predicted ones. A node with layers in several of them tells none apart."""
    several = {node for parts in (inside, predicted) for node, count in Counter(n for part in parts for n in part).items() if count > 1}
    made = []
    for number, (held, nodes) in enumerate(zip(told.loadables, inside, strict=True)):
        own = nodes - several or nodes
        shared = [len(own.intersection(other)) for other in predicted]
        twin = max(range(len(predicted)), key=lambda index: shared[index], default=-1)
        twin = twin if twin >= 0 and shared[twin] else -1
        same = not nodes or (twin >= 0 and not _parted(number, nodes - several, set(predicted[twin]) - several, pairs))
        first, last = (names.nodes(side) for side in held.sides)
        ends = (first[0], last[-1]) if first and last else None
        made.append(Loadable(held.name, tuple(sorted(nodes)), ends, held.exact, twin, same))
    return tuple(made)


def _parted(number: int, nodes: set[int], twin: set[int], pairs: Sequence[Pair]) -> bool:
    """Whether a node of the real loadable is not in the predicted one, or the other way round. What may vanish counts for neither."""
    if any(pairs[node].real.device == DLA for node in nodes - twin):
        return True
    return any(pairs[node].real.device == GPU or pairs[node].real.loadable not in (-1, number) for node in twin)
