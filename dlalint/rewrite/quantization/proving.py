"""Proof of a model without Q/DQ nodes: with its pairs put back it computes what it did, and without them it is off by their rounding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from onnx import ModelProto

from dlalint.calibration.translated import Proof
from dlalint.graph import TensorType
from dlalint.model.save import write
from dlalint.model.skeleton import restore
from dlalint.named_tuple import NamedTuple
from dlalint.numeric import Runner, difference, feeds
from dlalint.numeric.portions import portions
from dlalint.rewrite.graph import Array, Graph
from dlalint.rewrite.quantization.marking import marked
from dlalint.rewrite.quantization.pairs import Found, Pair
from dlalint.rewrite.quantization.removing import Removed
from dlalint.rewrite.quantization.restoring import restored
from dlalint.rewrite.quantization.tally import Probe, Tally

SETS = ("normal", "negative", "channels", "zeros")  # of those that `verify` draws, moved into the range of each input
AGAIN = "normal again"  # another draw; only what is normal has values spread as those that a scale is made for
CLOSE = {"float32": 1e-6, "float16": 2e-2}  # relative to the largest value: FP16 may round to another step on its way
_ROOM = 128 << 20  # bytes of tensors that are fetched at once


class Models(NamedTuple):
    """The three models as files, with what their ``probes`` name as outputs; the result before normalizations were folded
    (empty without any), with pairs at the scales of the cache everywhere (empty when ``back`` is that), and as it was written."""

    old: str
    new: str
    back: str
    plain: str
    coarse: str
    written: str
    probes: tuple[Probe, ...]
    cached: int


class Subject(NamedTuple):
    """What is proven: ``removed`` from the model of ``graph``, and the model ``final`` made from it, whose file is ``written``."""

    graph: Graph
    found: Found
    removed: Removed
    final: ModelProto
    written: str


def prove(
    runner: Runner, subject: Subject, scales: Mapping[str, float], seed: int = 0, types: Mapping[str, TensorType] | None = None
) -> Proof:
    """Compare the model with Q/DQ nodes and what became of it. ``types`` fix inputs. Raises :class:`DlalintError` when one does not run."""
    graph, found = subject.graph, subject.found
    with TemporaryDirectory(prefix="dlalint-") as folder:
        models = _models(subject, scales, folder)
        fixed = {name: (types or {}).get(name, kind) for name, kind in runner.inputs(models.old).items()}
        given = dict(item for item in feeds(fixed, seed) if item[0] in SETS)
        given[AGAIN] = next(feeds(fixed, (seed + 1) % (1 << 32)))[1]
        inputs: dict[str, list[Pair]] = {}
        for name, pair in zip(subject.removed.tensors, found.pairs, strict=True):
            inputs.setdefault(name, []).append(pair)
        sets = [(label, *_fitted(inputs, feed)) for label, feed in given.items()]
        tally = Tally(CLOSE["float16" if any(pair.grid.scale.dtype == np.float16 for pair in found.pairs) else "float32"])
        for group in portions(models.probes, partial(_bytes, graph), _ROOM):
            for label, ours, theirs in sets:
                _compare(runner, models._replace(probes=group), ours, theirs, tally, rounding=label.startswith("normal"))
            tally.close(group)
        _outputs(runner, models, sets, frozenset(pair.integers for pair in found.pairs), tally)
        same = _same(runner, models, sets[0][2])
        folded = _folded(runner, models, sets)
    return tally.proof(tuple(given), models.cached, len(found.pairs), folded, same=same)


def _models(subject: Subject, scales: Mapping[str, float], folder: str) -> Models:
    graph, found, removed = subject[:3]
    back = restored(graph, found, removed, scales)
    olds = [_seen(graph, pair) for pair in found.pairs]
    probes = tuple(Probe(*item) for item in zip(found.pairs, olds, removed.tensors, back.tensors, strict=True))

    def put(name: str, proto: ModelProto, names: Sequence[str]) -> str:
        file = os.path.join(folder, f"{name}.onnx")
        write(restore(graph.weights.whole(marked(proto, names, graph)), *graph.weights.files), file)
        return file

    plain = "" if subject.final is removed.model else put("plain", removed.model, ())
    coarse = restored(graph, found, removed, scales, everywhere=True) if back.cached < len(probes) else None
    return Models(
        put("old", graph.proto, olds),
        put("new", subject.final, removed.tensors),
        put("back", back.model, back.tensors),
        plain,
        put("coarse", coarse.model, coarse.tensors) if coarse is not None else "",
        subject.written,
        probes,
        back.cached,
    )


def _seen(graph: Graph, pair: Pair) -> str:
    return graph.nodes[pair.dequantizers[0]].output[0] if pair.dequantizers else pair.integers


def _fitted(inputs: Mapping[str, Sequence[Pair]], given: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs for the model and for the result: floats moved into the range of the pairs on an input, integers as what they stand for."""
    ours, theirs = dict(given), dict(given)
    for name, array in given.items():
        pairs = inputs.get(name)
        if not pairs:
            continue
        if array.dtype.kind != "f":
            theirs[name] = pairs[0].grid.dequantized(array)
            continue
        low, high = max(pair.grid.range[0] for pair in pairs), min(pair.grid.range[1] for pair in pairs)
        peak = float(np.abs(array).max(initial=0)) or 1.0
        share = array / peak if low < 0 else np.abs(array) / peak
        ours[name] = theirs[name] = np.where(share < 0, share * -low, share * high).astype(array.dtype)
    return ours, theirs


def _bytes(graph: Graph, probe: Probe) -> int:
    kind = graph.type(probe.pair.source)
    return 4 * (kind.elements or 1) if kind is not None else 1


def _compare(
    runner: Runner, models: Models, ours: Mapping[str, Array], theirs: Mapping[str, Array], tally: Tally, *, rounding: bool
) -> None:
    probes = models.probes
    old = _fetched(runner, models.old, ours, [probe.old for probe in probes])
    back = _fetched(runner, models.back, theirs, [probe.back for probe in probes])
    new = _fetched(runner, models.new, theirs, [probe.new for probe in probes]) if rounding else {}
    coarse = _fetched(runner, models.coarse, theirs, [probe.back for probe in probes]) if rounding and models.coarse else {}
    for probe in probes:
        values = old[probe.old]
        if values.dtype.kind != "f":
            values = probe.pair.grid.dequantized(values)
        tally.restored(probe.new, values, back[probe.back])
        if rounding:
            tally.rounded(probe, values, new[probe.new])
            if coarse:
                tally.coarse(probe, values, coarse[probe.back])


def _outputs(
    runner: Runner,
    models: Models,
    sets: Sequence[tuple[str, Mapping[str, Array], Mapping[str, Array]]],
    integers: frozenset[str],
    tally: Tally,
) -> None:
    """Compare the outputs of the model; those of integers are compared as what they stand for already."""
    names = [name for name in runner.interface(models.written).outputs if name not in integers]
    for _, ours, theirs in sets:
        old, back = runner.outputs(models.old, ours, names), runner.outputs(models.back, theirs, names)
        for name in names:
            tally.restored(name, old[name], back[name])


def _fetched(runner: Runner, model: str, feed: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    wanted = list(dict.fromkeys(name for name in names if name not in feed))
    return {**feed, **runner.outputs(model, feed, wanted)}


def _same(runner: Runner, models: Models, feed: Mapping[str, Array]) -> bool:
    """Whether the file that was written gives the outputs of the model that was compared."""
    found = runner.outputs(models.written, feed)
    other = runner.outputs(models.new, feed, list(found))
    return all(np.array_equal(array, other[name], equal_nan=array.dtype.kind == "f") for name, array in found.items())


def _folded(runner: Runner, models: Models, sets: Sequence[tuple[str, Mapping[str, Array], Mapping[str, Array]]]) -> float | None:
    """How far the outputs of the result are from what they were before normalizations were folded; ``None`` when none was."""
    if not models.plain:
        return None
    worst = 0.0
    for _, _, feed in sets:
        before, after = runner.outputs(models.plain, feed), runner.outputs(models.written, feed)
        found = [difference(name, array, after[name]).max_rel for name, array in before.items()]
        worst = max([worst, *(np.inf if gap is None else gap for gap in found)])
    return worst
