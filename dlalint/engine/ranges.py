"""A rule over all targets: which releases share a limit."""

from __future__ import annotations

from dlalint.engine.predicates import in_words, value_in_words
from dlalint.engine.ruleset import BoundCard, Card, RuleSet, limit_in_words
from dlalint.engine.targets import parse
from dlalint.finding import Limit
from dlalint.named_tuple import NamedTuple


class Span(NamedTuple):
    """Releases of one SoC, first and last, that share what a rule allows; ``severity`` is what going beyond it means."""

    soc: str
    first: str
    last: str
    words: str
    severity: str
    confidence: str
    sources: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def releases(self) -> str:
        """``8.4 to 8.6``, or the only release."""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


def spans(card: Card, book: RuleSet) -> list[Span]:
    """What ``card`` allows on each SoC, consecutive releases with one value and confidence joined."""
    found: list[Span] = []
    for soc, releases in book.index["releases"].items():
        for release in releases:
            rules = book.for_target(parse(f"{soc}-trt{release}", book))
            bound = next((item for item in rules.cards if item.card is card), None)
            limit = rules.limits.get(card.limit)
            if limit is None:
                continue
            words, severity = _words(bound, limit), bound.severity if bound is not None else card.severity
            notes = (limit.note,) if limit.note else ()
            last = found[-1] if found else None
            if last is not None and last[:1] + last[3:6] == (soc, words, severity, limit.confidence):
                found[-1] = last._replace(last=release, sources=_joined(last.sources, limit.sources), notes=_joined(last.notes, notes))
            else:
                found.append(Span(soc, release, release, words, severity, limit.confidence, limit.sources, notes))
    return found


def _words(bound: BoundCard | None, limit: Limit) -> str:
    if bound is not None and bound.tests:
        return limit_in_words(bound)
    return in_words("one_of", limit.value) if isinstance(limit.value, tuple) else value_in_words(limit.value)


def _joined(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*left, *right)))
