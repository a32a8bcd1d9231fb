"""Every numeric rule once from end to end: a tiny model just inside of the limit, and one just outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from dlalint.engine.predicates import NUMERIC
from dlalint.engine.ruleset import RuleSet
from dlalint.plan import Outcome

Row = dict[str, str]
Check = Callable[..., Outcome]


class Case(NamedTuple):
    """A graph for a value of the quantity, on a target where going beyond the limit is certain (or at least said)."""

    target: str
    graph: Callable[[int], str]


def _graph(inputs: str, body: str, weights: str = "", out: str = "float[n,c,h,w] y") -> str:
    return f"({inputs}) => ({out}) <{weights}> {{ {body} }}" if weights else f"({inputs}) => ({out}) {{ {body} }}"


def _relu(shape: str) -> str:
    return _graph(f"float[{shape}] x", "y = Relu(x)")


def _conv(attributes: str, weights: str = "8,3,3,3", shape: str = "1,3,96,96") -> str:
    return _graph(f"float[{shape}] x", f"y = Conv<{attributes}>(x, w)", f"float[{weights}] w")


def _deconv(attributes: str, weights: str = "4,8,2,2", shape: str = "1,4,4,4") -> str:
    return _graph(f"float[{shape}] x", f"y = ConvTranspose<{attributes}>(x, w)", f"float[{weights}] w")


def _pool(attributes: str) -> str:
    return _graph("float[1,3,64,64] x", f"y = MaxPool<{attributes}>(x)")


def _clip(low: int, high: int) -> str:
    return _graph("float[1,3,8,8] x", "y = Clip(x, a, b)", f"float a = {{{low}}}, float b = {{{high}}}")


def _resize(attributes: str, scales: str) -> str:
    return _graph("float[1,3,2,2] x", f"y = Resize<{attributes}>(x, , s)", f"float[4] s = {{{scales}}}")


def _softmax(shape: str, axis: int = 1) -> str:
    return _graph(f"float[{shape}] x", f"y = Softmax<axis={axis}>(x)")


def _concat(count: int) -> str:
    names = ", ".join(["t", "x"][:count])
    return _graph("float[1,3,8,8] x", f"t = Relu(x) y = Concat<axis=1>({names})")


_NEAREST = 'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"'
_STEP = "int64[2] b = {0,0}, int64[2] e = {64,64}, int64[2] a = {2,3}"
CASES: dict[str, Case] = {
    "activation.clip_high": Case("xavier-trt8.4", lambda v: _clip(0, v)),
    "activation.clip_low": Case("xavier-trt8.4", lambda v: _clip(v, 6)),
    "batch.size": Case("xavier-trt5.0", lambda v: _relu(f"{v},3,8,8")),
    "concat.inputs": Case("xavier-trt8.4", _concat),
    "conv.banks": Case("xavier-trt8.4", lambda v: _conv("pads=[0,0,0,0]", "8,32,1,1", f"1,32,4,{512 * (v - 1)}")),
    "conv.banks_at_risk": Case("xavier-trt8.4", lambda v: _conv("pads=[0,0,0,0]", "8,32,1,1", f"1,32,4,{512 * (v - 1)}")),
    "conv.channels": Case("orin-trt10.3", lambda v: _conv("group=1", f"8,{v},1,1", f"1,{v},8,8")),
    "conv.dilation": Case("xavier-trt5.0", lambda v: _conv(f"dilations=[1,{v}]")),
    "conv.groups": Case("xavier-trt7.1", lambda v: _conv(f"group={v}", f"{v},1,1,1", f"1,{v},8,8")),
    "conv.kernel": Case("xavier-trt5.1", lambda v: _conv("group=1", f"8,3,1,{v}")),
    "conv.maps": Case("xavier-trt5.0", lambda v: _conv("group=1", f"{v},3,1,1")),
    "conv.padding": Case("xavier-trt5.1", lambda v: _conv(f"pads=[0,0,0,{v}]", "8,3,1,16")),
    "conv.padding_over_kernel": Case("xavier-trt7.1", lambda v: _conv(f"pads=[0,0,{v + 2},0]")),
    "conv.stride": Case("xavier-trt5.0", lambda v: _conv(f"strides=[{v},1]")),
    "deconv.channels": Case("xavier-trt8.4", lambda v: _deconv("group=1", f"{v},8,1,1", f"1,{v},4,4")),
    "deconv.dilation": Case("xavier-trt8.4", lambda v: _deconv(f"dilations=[1,{v}]")),
    "deconv.groups": Case("xavier-trt7.1", lambda v: _deconv(f"group={v}")),
    "deconv.kernel": Case("xavier-trt5.1", lambda v: _deconv("group=1", f"4,8,2,{v}")),
    "deconv.maps": Case("xavier-trt5.0", lambda v: _deconv("group=1", f"4,{v},1,1")),
    "deconv.padding": Case("xavier-trt7.1", lambda v: _deconv(f"pads=[0,{v},0,0]")),
    "deconv.square": Case("xavier-trt8.4", lambda v: _deconv("group=1", f"4,8,{v},{v}")),
    "deconv.stride": Case("xavier-trt5.1", lambda v: _deconv(f"strides=[{v},2]")),
    "elementwise.constants": Case("xavier-trt5.0", lambda v: _graph("float[1,3,8,8] x", f"y = Add(x, {'xb'[v]})", "float[3,1,1] b")),
    "fc.maps": Case("xavier-trt5.0", lambda v: _graph("float[1,16] x", "y = Gemm(x, w)", f"float[16,{v}] w", "float[n,m] y")),
    "pooling.padding": Case("xavier-trt5.0", lambda v: _pool(f"kernel_shape=[8,8], pads=[{v},0,0,0]")),
    "pooling.stride": Case("xavier-trt5.0", lambda v: _pool(f"kernel_shape=[2,2], strides=[1,{v}]")),
    "pooling.window": Case("xavier-trt5.0", lambda v: _pool(f"kernel_shape=[{v},2]")),
    "reduce.axes_within": Case("orin-trt10.3", lambda v: _graph("float[2,3,8,8] x", f"y = ReduceMax<axes=[{-v}]>(x)")),
    "resize.linear": Case("xavier-trt8.4", lambda v: _resize('mode="linear"', f"1,1,2,{v}")),
    "resize.nearest": Case("xavier-trt8.2", lambda v: _resize(_NEAREST, f"1,1,{v},2")),
    "resize.outer": Case("xavier-trt8.2", lambda v: _resize(_NEAREST, f"1,{v},2,2")),
    "slice.stride": Case(
        "xavier-trt8.4", lambda v: _graph("float[1,3,64,64] x", "y = Slice(x, b, e, a, s)", f"{_STEP}, int64[2] s = {{1,{v}}}")
    ),
    "softmax.axis_length": Case("orin-trt8.5", lambda v: _softmax(f"1,{v},1,1")),
    "softmax.axis_length_approximate": Case("orin-trt8.5", lambda v: _softmax(f"1,{v},1,2")),
    "softmax.axis_within": Case("orin-trt10.3", lambda v: _softmax("2,10,1,1", -v)),
    "softmax.other_axes": Case("orin-trt8.4", lambda v: _softmax(f"1,10,{v},1")),
    "tensor.size": Case("xavier-trt7.1", lambda v: _relu(f"1,3,{v},8")),
}


def _last_and_next(predicate: str, limit: Any) -> tuple[int, int]:
    """The last value that passes and the first that does not."""
    if predicate == "at_least":
        return limit, limit - 1
    if predicate == "outside":
        return limit[0] - 1, limit[0]
    high = limit[1] if predicate == "range" else limit
    return high, high + 1


def test_every_numeric_limit_has_a_model(book: RuleSet) -> None:
    assert {card.tests[0].limit for card in book.cards if card.tests and card.tests[0].predicate in NUMERIC} == set(CASES)


@pytest.mark.parametrize("limit", sorted(CASES))
def test_last_and_next_model(limit: str, book: RuleSet, golden: list[Row], outcome: Check) -> None:
    case = CASES[limit]
    card = next(card for card in book.cards if card.limit == limit)
    row = next(row for row in golden if row["target"] == case.target and row["limit"] == limit)
    last, following = _last_and_next(card.tests[0].predicate, json.loads(row["value"]))
    assert [found for found in outcome(case.graph(last), case.target).findings if found.code == card.code] == []
    broken = [found for found in outcome(case.graph(following), case.target).findings if found.code == card.code]
    assert [found.severity for found in broken] == [row["beyond"]]
    observed = broken[0].observed
    assert following == observed or (isinstance(observed, tuple) and following in observed)
