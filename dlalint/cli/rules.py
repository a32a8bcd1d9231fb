"""``dlalint rules``: the rules and their limits on a target."""

from __future__ import annotations

import json

import click

from dlalint.cli import output
from dlalint.cli.options import FILE
from dlalint.engine.ruleset import RuleSet, TargetRules, limit_in_words
from dlalint.engine.targets import parse
from dlalint.report.layout import Row, Span, spans, table

FORMATS = ("text", "json", "markdown")


@click.command("rules", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--target", metavar="NAME", help="SoC and release whose limits are shown.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write to a file.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(target: str | None, form: str, path: str | None, no_color: bool) -> int:
    """List the rules with their limits on a target; as Markdown the whole book, for all targets."""
    book = RuleSet.load()
    if form == "markdown":
        from dlalint.report.rule_book import rule_book

        output.write(rule_book(book), path)
        return 0
    rules = book.for_target(parse(target or book.index["default"], book))
    if form == "json":
        output.write(json.dumps(_document(book, rules), ensure_ascii=False, indent=1) + "\n", path)
    else:
        output.show(_rows(book, rules), path, not no_color)
    return 0


def _rows(book: RuleSet, rules: TargetRules) -> list[Row]:
    found = _limits(rules)
    body = [
        [f"{card.code} {card.slug}", *found.get(card.slug, ("", "-", card.severity))[:0:-1], _first(found, card.slug)]
        for card in book.cards
    ]
    head = spans(Span(f"Rules on {rules.target.name}", "title"), Span("  (dlalint explain CODE says more)", "dim"))
    return [head, (), *table(["Rule", "beyond", "known", "limit"], body, output.width(), frozenset())]


def _first(found: dict[str, tuple[str, str, str]], slug: str) -> str:
    return found[slug][0] if slug in found else "no limit here"


def _limits(rules: TargetRules) -> dict[str, tuple[str, str, str]]:
    """Limit, confidence and severity by slug, for the rules that hold on the target."""
    return {
        bound.card.slug: (limit_in_words(bound), bound.limit.confidence, bound.severity) for bound in rules.cards if bound.limit is not None
    }


def _document(book: RuleSet, rules: TargetRules) -> dict[str, object]:
    found = _limits(rules)
    return {
        "schema": 1,
        "target": rules.target.name,
        "rules": [
            {
                "code": card.code,
                "name": card.slug,
                "area": card.area,
                "kinds": sorted(card.kinds),
                "stage": card.stage,
                "severity": found[card.slug][2] if card.slug in found else card.severity,
                "message": card.message,
                "why": card.why,
                "fix": card.instead,
                "rewrites": list(card.rewrites),
                "limit": _value(rules, card.limit),
                "confidence": rules.limits[card.limit].confidence if card.limit in rules.limits else None,
                "sources": list(rules.limits[card.limit].sources if card.limit in rules.limits else card.sources),
            }
            for card in book.cards
        ],
    }


def _value(rules: TargetRules, name: str) -> object:
    value = rules.limits[name].value if name in rules.limits else None
    return list(value) if isinstance(value, tuple) else value
