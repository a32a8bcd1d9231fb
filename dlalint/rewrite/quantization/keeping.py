"""A calibration cache kept in step with a model that is rewritten: the DLA is exact in INT8 only where a move keeps the scale."""

from __future__ import annotations

from collections.abc import Collection

from dlalint.calibration.cache import ENTROPY, Cache
from dlalint.calibration.kept import Kept
from dlalint.graph import FLOATING
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.quantization.carrying import carry


def kept(cache: Cache, before: Collection[str], graph: Graph, release: str) -> Kept:
    """``cache`` for the rewritten model ``graph``; ``before`` are the tensors of the original.

    Scales of tensors that neither model has stay: TensorRT makes tensors of its own. ``release`` is that of the target, for a cache that
    names none.
    """
    after = frozenset((*graph.inputs, *graph.initializers, *graph.producers))
    dropped = tuple(name for name in cache.scales if name in before and name not in after)
    stays = {name: scale for name, scale in cache.scales.items() if name not in dropped}
    new = [name for name in graph.producers if name not in before and not graph.is_constant(name) and _floating(graph, name)]
    carried = carry(graph, stays, selections=True, only=frozenset(new))
    scales = {name: carried.scales[name] for name in (*stays, *(item.tensor for item in carried.steps))}
    return Kept(
        Cache(cache.version or release, cache.algorithm or ENTROPY, scales),
        dropped,
        carried.steps,
        tuple(name for name in new if name not in scales),
        tuple(name for name in stays if name not in after),
    )


def _floating(graph: Graph, name: str) -> bool:
    kind = graph.type(name)
    return kind is None or kind.dtype in FLOATING
