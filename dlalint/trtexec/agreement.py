"""How far a prediction and a build agree, in numbers: in total, by device, by operator, by rule."""

from __future__ import annotations

from collections.abc import Iterable

from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.claims import DLA, GPU
from dlalint.trtexec.comparison import Comparison, Pair

UNRULED = ""


class Tally(NamedTuple):
    """``real`` nodes of one kind, ``found`` of them where they are predicted."""

    real: int
    found: int

    @property
    def share(self) -> float | None:
        """Percent found; ``None`` without any."""
        return 100 * self.found / self.real if self.real else None


class Split(NamedTuple):
    """A group of nodes: those that ran on the DLA, those on the GPU, and copies and reshapes."""

    name: str
    dla: Tally
    gpu: Tally
    copies: Tally

    @property
    def whole(self) -> Tally:
        """DLA and GPU together, copies apart."""
        return Tally(self.dla.real + self.gpu.real, self.dla.found + self.gpu.found)

    @property
    def balanced(self) -> float | None:
        """The mean of the shares of both devices, so that few nodes on one count as much as many on the other."""
        shares = [share for share in (self.dla.share, self.gpu.share) if share is not None]
        return sum(shares) / len(shares) if shares else None


class Ruled(NamedTuple):
    """A rule: ``used`` are the compared nodes that it sends to the GPU, ``right`` those that ran there (or vanished).

    With an empty ``code``: the nodes that no rule keeps off the DLA, and those that ran there.
    """

    code: str
    name: str
    used: int
    right: int


class Agreement(NamedTuple):
    """The numbers. ``untold`` nodes have no known device, ``unpredicted`` no predicted one, ``folded`` are predicted to vanish and do."""

    whole: Split
    operators: tuple[Split, ...]
    rules: tuple[Ruled, ...]
    untold: int
    unpredicted: int
    folded: int


def agreement(found: Comparison) -> Agreement:
    """The numbers of a comparison; operators by how often they occur."""
    operators: dict[str, list[Pair]] = {}
    for pair in found.pairs:
        if pair.agrees is not None:
            operators.setdefault(pair.node.op_type, []).append(pair)
    splits = [_split(name, pairs) for name, pairs in operators.items()]
    untold = [pair for pair in found.pairs if not pair.real.device]
    folded = sum(pair.node.device is Device.FOLDED for pair in untold)
    return Agreement(
        _split("", found.pairs),
        tuple(sorted(splits, key=lambda item: (-(item.whole.real + item.copies.real), item.name))),
        _by_rule(found),
        len(untold) - folded,
        sum(pair.agrees is None and bool(pair.real.device) for pair in found.pairs),
        folded,
    )


def _split(name: str, pairs: Iterable[Pair]) -> Split:
    counts = {device: [0, 0] for device in (DLA, GPU, "")}
    for pair in pairs:
        if pair.agrees is not None:
            tally = counts[pair.real.device if pair.real.device in counts else ""]
            tally[0] += 1
            tally[1] += pair.agrees
    return Split(name, *(Tally(*counts[device]) for device in (DLA, GPU, "")))


def _by_rule(found: Comparison) -> tuple[Ruled, ...]:
    """Every rule that sends compared nodes to the GPU, and as the last the nodes that none does."""
    used: dict[tuple[str, str], list[bool]] = {}
    free: list[bool] = []
    for pair in found.pairs:
        if pair.agrees is None:
            continue
        for rule in dict.fromkeys((finding.code, finding.name) for finding in pair.rules):
            used.setdefault(rule, []).append(pair.agrees)
        if not pair.rules:
            free.append(pair.agrees)
    rules = [Ruled(code, name, len(right), sum(right)) for (code, name), right in sorted(used.items())]
    return (*rules, Ruled(UNRULED, "no rule", len(free), sum(free)))
