"""Replacements put into a model: the result keeps every name that others need, its order, and nothing that only the replaced nodes used."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from onnx import ModelProto, NodeProto

from dlalint.rewrite.base import Replacement
from dlalint.rewrite.graph import Graph, captured


class Batch:
    """Replacements over one graph that do not get into each other's way."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.members: list[Replacement] = []
        self._removed: set[int] = set()
        self._gone: set[str] = set()
        self._read: set[str] = set()

    def replaces(self, index: int) -> bool:
        """Whether a node is replaced already."""
        return index in self._removed

    def take(self, new: Replacement) -> bool:
        """Add a replacement, unless it touches what another one changes."""
        if self._removed.intersection(new.remove):
            return False
        made = {name for node in new.nodes for name in node.output}
        gone = {name for index in new.remove for name in self.graph.nodes[index].output if name not in made}
        read = {name for node in new.nodes for name in node.input}
        if gone & self._read or read & self._gone:
            return False
        self.members.append(new)
        self._removed.update(new.remove)
        self._gone |= gone
        self._read |= read
        return True


def apply(graph: Graph, replacements: Sequence[Replacement]) -> ModelProto:
    """The model of ``graph`` with the replacements in it; ``graph`` itself stays as it is."""
    places: dict[int, list[NodeProto]] = {}
    removed: set[int] = set()
    for item in replacements:
        places.setdefault(min(item.remove), []).extend(item.nodes)
        removed.update(item.remove)
    nodes: list[NodeProto] = []
    for index, node in enumerate(graph.nodes):
        nodes += places.get(index, ())
        if index not in removed:
            nodes.append(node)
    proto = ModelProto()
    proto.CopyFrom(graph.proto)
    tensors = [tensor for item in replacements for tensor in item.tensors]
    proto.graph.initializer.extend(tensors)
    kept = _alive(in_order(nodes), graph)
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    drop_unread(proto, graph)
    return proto


def in_order(nodes: Sequence[NodeProto]) -> list[NodeProto]:
    """The nodes in an order in which each follows what it reads; as given where that is one."""
    producers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waiting = [0] * len(nodes)
    after: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        sources = {producers[name] for name in (*node.input, *captured(node)) if name in producers} - {index}
        waiting[index] = len(sources)
        for source in sources:
            after[source].append(index)
    ready = [index for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(nodes[index])
        for reader in after[index]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if len(order) != len(nodes):
        raise RuntimeError("a replacement reads what depends on it")
    return order


def _needed(nodes: Sequence[NodeProto], outputs: Iterable[str]) -> set[int]:
    """The nodes that the outputs depend on, by identity."""
    producers = {name: node for node in nodes for name in node.output if name}
    pending = [producers[name] for name in outputs if name in producers]
    found: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) not in found:
            found.add(id(node))
            pending += [producers[name] for name in (*node.input, *captured(node)) if name in producers]
    return found


def _alive(nodes: Sequence[NodeProto], graph: Graph) -> list[NodeProto]:
    """``nodes`` without those that a replacement made useless; what was useless before stays."""
    before = _needed(graph.nodes, graph.outputs)
    idle = {id(node) for node in graph.nodes} - before
    needed = _needed(nodes, (*graph.outputs, *(name for node in nodes if id(node) in idle for name in (*node.input, *captured(node)))))
    return [node for node in nodes if id(node) in needed or id(node) in idle]


def drop_unread(proto: ModelProto, graph: Graph) -> None:
    """Take out initializers that nothing reads any more, and stated types of tensors that are gone."""
    read = {name for node in proto.graph.node for name in (*node.input, *captured(node))} | set(graph.outputs)
    for tensor in list(proto.graph.initializer):
        unread_before = tensor.name in graph.initializers and not graph.consumers(tensor.name)
        if tensor.name not in read and tensor.name not in graph.inputs and not unread_before:
            proto.graph.initializer.remove(tensor)
    made = {name for node in proto.graph.node for name in node.output} | {tensor.name for tensor in proto.graph.initializer}
    kept = [item for item in proto.graph.value_info if item.name in made]
    if len(kept) < len(proto.graph.value_info):
        del proto.graph.value_info[:]
        proto.graph.value_info.extend(kept)
