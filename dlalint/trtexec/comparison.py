"""A prediction beside a build: each node's device, each loadable, and what the files leave open."""

from __future__ import annotations

from dlalint.finding import Finding
from dlalint.named_tuple import NamedTuple
from dlalint.plan import NodePlacement, Outcome

NOT_DLA, NOT_GPU = "not-dla", "not-gpu"  # of a copy or reshape, which may also vanish


class Real(NamedTuple):
    """Where a node ran: ``dla``, ``gpu``, ``not-dla``, ``not-gpu``, or empty when the files do not tell; then ``why`` says why not.

    ``layer`` is the entry that says so, ``loadable`` an index or -1, ``reason`` what the log says against the DLA, wherever it ran.
    """

    device: str = ""
    basis: str = ""
    layer: str = ""
    loadable: int = -1
    reason: str = ""
    why: str = ""


class Pair(NamedTuple):
    """A node with its real device. ``agrees`` is ``None`` when there is nothing to compare. ``rules`` sent it to the GPU."""

    node: NodePlacement
    real: Real
    rules: tuple[Finding, ...]
    agrees: bool | None


class Loadable(NamedTuple):
    """A real loadable with its nodes, all of them when ``exact``. ``twin`` is the predicted one that shares most nodes, or -1."""

    name: str
    nodes: tuple[int, ...]
    ends: tuple[int, int] | None
    exact: bool
    twin: int
    same: bool


class Comparison(NamedTuple):
    """All pairs in the order of the nodes. ``predicted`` are the nodes of each predicted loadable.

    ``loaded`` and ``candidates`` are the real numbers, ``None`` when not told. ``unjoined`` are names in the files that are none of the
    model's, ``joined`` how many are. ``unnamed`` are layers without a name of their own, with the node that they work for.
    """

    outcome: Outcome
    pairs: tuple[Pair, ...]
    loadables: tuple[Loadable, ...]
    predicted: tuple[tuple[int, ...], ...]
    loaded: int | None
    candidates: int | None
    joined: int
    unjoined: tuple[str, ...]
    unnamed: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @property
    def differing(self) -> tuple[Pair, ...]:
        """The pairs that do not agree."""
        return tuple(pair for pair in self.pairs if pair.agrees is False)

    @property
    def missing(self) -> tuple[int, ...]:
        """The predicted loadables that share no node with a real one, where all of these are known."""
        if not self.loadables or self.loaded != len(self.loadables):
            return ()
        twins = {item.twin for item in self.loadables}
        return tuple(number for number in range(len(self.predicted)) if number not in twins)

    @property
    def doubtful(self) -> bool:
        """Whether most names in the files are none of the model's, so that another model may have been built."""
        return len(self.unjoined) > self.joined

    @property
    def agrees(self) -> bool:
        """Whether nothing that the files tell differs from the prediction, and they are of this model."""
        if self.doubtful:
            return False
        summary = self.outcome.summary
        counts = self.loaded in (None, summary.loadables) and self.candidates in (None, summary.candidates)
        return not self.differing and counts and all(item.same for item in self.loadables)
