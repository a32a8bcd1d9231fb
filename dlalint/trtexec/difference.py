"""Two profiles side by side, their rows joined by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.account import Account
from dlalint.trtexec.rows import Row


class Change(NamedTuple):
    """A row, or a kind of work, before and after; milliseconds a run, ``None`` where it is not there."""

    name: str
    before: float | None
    after: float | None

    @property
    def ms(self) -> float:
        """What it costs more, or less where negative."""
        return (self.after or 0.0) - (self.before or 0.0)

    @property
    def percent(self) -> float | None:
        """The change in percent of the time before; ``None`` when there was none."""
        return self.ms / self.before * 100 if self.before and self.after is not None else None


class Difference(NamedTuple):
    """What changed: in all, by kind, by row; rows that are only in one of the two are in ``appeared`` or ``vanished``."""

    whole: Change
    shares: tuple[Change, ...]
    rows: tuple[Change, ...]
    appeared: tuple[Change, ...]
    vanished: tuple[Change, ...]


def difference(before: Account, after: Account) -> Difference:
    """From ``before`` to ``after``; the largest changes first."""
    old, new = _named(before.rows), _named(after.rows)
    both = [Change(name, ms, new[key]) for key, ms in old.items() if key in new for name in (key[0],)]
    gone = [Change(key[0], ms, None) for key, ms in old.items() if key not in new]
    come = [Change(key[0], None, ms) for key, ms in new.items() if key not in old]
    kinds = {share.kind: share.ms for share in before.shares}
    kinds_after = {share.kind: share.ms for share in after.shares}
    shares = [Change(kind, kinds.get(kind), kinds_after.get(kind)) for kind in dict.fromkeys((*kinds, *kinds_after))]
    return Difference(Change("total", before.whole.ms, after.whole.ms), tuple(shares), _sorted(both), _sorted(come), _sorted(gone))


def _named(rows: Sequence[Row]) -> dict[tuple[str, int], float]:
    """Times by name and how many rows of that name came before."""
    seen: Counter[str] = Counter()
    found = {}
    for row in rows:
        found[row.row.name, seen[row.row.name]] = row.ms
        seen[row.row.name] += 1
    return found


def _sorted(changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: -abs(change.ms)))
