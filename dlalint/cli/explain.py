"""``dlalint explain``: one rule in full."""

from __future__ import annotations

import click

from dlalint.cli import output
from dlalint.engine.ranges import spans as limit_spans
from dlalint.engine.ruleset import Card, RuleSet
from dlalint.report.explained import rewrite_rows
from dlalint.report.layout import Row, Span, spans, table, wrapped
from dlalint.report.to_json import cited
from dlalint.selection import find_card


@click.command("explain", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("rule", metavar="CODE")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(rule: str, no_color: bool) -> int:
    """Explain one rule: what it says, why, what to do, and its limit on every target.

    CODE is a code (DLA201) or a name (conv-kernel-too-large).
    """
    book = RuleSet.load()
    output.show(_rows(find_card(rule, book), book, output.width()), None, not no_color)
    return 0


def _rows(card: Card, book: RuleSet, width: int) -> list[Row]:
    columns = min(max(width, 60), 140)
    rows = [spans(Span(f"{card.code} {card.slug}", "title"))]
    if card.kinds and card.tests:
        rows += wrapped("  layers  ", ", ".join(sorted(card.kinds)), columns)
    rows += wrapped("  says    ", _plain(card.message), columns)
    rows += wrapped("  why     ", _plain(card.why), columns)
    rows += wrapped("  do      ", _plain(card.instead), columns)
    rows += rewrite_rows(card.rewrites, book, "  fix     ", columns)
    found = limit_spans(card, book)
    if found:
        body = [[f"{book.socs[span.soc]['name']} {span.releases}", span.severity, span.confidence, span.words] for span in found]
        rows += [(), *table(["TensorRT", "beyond", "known", "limit"], body, columns, frozenset())]
    notes = dict.fromkeys(note for span in found for note in span.notes)
    sources = dict.fromkeys(source for span in found for source in span.sources) | dict.fromkeys(card.sources)
    if notes or sources:
        rows.append(())
    for note in notes:
        rows += wrapped("  note    ", note, columns)
    for source in sources:
        rows += wrapped("  source  ", cited(source, book.sources), columns)
    return rows


def _plain(text: str) -> str:
    return text.replace("{", "<").replace("}", ">")
