"""Which nodes cannot run in INT8 as the model with Q/DQ nodes had it: what they read or make was not quantized."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from dlalint.calibration.translated import NO_SCALE, Half
from dlalint.graph import Device
from dlalint.model.stored import quoted
from dlalint.plan import Outcome
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.quantization.carrying import named
from dlalint.rewrite.quantization.moves import move

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def halves(
    graph: Graph,
    outcome: Outcome,
    places: Collection[tuple[str, int]],
    paired: frozenset[str],
    scales: Mapping[str, float],
    baked: frozenset[str],
    nameable: Callable[[str], bool],
) -> tuple[Half, ...]:
    """The nodes of the new model (``graph``, ``outcome``) that have to run in FP16.

    ``places`` are where the nodes (by what they make first) read from a pair, ``paired`` the tensors that stand for pairs, ``baked`` the
    constants that were on a grid.
    """
    called = [node.layer_name for node in outcome.model.graph.nodes]
    counts = Counter(called)
    found = []
    for placed in outcome.nodes:
        if placed.device is Device.FOLDED:
            continue
        node = graph.nodes[placed.number]
        reason = next(_reasons(graph, placed.number, places, paired, scales, baked), "")
        if reason:
            layer = called[placed.number]
            found.append(Half(named(node), node.op_type, layer if counts[layer] == 1 and nameable(layer) else "", reason))
    return tuple(found)


def _reasons(
    graph: Graph,
    number: int,
    places: Collection[tuple[str, int]],
    paired: frozenset[str],
    scales: Mapping[str, float],
    baked: frozenset[str],
) -> Iterator[str]:
    """Why a node is not INT8."""
    node = graph.nodes[number]
    moves = move(graph, node) is not None
    for position, name in enumerate(node.input):
        if not name or not graph.floating(name):
            continue
        if graph.is_constant(name):
            if node.op_type in _WEIGHTED and position == 1 and not _from(graph, name, baked):
                yield f"the weights {quoted(name)} were not quantized"
        elif name not in scales:
            yield f"{quoted(name)} {NO_SCALE}"
        elif name in paired and (node.output[0], position) not in places and not moves:
            yield f"{quoted(name)} was read past its Q/DQ pair"
    for name in node.output:
        if name and graph.floating(name) and name not in scales and graph.consumers(name):
            yield f"{quoted(name)} {NO_SCALE}"


def _from(graph: Graph, name: str, baked: frozenset[str]) -> bool:
    """Whether a constant is one of ``baked`` or made from one."""
    pending = [name]
    while pending:
        current = pending.pop()
        if current in baked:
            return True
        index = graph.producer(current)
        pending += [] if index is None else list(graph.nodes[index].input)
    return False
