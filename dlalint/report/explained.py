"""What the rule behind a finding knows beyond it: how it can be rewritten, and its limit on every target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.engine.ranges import spans
from dlalint.engine.ruleset import Card, RuleSet
from dlalint.report.layout import Row, wrapped

_DESCRIBED = 8  # with more rewrites than these a rule lists their names only


def rewrite_rows(names: Sequence[str], book: RuleSet, lead: str, width: int) -> Iterator[Row]:
    """The rewrites of ``dlalint fix`` and what each does."""
    if len(names) > _DESCRIBED:
        yield from wrapped(lead, ", ".join(names), width)
    else:
        for name in names:
            yield from wrapped(lead, f"{name}: {book.rewrites[name]['summary']}", width)


def limit_rows(card: Card, book: RuleSet, lead: str, width: int) -> Iterator[Row]:
    """Each limit that the rule ever had, with the releases that have it."""
    found: dict[str, list[str]] = {}
    for span in spans(card, book):
        found.setdefault(span.words, []).append(f"{book.socs[span.soc]['name']} {span.releases} ({span.confidence})")
    for words, releases in found.items():
        yield from wrapped(lead, f"{words} on {', '.join(releases)}", width)
