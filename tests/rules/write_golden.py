"""Write golden_limits.tsv: every limit of every target, as the engine resolves it. Run it after a change of the rules and read the diff.

A row is target, limit, value as JSON, confidence, sources, and what going beyond the limit means: error, warning, note, or - for a limit
that only texts mention. The layer kinds and the mechanism of placement have rows too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from dlalint.engine.ruleset import RuleSet, TargetRules
from dlalint.engine.targets import names, parse

FILE = Path(__file__).with_name("golden_limits.tsv")
HEADER = ("target", "limit", "value", "confidence", "sources", "beyond")
Row = tuple[str, str, str, str, str, str]


def rows(book: RuleSet) -> Iterator[Row]:
    """The rows of every target with a DLA, in the order of the targets, limits sorted."""
    for name in names(book):
        target = parse(name, book)
        rules = book.for_target(target)
        if rules.reason_without_dla:
            continue
        beyond = _beyond(book, rules)
        for limit in sorted(rules.limits.values()):
            yield name, limit.name, json.dumps(limit.value), limit.confidence, " ".join(limit.sources), beyond.get(limit.name, "-")
        for kind, source in sorted(book.files.resolve(target.release, target.soc).kinds.items()):
            yield name, f"kind {kind}", "true", "-", source, "-"
        for key, value in sorted(rules.placement.items()):
            if key != "source":
                yield name, f"placement {key}", json.dumps(value), "-", str(rules.placement["source"]), "-"


def _beyond(book: RuleSet, rules: TargetRules) -> dict[str, str]:
    """What breaking the card of each limit means; cards that are bound to the target go before those of the whole network."""
    found = {card.limit: card.severity for card in reversed(book.cards) if card.limit}
    for bound in reversed(rules.cards):
        found.update({test.limit.name: bound.severity for test in reversed(bound.tests)})
    return found


def text(book: RuleSet) -> str:
    """The whole file."""
    return "".join("\t".join(row) + "\n" for row in (HEADER, *rows(book)))


if __name__ == "__main__":
    FILE.write_text(text(RuleSet.load()), encoding="utf-8")
