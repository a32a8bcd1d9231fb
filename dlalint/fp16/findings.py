"""What is said about the ranges of a network's tensors and weights in FP16."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.engine.diagnose import Diagnosis
from dlalint.fp16.hidden import about_hidden
from dlalint.fp16.reach import Bounds, Handed, bounds, folded_away, handed_on, on_dla
from dlalint.graph import Device
from dlalint.graphview import GraphView
from dlalint.measured import Ranges, Weight
from dlalint.placement import Placement


def about_ranges(placed: Placement, view: GraphView, ranges: Ranges, found: Diagnosis) -> None:
    """Everything that is wrong with the ranges of a placed network."""
    end = bounds(placed)
    if end is None:
        return
    source = f", measured on random data (seed {ranges.seed})" if ranges.seed is not None else ""
    known: dict[tuple[str, str], int] = {}
    for item in handed_on(placed.network, ranges):
        _about_tensor(placed, item, end, source, known, found)
    _about_weights(placed, view, ranges.weights, end, found)
    about_hidden(placed, view.model, ranges, end, source, found)


def _about_tensor(placed: Placement, item: Handed, end: Bounds, source: str, known: dict[tuple[str, str], int], found: Diagnosis) -> None:
    """The finding about one tensor; it follows from the same one about what its layer reads. ``known`` are those by kind and tensor."""
    reached, broken = item.range.largest, item.range.nonfinite
    words = {"value": f"{broken} of {item.range.count} elements" if broken else f"{reached:.4g}", "source": source}
    if broken:
        kind_of = placed.network.types.get(item.tensor)
        words["region"] = "the FP16 of the model" if kind_of is not None and kind_of.dtype == "float16" else "FP32"
        kind, slug, observed = "over", "fp16-not-finite", float(broken)
    elif reached > end.largest:
        kind, slug, observed = "over", "fp16-overflow" if on_dla(placed, item) else "fp16-overflow-on-gpu", reached
    elif reached > end.largest / end.margin:
        kind, slug, observed = "near", "fp16-near-overflow", round(end.largest / reached, 2)
    elif 0 < reached < end.normal:
        kind, slug, observed = "small", "fp16-too-small", reached
    else:
        return
    inputs = placed.network.layers[item.maker].inputs if item.maker >= 0 else ()
    cause = next((known[kind, name] for name in inputs if (kind, name) in known), None)
    if item.maker < 0:
        known[kind, item.tensor] = found.on_model(slug, observed, tensor=item.tensor, cause=cause, **words)
    else:
        known[kind, item.tensor] = found.on_layer(slug, item.maker, observed, cause, tensor=item.tensor, **words)


def _about_weights(placed: Placement, view: GraphView, weights: Mapping[str, Weight], end: Bounds, found: Diagnosis) -> None:
    folded = _folded_weights(placed)
    for index, layer in enumerate(placed.network.layers):
        for name in dict.fromkeys(name for name in layer.inputs if name in weights and name not in folded):
            item = weights[name]
            if item.largest > end.largest:
                inside = placed.partition.devices[index] is Device.DLA
                slug = "fp16-weights-overflow" if inside else "fp16-overflow-on-gpu"
                found.on_layer(slug, index, item.largest, tensor=name, value=f"{item.largest:.4g}", source="")
            lost = item.subnormal / item.elements if item.elements else 0.0
            if lost >= end.lost_share:
                gone = _percent(item.zero / item.elements)
                found.on_layer("fp16-weights-lost", index, round(lost, 4), tensor=name, value=_percent(lost), amount=gone)


def _folded_weights(placed: Placement) -> frozenset[str]:
    """The constants of convolutions that take in the scale behind them: what the builder rounds is their product."""
    network = placed.network
    readers = network.consumers()
    names: set[str] = set()
    for index, layer in enumerate(network.layers):
        if any(folded_away(network, name, index, readers.get(name, [])) for name in layer.outputs):
            names.update(layer.inputs[1:])
    return frozenset(names)


def _percent(share: float) -> str:
    return "none" if not share else f"{100 * share:.3g} %"
