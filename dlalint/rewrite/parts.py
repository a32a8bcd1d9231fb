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
    """One part: where it runs, the indices of its nodes, and the tensors that go in and come out.

    ``constants`` are tensors that it reads and no node of it makes: their elements are known, since the model takes them from shapes.
    """

    device: Device
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: tuple[str, ...] = ()


def by_device(graph: Graph, outcome: Outcome) -> tuple[Part, ...]:
    """The parts as the predicted build has them: each loadable, and what runs on the GPU between them."""
    rank: list[int] = []
    devices: list[Device] = []
    for segment in outcome.partition.segments:
        if segment.layers and (not devices or Device.DLA in (segment.device, devices[-1])):
            devices.append(segment.device)
        rank.append(len(devices) - 1)
    first: dict[int, int] = {}  # a node is made where the first of its layers is, a helper only where there is no other
    placed = zip(outcome.network.layers, outcome.partition.segment_of, strict=True)
    for _, number, index in sorted((layer.spec.helper, rank[segment], index) for layer, segment in placed for index in layer.origin):
        first.setdefault(index, number)
    return _parts(graph, _forward(graph, outcome, first, devices), devices)


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
    group = {index: int(index not in head) for index, node in enumerate(graph.nodes) if not _is_constant(graph, node)}
    on_dla = all(outcome.nodes[index].device in (Device.DLA, Device.FOLDED) for index in head)
    return _parts(graph, group, [Device.DLA if on_dla else Device.GPU, Device.GPU])


def sources(graph: Graph, index: int) -> list[int]:
    """The nodes whose outputs a node reads."""
    node = graph.nodes[index]
    return [graph.producers[name] for name in (*node.input, *captured(node)) if name in graph.producers]


def _is_constant(graph: Graph, node: NodeProto) -> bool:
    return all(graph.is_constant(name) for name in node.output if name)


def _forward(graph: Graph, outcome: Outcome, wanted: Mapping[int, int], devices: list[Device]) -> dict[int, int]:
    """The part of each node: the ``wanted`` one, else the first on its device; no earlier than what it reads.

    A node of which nothing is left at run time, as of a reshape that changes nothing, belongs to whoever reads it; only an output of the
    model is made where its source is. Appends to ``devices`` where no part fits.
    """
    found: dict[int, int] = {}
    for index, node in enumerate(graph.nodes):
        if index not in wanted and _is_constant(graph, node):
            continue
        number = max((found[source] for source in sources(graph, index) if source in found), default=0)
        on_dla = outcome.nodes[index].device is Device.DLA
        if index in wanted and (devices[wanted[index]] is Device.DLA) is on_dla:
            number = max(number, wanted[index])
        while index in wanted and number < len(devices) and (devices[number] is Device.DLA) is not on_dla:
            number += 1
        if number == len(devices):
            devices.append(Device.DLA if on_dla else Device.GPU)
        found[index] = number
    return {index: number for index, number in found.items() if index in wanted or not graph.outputs.isdisjoint(graph.nodes[index].output)}


def _parts(graph: Graph, group: Mapping[int, int], devices: Sequence[Device]) -> tuple[Part, ...]:
    members: dict[int, list[int]] = {}
    for index, number in sorted(group.items()):
        members.setdefault(number, []).append(index)
    beside = {number: _beside(graph, own, group) for number, own in members.items()}
    read = {number: _read(graph, (*own, *beside[number][0])) for number, own in members.items()}
    found = []
    for number, own in sorted(members.items()):
        copied, constants = beside[number]
        nodes = sorted({*own, *copied})
        made = {name for index in nodes for name in graph.nodes[index].output if name}.union(constants, graph.initializers)
        inputs = tuple(name for name in read[number] if name not in made and (name in graph.producers or name in graph.inputs))
        elsewhere = graph.outputs.union(*(names for other, names in read.items() if other != number))
        outputs = tuple(name for index in own for name in graph.nodes[index].output if name in elsewhere)
        found.append(Part(devices[number], tuple(nodes), inputs, outputs, tuple(constants)))
    return tuple(found)


def _read(graph: Graph, nodes: Iterable[int]) -> dict[str, None]:
    """The tensors that ``nodes`` read, in order."""
    return {name: None for index in sorted(nodes) for name in (*graph.nodes[index].input, *captured(graph.nodes[index])) if name}


def _beside(graph: Graph, own: Iterable[int], group: Mapping[int, int]) -> tuple[set[int], list[str]]:
    """What every part that reads it has a copy of: nodes of which nothing is left at run time, and constants to be written down.

    Written down is what is known but would be computed from data of a run, such as its shape.
    """
    pending = list(_read(graph, own))
    copied: set[int] = set()
    written: dict[str, None] = {}
    while pending:
        name = pending.pop()
        index = graph.producers.get(name)
        if index is None or index in group or index in copied:
            continue
        read = _read(graph, [index])
        if graph.is_constant(name) and not all(map(graph.is_constant, read)) and graph.constant(name) is not None:
            written[name] = None
        else:
            copied.add(index)
            pending += read
    return copied, list(written)


def model_of(graph: Graph, part: Part) -> ModelProto:
    """The part as a model of its own, with the version, operator sets and functions of the whole."""
    nodes: list[NodeProto] = [graph.nodes[index] for index in part.nodes]
    read = {name for node in nodes for name in (*node.input, *captured(node))}
    tensors = [tensor for name, tensor in graph.initializers.items() if name in read]
    known = {name: graph.constant(name) for name in part.constants}
    tensors += [onnx.numpy_helper.from_array(found, name) for name, found in known.items() if found is not None]
    stated = {item.name: item for item in (*graph.proto.graph.input, *graph.proto.graph.output)}
    inputs = [stated[name] if name in stated else tensor_info(name, graph.type(name)) for name in part.inputs]
    outputs = [stated[name] if name in stated else tensor_info(name, graph.type(name)) for name in part.outputs]
    body = onnx.helper.make_graph(nodes, graph.proto.graph.name or "part", inputs, outputs, tensors)
    proto = ModelProto()
    proto.CopyFrom(graph.proto)
    proto.graph.CopyFrom(body)
    return proto
