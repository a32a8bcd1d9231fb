"""The report for people: verdict, operators, root causes, partition, what was not checkable, other targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlalint.engine.predicates import value_in_words
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR, NOTE, SEVERITIES, WARNING, WRONG_VALUES, Finding
from dlalint.graph import Device
from dlalint.plan import Line, Outcome, Segment
from dlalint.report.explained import limit_rows, rewrite_rows
from dlalint.report.grouping import Group, grouped, is_wrong
from dlalint.report.layout import Row, Span, continued, counted, listed, size, spans, table, wrapped
from dlalint.report.measures import measured_rows
from dlalint.report.to_json import cited

_STYLE = {ERROR: "bad", WARNING: "warn", NOTE: "dim"}
_MARK = {"full": "good", "partial": "warn", "none": "bad", "unknown": "warn"}
_SHOWN = 6  # names of a list, unless everything is asked for
_SEGMENTS = 12
_WRONG = "Wrong in FP16"
_HEADINGS = {ERROR: "Why nodes run on the GPU", WARNING: "At risk", NOTE: "Notes"}


def to_text(
    outcome: Outcome,
    sources: Mapping[str, Any],
    width: int,
    *,
    verbose: bool = False,
    quiet: bool = False,
    book: RuleSet | None = None,
    coarser: bool = False,
) -> list[Row]:
    """The report as lines for a terminal of ``width`` columns; ``quiet`` leaves the verdict, ``verbose`` cuts no list.

    With a ``book`` every finding, notes too, is explained from its rule. ``coarser`` says that trtexec could be told to make room among
    the loadables.
    """
    writer = _Writer(outcome, sources, min(max(width, 60), 140), verbose, book)
    rows = list(writer.verdict())
    if quiet:
        return rows
    sections = (
        *([] if outcome.status == "no-dla" else [writer.operators()]),
        measured_rows(outcome, writer.width, verbose=verbose),
        writer.contrast(),
        *writer.causes(),
        writer.next_steps(coarser),
        writer.waived(),
        writer.segments(),
        writer.unchecked(),
        writer.targets(),
    )
    for section in sections:
        body = list(section)
        if body:
            rows += [(), *body]
    return [*rows, ()]


class _Writer:
    def __init__(self, outcome: Outcome, sources: Mapping[str, Any], width: int, verbose: bool, book: RuleSet | None) -> None:
        self.book = book
        self.outcome = outcome
        self.sources = sources
        self.width = width
        self.shown = 1_000_000 if verbose else _SHOWN
        self.verbose = verbose
        self._cited: dict[tuple[str, ...], str] = {}  # lists of sources, by the code they were written for

    def verdict(self) -> Iterator[Row]:
        outcome = self.outcome
        target = outcome.target
        yield spans(Span(f"{outcome.model.path} on {target.name}, {target.precision.upper()}", "title"))
        first, *others = wrapped(f"{outcome.verdict.upper()}: ", verdict_sentence(outcome), self.width)
        yield (first[0]._replace(style=_MARK[outcome.verdict]), first[1])
        yield from others

    def operators(self) -> Iterator[Row]:
        counts: dict[str, dict[Device, int]] = {}
        for node in self.outcome.nodes:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            found = counts.setdefault(name, dict.fromkeys(Device, 0))
            found[node.device] += 1
        if not counts:
            return
        reasons = self._reasons()
        body = []
        for name, found in sorted(counts.items(), key=lambda item: (-item[1][Device.GPU], -sum(item[1].values()), item[0])):
            said = [f"{slug} ({number})" if number > 1 else slug for slug, number in reasons.get(name, {}).items()]
            said += [f"{found[device]} {device.value}" for device in (Device.FOLDED, Device.UNKNOWN) if found[device]]
            cells = [str(found[device]) if found[device] else "-" for device in (Device.DLA, Device.GPU)]
            body.append([name, str(sum(found.values())), *cells, ", ".join(said)])
        yield from table(["Operator", "nodes", "DLA", "GPU", "reason"], body, self.width, frozenset({1, 2, 3}))

    def _reasons(self) -> dict[str, dict[str, int]]:
        """For each operator, the rules that send its nodes to the GPU, with how many nodes."""
        found: dict[str, dict[str, int]] = {}
        said: set[int] = set()
        for finding in (*self.outcome.findings, *(item.finding for item in self.outcome.waived)):
            number = finding.node_index
            if finding.severity != ERROR or number < 0 or number in said or finding.name in WRONG_VALUES:
                continue
            said.add(number)
            node = self.outcome.nodes[number]
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            rules = found.setdefault(name, {})
            rules[finding.name] = rules.get(finding.name, 0) + 1
        return found

    def causes(self) -> Iterator[Iterator[Row]]:
        groups = grouped(self.outcome.findings)
        told = (ERROR, WARNING) if self.book is None else SEVERITIES
        for severity, wrong in ((ERROR, True), *((severity, False) for severity in told)):
            chosen = [group for group in groups if group.first.severity == severity and is_wrong(group) is wrong]
            if chosen:
                yield self._entries(_WRONG if wrong else _HEADINGS[severity], chosen)
        notes = [group for group in groups if group.first.severity == NOTE]
        if notes and self.book is None:
            yield self._notes(notes)

    def next_steps(self, coarser: bool) -> Iterator[Row]:
        """Which commands may help: for which of the rules there are rewrites, and who makes room for large groups of layers."""
        codes = sorted({item.code for item in self.outcome.findings if item.rewrites and item.cause is None})
        if codes:
            yield from wrapped("Next  ", f"`dlalint fix --diff` tries rewrites for {listed(codes, len(codes))}.", self.width)
        if coarser:
            said = "`dlalint trtexec --coarser` looks for small groups to send to the GPU, which makes room for larger ones."
            yield from wrapped("      " if codes else "Next  ", said, self.width)

    def contrast(self) -> Iterator[Row]:
        found = self.outcome.baseline
        if found is None:
            return
        new = len(self.outcome.findings)
        yield spans(Span("Against the baseline", "title"))
        said = f"{counted(new, 'new finding')}, {found.known} known and left out, {len(found.fixed)} fixed."
        yield from wrapped("  ", said, self.width, "bad" if new else "good")
        if found.fixed:
            names = [f"{item.code} {item.name}" + (f" ({item.node})" if item.node else "") for item in found.fixed]
            yield from wrapped("  fixed   ", listed(names, self.shown), self.width)

    def waived(self) -> Iterator[Row]:
        groups: dict[tuple[str, str, str], list[Finding]] = {}
        for item in self.outcome.waived:
            groups.setdefault((f"{item.finding.code} {item.finding.name}", item.reason, item.expires), []).append(item.finding)
        if groups:
            yield spans(Span("Waived", "title"))
        for (rule, reason, expires), findings in groups.items():
            names = list(dict.fromkeys(finding.node or finding.tensor or "the model" for finding in findings))
            yield spans("  ", Span(rule, "dim"), "  ", listed(names, self.shown))
            yield from wrapped("    reason  ", f"{reason} (until {expires})" if expires else reason, self.width)

    def _entries(self, heading: str, groups: Sequence[Group]) -> Iterator[Row]:
        yield spans(Span(heading, "title"))
        for group in groups:
            yield from self._entry(group)

    def _entry(self, group: Group) -> Iterator[Row]:
        first = group.first
        count = counted(len(group.nodes), "node") if group.nodes else "the model"
        yield spans("  ", Span(f"{first.code} {first.name}", _STYLE[first.severity]), Span(f"  {count}", "dim"))
        yield from wrapped("    ", f"{first.node}: {first.message}" if first.node else first.message, self.width)
        if " + " in first.layer and first.layer != first.node:  # what is said is about more than this node
            yield from wrapped("    layer   ", first.layer, self.width)
        if len(group.nodes) > 1:
            yield from wrapped("    also    ", listed(group.nodes[1:], self.shown), self.width)
        if len(group.findings) > 1:
            values = dict.fromkeys(value_in_words(finding.observed) for finding in group.findings if finding.observed is not None)
            if len(values) > 1:
                yield from wrapped("    with    ", listed(list(values), self.shown), self.width)
        if group.followers:
            follow = f"{counted(len(group.followers), 'node')}: {listed(group.followers, self.shown)}"
            yield from wrapped("    behind  ", follow, self.width)
        yield from wrapped("    why     ", first.why, self.width)
        yield from wrapped("    do      ", first.fix, self.width)
        if self.book is not None:
            yield from rewrite_rows(first.rewrites, self.book, "    fix     ", self.width)
            yield from limit_rows(self.book.by_code[first.code], self.book, "    limit   ", self.width)
        if first.sources:
            cites = self._cites(first)
            yield from wrapped("    source  ", f"{cites} ({first.confidence})", self.width)

    def _cites(self, finding: Finding) -> str:
        """The sources of a finding; a long list is written once."""
        if finding.sources in self._cited:
            return f"as for {self._cited[finding.sources]} above"
        if len(finding.sources) > 2:
            self._cited[finding.sources] = finding.code
        return "; ".join(cited(source, self.sources) for source in finding.sources)

    def _notes(self, groups: Sequence[Group]) -> Iterator[Row]:
        yield spans(Span(_HEADINGS[NOTE], "title"))
        for group in groups:
            first = group.first
            more = len(group.findings) - 1
            about = f"{first.node}{f' and {more} more' if more else ''}: " if first.node else ""
            others = f" (and {more} more)" if more and not first.node else ""
            yield from wrapped(f"  {first.code} ", f"{about}{first.message}{others}. {first.fix}", self.width)

    def segments(self) -> Iterator[Row]:
        found = _runs(self.outcome.partition.segments)
        if not any(run[0].device is Device.DLA for run in found):
            return
        yield spans(Span("Partition", "title"))
        most = len(found) if self.verbose else _SEGMENTS
        for run in found[:most]:
            yield from self._run(run)
        if len(found) > most:
            yield spans(Span(f"  and {len(found) - most} more (-v shows all)", "dim"))

    def _run(self, run: Sequence[Segment]) -> Iterator[Row]:
        layers = self.outcome.network.layers
        segment, end = run[0], run[-1]
        count = sum(len(part.layers) for part in run)
        first, last = layers[segment.layers[0]].name, layers[end.layers[-1]].name
        over = sum(not part.placed for part in run)
        said = counted(count, "layer") + (f", {counted(over, 'candidate')} over the limit" if over else "")
        numbers = str(segment.number) if len(run) == 1 else f"{segment.number}-{end.number}"
        style = "good" if segment.device is Device.DLA else ""
        names = first if first == last else f"{first} ... {last}"
        lead = (Span(f"  {numbers:>7} "), Span(f"{segment.device.value.upper():<3} ", style))
        indent = sum(len(span.text) for span in lead)
        yield from continued((*lead, Span(f"{said}: ", "dim")), names, self.width, indent)
        if segment.device is Device.DLA:
            for word, tensors in (("in", segment.inputs), ("out", segment.outputs)):
                sizes = [f"{name} {size(self.outcome.boundaries[name].bytes)}" for name in tensors]
                yield from wrapped(f"{' ' * indent}{word:<4}", listed(sizes, self.shown), self.width)

    def unchecked(self) -> Iterator[Row]:
        if not self.outcome.unchecked:
            return
        yield spans(Span("Not checkable", "title"))
        for text in self.outcome.unchecked:
            yield from wrapped("  - ", text, self.width)

    def targets(self) -> Iterator[Row]:
        if not self.outcome.others:
            return
        yield spans(Span("Other targets", "title"))
        for line in self.outcome.others:
            lead = (Span(f"  {line.target}: "), Span(line.verdict, _MARK[line.verdict]))
            yield from continued(lead, _rest(line), self.width, 6)


def _runs(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Loadables alone, what runs on the GPU between them together."""
    runs: list[list[Segment]] = []
    for segment in segments:
        if runs and Device.DLA not in (segment.device, runs[-1][0].device):
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _rest(line: Line) -> str:
    if line.remark:
        return f", {line.remark}"
    return f", {line.dla_nodes} of {counted(line.dla_nodes + line.gpu_nodes, 'node')} on the DLA, {counted(line.loadables, 'loadable')}"


def verdict_sentence(outcome: Outcome) -> str:
    """The verdict in one sentence, with its numbers."""
    summary = outcome.summary
    work = summary.dla_nodes + summary.gpu_nodes + summary.unknown_nodes
    if outcome.status == "no-dla":
        return f"no node runs on a DLA, all {counted(work, 'node')} run on the GPU."
    guess = "if the limits of Orin hold there, " if outcome.status == "unpublished" else ""
    parts = [f"{guess}{summary.dla_nodes} of {counted(work, 'node')} run on the DLA"]
    if summary.loadables:
        limit = f" of at most {summary.loadable_limit}" if summary.loadable_limit is not None else ""
        parts[0] += f" in {counted(summary.loadables, 'loadable')}{limit}"
    if summary.gpu_nodes:
        parts.append(f"{summary.gpu_nodes} on the GPU")
    if summary.unknown_nodes:
        parts.append(f"{summary.unknown_nodes} cannot be told")
    if summary.transitions:
        times = "once" if summary.transitions == 1 else f"{summary.transitions} times"
        parts.append(f"tensors change device {times} ({size(summary.boundary_bytes)})")
    total = summary.dla_macs + summary.gpu_macs
    if total:
        parts.append(f"{100 * summary.dla_macs / total:.0f} % of the multiplications on the DLA")
    folded = f" {counted(summary.folded_nodes, 'node')} folded away." if summary.folded_nodes else ""
    return ", ".join(parts) + "." + folded
