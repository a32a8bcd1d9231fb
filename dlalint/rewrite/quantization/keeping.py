"""A calibration cache kept in step with a model that is rewritten: the DLA is exact in INT8 only where a move keeps the scale."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from dlalint.calibration.cache import ENTROPY, Cache
from dlalint.calibration.kept import Kept
from dlalint.calibration.translated import CARRIED, TensorScale
from dlalint.rewrite.graph import Array, Graph
from dlalint.rewrite.quantization.carrying import carry, named

Look = Callable[[Sequence[str]], Mapping[str, Array]]
_FEW = 16  # different values: with fewer in a tensor, finding them in another says nothing
_LOOKED_AT = 1 << 16  # elements


def kept(cache: Cache, before: Collection[str], graph: Graph, release: str, look: Look | None = None) -> Kept:
    """``cache`` for the rewritten model ``graph``; ``before`` are the tensors of the original.

    Scales of tensors that neither model has stay: TensorRT makes tensors of its own. ``release`` is that of the target, for a cache that
    names none. ``look`` gives the elements of tensors in one run of the model on random inputs: what only holds elements of other tensors,
    and zeros, has their scale, however it is computed. Without it, only nodes that hand on values by their nature are followed.
    """
    after = frozenset((*graph.inputs, *graph.initializers, *graph.producers))
    dropped = tuple(name for name in cache.scales if name in before and name not in after)
    stays = {name: scale for name, scale in cache.scales.items() if name not in dropped}
    new = frozenset(name for name in graph.producers if name not in before and not graph.is_constant(name) and graph.floating(name))
    steps = list(carry(graph, stays, selections=True, only=new).steps)
    scales = {**stays, **{item.tensor: item.scale for item in steps}}
    if look is not None and not new.issubset(scales):
        found = list(_seen(graph, scales, [name for name in graph.producers if name in new and name not in scales], look))
        scales.update((item.tensor, item.scale) for item in found)
        more = carry(graph, scales, selections=True, only=new)
        scales, steps = dict(more.scales), [*steps, *found, *more.steps]
    return Kept(
        Cache(cache.version or release, cache.algorithm or ENTROPY, scales),
        dropped,
        tuple(steps),
        tuple(name for name in graph.producers if name in new and name not in scales),
        tuple(name for name in stays if name not in after),
    )


def _seen(graph: Graph, scales: Mapping[str, float], wanted: Sequence[str], look: Look) -> Iterator[TensorScale]:
    """The tensors of ``wanted`` that hold elements of tensors with a scale, and zeros, and nothing else."""
    sources = {name: _sources(graph, scales, name) for name in wanted}
    usable = {name: found for name, found in sources.items() if found}
    values = look(list(dict.fromkeys((*usable, *(source for found in usable.values() for source in found)))))
    for name, found in usable.items():
        known = np.unique(np.concatenate([values[source].reshape(-1) for source in found]))
        some = values[name].reshape(-1)
        some = some[:: max(1, some.size // _LOOKED_AT)]
        if np.unique(some).size >= _FEW and np.isin(some, np.append(known, known.dtype.type(0))).all():
            source = max(found, key=lambda item: scales[item])
            node = graph.nodes[graph.producers[name]]
            yield TensorScale(name, scales[source], CARRIED, source, named(node), node.op_type)


def _sources(graph: Graph, scales: Mapping[str, float], name: str) -> tuple[str, ...]:
    """The nearest tensors with a scale that ``name`` is computed from; none when something without one is among them."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    pending = [name]
    while pending:
        for source in graph.nodes[graph.producers[pending.pop()]].input:
            if not source or source in seen or graph.is_constant(source):
                continue
            seen.add(source)
            if source in scales:
                found[source] = None
            elif source not in graph.producers:
                return ()
            else:
                pending.append(source)
    return tuple(found)
