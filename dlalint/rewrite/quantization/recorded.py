"""The scale of each tensor from the pairs that were on it, and what there is to say about them and about the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dlalint.calibration.cache import STEPS, scale_of
from dlalint.calibration.translated import PAIR, Remark, TensorScale
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.quantization.carrying import named
from dlalint.rewrite.quantization.pairs import Baked, Found
from dlalint.rewrite.quantization.removing import Removed

_MAX_SAME = 1e-3  # steps: what float arithmetic may do to weights that lie on TensorRT's own grid


def recorded(found: Found, removed: Removed) -> tuple[TensorScale, ...]:
    """The scales of the tensors that stand for pairs, as a cache can hold them; of several pairs on one tensor the largest counts."""
    scales: dict[str, float] = {}
    for name, pair in zip(removed.tensors, found.pairs, strict=True):
        scales[name] = max(scales.get(name, 0.0), scale_of(pair.grid.covering * STEPS))
    return tuple(TensorScale(name, scale, PAIR) for name, scale in scales.items())


def remarks(found: Found, removed: Removed, scales: tuple[TensorScale, ...]) -> Iterator[Remark]:
    """What a scale changes, and what else changed, tensor by tensor."""
    final = {item.tensor: item.scale for item in scales}
    steps: dict[str, list[float]] = {}
    for name, pair in zip(removed.tensors, found.pairs, strict=True):
        steps.setdefault(name, []).append(pair.grid.step)
        wider = final[name] / float(pair.grid.scale.min()) - 1
        if not pair.grid.symmetric:
            low, high = pair.grid.range
            text = f"it goes from {low:.4g} to {high:.4g}: the symmetric scale that covers that makes a step {wider:.0%} wider"
            yield Remark("asymmetric", name, text, wider)
        elif not pair.grid.per_tensor:
            text = f"{pair.grid.scale.size} scales, one a channel: the largest is taken, which makes the finest step {wider:.0%} wider"
            yield Remark("per-channel", name, text, wider)
    for name, known in steps.items():
        if min(known) < max(known):
            wider = max(known) / min(known) - 1
            text = f"{len(known)} pairs of different scales on it: the largest is taken, steps become up to {wider:.0%} wider"
            yield Remark("merged", name, text, wider)
    inputs = {item.name for item in removed.model.graph.input}
    for name in dict.fromkeys(name for name, pair in zip(removed.tensors, found.pairs, strict=True) if pair.grid.range[0] == 0):
        if name in inputs:
            yield Remark("input", name, "its pair cut off what is below zero; feed nothing there, no node of the result does that")
    for clamp in removed.clamps:
        what = "Relu" if clamp.upper is None else f"Clip from 0 to {clamp.upper:g}"
        yield Remark("relu", clamp.made, f"the pair cut off what is below zero; a {what} of {clamp.source!r} does that now")
    for name in removed.floats:
        side = "input" if any(item.name == name for item in removed.model.graph.input) else "output"
        text = f"an {side} of integers in the model, of floats now; trtexec makes it INT8 again with --{side}IOFormats"
        yield Remark(f"float-{side}", name, text)


def unused(graph: Graph, found: Found) -> Iterator[Remark]:
    """The nodes that are left out since no output depends on them; constants go without a word."""
    for index in found.idle:
        if graph.nodes[index].op_type != "Constant":
            yield Remark("unused", named(graph.nodes[index]), "no output of the model depends on it, so it is left out")


def regridded(graph: Graph, found: Found) -> Iterator[Remark]:
    """The weights that TensorRT, which takes their scales from the largest value of each output channel, does not put on the same grid."""
    readers = {item.name: graph.consumers(item.name) for item in found.baked}
    for item in found.baked:
        for index in readers[item.name]:
            node = graph.nodes[index] if index >= 0 else None
            if node is not None and len(node.input) > 1 and node.input[1] == item.name:
                axis = _channels(node.op_type, attribute(node, "transB", 0), item.array.ndim)
                moved = _moved(item, axis) if axis is not None and item.array.size else 0.0
                if moved > _MAX_SAME:
                    text = f"TensorRT quantizes these weights by the largest value of each channel: they move by up to {moved:.2f} steps"
                    yield Remark("weights", item.name, text, moved)
                    break


def _channels(op_type: str, transposed: int, rank: int) -> int | None:
    """The axis of the output channels in the weights of an operator."""
    if op_type == "Gemm":
        return 0 if transposed else 1
    return {"Conv": 0, "ConvTranspose": 1, "MatMul": rank - 1}.get(op_type)


def _moved(item: Baked, axis: int) -> float:
    """How far weights move when they are quantized again, in steps of the grid they are on."""
    array: Array = item.array.astype(np.float64)
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    scale = np.abs(rows).max(axis=1, keepdims=True) / STEPS
    scale[scale == 0] = 1.0
    change = np.abs(np.rint(rows / scale) * scale - rows)
    steps = item.grid.scale.astype(np.float64)
    own = steps.reshape(-1, 1) if steps.size == rows.shape[0] else steps.max()
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmax(np.where(change > 0, change / own, 0.0)))
