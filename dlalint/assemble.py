"""From a placed network to what is reported: nodes, numbers, tensors that cross, findings."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.diagnosis import diagnose, unchecked
from dlalint.engine.check import Checker
from dlalint.engine.memory import macs, weight_elements
from dlalint.engine.ruleset import RuleSet
from dlalint.finding import Finding
from dlalint.fp16.reach import reach
from dlalint.graph import Device, dtype_size
from dlalint.graphview import GraphView
from dlalint.int8.coverage import coverage, needs
from dlalint.measured import NOTHING, Measured
from dlalint.placement import Placement
from dlalint.plan import Boundary, Line, NodePlacement, Outcome, Summary


def assemble(
    view: GraphView, placed: Placement, book: RuleSet, checker: Checker, converted: Placement | None, measured: Measured = NOTHING
) -> Outcome:
    """The whole outcome of a check; ``converted`` is the placement of the model's FP16 form where FP32 is refused."""
    ids = node_ids(view)
    in_fp16 = _in_words(line(view, converted, book)) if converted is not None else ""
    findings = diagnose(view, placed, book, checker, ids, in_fp16, measured)
    scales = measured.scales if placed.rules.target.precision == "int8" and "int8.calibrator" in placed.rules.limits else None
    found = needs(placed, view.model.graph, scales) if scales is not None else None
    ranges = measured.ranges if placed.rules.target.precision == "fp16" else None
    reached = reach(placed, view.model.graph, ranges) if ranges is not None else None
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
        unchecked(placed, book, findings, found, reached),
        coverage=coverage(placed, found, scales) if scales is not None and found is not None else None,
        reach=reached,
    )


def line(view: GraphView, placed: Placement, book: RuleSet, converted: Placement | None = None) -> Line:
    """The placement on another target in one line; ``converted`` as for :func:`assemble`."""
    found = devices_of_nodes(view, placed)
    counts = {device: sum(item is device for item in found) for device in Device}
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
    ids: list[str] = []
    seen: dict[str, int] = {}
    for node in view.model.graph.nodes:
        base = node.name or f"{node.op.op_type}:{next((name for name in node.outputs if name), '')}"
        seen[base] = seen.get(base, 0) + 1
        ids.append(base if seen[base] == 1 else f"{base}#{seen[base]}")
    return tuple(ids)


def devices_of_nodes(view: GraphView, placed: Placement) -> list[Device]:
    """Where each node of the model ends: on the DLA only if all of its work does."""
    own: list[set[Device]] = [set() for _ in view.model.graph.nodes]
    helping: list[set[Device]] = [set() for _ in view.model.graph.nodes]
    for layer, device in zip(placed.network.layers, placed.partition.devices, strict=True):
        for number in layer.origin:
            (helping if layer.spec.helper else own)[number].add(device)
    found = []
    for work, help_ in zip(own, helping, strict=True):
        places = work or help_
        if not places:
            found.append(Device.FOLDED)
        elif Device.UNKNOWN in places:
            found.append(Device.UNKNOWN)
        else:
            found.append(Device.GPU if Device.GPU in places else Device.DLA)
    return found


def _nodes(
    view: GraphView, placed: Placement, ids: Sequence[str], found: Sequence[Device], findings: Sequence[Finding]
) -> tuple[NodePlacement, ...]:
    codes: dict[int, set[str]] = {}
    for finding in findings:
        codes.setdefault(finding.node_index, set()).add(finding.code)
    segment: dict[int, int] = {}
    work: dict[int, int] = {}
    for index, layer in enumerate(placed.network.layers):
        for number in layer.origin:
            if not layer.spec.helper or number not in segment:
                segment[number] = placed.partition.segment_of[index]
        if layer.origin:
            work[layer.origin[0]] = work.get(layer.origin[0], 0) + macs(layer.spec)
    return tuple(
        NodePlacement(
            number,
            node.name,
            ids[number],
            node.op.op_type,
            node.op.domain,
            found[number],
            segment.get(number, -1),
            tuple(sorted(codes.get(number, ()))),
            work.get(number, 0),
        )
        for number, node in enumerate(view.model.graph.nodes)
    )


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


def _summary(placed: Placement, nodes: Sequence[NodePlacement], boundaries: dict[str, Boundary]) -> Summary:
    partition, network, rules = placed.partition, placed.network, placed.rules
    on_dla = [index for index, device in enumerate(partition.devices) if device is Device.DLA]
    switches = reformats = crossing_bytes = 0
    for crossing in partition.crossings:
        ends = [partition.segments[end].device is Device.DLA if end >= 0 else False for end in (crossing.source, crossing.target)]
        if ends[0] == ends[1]:
            continue
        reformats += 1
        if crossing.source >= 0 and crossing.target >= 0:
            switches += 1
            crossing_bytes += boundaries[crossing.tensor].bytes or 0
    count = {device: sum(node.device is device for node in nodes) for device in Device}
    work = {device: sum(node.macs for node in nodes if node.device is device) for device in Device}
    limit = rules.limits.get("loadables.max")
    return Summary(
        len(nodes),
        count[Device.DLA],
        count[Device.GPU],
        count[Device.FOLDED],
        count[Device.UNKNOWN],
        work[Device.DLA],
        work[Device.GPU],
        len(partition.kept),
        limit.value if limit is not None and isinstance(limit.value, int) else None,
        len(partition.candidates),
        switches,
        crossing_bytes,
        reformats,
        sum(weight_elements(network.layers[index].spec) for index in on_dla) * rules.target.element_bytes,
    )


def _verdict(summary: Summary, unpublished: bool) -> str:
    return _worded(summary.dla_nodes, summary.gpu_nodes, summary.unknown_nodes, unpublished)


def _worded(on_dla: int, on_gpu: int, unknown: int, unpublished: bool) -> str:
    if unknown or unpublished:
        return "unknown"
    if not on_dla:
        return "none"
    return "partial" if on_gpu else "full"
