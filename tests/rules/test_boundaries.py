"""Every numeric rule on every target at its edges: what lies just inside passes, what lies just outside breaks the rule.

The edges come from golden_limits.tsv; the layers are made here, one way for each quantity; the judge is the real engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dlalint.engine.check import Checker, Verdict
from dlalint.engine.predicates import NUMERIC
from dlalint.engine.registry import QUANTITIES
from dlalint.engine.ruleset import STAGES, BoundCard, RuleSet, TargetRules
from dlalint.engine.targets import parse
from dlalint.finding import ERROR
from dlalint.graph import TensorType
from dlalint.network import LayerSpec, Operand, Param

from .conftest import judged

Row = dict[str, str]
Maker = Callable[[int], list[LayerSpec]]
_GOLDEN = Path(__file__).with_name("golden_limits.tsv").read_text(encoding="utf-8").splitlines()[1:]
TARGETS = list(dict.fromkeys(line.split("\t")[0] for line in _GOLDEN))
_SMALL = (1, 8, 4, 4)
_WINDOW: dict[str, Param] = {"stride": (1, 1), "pre_padding": (0, 0), "post_padding": (0, 0), "spatial": 2}
_KERNEL: dict[str, Param] = {**_WINDOW, "kernel": (3, 3), "dilation": (1, 1), "maps": 8, "groups": 1, "weights_constant": True}
_POOL: dict[str, Param] = {**_WINDOW, "op": "MAX", "window": (2, 2), "exclusive": False, "dilated": False}
_RESIZE: dict[str, Param] = {"coordinates": "HALF_PIXEL", "selector": "FORMULA", "rounding": "HALF_UP", "explicit": False, "scale_count": 4}


def _half(dims: Sequence[int]) -> TensorType:
    return TensorType("float16", tuple(dims))


def _layer(kind: str, params: dict[str, Param], dims: Sequence[int] = _SMALL, out: Sequence[int] = _SMALL, count: int = 1) -> LayerSpec:
    return LayerSpec(kind, params, (Operand(_half(dims)),) * count, (_half(out),))


def _each(kind: str, params: dict[str, Param], *names: str) -> Maker:
    """The value at either place of each of these pairs, the other places as they are."""

    def make(value: int) -> list[LayerSpec]:
        made = []
        for name in names:
            old = params[name]
            assert isinstance(old, tuple)
            made += [_layer(kind, {**params, name: pair}) for pair in ((value, int(old[1])), (int(old[0]), value))]
        return made

    return make


def _single(kind: str, params: dict[str, Param], name: str) -> Maker:
    return lambda value: [_layer(kind, {**params, name: value})]


def _dims(kind: str, params: dict[str, Param], *shapes: Callable[[int], tuple[int, ...]]) -> Maker:
    """Input shapes that hold the value."""
    return lambda value: [_layer(kind, params, shape(value)) for shape in shapes]


def _size(value: int) -> list[LayerSpec]:
    shapes = [(1, value, 1, 1), (1, 1, value, 1), (1, 1, 1, value), (2, 1, value, 1, 1)]
    return [_layer("ACTIVATION", {"op": "RELU"}, *pair) for shape in shapes for pair in ((shape, (1, 1)), ((1, 1), shape))]


def _batch(value: int) -> list[LayerSpec]:
    shapes = [(value, 8, 4, 4), (value, 1, 8, 4, 4), (1, value, 8, 4, 4)]
    return [_layer("ACTIVATION", {"op": "RELU"}, *pair) for shape in shapes for pair in ((shape, (1, 1)), ((1, 1), shape))]


def _banks(value: int) -> list[LayerSpec]:
    """Layers in FP16 that need so many banks: of 256 times 4 columns of 16 channels for each kernel row, or of 512 kernels 1x32."""
    wide = ({"kernel": (1, 1)}, (1, 16, 4, 1024 * (value - 1)))
    tall = ({"kernel": (2, 1), "dilation": (value - 2, 1)}, (1, 16, 64, 1024))
    deep = ({"kernel": (1, 32)}, (1, 512 * (value - 1), 4, 1))
    return [_layer("CONVOLUTION", {**_KERNEL, **params}, dims) for params, dims in (wide, tall, deep)]


def _over_kernel(value: int) -> list[LayerSpec]:
    """Padding that exceeds the largest allowed one, the kernel less one, by the value."""
    params = {**_KERNEL, "kernel": (3, 5)}
    pairs = [(value + 2, 0), (0, value + 4)]
    return [_layer("CONVOLUTION", {**params, name: pair}) for name in ("pre_padding", "post_padding") for pair in pairs]


def _square(value: int) -> list[LayerSpec]:
    return [_layer("DECONVOLUTION", {**_KERNEL, name: (value, value)}) for name in ("kernel", "stride")]


def _constants(value: int) -> list[LayerSpec]:
    """Constant operands that the layer reads, or that were packed into it."""
    data = Operand(_half(_SMALL))
    read = LayerSpec("ELEMENTWISE", {"op": "SUM"}, (data, data._replace(constant=value > 0)), (_half(_SMALL),))
    return [read, _layer("ELEMENTWISE", {"op": "SUM", "constants": value})]


def _resize(mode: str, first: int) -> Maker:
    def make(value: int) -> list[LayerSpec]:
        made = []
        for place in (first, first + 1):
            scales = [1.0, 1.0, 2.0, 2.0]
            scales[place] = float(value)
            made.append(_layer("RESIZE", {**_RESIZE, "mode": mode, "scales": tuple(scales)}))
        return made

    return make


def _from_end(kind: str, rank: int, key: str) -> Maker:
    """An axis that lies this far from the end."""

    def make(value: int) -> list[LayerSpec]:
        axis = rank - value
        found: Param = (axis, rank - 1) if key == "axes" else axis
        return [_layer(kind, {key: found, "op": "MAX"}, (2,) * rank)]

    return make


_AXIS: dict[str, Param] = {"axis": 1}
MAKERS: dict[str, Maker] = {
    "activation.clip_high": lambda value: [_layer("ACTIVATION", {"op": "CLIP", "alpha": 0.0, "beta": float(value)})],
    "activation.clip_low": lambda value: [_layer("ACTIVATION", {"op": "CLIP", "alpha": float(value), "beta": 6.0})],
    "batch.size": _batch,
    "concat.inputs": lambda value: [_layer("CONCATENATION", {"axis": 1, "count": value}, count=value)],
    "conv.banks": _banks,
    "conv.channels": _dims("CONVOLUTION", _KERNEL, lambda value: (1, value, 4, 4)),
    "conv.dilation": _each("CONVOLUTION", _KERNEL, "dilation"),
    "conv.groups": _single("CONVOLUTION", _KERNEL, "groups"),
    "conv.kernel": _each("CONVOLUTION", _KERNEL, "kernel"),
    "conv.maps": _single("CONVOLUTION", _KERNEL, "maps"),
    "conv.padding": _each("CONVOLUTION", _KERNEL, "pre_padding", "post_padding"),
    "conv.padding_over_kernel": _over_kernel,
    "conv.stride": _each("CONVOLUTION", _KERNEL, "stride"),
    "deconv.channels": _dims("DECONVOLUTION", _KERNEL, lambda value: (1, value, 4, 4)),
    "deconv.dilation": _each("DECONVOLUTION", _KERNEL, "dilation"),
    "deconv.groups": _single("DECONVOLUTION", _KERNEL, "groups"),
    "deconv.kernel": _each("DECONVOLUTION", _KERNEL, "kernel"),
    "deconv.maps": _single("DECONVOLUTION", _KERNEL, "maps"),
    "deconv.padding": _each("DECONVOLUTION", _KERNEL, "pre_padding", "post_padding"),
    "deconv.square": _square,
    "deconv.stride": _each("DECONVOLUTION", _KERNEL, "stride"),
    "elementwise.constants": _constants,
    "fc.maps": _single("FULLY_CONNECTED", _KERNEL, "maps"),
    "pooling.padding": _each("POOLING", _POOL, "pre_padding", "post_padding"),
    "pooling.stride": _each("POOLING", _POOL, "stride"),
    "pooling.window": _each("POOLING", _POOL, "window"),
    "reduce.axes_within": _from_end("REDUCE", 5, "axes"),
    "resize.linear": _resize("LINEAR", 2),
    "resize.nearest": _resize("NEAREST", 2),
    "resize.outer": _resize("NEAREST", 0),
    "slice.stride": lambda value: [
        _layer("SLICE", {"mode": "DEFAULT", "static": True, "axes": (2, 3), "stride": pair}) for pair in ((value, 1), (1, value))
    ],
    "softmax.axis_length": _dims("SOFTMAX", _AXIS, lambda value: (1, value, 1, 1)),
    "softmax.axis_length_approximate": _dims("SOFTMAX", _AXIS, lambda value: (1, value, 2, 1), lambda value: (1, value, 1, 2)),
    "softmax.axis_within": _from_end("SOFTMAX", 5, "axis"),
    "softmax.other_axes": _dims("SOFTMAX", _AXIS, lambda value: (value, 9, 1, 1), lambda value: (1, 9, value, 1)),
    "tensor.size": _size,
}


def _edges(predicate: str, limit: Any) -> list[tuple[int, bool]]:
    """The values around the edges of a limit, and whether they break it."""
    if predicate == "at_most":
        return [(limit, False), (limit + 1, True)]
    if predicate == "at_least":
        return [(limit - 1, True), (limit, False)]
    low, high = limit
    beyond = predicate == "range"
    return [(low - 1, beyond), (low, not beyond), (high, not beyond), (high + 1, beyond)]


def _numeric(rules: TargetRules) -> Iterator[BoundCard]:
    return (bound for bound in rules.cards if bound.tests and bound.tests[0].predicate in NUMERIC)


def _specs(bound: BoundCard, value: int, rules: TargetRules) -> Iterator[LayerSpec]:
    """The layers of every kind that the card judges and the target has."""
    known = rules.limits["layer.kinds"].value
    assert isinstance(known, tuple)
    for spec in MAKERS[bound.tests[0].quantity.name](value):
        kinds = bound.card.kinds.intersection(str(kind) for kind in known) or {spec.kind}
        yield from (LayerSpec(kind, spec.params, spec.inputs, spec.outputs) for kind in sorted(kinds))


def _judged(spec: LayerSpec, bound: BoundCard, rules: TargetRules, checker: Checker) -> Verdict:
    """What this card alone says of a layer."""
    verdict = judged(checker, spec, rules)
    return Verdict(tuple(found for found in verdict.violations if found.bound is bound), ())


@pytest.mark.parametrize("name", TARGETS)
def test_edges(name: str, book: RuleSet, golden: list[Row], checker: Checker) -> None:
    rules = book.for_target(parse(name, book))
    limits = {row["limit"]: row for row in golden if row["target"] == name}
    wrong = []
    for bound in _numeric(rules):
        test, row = bound.tests[0], limits[bound.tests[0].limit.name]
        for value, broken in _edges(test.predicate, json.loads(row["value"])):
            refused = broken and row["beyond"] == ERROR and bound.card.verdict == "fail"
            stages = [bound.card.stage] if refused else []
            for spec in _specs(bound, value, rules):
                measured = checker.measure(spec, QUANTITIES[test.quantity.name], rules)
                assert measured == value or (isinstance(measured, tuple) and value in measured), f"{test.quantity.name} is not {value} here"
                verdict = _judged(spec, bound, rules, checker)
                if (bool(verdict.violations), [stage for stage in STAGES if verdict.refused(stage)]) != (broken, stages):
                    wrong.append((bound.card.slug, value, spec))
    assert wrong == []


def test_every_numeric_rule_is_tested_on_the_targets_that_have_its_limit(book: RuleSet, golden: list[Row]) -> None:
    """No rule goes missing between the table and the engine, and every numeric quantity has its maker."""
    numeric = {card.slug: card.tests[0] for card in book.cards if card.tests and card.tests[0].predicate in NUMERIC}
    assert {test.quantity.name for test in numeric.values()} == set(MAKERS)
    for name in TARGETS:
        stated = {row["limit"] for row in golden if row["target"] == name}
        wanted = {slug for slug, test in numeric.items() if test.limit in stated}
        assert {bound.card.slug for bound in _numeric(book.for_target(parse(name, book)))} == wanted


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("slug", "key"), [("deconv-kernel-too-large", "kernel"), ("deconv-stride-too-large", "stride")])
def test_deconvolution_strips(name: str, slug: str, key: str, book: RuleSet, golden: list[Row], checker: Checker) -> None:
    """Beyond the range single strips are allowed, from 7.1 on; nothing beside them."""
    rules = book.for_target(parse(name, book))
    bound = next(found for found in rules.cards if found.card.slug == slug)
    stated = {row["limit"]: json.loads(row["value"]) for row in golden if row["target"] == name}
    strips = {tuple(int(part) for part in strip.split("x")) for strip in stated.get("deconv.strips", [])}
    lengths = sorted({max(strip) for strip in strips} or {64, 96, 128})
    pairs = [pair for length in lengths for near in (length - 1, length, length + 1) for pair in ((1, near), (near, 1), (2, near))]
    broken = {pair for pair in pairs if _judged(_layer("DECONVOLUTION", {**_KERNEL, key: pair}), bound, rules, checker).violations}
    assert broken == {pair for pair in pairs if pair not in strips}


# layers beyond a number that is not about them: target, rule, layer
_OTHERS: list[tuple[str, str, LayerSpec]] = [
    ("orin-trt8.5", "softmax-map-too-long", _layer("SOFTMAX", _AXIS, (2, 1025, 1, 1))),
    ("xavier-trt8.4", "deconv-square-disabled", _layer("DECONVOLUTION", {**_KERNEL, "kernel": (23, 24), "stride": (2, 23)})),
    ("xavier-trt8.4", "resize-linear-too-large", _layer("RESIZE", {**_RESIZE, "mode": "NEAREST", "scales": (1.0, 1.0, 5.0, 5.0)})),
    ("xavier-trt8.4", "clip-high", _layer("ACTIVATION", {"op": "RELU", "alpha": -1.0, "beta": 200.0})),
    ("orin-trt10.4", "slice-strided", _layer("SLICE", {"mode": "WRAP", "static": True, "axes": (1,), "stride": (2,)})),
]


@pytest.mark.parametrize(("name", "slug", "spec"), _OTHERS)
def test_a_limit_is_held_only_against_what_it_is_about(name: str, slug: str, spec: LayerSpec, book: RuleSet, checker: Checker) -> None:
    rules = book.for_target(parse(name, book))
    assert slug in {bound.card.slug for bound in rules.cards_for(spec.kind)}
    assert slug not in {found.bound.card.slug for found in judged(checker, spec, rules).violations}
