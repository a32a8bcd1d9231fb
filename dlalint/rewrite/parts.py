"""A model cut into parts that run one after the other: those for the DLA, and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx
from onnx import ModelProto, NodeProto

from dlalint.errors import UsageError
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.rewrite.graph import Graph, captured, tensor_info


class Part(NamedTuple):
    """One part: where it runs, the indices of its nodes, and the tensors that go in and come out."""

    device: Device
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def by_device(graph: Graph, outcome: Outcome) -> tuple[Part, ...]:
    """The parts as the predicted build has them: each loadable, and what runs on the GPU between them."""
    places = {node.number: node.segment for node in outcome.nodes if node.segment >= 0}
    used = frozenset(places.values())
    rank: dict[int, int] = {}
    devices: list[Device] = []
    for segment in outcome.partition.segments:
        if segment.number not in used:
            continue
        if not devices or Device.DLA in (segment.device, devices[-1]):
            devices.append(segment.device)
        rank[segment.number] = len(devices) - 1
    return _parts(graph, _forward(graph, {number: rank[place] for number, place in places.items()}), devices)


def at_tensors(graph: Graph, outcome: Outcome, tensors: Sequence[str]) -> tuple[Part, ...]:
    """Two parts: everything that ``tensors`` depend on, and the rest. Raises :class:`UsageError` at a tensor that no node makes."""
    pending = []
    for name in tensors:
        if name not in graph.producers or graph.is_constant(name):
            from difflib import get_close_matches

            near = get_close_matches(name, list(graph.producers), n=3, cutoff=0.3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`dlalint mark-output MODEL --list` lists them all."
            raise UsageError(f"no node computes tensor {name!r}", where="--at", cure=hint, code="E514")
        pending.append(graph.producers[name])
    head: set[int] = set()
    while pending:
        index = pending.pop()
        if index not in head:
            head.add(index)
            pending += sources(graph, index)
    group = {index: int(index not in head) for index in range(len(graph.nodes)) if outcome.nodes[index].device is not Device.FOLDED}
    on_dla = all(outcome.nodes[index].device in (Device.DLA, Device.FOLDED) for index in head)
    return _parts(graph, group, [Device.DLA if on_dla else Device.GPU, Device.GPU])


def sources(graph: Graph, index: int) -> list[int]:
    """The nodes whose outputs a node reads."""
    node = graph.nodes[index]
    return [graph.producers[name] for name in (*node.input, *captured(node)) if name in graph.producers]


def _forward(graph: Graph, group: Mapping[int, int]) -> dict[int, int]:
    """``group`` with every node at least as late as what it reads: a node whose layers lie in several segments counts as its last."""
    found: dict[int, int] = {}
    for index in range(len(graph.nodes)):
        if index in group:
            found[index] = max([group[index], *(found[source] for source in sources(graph, index) if source in found)])
    return found


def _parts(graph: Graph, group: Mapping[int, int], devices: Sequence[Device]) -> tuple[Part, ...]:
    members: dict[int, list[int]] = {}
    for index, number in sorted(group.items()):
        members.setdefault(number, []).append(index)
    found = []
    for number, own in sorted(members.items()):
        nodes = sorted({*own, *_constant_nodes(graph, own, group)})
        made = {name for index in nodes for name in graph.nodes[index].output if name}
        read = [name for index in nodes for name in (*graph.nodes[index].input, *captured(graph.nodes[index])) if name]
        outside = (name for name in dict.fromkeys(read) if name not in made and name not in graph.initializers)
        inputs = tuple(name for name in outside if name in graph.producers or name in graph.inputs)
        later = {index for other, theirs in members.items() if other != number for index in theirs}
        outputs = tuple(name for index in own for name in graph.nodes[index].output if name and _leaves(graph, name, later))
        found.append(Part(devices[number], tuple(nodes), inputs, outputs))
    return tuple(found)


def _leaves(graph: Graph, name: str, others: set[int]) -> bool:
    return name in graph.outputs or any(reader in others for reader in graph.consumers(name))


def _constant_nodes(graph: Graph, own: Iterable[int], group: Mapping[int, int]) -> set[int]:
    """The nodes that make constants for ``own``; they are copied into every part that reads them."""
    pending = [source for index in own for source in sources(graph, index)]
    found: set[int] = set()
    while pending:
        index = pending.pop()
        if index not in found and index not in group:
            found.add(index)
            pending += sources(graph, index)
    return found


def model_of(graph: Graph, part: Part) -> ModelProto:
    """The part as a model of its own, with the version, operator sets and functions of the whole."""
    nodes: list[NodeProto] = [graph.nodes[index] for index in part.nodes]
    read = {name for node in nodes for name in (*node.input, *captured(node))}
    tensors = [tensor for name, tensor in graph.initializers.items() if name in read]
    stated = {item.name: item for item in (*graph.proto.graph.input, *graph.proto.graph.output)}
    inputs = [stated[name] if name in stated else tensor_info(name, graph.type(name)) for name in part.inputs]
    outputs = [stated[name] if name in stated else tensor_info(name, graph.type(name)) for name in part.outputs]
    body = onnx.helper.make_graph(nodes, graph.proto.graph.name or "part", inputs, outputs, tensors)
    proto = ModelProto()
    proto.CopyFrom(graph.proto)
    proto.graph.CopyFrom(body)
    return proto
