"""What a build log says on devices: the loadables, the layers that fell back, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.report.layout import Row, Span, counted, listed, size, spans, wrapped
from dlalint.trtexec.names import is_helper, spoken
from dlalint.trtexec.observed import BuildLog, Fallback, Group, Placement


def placement_rows(build: BuildLog, width: int, most: int) -> Iterator[Row]:
    """The placement as the log has it."""
    placement = build.placement
    body = [*_lists(placement, width, most), *_limits(placement, width), *_reasons(placement.fallbacks, width, most)]
    if body:
        yield spans(Span("Placement, as the build log says", "title"))
        yield from body
    for error in build.errors[:most]:
        yield from wrapped("  error  ", error, width, "bad")


def _lists(placement: Placement, width: int, most: int) -> Iterator[Row]:
    groups = [group for group in placement.dla if group.form != "layer"]
    layers = [group.name for group in placement.dla if group.form == "layer"]
    if groups:
        yield from wrapped("  DLA  ", f"{counted(len(groups), 'loadable')}: {listed([_said(group) for group in groups], most)}", width)
    if layers:
        when = " (before the limit on loadables)" if placement.over_limit else ""
        yield from wrapped("  DLA  ", f"{counted(len(layers), 'layer')}{when}: {listed([spoken(name) for name in layers], most)}", width)
    if placement.none_on_dla or (placement.listed and not placement.dla and placement.gpu):
        yield from wrapped("  DLA  ", "nothing", width)
    if placement.gpu:
        names = [f"{spoken(layer.name)}{f' ({layer.kind})' if layer.kind else ''}" for layer in placement.gpu]
        yield from wrapped("  GPU  ", f"{counted(len(names), 'layer')}: {listed(names, most)}", width)


def _said(group: Group) -> str:
    count = f" ({counted(len(group.members), 'layer')})" if group.form == "braces" and not group.elided else ""
    return f"{spoken(group.name)}{count}"


def _limits(placement: Placement, width: int) -> Iterator[Row]:
    if placement.candidates is not None:
        taken, offered = placement.candidates
        yield from wrapped("  loadables  ", f"{taken} of {counted(offered, 'candidate')} offloaded", width)
    if placement.limit is not None:
        what = f"at most {placement.limit} a core: {counted(len(placement.over_limit), 'candidate')} went to the GPU for it"
        yield from wrapped("  limit  ", what, width)
    cuts = [f"at {', '.join(placement.splits[:3])}"] if placement.splits else []
    cuts += [f"{placement.segmentations} times for unequal batches"] if placement.segmentations else []
    if cuts:
        yield from wrapped("  cut  ", f"groups were cut {' and '.join(cuts)}", width)
    if placement.pools is not None:
        pools = placement.pools
        text = f"managed SRAM {size(pools.sram)}, local DRAM {size(pools.local)}, global DRAM {size(pools.shared)}"
        used = [offload.memory for offload in placement.offloaded if offload.memory is not None]
        need = f"; used {size(sum(pool.local for pool in used))} local, {size(sum(pool.shared for pool in used))} global" if used else ""
        yield from wrapped("  pools  ", text + need, width)


def _reasons(fallbacks: Sequence[Fallback], width: int, most: int) -> Iterator[Row]:
    """Layers by reason, those that stand for an ONNX node first; constants and helpers are only counted."""
    groups: dict[str, list[str]] = {}
    for fallback in fallbacks:
        if fallback.kind != "CONSTANT" and not (is_helper(fallback.layer) and not fallback.reason):
            groups.setdefault(fallback.reason or f"no reason given ({fallback.kind or 'layer'})", []).append(fallback.layer or "a layer")
    rest = len(fallbacks) - sum(len(names) for names in groups.values())
    ordered = sorted(groups.items(), key=lambda item: (item[0].startswith("no reason"), -len(item[1])))
    if fallbacks:
        yield spans("  ", Span(f"not for the DLA: {counted(len(fallbacks), 'layer')}", "warn"))
    for reason, names in ordered[: most + 2]:
        yield from wrapped("    ", f"{listed(names, 3)}: {reason}", width)
    if len(ordered) > most + 2:
        yield spans(Span(f"    and {len(ordered) - most - 2} more reasons (-v shows all)", "dim"))
    if rest:
        yield spans(Span(f"    and {rest} constants and helper layers", "dim"))
