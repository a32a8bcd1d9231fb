"""Two dumps held against each other: which tensors are compared, in which order, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dlalint.errors import UsageError
from dlalint.numeric import Tolerance
from dlalint.numeric.compared import compare
from dlalint.numeric.dumps import npz

STRICT = Tolerance(0.0, 0.0)


def _npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    path.write_bytes(b"".join(npz(arrays)))
    return str(path)


def _text(path: Path, tensors: Mapping[str, tuple[str, str]]) -> str:
    path.write_text("[" + ",".join(f'{{"name": "{n}", "dimensions": "{d}", "values": [{v}]}}' for n, (d, v) in tensors.items()) + "]")
    return str(path)


def _values(**values: float) -> dict[str, NDArray[Any]]:
    return {name: np.array([value], np.float32) for name, value in values.items()}


def test_the_first_that_differs(tmp_path: Path) -> None:
    one, two = _npz(tmp_path / "1", _values(a=1, b=2, c=3, d=4)), _npz(tmp_path / "2", _values(d=5, c=4, a=1, e=0))
    found = compare(one, two, STRICT)
    assert [(item.tensor, item.max_abs) for item in found.tensors] == [("a", 0.0), ("c", 1.0), ("d", 1.0)]
    assert (found.first, found.only_reference, found.only_other) == ("c", ("b",), ("e",))
    assert compare(one, two, STRICT, ["d", "c"]).first == "d"
    assert [item.tensor for item in compare(one, two, STRICT, ["zz", "d", "c"]).tensors] == ["d", "c", "a"]
    assert compare(one, two, Tolerance(1.0, 0.0)).first is None


def test_text_has_no_order_of_its_own(tmp_path: Path) -> None:
    text = _text(tmp_path / "t", {"c": ("1", "3"), "a": ("1", "1"), "z": ("1", "1")})
    typed = _npz(tmp_path / "n", _values(a=1, b=2, c=3))
    assert [item.tensor for item in compare(text, typed, STRICT).tensors] == ["a", "c"]
    assert [item.tensor for item in compare(typed, text, STRICT).tensors] == ["a", "c"]
    assert [item.tensor for item in compare(text, text, STRICT).tensors] == ["c", "a", "z"]
    assert compare(text, typed, STRICT).only_reference == ("z",)


def test_text_has_no_types(tmp_path: Path) -> None:
    typed: dict[str, NDArray[Any]] = {"f": np.array([0.5], np.float16), "i": np.array([3], np.int32), "b": np.array([True, False])}
    text = _text(tmp_path / "t", {"f": ("1", "0.5"), "i": ("1", "3"), "b": ("2", "1, 0")})
    found = compare(_npz(tmp_path / "n", typed), text, STRICT)
    assert [(item.tensor, item.dtype, item.bit_equal) for item in found.tensors] == [(name, "float64", True) for name in "fib"]
    off = compare(_npz(tmp_path / "n", {**typed, "i": np.array([4], np.int32)}), text, Tolerance(0.5, 0.0))
    assert off.first is None  # a number of text may be a float


def test_floats_of_different_size_are_compared(tmp_path: Path) -> None:
    one = {"a": np.array([1 / 3], np.float32)}
    found = compare(_npz(tmp_path / "1", one), _npz(tmp_path / "2", {"a": one["a"].astype(np.float16)}), Tolerance(1e-3, 0.0))
    (only,) = found.tensors
    assert (only.dtype, only.other_dtype, only.within, only.bit_equal) == ("float32", "float32", True, False)
    whole = {"a": np.array([1], np.int32)}
    (only,) = compare(_npz(tmp_path / "1", whole), _npz(tmp_path / "2", {"a": whole["a"].astype(np.int64)}), STRICT).tensors
    assert (only.within, only.dtype, only.other_dtype) == (False, "int32", "int64")


@pytest.mark.parametrize(
    ("one", "two", "alike"),
    [
        ((1, 3, 2), (3, 2), True),
        ((3, 2), (1, 1, 3, 2), True),
        ((1,), (), True),
        ((1, 1), (1,), True),
        ((3, 2), (2, 3), False),
        ((3, 2), (6,), False),
        ((3, 1), (3,), False),
        ((1, 0), (0,), True),
    ],
)
def test_leading_ones_make_no_difference(tmp_path: Path, one: tuple[int, ...], two: tuple[int, ...], alike: bool) -> None:
    left, right = (np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape) for shape in (one, two))
    found = compare(_npz(tmp_path / "1", {"a": left}), _npz(tmp_path / "2", {"a": right}), STRICT)
    assert found.tensors[0].alike is alike
    assert (found.first is None) is alike


def test_files_without_a_common_tensor(tmp_path: Path) -> None:
    one, two = _npz(tmp_path / "1", _values(a=1)), _npz(tmp_path / "2", _values(b=1))
    with pytest.raises(UsageError) as caught:
        compare(one, two, STRICT)
    assert (caught.value.what, caught.value.code) == ("the files have no tensor in common", "E524")
    assert caught.value.cure == "They begin with 'a' and 'b'. Dump the same outputs on both sides."
