"""A partition as a picture shows it: a part for each segment, what is in it and why, and what passes between the parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.finding import ERROR, WRONG_VALUES, Finding
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import NodePlacement, Outcome
from dlalint.report.escape import for_terminal, shortened_name
from dlalint.report.grouping import roots

NAME = 120  # characters of a name in a picture


class Part(NamedTuple):
    """A segment. ``loadable`` counts from 1 and is 0 on the GPU; ``causes`` are the rules that send its nodes there, with how many nodes.

    ``nodes`` are indices of the model's nodes in running order, ``wires`` pairs of positions in ``nodes``, the first before the second.
    """

    number: int
    device: Device
    loadable: int
    placed: bool
    layers: int
    macs: int
    nodes: tuple[int, ...]
    causes: tuple[tuple[str, int], ...]
    wires: tuple[tuple[int, int], ...]


class Link(NamedTuple):
    """What one segment hands to another, -1 being the outside. ``bytes`` is ``None`` when a size is not known.

    ``reformat`` says that it passes between the DLA and something else.
    """

    source: int
    target: int
    tensors: tuple[str, ...]
    bytes: int | None
    reformat: bool


class Picture(NamedTuple):
    """The parts in running order and the links between them."""

    parts: tuple[Part, ...]
    links: tuple[Link, ...]


def label(text: str, most: int = NAME) -> str:
    """A name from a model, bounded and on one line, without anything that is not to be seen."""
    return shortened_name(for_terminal(shortened_name(text, most)), most)


def picture(outcome: Outcome) -> Picture:
    """The picture of a predicted build."""
    segments = outcome.partition.segments
    macs = [0] * len(segments)
    for node in outcome.nodes:
        if node.segment >= 0:
            macs[node.segment] += node.macs
    causes = _causes(outcome)
    nodes = _nodes(outcome)
    wires = _wires(outcome, nodes)
    parts = []
    loadables = 0
    for segment in segments:
        loadables += segment.device is Device.DLA
        number = segment.number
        found = sorted(causes.get(number, {}).items(), key=lambda item: (-item[1], item[0])) if segment.device is not Device.DLA else []
        loadable = loadables if segment.device is Device.DLA else 0
        members = tuple(nodes[number])
        parts.append(
            Part(number, segment.device, loadable, segment.placed, len(segment.layers), macs[number], members, tuple(found), wires[number])
        )
    return Picture(tuple(parts), tuple(_links(outcome)))


def _causes(outcome: Outcome) -> dict[int, dict[str, int]]:
    """For each segment, the rules behind its nodes being there, each node counted once a rule."""
    segment_of = dict(zip((layer.name for layer in outcome.network.layers), outcome.partition.segment_of, strict=True))
    found: dict[int, dict[str, int]] = {}
    seen: set[tuple[str, int, str]] = set()
    for finding, root in zip(outcome.findings, roots(outcome.findings), strict=True):
        segment = _segment(finding, outcome.nodes, segment_of)
        code = outcome.findings[root].code
        key = (code, finding.node_index, finding.layer if finding.node_index < 0 else "")
        if finding.severity != ERROR or finding.name in WRONG_VALUES or segment < 0 or key in seen:
            continue
        seen.add(key)
        counts = found.setdefault(segment, {})
        counts[code] = counts.get(code, 0) + 1
    return found


def _segment(finding: Finding, nodes: Sequence[NodePlacement], segment_of: dict[str, int]) -> int:
    return nodes[finding.node_index].segment if finding.node_index >= 0 else segment_of.get(finding.layer, -1)


def _nodes(outcome: Outcome) -> list[list[int]]:
    """The nodes of each segment, in the order of their layers."""
    found: list[list[int]] = [[] for _ in outcome.partition.segments]
    ordered = dict.fromkeys(number for layer in outcome.network.layers for number in layer.origin)
    for number in (*ordered, *(node.number for node in outcome.nodes if node.number not in ordered)):
        segment = outcome.nodes[number].segment
        if segment >= 0:
            found[segment].append(number)
    return found


def _wires(outcome: Outcome, nodes: Sequence[Sequence[int]]) -> list[tuple[tuple[int, int], ...]]:
    """Which node hands something to which, within each segment; what the builder fused is joined to what it became part of."""
    place = {number: index for members in nodes for index, number in enumerate(members)}
    layers = outcome.network.layers
    producers = outcome.network.producers()
    found: list[dict[tuple[int, int], None]] = [{} for _ in nodes]

    def join(source: int, target: int) -> None:
        segment = outcome.nodes[source].segment
        if segment >= 0 and segment == outcome.nodes[target].segment and place[source] < place[target]:
            found[segment][place[source], place[target]] = None

    for layer in layers:
        for source, target in zip(layer.origin, layer.origin[1:], strict=False):
            join(source, target)
        for name in layer.inputs:
            before = layers[producers[name]].origin if name in producers else ()
            if before and layer.origin:
                join(before[-1], layer.origin[0])
    return [tuple(pairs) for pairs in found]


def _links(outcome: Outcome) -> Iterator[Link]:
    segments = outcome.partition.segments
    between: dict[tuple[int, int], list[str]] = {}
    for crossing in outcome.partition.crossings:
        between.setdefault((crossing.source, crossing.target), []).append(crossing.tensor)
    for (source, target), tensors in sorted(between.items()):
        sizes = [outcome.boundaries[name].bytes for name in tensors]
        known = [count for count in sizes if count is not None]
        ends = [end >= 0 and segments[end].device is Device.DLA for end in (source, target)]
        yield Link(source, target, tuple(tensors), sum(known) if len(known) == len(sizes) else None, ends[0] != ends[1])
