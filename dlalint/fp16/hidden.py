"""What a layer adds up on its way to a result that fits: sums before they are divided, and squares.

Convolutions and matrix products are left out: the DLA's are known to add up in wider numbers (nvdla-precision), and so is pooling there.
"""

from __future__ import annotations

from dlalint.engine.diagnose import Diagnosis
from dlalint.fp16.reach import Bounds
from dlalint.graph import Device, Model, Node, volume
from dlalint.measured import Range, Ranges
from dlalint.named_tuple import NamedTuple
from dlalint.network import Layer
from dlalint.placement import Placement

_SQUARES = frozenset({"GlobalLpPool", "LpNormalization", "LpPool", "MeanVarianceNormalization", "ReduceL2"})
_NORMALIZERS = frozenset({"GroupNormalization", "InstanceNormalization", "LayerNormalization"})


class Hidden(NamedTuple):
    """A quantity inside of a layer: what it reaches at least, and at most."""

    what: str
    least: float
    most: float


def about_hidden(placed: Placement, model: Model, ranges: Ranges, end: Bounds, source: str, found: Diagnosis) -> None:
    """Say what leaves FP16 inside of layers whose input and output fit."""
    seen: set[int] = set()
    for index, layer in enumerate(placed.network.layers):
        number = layer.origin[0] if layer.origin else -1
        if layer.spec.helper or number < 0 or number in seen:
            continue
        node = model.graph.nodes[number]
        inside, outside = (ranges.tensors.get(names[0]) if names else None for names in (node.inputs, node.outputs))
        if inside is None or outside is None or inside.nonfinite or max(inside.largest, outside.largest) > end.largest:
            continue
        item = _hidden(layer, node, inside, outside, placed.partition.devices[index])
        if item is None or item.most <= end.largest:
            continue
        seen.add(number)
        slug, value = ("fp16-hidden-overflow", item.least) if item.least > end.largest else ("fp16-hidden-may-overflow", item.most)
        found.on_layer(slug, index, value, tensor=node.outputs[0], region=item.what, value=f"{value:.4g}", source=source)


def _hidden(layer: Layer, node: Node, inside: Range, outside: Range, device: Device) -> Hidden | None:
    operator, square = node.op.op_type, inside.largest**2
    if operator in _SQUARES and node.op.get_int("p", 2) == 2:
        least = max(square, outside.largest**2 if operator == "ReduceL2" else 0.0)
        return Hidden("the squares of its input", least, least)
    if operator in _NORMALIZERS:
        return Hidden("the squares of its input", 0.0, square)
    count = _summed(layer)
    if count is None or device is Device.DLA:
        return None
    one_sided = inside.low >= 0 or inside.high <= 0
    average = layer.spec.params.get("op") in ("AVG", "AVERAGE")
    total = count * outside.largest if average else outside.largest
    most = total if one_sided else count * inside.largest
    return Hidden(f"the sums of {count} elements", total, most)


def _summed(layer: Layer) -> int | None:
    """How many elements a sum or an average adds up; ``None`` when it is none, or that is not known."""
    spec, dims = layer.spec, layer.spec.inputs[0].dims if layer.spec.inputs else None
    if spec.kind == "POOLING" and spec.params.get("op") == "AVERAGE":
        window = spec.params.get("window")
        return volume(tuple(int(size) for size in window)) if isinstance(window, tuple) else None
    if spec.kind != "REDUCE" or spec.params.get("op") not in ("AVG", "SUM") or dims is None:
        return None
    axes = spec.params.get("axes")
    return volume(tuple(dims[int(axis)] for axis in axes if int(axis) < len(dims))) if isinstance(axes, tuple) else None
