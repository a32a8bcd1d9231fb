"""From a placed network to what is reported: nodes, numbers, tensors that cross, findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlalint.diagnosis import diagnose, unchecked
from dlalint.engine.check import Checker
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import Finding
from dlalint.graph import Device, dtype_size
from dlalint.graphview import GraphView
from dlalint.measured import NOTHING, Coverage, Measured, Reach
from dlalint.placement import Placement
from dlalint.plan import Boundary, Line, NodePlacements, Outcome, Summary

if TYPE_CHECKING:
    from dlalint.int8.coverage import Needs


def assemble(
    view: GraphView, placed: Placement, book: RuleSet, checker: Checker, converted: Placement | None, measured: Measured = NOTHING
) -> Outcome:
    """The whole outcome of a check; ``converted`` is the placement of the model's FP16 form where FP32 is refused."""
    ids = node_ids(view)
    in_fp16 = _in_words(line(view, converted, book)) if converted is not None else ""
    findings = diagnose(view, placed, book, checker, ids, in_fp16, measured)
    needs, coverage = _reach(view, placed, measured)
    reached = _reached(view, placed, book, measured)
    node_devices = devices_of_nodes(view, placed)
    nodes = _nodes(view, placed, ids, node_devices, findings)
    boundaries = _boundaries(placed)
    summary = _summary(placed, nodes, boundaries)
    target = placed.rules.target
    verdict = _verdict(summary, any(finding.name == "limits-unpublished" for finding in findings))
    return Outcome(
        view.model,
        target,
        "no-dla" if placed.rules.reason_without_dla else book.files.status(target.release, target.soc),
        verdict,
        summary,
        nodes,
        placed.network,
        placed.partition,
        boundaries,
        findings,
        unchecked(placed, book, findings, needs, reached),
        coverage=coverage,
        reach=reached,
    )


def _reach(view: GraphView, placed: Placement, measured: Measured) -> tuple[Needs | None, Coverage | None]:
    """Which INT8 scales are needed and how far those that were given reach."""
    scales = measured.scales
    if scales is None or placed.rules.target.precision != "int8" or "int8.calibrator" not in placed.rules.limits:
        return None, None
    from dlalint.int8.coverage import coverage, needs  # few runs have scales, and all wait for what is imported

    found = needs(placed, view.model.graph, scales)
    return found, coverage(placed, found, scales)


def _reached(view: GraphView, placed: Placement, book: RuleSet, measured: Measured) -> Reach | None:
    """How far the measured values of an FP16 build reach."""
    if measured.ranges is None or placed.rules.target.precision != "fp16":
        return None
    from dlalint.fp16.reach import reach
    from dlalint.trtexec.flags import Flags

    return reach(placed, view.model.graph, measured.ranges, Flags(book.trtexec, book.sources, placed.rules.target.trt))


def line(view: GraphView, placed: Placement, book: RuleSet, converted: Placement | None = None) -> Line:
    """The placement on another target in one line; ``converted`` as for :func:`assemble`."""
    found = devices_of_nodes(view, placed)
    counts = {device: found.count(device) for device in Device}
    rules = placed.rules
    unpublished = not rules.reason_without_dla and book.files.status(rules.target.release, rules.target.soc) == "unpublished"
    verdict = _worded(counts[Device.DLA], counts[Device.GPU], counts[Device.UNKNOWN], unpublished)
    remark = rules.reason_without_dla
    if converted is not None:
        remark = f"strongly typed, and the model is FP32; converted to FP16, {_in_words(line(view, converted, book))}"
    return Line(rules.target.name, verdict, counts[Device.DLA], counts[Device.GPU], len(placed.partition.kept), remark)


def _in_words(found: Line) -> str:
    total = found.dla_nodes + found.gpu_nodes
    plural = "" if found.loadables == 1 else "s"
    return f"{found.dla_nodes} of {total} nodes run on the DLA in {found.loadables} loadable{plural}"


def node_ids(view: GraphView) -> tuple[str, ...]:
    """A unique and stable id for each node: its name, else operator and first output; repeated ones are numbered."""
    nodes = view.model.graph.nodes
    ids = [node.name or node.label for node in nodes]
    if len(set(ids)) < len(ids):
        seen: dict[str, int] = {}
        for number, base in enumerate(ids):
            seen[base] = seen.get(base, 0) + 1
            if seen[base] > 1:
                ids[number] = f"{base}#{seen[base]}"
    return tuple(ids)


def devices_of_nodes(view: GraphView, placed: Placement) -> list[Device]:
    """Where each node of the model ends: on the DLA only if all of its work does."""
    own: list[Device | None] = [None] * len(view.model.graph.nodes)
    helping: dict[int, Device] = {}
    for layer, device in zip(placed.network.layers, placed.partition.devices, strict=True):
        for number in layer.origin:
            if layer.spec.helper:
                helping[number] = _worse(helping.get(number), device)
            elif own[number] is not device:
                own[number] = _worse(own[number], device)
    return [device or helping.get(number, Device.FOLDED) for number, device in enumerate(own)]


def _worse(first: Device | None, second: Device) -> Device:
    """Where a node ends whose layers end in two places."""
    return second if first is None or _RANK[second] > _RANK[first] else first


_RANK = {Device.DLA: 0, Device.GPU: 1, Device.UNKNOWN: 2}


def _nodes(view: GraphView, placed: Placement, ids: Sequence[str], found: Sequence[Device], findings: Sequence[Finding]) -> NodePlacements:
    codes: dict[int, set[str]] = {}
    for finding in findings:
        codes.setdefault(finding.node_index, set()).add(finding.code)
    nodes = view.model.graph.nodes
    segment = [-1] * len(nodes)
    work = [0] * len(nodes)
    for layer, own, load in zip(placed.network.layers, placed.partition.segment_of, placed.loads, strict=True):
        origin = layer.origin
        for number in origin:
            if segment[number] < 0 or not layer.spec.helper:
                segment[number] = own
        if origin and load.macs:
            work[origin[0]] += load.macs
    said = {number: tuple(sorted(slugs)) for number, slugs in codes.items() if number >= 0}
    return NodePlacements(nodes, ids, found, segment, said, work)


def _boundaries(placed: Placement) -> dict[str, Boundary]:
    segments, size = placed.partition.segments, placed.rules.target.element_bytes
    found: dict[str, Boundary] = {}
    for crossing in placed.partition.crossings:
        kind = placed.network.types.get(crossing.tensor)
        if kind is None:
            found[crossing.tensor] = Boundary("undefined", None, None)
            continue
        on_dla = any(end >= 0 and segments[end].device is Device.DLA for end in (crossing.source, crossing.target))
        elements = kind.elements
        per_element = size if on_dla else dtype_size(kind.dtype)
        known = found.get(crossing.tensor)
        count = None if elements is None else int(elements * per_element)
        if known is None or (on_dla and known.bytes != count):
            found[crossing.tensor] = Boundary(kind.dtype, kind.shape, count)
    return found


def _summary(placed: Placement, nodes: NodePlacements, boundaries: dict[str, Boundary]) -> Summary:
    partition, rules = placed.partition, placed.rules
    weights = sum([load.weights for load, device in zip(placed.loads, partition.devices, strict=True) if device is Device.DLA])
    switches = reformats = crossing_bytes = 0
    for crossing in partition.crossings:
        ends = [partition.segments[end].device is Device.DLA if end >= 0 else False for end in (crossing.source, crossing.target)]
        if ends[0] == ends[1]:
            continue
        reformats += 1
        if crossing.source >= 0 and crossing.target >= 0:
            switches += 1
            crossing_bytes += boundaries[crossing.tensor].bytes or 0
    work = dict.fromkeys(Device, 0)
    for device, macs in zip(nodes.devices, nodes.macs, strict=True):
        if macs:
            work[device] += macs
    counts = {device: nodes.devices.count(device) for device in Device}
    limit = rules.limits.get("loadables.max")
    return Summary(
        len(nodes),
        counts[Device.DLA],
        counts[Device.GPU],
        counts[Device.FOLDED],
        counts[Device.UNKNOWN],
        work[Device.DLA],
        work[Device.GPU],
        len(partition.kept),
        limit.value if limit is not None and isinstance(limit.value, int) else None,
        len(partition.candidates),
        switches,
        crossing_bytes,
        reformats,
        weights * rules.target.element_bytes,
    )


def _verdict(summary: Summary, unpublished: bool) -> str:
    return _worded(summary.dla_nodes, summary.gpu_nodes, summary.unknown_nodes, unpublished)


def _worded(on_dla: int, on_gpu: int, unknown: int, unpublished: bool) -> str:
    if unknown or unpublished:
        return "unknown"
    if not on_dla:
        return "none"
    return "partial" if on_gpu else "full"
