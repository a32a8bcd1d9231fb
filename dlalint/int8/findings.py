"""What is said about the scales of a network: missing, broken, unequal, of another model or release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from dlalint.calibration.cache import usable
from dlalint.engine.diagnose import Diagnosis
from dlalint.engine.memory import macs
from dlalint.finding import Limit
from dlalint.graph import Device, Model
from dlalint.int8.coverage import Needs, asked, names, needs
from dlalint.int8.moves import moves_only
from dlalint.measured import Scales
from dlalint.placement import Placement

_NAMES = 3  # of layers in a sentence
_COMPARED, _POOL, _LONG, _OFF = 10, 500, 200, 3  # misspelt names compared, each with so many others; longest name, difference in length
# of the kinds whose tensors must have one scale: the limit that says so, the rule, and whether the output belongs to them
_EQUAL = {
    "POOLING": ("int8.pooling_scales", "pooling-scales-unequal", True),
    "CONCATENATION": ("int8.concat_scales", "concat-scales-unequal", True),
    "ELEMENTWISE": ("int8.elementwise_scales", "elementwise-scales-unequal", False),
}


def about_scales(placed: Placement, model: Model, scales: Scales, found: Diagnosis) -> None:
    """Everything that is wrong with ``scales`` for a placed network."""
    if "int8.calibrator" not in placed.rules.limits:
        found.on_model("scales-not-taken", None)
        return
    needed = needs(placed, model.graph, scales)
    _about_cache(placed, scales, found)
    have = [name for name in needed.tensors if name in scales.values]
    stranger = None
    if needed.tensors and scales.values and not have:
        stranger = found.on_model("scales-of-another-model", len(needed.tensors), file=scales.path)
    for name, touching in needed.tensors.items():
        if name not in scales.values:
            _missing("scale-missing", name, touching, None, placed, found, stranger)
        elif not usable(scales.values[name]):
            _missing("scale-unusable", name, touching, scales.values[name], placed, found, None)
    _unequal(placed, model, needed, scales, found)
    _about_images(placed, needed, scales, found)
    _about_names(placed, model, scales, found)
    for index, layer in enumerate(placed.network.layers):
        if asked(layer, model.graph, scales) == "fp32" and not layer.spec.helper:
            found.on_layer("layer-asked-in-fp32", index, "fp32")


def _about_cache(placed: Placement, scales: Scales, found: Diagnosis) -> None:
    limit = placed.rules.limits.get("int8.calibrator")
    if scales.algorithm and limit is not None and scales.algorithm not in _items(limit):
        found.on_model("calibrator-unsupported", scales.algorithm)
    target = placed.rules.target
    if scales.version and scales.version.split(".")[:2] != [str(part) for part in target.trt]:
        found.on_model("scales-of-another-release", scales.version)


def _items(limit: Limit) -> tuple[object, ...]:
    return limit.value if isinstance(limit.value, tuple) else (limit.value,)


def _missing(
    slug: str, name: str, touching: Sequence[int], scale: float | None, placed: Placement, found: Diagnosis, cause: int | None
) -> None:
    layers = placed.network.layers
    lost = sum(macs(layers[index].spec) for index in touching)
    total = sum(macs(layer.spec) for layer in layers)
    names = [layers[index].name for index in touching]
    said = ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
    share = f" ({100 * lost / total:.1f} % of the multiplications)" if total and lost else ""
    value = f"{scale:g}" if scale is not None else ""
    found.on_layer(slug, touching[0], name, cause, tensor=name, region=f"{said}{share}", value=value)


def _unequal(placed: Placement, model: Model, needed: Needs, scales: Scales, found: Diagnosis) -> None:
    for index in sorted(needed.layers):
        layer = placed.network.layers[index]
        limit, slug, output = _EQUAL.get(layer.spec.kind, ("", "", True))
        if limit:
            if limit not in placed.rules.limits:
                continue
        elif moves_only(layer, model):
            slug = "moved-scale-unequal"
        else:
            continue
        data = [name for name, operand in zip(layer.inputs, layer.spec.inputs, strict=False) if not operand.constant]
        _compare(slug, index, [*data, *(layer.outputs if output else ())], scales, found)


def _compare(slug: str, index: int, names: Sequence[str], scales: Scales, found: Diagnosis) -> None:
    values = {name: scales.values[name] for name in names if name in scales.values and usable(scales.values[name])}
    if len(set(values.values())) > 1:
        said = ", ".join(f"{name} {value:g}" for name, value in list(values.items())[:_NAMES])
        more = f" and {len(values) - _NAMES} more" if len(values) > _NAMES else ""
        largest = max(values, key=values.__getitem__)
        found.on_layer(
            slug,
            index,
            round(values[largest] / min(values.values()), 4),
            tensor=largest,
            scales=said + more,
            largest=f"{values[largest]:g}",
        )


def _about_images(placed: Placement, needed: Needs, scales: Scales, found: Diagnosis) -> None:
    """Network inputs that could be HWC4 images, were it not for the precision of the convolution that reads them."""
    network, limit = placed.network, placed.rules.limits.get("io.hwc4_channels")
    lost = {index for name, touching in needed.tensors.items() if not usable(scales.values.get(name, 0.0)) for index in touching}
    in_fp16 = lost | (set(range(len(network.layers))) - needed.layers)
    readers = network.consumers()
    for name in network.inputs:
        kind = network.types.get(name)
        if limit is None or kind is None or kind.dims is None or len(kind.dims) != 4 or kind.dims[1] not in _items(limit):
            continue
        for index in readers.get(name, ()):
            first = network.layers[index].spec.kind == "CONVOLUTION" and placed.partition.devices[index] is Device.DLA
            if first and index in in_fp16:
                found.on_layer("hwc4-in-fp16", index, None, tensor=name)


def _about_names(placed: Placement, model: Model, scales: Scales, found: Diagnosis) -> None:
    graph = model.graph
    tensors = {*graph.inputs, *graph.constants, *(name for node in graph.nodes for name in node.outputs), *placed.network.types}
    strange = [name for name in scales.values if name not in tensors and not name.startswith("(Unnamed Layer*")]
    if any(name in tensors for name in scales.values):
        for name, nearest in _nearest(strange, tensors):
            found.on_model("scale-of-no-tensor", name, tensor=name, nearest=nearest)
    layers = {name for layer in placed.network.layers for name in names(layer, model.graph)}
    for name, nearest in _nearest([name for name in scales.kinds if name != "*" and name not in layers], layers):
        found.on_model("precision-of-no-layer", name, nearest=nearest)


def _nearest(strange: Sequence[str], known: set[str]) -> Iterable[tuple[str, str]]:
    """Each strange name with its nearest known one in words; only the first few are compared, and only with names about as long."""
    for number, name in enumerate(strange):
        near: list[str] = []
        if number < _COMPARED and len(name) <= _LONG:
            alike = sorted(other for other in known if abs(len(other) - len(name)) <= _OFF)[:_POOL]
            near = get_close_matches(name, alike, 1)
        yield name, f"; the nearest is {near[0]}" if near else ""
