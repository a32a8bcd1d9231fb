"""A comment for a pull request: the verdict of each model, the causes folded away, and never too long to be posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import relative
from dlalint.report.escape import for_markdown, shortened_name
from dlalint.report.grouping import Group, grouped
from dlalint.report.layout import counted, listed
from dlalint.report.measures import measured_words
from dlalint.report.to_text import verdict_sentence

MOST = 60_000  # characters; GitHub takes 65,536 in a comment
_SHOWN = 5
_MARKS = {"full": "✅", "partial": "⚠️", "none": "❌", "unknown": "❓"}


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """A table with one row a model and target, and one folded section for each that has causes."""
    head = ["### dlalint", "", "| model | target | verdict | nodes on the GPU | loadables |", "|---|---|---|---:|---:|"]
    lines = [*head, *(_row(result) for result in results)]
    size = sum(len(line) + 1 for line in lines)
    for place, result in enumerate(results):
        section = "\n".join(_section(result)) if isinstance(result, Outcome) and result.findings else ""
        if size + len(section) > MOST:
            left = counted(len(results) - place, "model")
            lines += ["", f"The details of {left} are left out; run `dlalint check` for them."]
            break
        if section:
            lines.append(section)
            size += len(section) + 1
    return "\n".join(lines)[: MOST + 500] + "\n"


def _row(result: Outcome | Failure) -> str:
    if isinstance(result, Failure):
        said = for_markdown(shortened_name(f"{result.what}. {result.cure}", 300))
        return f"| {_name(result.path)} | | ❌ {result.code}: {said} | | |"
    summary = result.summary
    gpu = summary.gpu_nodes + summary.unknown_nodes
    verdict = f"{_MARKS[result.verdict]} {result.verdict}"
    return f"| {_name(result.model.path)} | {result.target.name} | {verdict} | {gpu} of {summary.nodes} | {summary.loadables} |"


def _name(path: str) -> str:
    return for_markdown(shortened_name(relative(path)))


def _section(outcome: Outcome) -> Iterator[str]:
    groups = grouped(outcome.findings)
    yield ""
    yield f"<details><summary>{_name(outcome.model.path)} on {outcome.target.name}</summary>"
    yield ""
    yield for_markdown(verdict_sentence(outcome))
    for item in measured_words(outcome):
        yield ""
        yield f"{item.heading}: {for_markdown(shortened_name(item.sentence, 400))}"
    yield ""
    for group in groups:
        yield _cause(group)
    yield ""
    yield "</details>"


def _cause(group: Group) -> str:
    first = group.first
    nodes = listed([shortened_name(name, 100) for name in group.nodes], _SHOWN)
    where = f" ({for_markdown(nodes)})" if nodes else ""
    bold = "**" if first.severity == ERROR else ""
    said = for_markdown(shortened_name(first.message, 400))
    return f"- {bold}{first.code} {first.name}{bold}: {said}{where}. {for_markdown(first.fix)}"
