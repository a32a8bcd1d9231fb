"""One page that needs nothing but itself: verdict, picture, operators, causes, other targets, for every model."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from dlalint import __version__
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR, NOTE, WARNING, WRONG_VALUES
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Failure, Line, Outcome
from dlalint.report.drawing import node_label
from dlalint.report.entries import relative
from dlalint.report.grouping import Group, grouped, is_wrong
from dlalint.report.html_data import as_json, link, sentence
from dlalint.report.layout import counted
from dlalint.report.measures import measured_words
from dlalint.report.picture import label
from dlalint.report.to_text import verdict_sentence
from dlalint.report.values import limit_in_words

if TYPE_CHECKING:
    from jinja2 import Template

    from dlalint.accepted import Contrast, Waived

_NODES = 24  # nodes named at a cause; the search finds the others
_HEADINGS = {ERROR: "Why nodes run on the GPU", WARNING: "At risk", NOTE: "Notes"}


class _Cause(NamedTuple):
    """A root cause as the page shows it. ``nodes`` are numbers and names."""

    severity: str
    code: str
    slug: str
    where: str
    message: str
    why: str
    fix: str
    rewrites: str
    limit: str
    confidence: str
    sources: tuple[tuple[str, str], ...]
    nodes: tuple[tuple[int, str], ...]
    more: int


class _Section(NamedTuple):
    """What the page says of one model on one target; ``data`` is the JSON of its picture, ``error`` is set when it was not checked."""

    path: str
    target: str
    verdict: str
    said: str
    error: str = ""
    operators: tuple[tuple[str, int, int, int, str], ...] = ()
    causes: tuple[tuple[str, tuple[_Cause, ...]], ...] = ()
    measured: tuple[tuple[str, str], ...] = ()
    unchecked: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    baseline: str = ""
    lines: tuple[Line, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()
    data: str = ""


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """The page. Scripts and styles are named by their hashes, nothing else runs or loads."""
    from markupsafe import Markup

    style, script = _file("report.css"), _file("report.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    sections = [_section(result, book) for result in results]
    return _page().render(
        sections=[section._replace(data=Markup(section.data)) for section in sections],
        style=Markup(style),
        script=Markup(script),
        policy=policy,
        version=__version__,
    )


@cache
def _page() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("report.html"))


@cache
def _file(name: str) -> str:
    return (files("dlalint.report") / "templates" / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _section(result: Outcome | Failure, book: RuleSet) -> _Section:
    if isinstance(result, Failure):
        return _Section(label(relative(result.path)), "", "unknown", sentence(f"{result.what}. {result.cure}"), result.code)
    groups = grouped(result.findings)
    causes = []
    headings = ((ERROR, True, "Wrong in FP16"), *((severity, False, heading) for severity, heading in _HEADINGS.items()))
    for severity, wrong, heading in headings:
        chosen = (group for group in groups if group.first.severity == severity and is_wrong(group) is wrong)
        found = tuple(_cause(group, result, book) for group in chosen)
        if found:
            causes.append((heading, found))
    here = result.summary
    own = Line(result.target.name, result.verdict, here.dla_nodes, here.gpu_nodes, here.loadables, "this report")
    return _Section(
        label(relative(result.model.path)),
        f"{result.target.name}, {result.target.precision.upper()}",
        result.verdict,
        verdict_sentence(result),
        operators=tuple(_operators(result)),
        causes=tuple(causes),
        measured=tuple((item.heading, sentence(item.sentence)) for item in measured_words(result)),
        unchecked=tuple(sentence(text) for text in result.unchecked),
        waived=tuple(dict.fromkeys(_waived(item) for item in result.waived)),
        baseline="" if result.baseline is None else _baseline(result.baseline),
        lines=(own, *result.others) if result.others else (),
        rules=tuple(sorted({(finding.code, finding.name) for finding in result.findings})),
        data=as_json(result, book),
    )


def _cause(group: Group, outcome: Outcome, book: RuleSet) -> _Cause:
    first = group.first
    numbers = list(dict.fromkeys(finding.node_index for finding in group.findings if finding.node_index >= 0))
    count = counted(len(group.nodes), "node") if group.nodes else "the model"
    behind = f", {len(group.followers)} behind" if group.followers else ""
    about = "" if numbers or not first.tensor else f"{label(first.tensor)}: "
    return _Cause(
        first.severity,
        first.code,
        first.name,
        count + behind,
        about + sentence(first.message),
        sentence(first.why),
        sentence(first.fix),
        ", ".join(first.rewrites),
        sentence(limit_in_words(first, outcome.target, book)),
        first.confidence,
        tuple(link(source, book.sources) for source in first.sources),
        tuple((number, node_label(outcome.nodes[number])) for number in numbers[:_NODES]),
        max(len(numbers) - _NODES, 0),
    )


def _waived(item: Waived) -> str:
    finding = item.finding
    until = f" (until {item.expires})" if item.expires else ""
    return f"{finding.code} {finding.name}, {label(finding.node or finding.tensor or 'the model')}: {sentence(item.reason)}{until}"


def _baseline(found: Contrast) -> str:
    gone = ", ".join(dict.fromkeys(f"{item.code} {label(item.node)}".strip() for item in found.fixed[:_NODES]))
    return f"{found.known} known to the baseline and left out, {len(found.fixed)} fixed{': ' if gone else ''}{gone}."


def _operators(outcome: Outcome) -> list[tuple[str, int, int, int, str]]:
    """Operator, nodes, nodes on the DLA and on the GPU, and the rules behind the latter with how many nodes; the GPU's first."""
    counts: dict[str, dict[Device, int]] = {}
    reasons: dict[str, dict[str, int]] = {}
    first: dict[int, str] = {}
    for finding in outcome.findings:
        if finding.severity == ERROR and finding.node_index >= 0 and finding.name not in WRONG_VALUES:
            first.setdefault(finding.node_index, f"{finding.code} {finding.name}")
    for node in outcome.nodes:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        found = counts.setdefault(name, dict.fromkeys(Device, 0))
        found[node.device] += 1
        if node.number in first:
            rules = reasons.setdefault(name, {})
            rules[first[node.number]] = rules.get(first[node.number], 0) + 1
    rows = []
    for name, found in sorted(counts.items(), key=lambda item: (-item[1][Device.GPU], -sum(item[1].values()), item[0])):
        said = [f"{rule} ({number})" if number > 1 else rule for rule, number in reasons.get(name, {}).items()]
        said += [f"{found[device]} {device.value}" for device in (Device.FOLDED, Device.UNKNOWN) if found[device]]
        rows.append((label(name), sum(found.values()), found[Device.DLA], found[Device.GPU], ", ".join(said)))
    return rows
