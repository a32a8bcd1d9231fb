"""Two profiles side by side, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dlalint.report.layout import Row, Span, counted, spans, table, wrapped
from dlalint.report.profile_head import ms
from dlalint.report.profile_text import LABELS
from dlalint.trtexec.account import Account
from dlalint.trtexec.difference import Change, Difference
from dlalint.trtexec.names import spoken

_SHOWN = 10


def compared(found: Difference, before: Account, after: Account, paths: Sequence[str], width: int, *, verbose: bool) -> list[Row]:
    """The comparison as lines."""
    columns = min(max(width, 60), 140)
    whole = found.whole
    style = "good" if whole.ms < 0 else "bad" if whole.ms > 0 else ""
    rows: list[Row] = [
        spans(
            Span(f"{paths[0]} -> {paths[1]}: ", "title"), Span(f"{ms(before.whole.ms)} -> {ms(after.whole.ms)} ms, {_change(whole)}", style)
        )
    ]
    if before.estimated or after.estimated:
        what = "These are" if before.estimated and after.estimated else "One of them is"
        rows += wrapped("  ", f"{what} from the times measured while building, not from a run.", columns, "dim")
    kinds = [change for change in found.shares if change.before or change.after]
    rows += [(), *_table("by kind", kinds, columns, lambda name: LABELS[name])]
    moved = [change for change in found.rows if abs(change.ms) >= 0.0005] or list(found.rows)
    shown = len(moved) if verbose else _SHOWN
    if moved:
        rows += [(), *_table("row", moved[:shown], columns, spoken)]
        same = len(found.rows) - min(len(moved), shown)
        if same:
            rows.append(spans(Span(f"  and {counted(same, 'row')} with smaller changes", "dim")))
    for title, changes in (("Appeared", found.appeared), ("Vanished", found.vanished)):
        rows += _listed(title, changes, shown)
    return [*rows, ()]


def _listed(title: str, changes: Sequence[Change], most: int) -> Iterator[Row]:
    if not changes:
        return
    total = sum(abs(change.ms) for change in changes)
    yield ()
    yield spans(Span(f"{title} ({counted(len(changes), 'row')}, {ms(total)} ms)", "title"))
    for change in changes[:most]:
        yield spans(f"  {ms(abs(change.ms)):>9} ms  {spoken(change.name)}")
    if len(changes) > most:
        yield spans(Span(f"  and {len(changes) - most} more (-v shows all)", "dim"))


def _table(head: str, changes: Sequence[Change], width: int, named: Callable[[str], str]) -> list[Row]:
    body = [
        [*(ms(value) if value is not None else "-" for value in (change.before, change.after)), _change(change), named(change.name)]
        for change in changes
    ]
    return table(["before", "after", "change", head], body, width, frozenset({0, 1, 2}))


def _change(change: Change) -> str:
    percent = f" ({change.percent:+.1f} %)" if change.percent is not None else ""
    return f"{change.ms:+.3f} ms{percent}"
