"""What ranges of tensors become: findings, causes, and the sums of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dlalint.engine.targets import parse
from dlalint.finding import Finding
from dlalint.measured import Measured, Range, Ranges, Weight
from dlalint.pipeline import Session
from dlalint.plan import Outcome

from ...conftest import example

Check = Callable[..., Outcome]
TARGET = "orin-trt8.6"
CHAIN = "(float16[1,3,8,8] x) => (float16[1,3,8,8] y) { [a] a = Conv(x, w) [b] b = Relu(a) [y] y = Conv(b, w) } "
CHAIN = CHAIN.replace(") {", ") <float16[3,3,1,1] w> {", 1)


def reaching(largest: float, low: float = 0.0) -> Range:
    return Range(low, largest, largest, largest, 0, 100)


@pytest.fixture
def check(session: Session, tmp_path: Path) -> Check:
    """``check(text, {"a": 7e4})``: the outcome with these largest values, or ranges."""

    def run(
        text: str, tensors: Mapping[str, Any], weights: Mapping[str, Weight] | None = None, target: str = TARGET, **given: Any
    ) -> Outcome:
        path = tmp_path / "model.onnx"
        path.write_bytes(example(text, 17).SerializeToString())
        found = {name: item if isinstance(item, Range) else reaching(item) for name, item in tensors.items()}
        ranges = Ranges("inputs.npz", 4, found, weights or {}, **given)
        precision = "int8" if given.pop("int8", False) else "fp16"
        return session.check(session.view(path), parse(target, session.rules, precision), measured=Measured(ranges=ranges))

    return run


def about_values(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.code.startswith(("DLA82", "DLA83"))]


def said(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(finding.name, finding.tensor, finding.node) for finding in about_values(outcome)]


def test_an_overflow_is_named_once_and_the_rest_follows(check: Check) -> None:
    outcome = check(CHAIN, {"x": 1.0, "a": 7e4, "b": 7e4, "y": 8e4})
    first, second, third = about_values(outcome)
    assert [item.name for item in (first, second, third)] == ["fp16-overflow"] * 3
    assert (first.severity, first.node, first.tensor, first.observed, first.limit) == ("error", "a", "a", 7e4, 65504)
    assert first.message == "a reaches 7e+04, FP16 ends at 65504"
    assert [outcome.findings.index(first)] * 2 == [second.cause, outcome.findings[third.cause or 0].cause]
    reach = outcome.reach
    assert reach is not None
    assert (reach.over, reach.near, reach.small, reach.layers) == (("a", "b", "y"), (), (), ("a", "b", "y"))
    assert reach.margins[0] == ("y", 65504 / 8e4)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (65504.0, "fp16-near-overflow"),
        (65505.0, "fp16-overflow"),
        (16377.0, "fp16-near-overflow"),
        (16376.0, ""),
        (6.103515625e-05, ""),
        (6.1e-05, "fp16-too-small"),
        (0.0, ""),
    ],
)
def test_where_each_begins(check: Check, value: float, name: str) -> None:
    outcome = check("(float16[1,3,8,8] x) => (float16[1,3,8,8] y) { y = Relu(x) }", {"x": 1.0, "y": value})
    assert [item.name for item in about_values(outcome)] == ([name] if name else [])


def test_a_safe_network_has_no_finding(check: Check) -> None:
    outcome = check(CHAIN, {"x": 1.0, "a": 10.0, "b": 10.0, "y": 100.0})
    assert about_values(outcome) == []
    assert outcome.reach is not None and outcome.reach.layers == ()


def test_a_margin_is_a_guess(check: Check) -> None:
    (found,) = about_values(check(CHAIN, {"x": 1.0, "a": 1.0, "b": 1.0, "y": 32752.0}))
    assert (found.name, found.severity, found.verdict, found.observed, found.confidence) == (
        "fp16-near-overflow",
        "warning",
        "unknown",
        2.0,
        "inferred",
    )


def test_an_input_that_overflows(check: Check) -> None:
    outcome = check(CHAIN, {"x": 1e5, "a": 1.0, "b": 1.0, "y": 1.0})
    assert said(outcome) == [("fp16-overflow", "x", "")]


def test_what_only_the_gpu_touches_is_unknown(check: Check) -> None:
    graph = "(float16[1,3,8,8] x) => (float16[1,3,8,8] y) { [a] a = Erf(x) [b] b = Erf(a) [y] y = Relu(b) }"
    outcome = check(graph, {"x": 1.0, "a": 7e4, "b": 7e4, "y": 1.0})
    assert [(item.name, item.verdict) for item in about_values(outcome)] == [("fp16-overflow-on-gpu", "unknown"), ("fp16-overflow", "fail")]


@pytest.mark.parametrize(("dtype", "words"), [("float", "FP32"), ("float16", "the FP16 of the model")])
def test_a_tensor_that_is_not_finite_already(check: Check, dtype: str, words: str) -> None:
    broken = Range(-1.0, 2.0, 2.0, 1.0, 7, 100)
    (found,) = about_values(check(CHAIN.replace("float16", dtype), {"x": 1.0, "a": broken, "b": 1.0, "y": 1.0}))
    assert (found.name, found.message) == ("fp16-not-finite", f"a is not finite in {words} already: 7 of 100 elements")


def test_what_is_folded_into_a_convolution_is_no_tensor(check: Check) -> None:
    graph = """(float16[1,3,8,8] x) => (float16[1,3,8,8] y) <float16[3,3,1,1] w, float16[3] s, float16[3] b, float16[3] m, float16[3] v> {
        a = Conv(x, w) y = BatchNormalization(a, s, b, m, v) }"""
    weights = {"w": Weight(1e6, 0, 0, 9)}
    outcome = check(graph, {"x": 1.0, "a": 1e6, "y": 1.0}, weights)
    assert about_values(outcome) == []
    assert outcome.reach is not None and outcome.reach.measured == ("x", "y")
    split = graph.replace("=> (float16[1,3,8,8] y)", "=> (float16[1,3,8,8] y, float16[1,3,8,8] a)")
    names = {item.name for item in about_values(check(split, {"x": 1.0, "a": 1e6, "y": 1.0}, weights))}
    assert names == {"fp16-overflow", "fp16-weights-overflow"}


def test_weights(check: Check) -> None:
    tensors = {"x": 1.0, "a": 1.0, "b": 1.0, "y": 1.0}
    outcome = check(CHAIN, tensors, {"w": Weight(7e4, 3, 1, 9)})
    assert said(outcome) == [
        ("fp16-weights-overflow", "w", "a"),
        ("fp16-weights-lost", "w", "a"),
        ("fp16-weights-overflow", "w", "y"),
        ("fp16-weights-lost", "w", "y"),
    ]
    lost = about_values(outcome)[1]
    assert (lost.severity, lost.observed) == ("note", 0.3333)
    assert lost.message == "33.3 % of the weights w are below the normal numbers of FP16, 11.1 % become 0"
    assert about_values(check(CHAIN, tensors, {"w": Weight(1.0, 1, 1, 1000)})) == []


GAP = "(float16[1,3,64,64] x) => (float16[1,3,1,1] y) { y = GlobalAveragePool(x) }"


@pytest.mark.parametrize(
    ("inside", "outside", "name", "observed"),
    [
        (reaching(100.0), reaching(16.0), "fp16-hidden-overflow", 4096 * 16.0),
        (reaching(100.0), reaching(15.0), "", None),
        (reaching(100.0, -100.0), reaching(15.0), "fp16-hidden-may-overflow", 4096 * 100.0),
        (reaching(15.0, -15.0), reaching(15.0), "", None),
    ],
)
def test_the_sums_of_an_average(check: Check, inside: Range, outside: Range, name: str, observed: float | None) -> None:
    found = about_values(check(GAP, {"x": inside, "y": outside}))
    assert [(item.name, item.observed, item.verdict) for item in found] == ([(name, observed, "unknown")] if name else [])
    if name == "fp16-hidden-overflow":
        assert found[0].message == "the sums of 4096 elements reach 6.554e+04 inside of the layer, FP16 ends at 65504"


def test_pooling_on_the_dla_adds_up_in_wider_numbers(check: Check) -> None:
    graph = "(float16[1,3,8,8] x) => (float16[1,3,1,1] y) { y = AveragePool<kernel_shape=[8,8]>(x) }"
    assert about_values(check(graph, {"x": 16000.0, "y": 15000.0})) == []


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("ReduceL2(x)", "fp16-hidden-overflow"),
        ("LpNormalization(x)", "fp16-hidden-overflow"),
        ("LpNormalization<p=1>(x)", ""),
        ("InstanceNormalization(x, s, b)", "fp16-hidden-may-overflow"),
    ],
)
def test_squares(check: Check, node: str, name: str) -> None:
    graph = f"(float16[1,3,8,8] x) => (float16[a,b,c,d] y) <float16[3] s, float16[3] b> {{ y = {node} }}"
    found = about_values(check(graph, {"x": 300.0, "y": 1.0}))
    assert [(item.name, item.observed) for item in found] == ([(name, 90000.0)] if name else [])
    assert about_values(check(graph, {"x": 255.0, "y": 1.0})) == []


@pytest.mark.parametrize("target", [TARGET, "xavier-trt7.1", "orin-trt10.3"])
@pytest.mark.parametrize(
    ("node", "lost"),
    [
        ("InstanceNormalization<epsilon=0.00000001>(x, s, b)", 1),
        ("InstanceNormalization<epsilon=0.0000001>(x, s, b)", 0),
        ("LayerNormalization<epsilon=0.000000000001>(x, x, x)", 1),
        ("BatchNormalization<epsilon=0.00000001>(x, s, b, s, t)", 1),
        ("MeanVarianceNormalization(x)", 1),
        ("Relu(x)", 0),
    ],
)
def test_epsilons_need_no_inputs(session: Session, tmp_path: Path, node: str, lost: int, target: str) -> None:
    graph = f"(float[1,3,8,8] x, float[3] t) => (float[1,3,8,8] y) <float[3] s, float[3] b> {{ [n] y = {node} }}"
    path = tmp_path / "model.onnx"
    path.write_bytes(example(graph, 17).SerializeToString())
    found = session.check(session.view(path), parse(target, session.rules)).findings
    assert [item.node for item in found if item.name == "fp16-epsilon-lost"] == ["n"] * lost


def test_random_data_are_marked(check: Check) -> None:
    outcome = check(CHAIN, {"x": 1.0, "a": 7e4, "b": 3e4, "y": 1e-7}, seed=5)
    assert [item.message.endswith(", measured on random data (seed 5)") for item in about_values(outcome)] == [True] * 3
    assert sum("random data can show" in text for text in outcome.unchecked) == 1


def test_tensors_without_a_range_are_counted(check: Check) -> None:
    outcome = check(CHAIN, {"x": 1.0, "a": 1.0})
    assert outcome.reach is not None and outcome.reach.unmeasured == 2
    assert any(text.startswith("Whether 2 tensors inside of functions and bodies") for text in outcome.unchecked)


@pytest.mark.parametrize("target", ["orin-trt10.9", "thor-trt10.8"])
def test_a_release_without_dla_has_no_bounds(check: Check, target: str) -> None:
    outcome = check(CHAIN, {"x": 1e9}, target=target)
    assert (outcome.reach, about_values(outcome)) == (None, [])
