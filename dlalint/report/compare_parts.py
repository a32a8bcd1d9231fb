"""Parts of the report on a prediction and a build: causes, loadables, times, nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from dlalint.report.escape import shortened_name
from dlalint.report.layout import Row, Span, counted, listed, spans, table, wrapped
from dlalint.trtexec.claims import DLA, GPU
from dlalint.trtexec.comparison import Pair
from dlalint.trtexec.correction import Group, toml
from dlalint.trtexec.names import spoken
from dlalint.trtexec.node_times import Measured
from dlalint.trtexec.result import Compared

SOURCE = "your-build"
_REAL = {DLA: "DLA", GPU: "GPU", "not-dla": "GPU", "not-gpu": "DLA", "": "?"}
_PREDICTED = {"dla": "the DLA", "gpu": "the GPU", "folded": "to vanish"}


def titled(title: str, remark: str, width: int) -> Iterator[Row]:
    """A heading with a remark behind it, or below where it does not fit."""
    if len(title) + 2 + len(remark) <= width:
        yield spans(Span(title, "title"), Span(f"  {remark}" if remark else "", "dim"))
    else:
        yield spans(Span(title, "title"))
        yield from wrapped("  ", remark, width, "dim")


def named(names: Sequence[str], most: int) -> str:
    """Names of nodes or layers, each of bounded length, the rest counted."""
    return listed([shortened_name(name) for name in names], most)


def group_rows(group: Group, soc: str, width: int, most: int) -> Iterator[Row]:
    """One cause: the nodes, the rule, the log's reason, the correction."""
    first = group.pairs[0]
    counts = Counter(pair.node.op_type for pair in group.pairs)
    operators = ", ".join(f"{count} {name}" for name, count in counts.most_common(4))
    operators += f" and {len(group.pairs) - sum(count for _, count in counts.most_common(4))} more" if len(counts) > 4 else ""
    title = f"predicted {_PREDICTED[first.node.device.value]}, ran on the {_REAL[first.real.device]}"
    yield spans("  ", Span(title, "bad"), Span(f"  {operators}", "dim"))
    yield from wrapped("    ", named([pair.node.id for pair in group.pairs], min(most, 6)), width)
    for code, message in group.rules or (("", "none"),):
        yield from wrapped("    rule  ", f"{code} {message}".strip(), width)
    on_gpu = _REAL[first.real.device] == "GPU"
    said = group.reason if on_gpu else f"warned of it all the same: {group.reason}" if group.reason else ""
    yield from wrapped("    log   ", f"{said or ('gives no reason' if on_gpu else 'has it there')} (told by {first.real.basis})", width)
    if group.remark:
        yield from wrapped("    data  ", group.remark, width)
    for number, line in enumerate(toml(group.corrections, soc, SOURCE, either=group.either)):
        yield from _code("    data  " if not number and not group.remark else "          ", line, width)


def _code(lead: str, line: str, width: int) -> Iterator[Row]:
    """A line to copy, with its remark below when both do not fit."""
    text, mark, remark = line.partition("  # ")
    if not mark or len(lead) + len(line) <= width:
        yield spans(lead, Span(line, "code"))
        return
    yield spans(lead, Span(text, "code"))
    for row in wrapped("", remark, width - len(lead) - 2, "dim"):
        yield (Span(" " * len(lead) + "# ", "dim"), *row)


def loadable_rows(result: Compared, width: int, most: int) -> Iterator[Row]:
    """The real loadables where they are not as predicted, or where their time is known."""
    found = result.found
    wrong = [item for item in found.loadables if not item.same]
    missing = found.missing
    shown = wrong if wrong or missing else [item for item in found.loadables if item.name in result.loadable_ms]
    if not shown and not missing:
        return
    title = "Loadables that are cut otherwise" if wrong or missing else "Loadables"
    timed = result.estimated and any(item.name in result.loadable_ms for item in shown)
    yield from titled(title, "times as measured while building" if timed else "", width)
    body = []
    for item in shown[:most]:
        ms = result.loadable_ms.get(item.name)
        held = f"{len(item.nodes)}{'' if item.exact else ' or more'}"
        twin = "as predicted" if item.same else "none" if item.twin < 0 else counted(len(found.predicted[item.twin]), "node")
        body.append([held, "-" if ms is None else f"{ms:.3f}", twin, shortened_name(spoken(item.name))])
    for number in missing[:most]:
        nodes = [found.pairs[node].node.id for node in found.predicted[number]]
        ends = " ... ".join(dict.fromkeys(shortened_name(name) for name in (nodes[0], nodes[-1])))
        body.append(["none", "-", counted(len(nodes), "node"), ends])
    yield from table(["nodes", "ms", "predicted", ""], body, width, frozenset({0, 1}))
    if len(shown) > most:
        yield spans(Span(f"  and {len(shown) - most} more (-v shows all)", "dim"))


def time_rows(result: Compared, width: int, most: int) -> Iterator[Row]:
    """The nodes that take longest on the GPU, each where its layer stands for it alone or with others."""
    layers: dict[tuple[str, ...], list[int]] = {}
    for number, time in result.times.items():
        if time.layer_ms:
            layers.setdefault(time.layers, []).append(number)
    if not layers:
        return
    ranked = sorted(layers.items(), key=lambda item: -(result.times[item[1][0]].layer_ms or 0.0))
    remark = "as measured while building; " if result.estimated else ""
    yield from titled("Nodes with a time of their own", f"{remark}those in a loadable have none", width)
    body = []
    for _, numbers in ranked[: min(most, 8)]:
        time = result.times[numbers[0]]
        names = named([result.found.pairs[number].node.id for number in numbers], 3)
        body.append([f"{time.layer_ms:.3f}", time.precision or "-", names if len(numbers) == 1 else f"{names} (together)"])
    yield from table(["ms", "in", ""], body, width, frozenset({0}))
    if len(ranked) > min(most, 8):
        yield spans(Span(f"  and {counted(len(ranked) - min(most, 8), 'more layer')} (-v shows every node)", "dim"))


def node_rows(result: Compared, width: int) -> Iterator[Row]:
    """Every node: predicted, real, time, precision."""
    yield spans(Span("Nodes", "title"))
    body = [
        [*_node_cells(pair, result.times.get(pair.node.number)), f"{pair.node.op_type}  {shortened_name(pair.node.id)}"]
        for pair in result.found.pairs
    ]
    yield from table(["predicted", "real", "", "ms", "in", "node"], body, width, frozenset({3}))


def _node_cells(pair: Pair, time: Measured | None) -> list[str]:
    mark = {True: "", False: "differs", None: "-"}[pair.agrees]
    ms = "-" if time is None or time.ms is None else f"{time.ms:.3f}"
    predicted = pair.node.device.value
    return [predicted.upper() if predicted in (DLA, GPU) else predicted, _REAL[pair.real.device], mark, ms, time.precision if time else ""]
