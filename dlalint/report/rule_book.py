"""The rule book as Markdown: rules/RULES.md, generated from the cards and limits."""

from __future__ import annotations

from collections.abc import Iterator

from dlalint.engine.ranges import Span, spans
from dlalint.engine.ruleset import Card, RuleSet
from dlalint.report.to_json import cited

_AREAS = {
    "model": "Model, operators and tensors",
    "convolution": "Convolution, deconvolution and fully connected",
    "pooling": "Pooling and reduction",
    "arithmetic": "Activation, elementwise, normalization and unary",
    "movement": "Concatenation, resize, slice, softmax and shuffle",
    "partition": "Loadables, memory and precision",
}


def rule_book(book: RuleSet) -> str:
    """All rules with their limits on every target, and where each number comes from."""
    return "\n".join(_lines(book)) + "\n"


def _lines(book: RuleSet) -> Iterator[str]:
    yield "# The rules of dlalint"
    yield ""
    yield "Generated from cards/ and limits/ by `dlalint rules --format markdown`; edits belong there."
    yield ""
    yield "A limit is *documented* for its release, *observed* in a published build, or *inferred* from another release or source."
    yield "Beyond a limit that is an error, TensorRT is predicted to leave the layer to the GPU; a warning says that it is at risk."
    for area, title in _AREAS.items():
        yield ""
        yield f"## {title}"
        for card in book.cards:
            if card.area == area:
                yield from _card(card, book)
    yield ""
    yield "## Sources"
    yield ""
    for name, source in sorted(book.sources.items()):
        yield f"* `{name}` ({source['kind']}): {cited(name, book.sources)}"


def _card(card: Card, book: RuleSet) -> Iterator[str]:
    yield ""
    yield f"### {card.code} {card.slug}"
    yield ""
    kinds = f" ({', '.join(sorted(card.kinds))})" if card.kinds and card.tests else ""
    yield f"{_sentence(card.message)}{kinds}"
    yield ""
    yield f"* Why: {_plain(card.why)}"
    yield f"* Instead: {_plain(card.instead)}"
    if card.rewrites:
        yield f"* Rewrites: {', '.join(card.rewrites)}"
    if card.sources:
        yield f"* Source: {', '.join(f'`{source}`' for source in card.sources)}"
    found = spans(card, book)
    if not found:
        return
    yield ""
    yield f"| SoC | TensorRT | `{card.limit}` | beyond it | known | source |"
    yield "|---|---|---|---|---|---|"
    yield from (_row(span, book) for span in found)
    for note in dict.fromkeys(note for span in found for note in span.notes):
        yield ""
        yield note


def _row(span: Span, book: RuleSet) -> str:
    sources = ", ".join(f"`{source}`" for source in span.sources)
    soc = book.socs[span.soc]["name"]
    return f"| {soc} | {span.releases} | {span.words} | {span.severity} | {span.confidence} | {sources} |"


def _sentence(message: str) -> str:
    text = _plain(message)
    return f"{text[0].upper()}{text[1:]}."


def _plain(text: str) -> str:
    """A template with its placeholders as words in brackets."""
    return text.replace("{", "<").replace("}", ">").replace("<", "&lt;")
