"""Parts of the report on a profile: reformats by cause, formats that were tried, precisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dlalint.report.layout import Row, Span, counted, spans, table, wrapped
from dlalint.trtexec.estimate import Choice, Conversion, Tuned
from dlalint.trtexec.names import reformat, spoken
from dlalint.trtexec.observed import Format, LayerInfo
from dlalint.trtexec.precision import Computed
from dlalint.trtexec.precision import counted as by_precision
from dlalint.trtexec.reformats import Cost, Edge
from dlalint.trtexec.story import Story

_LAYERS = 12


def grouped(costs: Sequence[Cost]) -> list[list[Cost]]:
    """Reformats with one cause together, the costliest cause first."""
    groups: dict[tuple[str, str], list[Cost]] = {}
    for cost in costs:
        groups.setdefault((cost.edge.value, cost.reason or cost.cause), []).append(cost)
    return sorted(groups.values(), key=lambda group: -sum(cost.ms or 0.0 for cost in group))


def group_rows(group: Sequence[Cost], width: int, most: int, named: Callable[[str], str]) -> Iterator[Row]:
    """One cause: what it costs, why it is there, what would remove it."""
    first = group[0]
    timed = sum(cost.ms or 0.0 for cost in group)
    cost = f"{timed:.3f} ms" if any(item.ms is not None for item in group) else "not timed"
    count = "" if len(group) == 1 else f", {counted(len(group), 'reformat')}"
    yield spans("  ", Span(first.edge.value, "warn"), Span(f"  {cost}{count}", "dim"))
    for item in sorted(group, key=lambda item: -(item.ms or 0.0))[: min(most, 3)]:
        yield from wrapped("    ", _what(item, named), width)
    if len(group) > min(most, 3):
        yield spans(Span(f"    and {len(group) - min(most, 3)} more", "dim"))
    by = " (told by the order of the rows)"
    others = len({item.cause for item in group}) - 1
    alike = f", and {counted(others, 'layer')} for the same reason" if others else ""
    yield from wrapped("    why  ", f"{first.cause}{alike}{'' if first.certain or first.edge is Edge.UNKNOWN else by}", width)
    if first.cure:
        yield from wrapped("    do   ", first.cure, width)


def _what(cost: Cost, named: Callable[[str], str]) -> str:
    move = reformat(cost.name)
    place = f"{move.side} {move.number} of {spoken(named(move.layer))}" if move is not None else named(cost.name)
    tensor = f" ({cost.tensor})" if cost.tensor else ""
    forms = f", {cost.source} -> {cost.target}" if cost.source is not None and cost.target is not None else ""
    time = f", {cost.ms:.3f} ms" if cost.ms is not None else ""
    return f"{place}{tensor}{forms}{time}"


def tuned_rows(tuned: Sequence[Tuned], width: int, most: int) -> Iterator[Row]:
    """What each loadable takes with each pair of formats."""
    shown = sorted((item for item in tuned if len(item.choices) > 1), key=lambda item: -item.choices[0].ms)
    if not shown:
        return
    yield spans(Span("Loadables by format, as measured while building", "title"))
    for item in shown[: max(most // 2, 1)]:
        yield from wrapped("  ", spoken(item.name), width)
        body = [
            [f"{choice.ms:.3f} ms", _forms(choice.reads), _forms(choice.writes), _remark(choice, item)] for choice in item.choices[:most]
        ]
        yield from table(["", "reads", "writes", ""], body, width, frozenset({0}))
    if len(shown) > max(most // 2, 1):
        yield spans(Span(f"  and {len(shown) - max(most // 2, 1)} more loadables (-v shows all)", "dim"))


def _remark(choice: Choice, item: Tuned) -> str:
    if choice.taken:
        return "in use"
    return "" if choice is not item.choices[0] else "fastest"


def _forms(forms: Sequence[Format]) -> str:
    words = list(dict.fromkeys(str(form) for form in forms))
    return ", ".join(words) or "-"


def conversion_rows(conversions: Sequence[Conversion], width: int, most: int) -> Iterator[Row]:
    """What it takes to convert the tensors that are converted, to the formats that were tried."""
    tensors: dict[str, list[Conversion]] = {}
    for conversion in conversions:
        tensors.setdefault(conversion.tensor, []).append(conversion)
    shown = [items for items in tensors.values() if any(item.taken and item.ms > 0 for item in items)]
    shown.sort(key=lambda items: -max(item.ms for item in items if item.taken))
    if not shown:
        return
    yield spans(Span("Crossings by format, as measured while building", "title"))
    for items in shown[: max(most // 2, 1)]:
        yield from wrapped("  ", items[0].tensor, width)
        source = next(item.source for item in items if item.taken)
        tried = sorted((item for item in items if item.source == source), key=lambda item: item.ms)
        body = [[f"{item.ms:.3f} ms", str(item.source), str(item.target), "in use" if item.taken else ""] for item in tried[:most]]
        yield from table(["", "from", "to", ""], body, width, frozenset({0}))
    if len(shown) > max(most // 2, 1):
        yield spans(Span(f"  and {len(shown) - max(most // 2, 1)} more tensors (-v shows all)", "dim"))


def layer_rows(story: Story, width: int, *, verbose: bool) -> Iterator[Row]:
    """The layers with their precision and formats; names alone where the file has no more."""
    info = story.engine.layers
    if info is None:
        return
    if not info.detailed:
        yield from _names(info, width, verbose=verbose)
        return
    layers = story.precisions
    counts = ", ".join(f"{precision} {count}" for precision, count in by_precision(layers).items())
    yield spans(Span(f"Layers by precision ({len(layers)})", "title"), Span(f"  computing in {counts}" if counts else "", "dim"))
    shown = layers if verbose else [layer for layer in layers if not layer.inside and layer.type not in ("NoOp", "Constant")]
    shown = shown if verbose else sorted(shown, key=lambda layer: -(layer.ms or 0.0))[:_LAYERS]
    timed = any(layer.ms is not None for layer in shown)
    body = [[*_cells(layer, timed), f"{'  ' if layer.inside else ''}{_titled(layer)}"] for layer in shown]
    head = ["on", "in", "reads", "writes", *(["ms"] if timed else []), "layer"]
    yield from table(head, body, width, frozenset({4}) if timed else frozenset())
    if len(layers) > len(shown):
        yield spans(Span(f"  and {len(layers) - len(shown)} more (-v shows all)", "dim"))


def _cells(layer: Computed, timed: bool) -> list[str]:
    device = layer.device.upper() if layer.type not in ("Reformat", "NoOp") else layer.type
    time = [f"{layer.ms:.3f}" if layer.ms is not None else "-"] if timed else []
    return [device, layer.precision or "-", _forms(layer.reads), _forms(layer.writes), *time]


def _titled(layer: Computed) -> str:
    move = reformat(layer.name)
    return f"{move.side} {move.number} of {spoken(move.layer)}" if move is not None else spoken(layer.name)


def _names(info: LayerInfo, width: int, *, verbose: bool) -> Iterator[Row]:
    held = {node for layer in info.layers for node in layer.nodes}
    moves = sum(reformat(layer.name) is not None for layer in info.layers)
    yield spans(Span(f"Layers ({len(info.layers)})", "title"), Span(f"  for {counted(len(held), 'ONNX node')}, {moves} reformats", "dim"))
    most = len(info.layers) if verbose else _LAYERS
    for layer in info.layers[:most]:
        yield from wrapped("  ", layer.name if verbose else spoken(layer.name), width)
    if len(info.layers) > most:
        yield spans(Span(f"  and {len(info.layers) - most} more (-v shows all)", "dim"))
    yield from wrapped("  ", "Names alone: --profilingVerbosity=detailed adds types, formats and precisions.", width, "dim")
