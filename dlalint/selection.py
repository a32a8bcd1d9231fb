"""Which findings are reported; the placement itself does not change with it."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.engine.ruleset import Card, RuleSet
from dlalint.errors import UsageError
from dlalint.finding import Finding
from dlalint.plan import Outcome


class Selection:
    """Chooses findings by code, beginning of a code, or slug. Raises :class:`UsageError` at one that no rule has."""

    def __init__(self, select: Sequence[str], ignore: Sequence[str], book: RuleSet) -> None:
        self._select = [_known(text, book, "--select") for item in select for text in item.split(",")]
        self._ignore = [_known(text, book, "--ignore") for item in ignore for text in item.split(",")]

    def apply(self, outcome: Outcome) -> Outcome:
        """The outcome with the chosen findings; one whose cause is left out stands alone."""
        if not self._select and not self._ignore:
            return outcome
        return outcome.keeping([index for index, finding in enumerate(outcome.findings) if self._wanted(finding)])

    def _wanted(self, finding: Finding) -> bool:
        def named(patterns: list[str]) -> bool:
            return any(finding.code.startswith(pattern) or finding.name == pattern for pattern in patterns)

        return (not self._select or named(self._select)) and not named(self._ignore)


def find_card(text: str, book: RuleSet) -> Card:
    """The rule with this code or slug. Raises :class:`UsageError` with the nearest ones."""
    wanted = text.strip()
    found = book.by_code.get(wanted.upper()) or book.by_code.get(f"DLA{wanted}") or book.by_slug.get(wanted.lower())
    if found is not None:
        return found
    from difflib import get_close_matches

    near = get_close_matches(wanted.lower(), [*book.by_slug, *(code.lower() for code in book.by_code)], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"no rule is called {wanted!r}", where="CODE", cure=f"{hint}`dlalint rules` lists them all.", code="E504")


def _known(text: str, book: RuleSet, option: str) -> str:
    wanted = text.strip()
    upper = wanted.upper()
    if wanted in book.by_slug:
        return wanted
    if upper.startswith("DLA") and any(code.startswith(upper) for code in book.by_code):
        return upper
    raise UsageError(f"no rule is called {wanted!r}", where=option, cure="`dlalint rules` lists them all.", code="E504")
