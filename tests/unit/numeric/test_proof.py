"""Whether two models compute the same: right ones, wrong ones, and pairs that cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from dlalint.errors import UsageError
from dlalint.graph import TensorType
from dlalint.numeric import SETS, Difference, InterfaceError, RunError, Runner, Tolerance, explains, feeds, unrest, verify

from .conftest import Make

HEAD = "(float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y)"


def _changed(path: Path, name: str, index: int, by: float) -> bytes:
    model = onnx.load(path)
    (tensor,) = (item for item in model.graph.initializer if item.name == name)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[index] += by
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    data: bytes = model.SerializeToString()
    return data


def test_a_model_equals_itself(runner: Runner, models: Path) -> None:
    path = models / "mnist-7.onnx"
    found = verify(runner, str(path), path.read_bytes(), exact=True)
    assert (found.ok, found.first, found.blind, found.extra) == (True, None, (), ())
    assert [label for label, _ in found.sets] == list(SETS)
    for _, (only,) in found.sets:
        assert (only.tensor, only.shape, only.bit_equal, only.max_abs) == ("Plus214_Output_0", (1, 10), True, 0.0)
        assert only.scale > 0.01


def test_how_steady_a_model_is(runner: Runner, models: Path, make: Make) -> None:
    steady = unrest(runner, str(models / "mnist-7.onnx"), Tolerance())
    assert [label for label, _ in steady] == list(SETS)
    assert all(only.within and only.max_rel is not None and only.max_rel < 1e-5 for _, (only,) in steady)
    shaky = make(f"{HEAD} <float many = {{1e7}}> {{ m = Mul(x, many) y = Sin(m) }}")
    assert all(not only.within and only.max_rel is not None and only.max_rel > 0.5 for _, (only,) in unrest(runner, shaky, Tolerance()))


@pytest.mark.parametrize(
    ("change", "explained"),
    [
        ({}, True),
        ({"max_rel": 0.04}, True),
        ({"max_rel": 0.041}, False),
        ({"max_rel": None}, False),
        ({"mismatches": 12}, True),
        ({"mismatches": 13}, False),
        ({"nan": 2}, False),
        ({"inf": 2}, False),
    ],
)
def test_what_a_model_does_by_itself(change: dict[str, Any], explained: bool) -> None:
    own = Difference("y", (2,), "float32", (2,), "float32", max_abs=0.1, max_rel=0.01, mismatches=3, nan=1, inf=1)
    assert explains(own, own._replace(**change)) is explained
    assert not explains(own._replace(max_rel=None), own)
    wild = own._replace(max_rel=0.051)
    assert not explains(wild, wild)


def test_a_changed_weight_is_found(runner: Runner, models: Path) -> None:
    path = models / "mnist-7.onnx"
    found = verify(runner, str(path), _changed(path, "Parameter88", 0, 0.01))
    assert (found.ok, found.first) == (False, "Plus214_Output_0")
    within = {label: only.within for label, (only,) in found.sets}
    assert within["normal"] is False
    assert within["zeros"] is True  # one set alone would have missed it
    (worst,) = dict(found.sets)["normal"]
    assert verify(runner, str(path), _changed(path, "Parameter88", 0, 0.01), tolerance=Tolerance(worst.required_rtol * 1.01, 1e-5)).ok


def test_the_direction_of_the_models(runner: Runner, make: Make) -> None:
    one = make(HEAD + " { y = Identity(x) }")
    two = make(HEAD + " <float t = {2}> { y = Mul(x, t) }")
    (_, (there,)), *_ = verify(runner, one, two).sets
    (_, (back,)), *_ = verify(runner, two, one).sets
    assert (there.max_rel, back.max_rel) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("body", "sets"),
    [
        ("<float a = {0.1}> { y = LeakyRelu <alpha: float = 0.1> (x) }", set()),
        ("{ y = Relu(x) }", {"normal", "large", "negative", "channels"}),
        ("<float t = {10}, float z = {0}> { a = Min(x, t) b = LeakyRelu <alpha: float = 0.1> (a) y = Max(a, b) }", {"large"}),
        ("<float t = {0.000001}> { a = LeakyRelu <alpha: float = 0.1> (x) y = Add(a, t) }", set()),
        ("<float t = {0.001}> { a = LeakyRelu <alpha: float = 0.1> (x) y = Add(a, t) }", {"normal", "zeros", "negative", "channels"}),
        (
            "<int64[4] i = {1, 0, 2, 3}> { a = Gather <axis = 1> (x, i) y = LeakyRelu <alpha: float = 0.1> (a) }",
            {"normal", "large", "negative", "channels"},
        ),
    ],
)
def test_which_set_brings_out_what(runner: Runner, make: Make, body: str, sets: set[str]) -> None:
    reference = make(HEAD + " { y = LeakyRelu <alpha: float = 0.1> (x) }")
    found = verify(runner, reference, make(f"{HEAD} {body}"))
    assert {label for label, (only,) in found.sets if not only.within} == sets
    assert (found.ok, found.first) == ((False, "y") if sets else (True, None))


def test_exact(runner: Runner, make: Make) -> None:
    one = make(HEAD + " <float a = {3}> { y = Div(x, a) }")
    two = make(HEAD + " <float a = {0.33333334}> { y = Mul(x, a) }")
    assert verify(runner, one, two).ok
    found = verify(runner, one, two, exact=True)
    assert (found.ok, found.first) == (False, "y")
    halves = (HEAD + " <float a = {2}> { y = Div(x, a) }", HEAD + " <float a = {0.5}> { y = Mul(x, a) }")
    assert verify(runner, *map(make, halves), exact=True).ok


def test_a_zero_of_the_other_sign_is_equal(runner: Runner, make: Make) -> None:
    found = verify(runner, make(HEAD + " { y = Neg(x) }"), make(HEAD + " <float z = {0}> { y = Sub(z, x) }"), exact=True)
    assert found.ok
    assert {label: only.zero_signs for label, (only,) in found.sets if only.zero_signs} == {"zeros": 36}


def test_the_first_is_the_first_to_be_made(runner: Runner, make: Make) -> None:
    head = "(float[2] x) => (float[2] c, float[2] b, float[2] a)"
    one = make(head + " { a = Relu(x) b = Neg(a) c = Neg(b) }")
    two = make(head + " <float t = {2}> { a = Relu(x) s = Mul(a, t) b = Neg(s) c = Neg(b) }")
    found = verify(runner, one, two)
    assert [item.tensor for item in found.sets[0][1]] == ["a", "b", "c"]
    assert (found.ok, found.first) == (False, "b")
    assert verify(runner, one, two, names=["a"]).ok
    chosen = verify(runner, one, two, names=["c", "a"])
    assert ([item.tensor for item in chosen.sets[0][1]], chosen.first) == (["a", "c"], "c")


def test_outputs_that_only_one_model_has(runner: Runner, make: Make) -> None:
    few = make("(float[2] x) => (float[2] a) { a = Relu(x) }")
    many = make("(float[2] x) => (float[2] a, float[2] b) { a = Relu(x) b = Neg(a) }")
    found = verify(runner, few, many)
    assert (found.ok, found.extra) == (True, ("b",))
    with pytest.raises(InterfaceError) as caught:
        verify(runner, many, few)
    assert caught.value.what == "the second model lacks 'b' of the first one's outputs"
    assert verify(runner, many, few, names=["a"]).ok
    with pytest.raises(InterfaceError, match="the second model has no output 'b'"):
        verify(runner, many, few, names=["b"])
    with pytest.raises(InterfaceError, match="the first model has no output 'z'"):
        verify(runner, many, few, names=["z"])


@pytest.mark.parametrize(
    ("left", "right", "what"),
    [
        ("float[2] x", "float[2] z", "the second model has no input 'x'"),
        ("float[2] x", "float[2] x, float[2] z", "the first model has no input 'z'"),
        ("float[2] x, float[2] z", "float[2] x", "the second model has no input 'z'"),
        ("float[2] x", "float16[2] x", "input 'x' is float32 2 and float16 2"),
        ("float[2] x", "float[3] x", "input 'x' is float32 2 and float32 3"),
        ("float[2] x", "float[2, 1] x", "input 'x' is float32 2 and float32 2x1"),
    ],
)
def test_models_that_take_something_else(runner: Runner, make: Make, left: str, right: str, what: str) -> None:
    one, two = (make(f"({side}) => (float[N] y) <float[2] c = {{1, 2}}> {{ y = Neg(c) }}") for side in (left, right))
    with pytest.raises(InterfaceError) as caught:
        verify(runner, one, two)
    assert (caught.value.what, caught.value.where, caught.value.code) == (what, "a model and a model", "E307")


def test_a_shape_that_one_of_them_fixes(runner: Runner, make: Make) -> None:
    free = make("(float[N, 2] x) => (float[N, 2] y) { y = Relu(x) }")
    fixed = make("(float[3, 2] x) => (float[3, 2] y) { y = Relu(x) }")
    anything = make("(float[] x) => (float[] y) { y = Relu(x) }")
    for one, two in ((free, fixed), (fixed, free), (anything, fixed), (fixed, anything)):
        assert verify(runner, one, two).sets[0][1][0].shape == (3, 2)
    assert verify(runner, free, free).sets[0][1][0].shape == (1, 2)
    assert verify(runner, free, free, types={"x": TensorType("float32", (5, 2))}).sets[0][1][0].shape == (5, 2)
    with pytest.raises(InterfaceError):
        verify(runner, fixed, free, types={"x": TensorType("float32", (5, 2))})


def test_an_output_of_another_shape_or_type(runner: Runner, make: Make) -> None:
    one = make("(float[1, 2] x) => (float[N, M] y) { y = Relu(x) }")
    turned = make("(float[1, 2] x) => (float[N, M] y) { y = Transpose(x) }")
    found = verify(runner, one, turned, tolerance=Tolerance(10.0, 10.0))
    assert (found.ok, found.first, found.sets[0][1][0].other_shape) == (False, "y", (2, 1))
    half = make("(float[1, 2] x) => (float16[1, 2] y) { a = Relu(x) y = Cast <to: int = 10> (a) }")
    found = verify(runner, one, half, tolerance=Tolerance(10.0, 10.0))
    assert (found.ok, found.sets[0][1][0].other_dtype) == (False, "float16")


def test_values_that_are_not_finite(runner: Runner, make: Make) -> None:
    log = make(HEAD + " { y = Log(x) }")
    found = verify(runner, log, log, exact=True)
    assert (found.ok, found.blind) == (True, ("zeros", "negative"))
    infinite = make(HEAD + " <float z = {0}> { a = Div(z, z) y = Mul(x, a) }")
    found = verify(runner, infinite, infinite, exact=True)
    assert (found.ok, found.first, found.blind) == (False, None, SETS)
    capped = make(HEAD + " <float low = {-1000}> { a = Log(x) y = Max(a, low) }")
    found = verify(runner, log, capped)
    assert found.first == "y"
    assert {label: (only.nan, only.inf) for label, (only,) in found.sets if not only.within} == {"zeros": (0, 36)}


def test_empty_outputs_are_not_blind(runner: Runner, make: Make) -> None:
    empty = make("(float[0, 2] x) => (float[0, 2] y) { y = Relu(x) }")
    found = verify(runner, empty, empty)
    assert (found.ok, found.blind) == (True, ())


def test_given_inputs(runner: Runner, make: Make) -> None:
    one = make("(float[2] x) => (float[2] y) { y = Relu(x) }")
    two = make("(float[2] x) => (float[2] y) <float t = {1000}> { a = Min(x, t) y = Relu(a) }")
    assert verify(runner, one, two).ok
    found = verify(runner, one, two, inputs=[{"x": np.array([1.0, 2000.0])}])
    assert ([label for label, _ in found.sets], found.ok) == ([*SETS, "given"], False)
    alone = verify(runner, one, two, inputs=[{"x": np.ones(2)}, {"x": np.zeros(2)}], seeded=False)
    assert ([label for label, _ in alone.sets], alone.ok) == (["given 1", "given 2"], True)
    assert not verify(runner, one, one, seeded=False).ok  # nothing was compared
    with pytest.raises(UsageError) as caught:
        verify(runner, one, two, inputs=[{"z": np.ones(2)}])
    assert str(caught.value) == "inputs 'given': error[E521]: no array for the input 'x'. It has 'z'."


def test_the_set_on_which_a_model_fails_is_named(runner: Runner, make: Make) -> None:
    model = make("(int64[1] i) => (float[1] y) <float[1] table = {5}> { y = Gather(table, i) }")
    with pytest.raises(RunError) as caught:
        verify(runner, model, model)
    assert caught.value.what.endswith('(inputs "channels")')
    assert caught.value.where == "the model"


def test_the_seed(runner: Runner, make: Make) -> None:
    model = make(HEAD + " { y = Relu(x) }")
    scales = [verify(runner, model, model, seed=seed).sets[0][1][0].scale for seed in (0, 0, 1)]
    (_, feed), *_ = feeds(runner.inputs(model), 1)
    assert scales[0] == scales[1] != scales[2] == float(np.maximum(feed["x"], 0).max())
