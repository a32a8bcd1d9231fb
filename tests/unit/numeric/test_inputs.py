"""The sets of inputs, and what a user gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dlalint.errors import LimitError, UsageError
from dlalint.graph import TensorType
from dlalint.numeric import SETS, feeds, fitted
from dlalint.numeric.inputs import nudged

IMAGE = TensorType("float32", (2, 5, 8, 8))


def _sets(kind: TensorType, seed: int = 0, name: str = "x") -> dict[str, NDArray[Any]]:
    return {label: feed[name] for label, feed in feeds({name: kind}, seed)}


def test_the_five_sets() -> None:
    found = _sets(IMAGE)
    assert tuple(found) == SETS == ("normal", "zeros", "large", "negative", "channels")
    for array in found.values():
        assert (array.shape, str(array.dtype)) == ((2, 5, 8, 8), "float32")
    assert abs(float(found["normal"].std()) - 1) < 0.1
    assert not found["zeros"].any()
    assert 90 < float(found["large"].std()) < 110
    assert float(found["negative"].max()) < 0
    means = found["channels"].mean(axis=(0, 2, 3))
    assert np.allclose(means, [-2, -1, 0, 1, 2], atol=0.1)
    assert float(found["channels"][0, 0].std()) > 0.05


def test_the_sets_are_the_same_for_ever() -> None:
    first = _sets(TensorType("float32", (2,)))
    assert {label: [round(float(value), 4) for value in array] for label, array in first.items()} == {
        "normal": [-0.1558, 1.3866],
        "zeros": [0.0, 0.0],
        "large": [-70.4946, 59.9675],
        "negative": [-0.4022, -0.0439],
        "channels": [-1.9892, 2.0],
    }


def test_a_tensor_depends_on_seed_set_and_name_alone() -> None:
    one = {"a": IMAGE, "b": IMAGE}
    two = {"b": IMAGE, "c": TensorType("int64", (3,)), "a": IMAGE}
    for (_, left), (_, right) in zip(feeds(one, 7), feeds(two, 7), strict=True):
        assert np.array_equal(left["a"], right["a"])
        assert np.array_equal(left["b"], right["b"])
        assert not left["a"].any() or not np.array_equal(left["a"], left["b"])
    assert not np.array_equal(_sets(IMAGE, 1)["normal"], _sets(IMAGE, 2)["normal"])


@pytest.mark.parametrize(
    ("dtype", "label", "low", "high"),
    [
        ("uint8", "normal", 0, 255),
        ("uint8", "negative", 0, 255),
        ("int8", "normal", 0, 127),
        ("int8", "negative", -127, 0),
        ("int32", "normal", 0, 1),
        ("int64", "large", 0, 1),
        ("int64", "negative", 0, 1),
        ("uint16", "channels", 0, 1),
        ("bool", "normal", 0, 1),
    ],
)
def test_integers_and_booleans(dtype: str, label: str, low: int, high: int) -> None:
    array = _sets(TensorType(dtype, (3, 1000)))[label]
    assert (str(array.dtype), int(array.min()), int(array.max())) == (dtype, low, high)
    assert not _sets(TensorType(dtype, (4,)))["zeros"].any()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats(dtype: str) -> None:
    for array in _sets(TensorType(dtype, (1, 3, 64, 64))).values():
        assert str(array.dtype) == dtype
        assert np.isfinite(array).all()


def test_free_dimensions_are_one() -> None:
    for array in _sets(TensorType("float32", ("batch", 3, None, 4))).values():
        assert array.shape == (1, 3, 1, 4)


@pytest.mark.parametrize("shape", [(), (0,), (4,), (1, 0, 3), (1, 1, 1)])
def test_small_shapes(shape: tuple[int, ...]) -> None:
    for array in _sets(TensorType("float32", shape)).values():
        assert array.shape == shape


@pytest.mark.parametrize(
    ("kind", "error", "what"),
    [
        (TensorType("string", (1,)), UsageError, "it is string, no tensor of numbers up to 64 bits"),
        (TensorType("seq(tensor(float))", ()), UsageError, "it is seq(tensor(float)), no tensor of numbers up to 64 bits"),
        (TensorType("float32", None), UsageError, "its number of dimensions is free"),
        (TensorType("float32", (1 << 20, 1 << 20)), LimitError, "it is 1048576x1048576, too large to be made up"),
        (TensorType("float32", (-1,)), LimitError, "it is -1, too large to be made up"),
    ],
)
def test_inputs_that_cannot_be_made_up(kind: TensorType, error: type[UsageError], what: str) -> None:
    with pytest.raises(error) as caught:
        list(feeds({"x": kind}))
    assert (caught.value.what, caught.value.where) == (what, "input 'x'")


def test_given_arrays_become_what_the_inputs_take() -> None:
    types = {
        "f": TensorType("float32", ("n", 2)),
        "h": TensorType("float16", None),
        "i": TensorType("int64", (2,)),
        "u": TensorType("uint8", (1,)),
    }
    given: dict[str, NDArray[Any]] = {
        "i": np.array([1, 2], np.int32),
        "f": np.ones((3, 2)),
        "h": np.array([1e9]),
        "u": np.array([255]),
        "more": np.ones(1),
    }
    found = fitted(types, given)
    assert {name: str(array.dtype) for name, array in found.items()} == {"f": "float32", "h": "float16", "i": "int64", "u": "uint8"}
    assert found["f"].shape == (3, 2)
    assert np.isinf(found["h"]).all()


@pytest.mark.parametrize(
    ("kind", "array", "what"),
    [
        (TensorType("float32", (2,)), None, "no array for the input 'x'"),
        (TensorType("float32", (2,)), np.ones(3), "the array for 'x' is 3, the input 2"),
        (TensorType("float32", (2,)), np.ones((1, 2)), "the array for 'x' is 1x2, the input 2"),
        (TensorType("float32", (2,)), np.ones(2, np.int32), "the array for 'x' is int32, the input float32"),
        (TensorType("int64", (2,)), np.ones(2), "the array for 'x' is float64, the input int64"),
        (TensorType("uint8", (2,)), np.array([0, 256]), "the array for 'x' is int64, the input uint8"),
        (TensorType("uint8", (2,)), np.array([-1, 0]), "the array for 'x' is int64, the input uint8"),
        (TensorType("bool", (2,)), np.array([1, 0], np.uint8), "the array for 'x' is uint8, the input bool"),
    ],
)
def test_given_arrays_that_do_not_fit(kind: TensorType, array: NDArray[Any] | None, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        fitted({"x": kind}, {} if array is None else {"x": array}, "in.npz")
    assert (caught.value.what, caught.value.where, caught.value.code) == (what, "in.npz", "E521")


def test_nudged() -> None:
    values = np.array([1.0, -2.0, 0.0, 3.0], np.float32)
    moved = nudged(values)
    assert moved.dtype == values.dtype
    assert ((moved != values) == [True, True, False, True]).all()
    assert np.allclose(moved, values, rtol=2.5e-7, atol=0)
    assert (nudged(np.zeros(3, np.float16)) != 0).all()
    whole = np.array([1, 2], np.int64)
    assert nudged(whole) is whole
