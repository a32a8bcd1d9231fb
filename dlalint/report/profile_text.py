"""Where the time of an engine went, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.report.bars import bar
from dlalint.report.layout import Row, Span, counted, spans, table, wrapped
from dlalint.report.profile_build import placement_rows
from dlalint.report.profile_head import head, ms
from dlalint.report.profile_parts import conversion_rows, group_rows, grouped, layer_rows, tuned_rows
from dlalint.trtexec.account import Account, Loadable
from dlalint.trtexec.names import spoken
from dlalint.trtexec.observed import Metric
from dlalint.trtexec.rows import Kind
from dlalint.trtexec.story import Story

LABELS = {
    "dla": "DLA loadables",
    "gpu": "GPU layers",
    "reformat": "reformats",
    "copy": "copies",
    "io": "network input, output",
    "sync": "handing buffers back",
    "noop": "nothing to do",
    "missing": "rows not in the file",
}
_STYLES = {"dla": "good", "gpu": "", "reformat": "warn", "io": "warn", "copy": "warn"}
_SHOWN = 6


def to_text(story: Story, width: int, *, verbose: bool, blocks: bool) -> list[Row]:
    """The report as lines of at most ``width`` columns; ``verbose`` cuts no list, ``blocks`` draws bars with block characters."""
    writer = _Writer(story, min(max(width, 60), 140), verbose, blocks)
    rows = list(head(story.engine, story.told, writer.width, writer.shortened))
    for section in writer.sections():
        body = list(section)
        if body:
            rows += [(), *body]
    return [*rows, ()]


class _Writer:
    def __init__(self, story: Story, width: int, verbose: bool, blocks: bool) -> None:
        self.story = story
        self.width = width
        self.verbose = verbose
        self.blocks = blocks
        self.shown = 1_000_000 if verbose else _SHOWN

    def sections(self) -> Iterator[Iterator[Row]]:
        told, build = self.story.told, self.story.engine.build
        if told is not None:
            yield self.shares(told)
            yield self.loadables(told)
            yield self.waiting(told)
        yield self.reformats()
        if told is not None:
            yield self.slowest(told)
        if build is not None:
            yield placement_rows(build, self.width, self.shown)
        yield tuned_rows(self.story.tuned, self.width, self.shown)
        yield conversion_rows(self.story.conversions, self.width, self.shown)
        yield self.inside()
        yield layer_rows(self.story, self.width, verbose=self.verbose)
        yield self.measured()

    def shares(self, told: Account) -> Iterator[Row]:
        shown = [share for share in told.shares if share.kind != "noop" or share.ms > 0]
        label = max(len(LABELS[share.kind]) for share in shown) if shown else 0
        room = max(self.width - label - 37, 8)
        yield spans(Span("Where the time goes", "title"))
        for share in sorted(shown, key=lambda share: (share.kind == "missing", -share.ms)):
            drawn = bar(share.percent / 100, room, blocks=self.blocks)
            rows = counted(share.rows, "row") if share.rows else ""
            lead = f"  {LABELS[share.kind]:<{label}}  {ms(share.ms):>9} ms {share.percent:>5.1f} %  {rows:>8}  "
            yield (Span(lead), Span(drawn, _STYLES.get(share.kind, "dim")))

    def loadables(self, told: Account) -> Iterator[Row]:
        if not told.loadables:
            yield spans(Span("No row is a DLA loadable.", "dim"))
            return
        yield spans(Span(f"Loadables ({len(told.loadables)})", "title"))
        ordered = sorted(told.loadables, key=lambda loadable: -loadable.ms)
        for loadable in ordered[: self.shown]:
            yield from self._loadable(loadable, told)
        if len(ordered) > self.shown:
            rest = sum(loadable.ms for loadable in ordered[self.shown :])
            yield spans(Span(f"  and {len(ordered) - self.shown} more with {ms(rest)} ms (-v shows all)", "dim"))
        if not all(loadable.sure for loadable in told.loadables):
            unsure = "Taken for loadables by their names, which GPU code of Myelin has too: layer information or the build log would tell."
            yield from wrapped("  ", unsure, self.width, "dim")

    def _loadable(self, loadable: Loadable, told: Account) -> Iterator[Row]:
        percent = loadable.ms / told.whole.ms * 100 if told.whole.ms else 0.0
        count = f"{counted(len(loadable.nodes), 'node')}, " if loadable.complete else ""
        lead = f"  {loadable.number:>3}  {ms(loadable.ms):>8} ms {percent:>5.1f} %  "
        named = " ... ".join(dict.fromkeys((loadable.nodes[0], loadable.nodes[-1]))) if loadable.nodes else spoken(loadable.name)
        yield from hanging(lead, f"{count}{named}", self.width, "good")
        pad = " " * 7
        if loadable.wait >= 0:
            what = f"{ms(loadable.own_ms)} ms on its own row, {ms(loadable.waited_ms)} ms on the row that waits for it"
            yield from wrapped(pad, what, self.width, "dim")
        elif told.deferred:
            yield from wrapped(pad, "no row waits for it alone: its time is with the loadable behind it", self.width, "dim")
        if loadable.reads or loadable.precision:
            sides = [", ".join(dict.fromkeys(str(form) for form in side)) or "?" for side in (loadable.reads, loadable.writes)]
            said = f"computes in {loadable.precision or '?'}, reads {sides[0]}, writes {sides[1]}"
            yield from wrapped(pad, said, self.width, "dim")
        if self.verbose and len(loadable.nodes) > 2:
            yield from wrapped(pad, ", ".join(loadable.nodes), self.width, "dim")

    def waiting(self, told: Account) -> Iterator[Row]:
        if not told.waiting:
            return
        yield spans(Span("Rows that wait for the DLA", "title"), Span("  (no cost of reformatting)", "dim"))
        for loadable in told.loadables:
            if loadable.wait >= 0:
                name = self.shortened(told.rows[loadable.wait].row.name)
                yield from hanging(f"  {ms(loadable.waited_ms):>9} ms  ", f"{name}: waits for loadable {loadable.number}", self.width)

    def reformats(self) -> Iterator[Row]:
        costs = [cost for cost in self.story.reformats if not cost.free]
        free = len(self.story.reformats) - len(costs)
        if not self.story.reformats:
            return
        timed = sum(cost.ms or 0.0 for cost in costs)
        said = f"{len(costs)}" + (f", {ms(timed)} ms in all" if any(cost.ms is not None for cost in costs) else ", not timed")
        yield spans(Span("Reformats", "title"), Span(f"  ({said}{f'; {free} more cost nothing' if free else ''})", "dim"))
        groups = grouped(costs)
        for group in groups[: self.shown]:
            yield from group_rows(group, self.width, self.shown, self.shortened)
        if len(groups) > self.shown:
            yield spans(Span(f"  and {len(groups) - self.shown} more causes (-v shows all)", "dim"))

    def slowest(self, told: Account) -> Iterator[Row]:
        rows = sorted((row for row in told.rows if row.kind is Kind.GPU and row.ms > 0), key=lambda row: -row.ms)
        if not rows:
            return
        yield spans(Span("Slowest on the GPU", "title"))
        for row in rows[: self.shown]:
            percent = row.ms / told.whole.ms * 100 if told.whole.ms else 0.0
            yield from hanging(f"  {ms(row.ms):>9} ms {percent:>5.1f} %  ", spoken(row.row.name), self.width)
        if len(rows) > self.shown:
            rest = sum(row.ms for row in rows[self.shown :])
            yield spans(Span(f"  and {len(rows) - self.shown} more with {ms(rest)} ms (-v shows all)", "dim"))

    def inside(self) -> Iterator[Row]:
        layers = sorted(self.story.engine.cudla, key=lambda layer: -layer.busy_ms)
        if not layers:
            return
        total = sum(layer.busy_ms for layer in layers) or 1.0
        yield spans(Span(f"Inside the loadable, by cuDLA ({counted(len(layers), 'layer')}, {ms(total)} ms)", "title"))
        body = [
            [ms(layer.busy_ms), f"{layer.busy_ms / total * 100:.1f} %", bar(layer.busy_ms / total, 20, blocks=self.blocks), layer.name]
            for layer in layers[: self.shown]
        ]
        yield from table(["ms", "", "", "layer"], body, self.width, frozenset({0, 1}))
        if len(layers) > self.shown:
            yield spans(Span(f"  and {len(layers) - self.shown} more (-v shows all)", "dim"))

    def measured(self) -> Iterator[Row]:
        summary, times = self.story.engine.summary, self.story.engine.times
        found = [*(summary.metrics if summary is not None else ()), *(times.metrics if times is not None else ())]
        metrics = [metric for metric in found if metric.mean or metric.most]
        if not metrics and (summary is None or summary.qps is None):
            return
        yield spans(Span("Whole runs, as trtexec measured them", "title"))
        if summary is not None and summary.qps is not None:
            yield spans(f"  throughput {summary.qps:g} queries a second")
        for metric in metrics:
            yield from wrapped("  ", f"{metric.name}: {_metric(metric)}", self.width)

    def shortened(self, name: str) -> str:
        """A row's name with the loadable in it by its number."""
        for loadable in self.story.told.loadables if self.story.told is not None else ():
            if loadable.name in name:
                return name.replace(loadable.name, f"loadable {loadable.number}")
        return name


def hanging(lead: str, text: str, width: int, style: str = "") -> list[Row]:
    """``text`` behind ``lead``, both as written."""
    return [(Span(row[0].text), Span(row[1].text, style)) for row in wrapped(lead, text, width)]


def _metric(metric: Metric) -> str:
    parts = [("mean", metric.mean), ("median", metric.median), ("least", metric.least), ("most", metric.most)]
    parts += [(f"{percent:g} % within", value) for percent, value in metric.percentiles]
    return ", ".join(f"{word} {value:.4g} ms" for word, value in parts if value is not None)


def unknown_rows(files: Sequence[tuple[str, int, Sequence[tuple[int, str]]]], width: int, *, verbose: bool) -> list[Row]:
    """The lines that no reader knew: their number, and with ``verbose`` a few of them."""
    rows: list[Row] = []
    for path, count, examples in files:
        if count:
            rows += wrapped("", f"{path}: {counted(count, 'line')} not understood{'' if verbose else ' (-v shows some)'}", width, "dim")
            rows += [row for number, text in examples if verbose for row in wrapped(f"  {number}: ", text, width, "dim")]
    return rows
