"""The report on a prediction and a build for people: how far they agree, what differs, why, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.graph import Device
from dlalint.report.compare_parts import group_rows, loadable_rows, named, node_rows, time_rows, titled
from dlalint.report.layout import Row, Span, counted, spans, table, wrapped
from dlalint.trtexec.agreement import Agreement, Split, Tally
from dlalint.trtexec.comparison import Comparison
from dlalint.trtexec.observed import Observed
from dlalint.trtexec.result import Compared

_MOST = 10


def to_text(result: Compared, files: Sequence[Observed], width: int, *, verbose: bool = False) -> Iterator[Row]:
    """The report, for a terminal of ``width`` columns; ``verbose`` lists every node and cuts nothing."""
    columns = min(max(width, 60), 140)
    found, most = result.found, 100_000 if verbose else _MOST
    yield from _head(result, files, columns)
    yield from ((), *_numbers(found, result.numbers, columns))
    if result.groups:
        soc = found.outcome.target.soc
        causes = counted(len(result.groups), "cause")
        yield from ((), spans(Span(f"Differences ({counted(len(found.differing), 'node')}, {causes})", "title")))
        for group in result.groups[:most]:
            yield from group_rows(group, soc, columns, most)
        if len(result.groups) > most:
            yield spans(Span(f"  and {len(result.groups) - most} more (-v shows all)", "dim"))
        if any(group.corrections for group in result.groups):
            yield from wrapped("  ", _advice(result), columns, "dim")
    for part in (
        loadable_rows(result, columns, most),
        _operators(result.numbers, columns, most),
        _rules(result.numbers, columns),
        time_rows(result, columns, most),
        node_rows(result, columns) if verbose else iter(()),
        _untold(found, columns, most),
        _notes(found, files, columns),
    ):
        rows = list(part)
        yield from ((), *rows) if rows else ()
    yield ()


def _head(result: Compared, files: Sequence[Observed], width: int) -> Iterator[Row]:
    found, target = result.found, result.found.outcome.target
    paths = ", ".join(file.path for file in files)
    yield from wrapped("", f"{found.outcome.model.path} against {paths}", width, "title")
    numbers = result.numbers
    compared = numbers.whole.whole.real + numbers.whole.copies.real
    wrong = len(found.differing)
    if found.doubtful:
        names = found.joined + len(found.unjoined)
        where = f"{wrong} of {counted(compared, 'node')} that join ran elsewhere" if wrong else "The nodes that join ran where predicted"
        what = f"{len(found.unjoined)} of {names} names in the files are of no node of the model; was another one built? {where}."
        yield from wrapped("DOUBTFUL: ", what, width, "bad")
    elif found.agrees:
        yield from wrapped("AGREES: ", f"{_all(compared)} ran where predicted.", width, "good")
    elif wrong:
        what = f"{wrong} of {counted(compared, 'node')} that the files tell of ran elsewhere than predicted."
        yield from wrapped("DIFFERS: ", what, width, "bad")
    else:
        what = f"{_all(compared)} ran where predicted, but the loadables are not cut as predicted."
        yield from wrapped("DIFFERS: ", what, width, "bad")
    yield from wrapped("  ", f"Target {target.name} in {target.precision.upper()}: {'; '.join(result.chosen)}.", width, "dim")


def _all(count: int) -> str:
    return "the one node that the files tell of" if count == 1 else f"each of the {count} nodes that the files tell of"


def _numbers(found: Comparison, numbers: Agreement, width: int) -> Iterator[Row]:
    whole, summary = numbers.whole, found.outcome.summary
    body = [["on the DLA", *_cells(whole.dla)], ["on the GPU", *_cells(whole.gpu)], ["both", *_cells(whole.whole)]]
    if whole.dla.real and whole.gpu.real:
        body.append(["balanced", "", "", f"{whole.balanced:.1f} %"])
    if whole.copies.real:
        body.append(["copies, reshapes", *_cells(whole.copies)])
    yield from table(["nodes", "real", "as predicted", ""], body, width, frozenset({1, 2}))
    pairs = [["loadables", found.loaded, summary.loadables], ["candidates", found.candidates, summary.candidates]]
    rows = [
        [str(name), str(real), str(predicted), "" if real == predicted else "differs"]
        for name, real, predicted in pairs
        if real is not None
    ]
    if rows:
        yield ()
        yield from table(["parts", "real", "predicted", ""], rows, width, frozenset({1, 2}))
    left = [
        (numbers.untold, "of which the files do not tell where it ran", "of which the files do not tell where they ran"),
        (numbers.folded, "that is predicted to vanish and is named nowhere", "that are predicted to vanish and are named nowhere"),
        (numbers.unpredicted, "without a prediction", "without a prediction"),
    ]
    said = [f"{counted(count, 'node')} {one if count == 1 else many}" for count, one, many in left if count]
    if said:
        yield from wrapped("  ", f"Not compared: {'; '.join(said)}.", width, "dim")


def _cells(tally: Tally) -> list[str]:
    return [str(tally.real), str(tally.found), "" if tally.share is None else f"{tally.share:.1f} %"]


def _advice(result: Compared) -> str:
    name = result.limits
    return (
        f"Lines for {name} are suggestions: one build is one observation. Name the build in rules/sources.toml in place of `your-build`,"
        " and save it with --write-case, so that the tests keep it."
    )


def _operators(numbers: Agreement, width: int, most: int) -> Iterator[Row]:
    shown = [item for item in numbers.operators if item.whole.real or item.copies.real]
    if len(shown) < 2:
        return
    shown.sort(key=lambda item: not _wrong(item))
    yield spans(Span("By operator", "title"))
    yield from table(["", "DLA", "GPU", "copies", ""], [_split_cells(item) for item in shown[:most]], width, frozenset({1, 2, 3}))
    if len(shown) > most:
        rest = shown[most:]
        wrong = sum(_wrong(item) for item in rest)
        yield spans(Span(f"  and {counted(len(rest), 'more operator')}, {wrong} differing (-v shows all)", "dim"))


def _wrong(item: Split) -> int:
    return item.whole.real - item.whole.found + item.copies.real - item.copies.found


def _split_cells(item: Split) -> list[str]:
    wrong = _wrong(item)
    cells = [f"{tally.found}/{tally.real}" if tally.real else "-" for tally in (item.dla, item.gpu, item.copies)]
    return [item.name, *cells, f"{wrong} differing" if wrong else ""]


def _rules(numbers: Agreement, width: int) -> Iterator[Row]:
    shown = [item for item in numbers.rules if item.used]
    if not shown or (len(shown) == 1 and not shown[0].code):
        return
    yield from titled("By rule", "nodes that it sends to the GPU, and how many ran there", width)
    body = []
    for item in shown:
        wrong = "" if item.right == item.used else f"{item.used - item.right} differing"
        body.append([item.code or "-", f"{item.right}/{item.used}", wrong, item.name if item.code else "no rule, so the DLA"])
    yield from table(["", "right", "", "rule"], body, width, frozenset({1}))


def _untold(found: Comparison, width: int, most: int) -> Iterator[Row]:
    """The nodes without a known device by reason."""
    reasons: dict[str, list[str]] = {}
    for pair in found.pairs:
        if not pair.real.device and pair.node.device is not Device.FOLDED:
            reasons.setdefault(pair.real.why, []).append(pair.node.id)
    if not reasons:
        return
    yield spans(Span("Not told by the files", "title"))
    for why, names in reasons.items():
        yield from wrapped("  ", f"{counted(len(names), 'node')}: {why}", width)
        yield from wrapped("    ", named(names, min(most, 4)), width, "dim")


def _notes(found: Comparison, files: Sequence[Observed], width: int) -> Iterator[Row]:
    for note in found.notes:
        yield from wrapped("  - ", note, width)
    if found.unjoined:
        names = named(found.unjoined, 4)
        yield from wrapped("  - ", f"{counted(len(found.unjoined), 'name')} in the files, but of no node of the model: {names}.", width)
    for file in files:
        if file.unknown.lines:
            what = f"{counted(file.unknown.lines, 'line')} of {file.path} were not understood; `dlalint profile -v` shows some."
            yield from wrapped("  - ", what, width)
