"""Limits and observed values in words."""

from __future__ import annotations

from dlalint.engine.predicates import in_words, value_in_words
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import Finding, LimitValue
from dlalint.target import Target


def limit_in_words(finding: Finding, target: Target, book: RuleSet) -> str:
    """The limit of a finding as its rule means it: ``1 to 32`` and not ``1x32``; empty without one."""
    card = book.by_code.get(finding.code)
    for test in book.for_target(target).bound(card).tests if card is not None else ():
        if test.limit.value == finding.limit:
            return in_words(test.predicate, test.limit.value)
    return observed_in_words(finding.limit)


def observed_in_words(value: LimitValue | None) -> str:
    """A value as it was found, names in a list; empty without one."""
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return ", ".join(map(str, value))
    return "" if value is None else value_in_words(value)
