"""Batches from files: how arrays fall into them, what does not fit, and that only one file is in memory."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dlalint.errors import DlalintError
from dlalint.graph import TensorType
from dlalint.verify import Interface
from dlalint.verify.dumps import npz
from dlalint.verify.samples import batches

IMAGE = Interface({"x": TensorType("float32", (1, 3, 4, 5))}, {})
EIGHT = Interface({"x": TensorType("float32", (8, 3, 4, 5))}, {})
FREE = Interface({"x": TensorType("float32", ("N", 3, 4, 5))}, {})
BARE = Interface({"x": TensorType("float32", (3, 4, 5))}, {})
SEQUENCE = Interface({"x": TensorType("float32", ("T", 1, 5))}, {})
TWO = Interface({"x": TensorType("float32", ("N", 3, 4, 5)), "size": TensorType("int64", ("N", 2))}, {})


def _floats(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def _saved(path: Path, **arrays: NDArray[Any]) -> str:
    path.write_bytes(b"".join(npz(arrays)))
    return str(path)


def _refused(path: Path | str, interface: Interface) -> DlalintError:
    with pytest.raises(DlalintError) as caught:
        batches(str(path), interface)
    return caught.value


@pytest.mark.parametrize(
    ("interface", "shape", "expected", "count"),
    [
        (IMAGE, (1, 3, 4, 5), [(1, 3, 4, 5)], 1),
        (IMAGE, (6, 3, 4, 5), [(1, 3, 4, 5)] * 6, 6),
        (IMAGE, (6, 1, 3, 4, 5), [(1, 3, 4, 5)] * 6, 6),
        (EIGHT, (16, 3, 4, 5), [(8, 3, 4, 5)] * 2, 16),
        (EIGHT, (2, 8, 3, 4, 5), [(8, 3, 4, 5)] * 2, 16),
        (FREE, (6, 3, 4, 5), [(1, 3, 4, 5)] * 6, 6),
        (FREE, (2, 6, 3, 4, 5), [(6, 3, 4, 5)] * 2, 12),
        (BARE, (3, 4, 5), [(3, 4, 5)], 1),
        (BARE, (6, 3, 4, 5), [(3, 4, 5)] * 6, 6),
        (SEQUENCE, (7, 1, 5), [(7, 1, 5)], 1),  # time, not samples
        (SEQUENCE, (2, 7, 1, 5), [(7, 1, 5)] * 2, 2),
    ],
)
def test_an_array_falls_into_batches(tmp_path: Path, interface: Interface, shape: tuple[int, ...], expected: list[Any], count: int) -> None:
    array = _floats(*shape)
    np.save(tmp_path / "a.npy", array)
    for path in (_saved(tmp_path / "a.npz", x=array), str(tmp_path / "a.npy")):
        found = batches(path, interface)
        assert (len(found), found.samples) == (len(expected), count)
        for _ in range(2):  # as often as one likes
            given = [batch["x"] for batch in found]
            assert [batch.shape for batch in given] == expected
            assert np.array_equal(np.concatenate(given).reshape(-1), array.reshape(-1))


def test_several_inputs_go_together(tmp_path: Path) -> None:
    x, size = _floats(3, 3, 4, 5), np.array([[1, 2], [3, 4], [5, 6]], np.int32)
    found = list(batches(_saved(tmp_path / "a.npz", size=size, x=x, more=np.ones(1)), TWO))
    assert [batch["size"].tolist() for batch in found] == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert [str(batch["size"].dtype) for batch in found] == ["int64"] * 3
    assert np.array_equal(np.concatenate([batch["x"] for batch in found]), x)
    fixed = Interface({"x": IMAGE.inputs["x"], "size": TensorType("int64", (2,))}, {})
    assert [batch["size"].tolist() for batch in batches(str(tmp_path / "a.npz"), fixed)] == [[1, 2], [3, 4], [5, 6]]


def test_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    for number, name in enumerate(("b.npy", "a.npz", "c.npz")):
        array = np.full((2, 3, 4, 5), number, np.float64)
        np.save(tmp_path / name, array) if name.endswith(".npy") else _saved(tmp_path / name, x=array)
    (tmp_path / "README.txt").write_text("not looked at")
    (tmp_path / "d.npz").mkdir()
    found = batches(str(tmp_path), IMAGE)
    assert (len(found), found.samples) == (6, 6)
    assert [Path(file).name for file in found.files] == ["a.npz", "b.npy", "c.npz"]
    steps = []
    for batch in found:
        steps.append((float(batch["x"].max()), str(batch["x"].dtype)))
        _saved(tmp_path / "c.npz", x=np.full((2, 3, 4, 5), 7 + len(steps), np.float64))  # read when its turn comes, and once then
    assert steps == [(1.0, "float32"), (1.0, "float32"), (0.0, "float32"), (0.0, "float32"), (11.0, "float32"), (11.0, "float32")]


@pytest.mark.parametrize(
    ("interface", "arrays", "said", "cure"),
    [
        (
            IMAGE,
            {"x": _floats(1, 3, 5, 4)},
            "the array for 'x' is 1x3x5x4, the input 1x3x4x5",
            "Give arrays of that shape, or many of them",
        ),
        (IMAGE, {"x": _floats(5)}, "the array for 'x' is 5, the input 1x3x4x5", "Give arrays of that shape"),
        (IMAGE, {"y": _floats(1, 3, 4, 5)}, "no array for the input 'x'", "It has 'y'."),
        (EIGHT, {"x": _floats(12, 3, 4, 5)}, "the 12 samples for 'x' make no whole batches of 8", "Give a multiple of 8."),
        (IMAGE, {"x": _floats(0, 3, 4, 5)}, "the array for 'x' is empty", "Give one sample at least."),
        (FREE, {"x": _floats(0, 3, 4, 5)}, "the array for 'x' is empty", "Give one sample at least."),
        (
            Interface({"x": IMAGE.inputs["x"], "k": TensorType("float32", (2,))}, {}),
            {"x": _floats(4, 3, 4, 5), "k": _floats(2)},
            "its arrays make 4 batches of 'x' and 1 of 'k'",
            "Give as many of each.",
        ),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, interface: Interface, arrays: dict[str, NDArray[Any]], said: str, cure: str) -> None:
    path = _saved(tmp_path / "a.npz", **arrays)
    error = _refused(path, interface)
    assert (error.code, error.where, error.what) == ("E521", path, said)
    assert error.cure.startswith(cure)


def test_an_npy_file_for_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", _floats(1, 3, 4, 5))
    error = _refused(tmp_path / "a.npy", TWO)
    assert (error.what, error.cure) == ("no array for the input 'x'", "An .npy file is for a model with one input; use .npz.")


def test_elements_that_do_not_fit(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.npz", x=np.zeros((1, 3, 4, 5), np.uint8))
    with pytest.raises(DlalintError, match="the array for 'x' is uint8, the input float32") as caught:
        list(batches(path, IMAGE))
    assert caught.value.cure == "Convert it: array.astype('float32')."


def test_what_is_no_folder_of_inputs(tmp_path: Path) -> None:
    assert _refused(tmp_path, IMAGE).what == "the folder has no .npz and no .npy file"
    assert _refused(tmp_path / "nowhere", IMAGE).what == "there is no such file"
    (tmp_path / "a.npy").write_text("x")
    assert (_refused(tmp_path, IMAGE).what, _refused(tmp_path, IMAGE).where) == ("no file of tensors", str(tmp_path / "a.npy"))


class _Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _header(shape: str, descr: str = "<f4") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}"
    return b"\x93NUMPY\1\0" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def test_hostile_files(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    path = tmp_path / "a.npy"
    np.save(path, np.array([_Harm(harm)], object), allow_pickle=True)
    assert _refused(path, IMAGE).what == "the array is a Python pickle, which is never loaded"
    path.write_bytes(pickle.dumps(_Harm(harm)))
    assert _refused(path, IMAGE).what == "a Python pickle, which is never loaded"
    np.savez(tmp_path / "a.npz", x=np.array([_Harm(harm)], object), allow_pickle=True)
    assert _refused(tmp_path / "a.npz", IMAGE).what == "the array 'x' is a Python pickle, which is never loaded"
    for data in (_header("open('harm', 'w')"), _header("(1,")[:30], b"\x93NUMPY", b"PK\3\4 no archive"):
        path.write_bytes(data)
        assert " is damaged (" in _refused(path, IMAGE).what
    path.write_bytes(_header("(-1, 3, 4, 5)"))
    assert _refused(path, IMAGE).what == "the array is damaged: its bytes do not make (-1, 3, 4, 5)"
    path.write_bytes(_header("(10000000000, 3, 4, 5)") + bytes(240))  # says more than there is
    found = batches(str(path), IMAGE)
    with pytest.raises(DlalintError, match="the array is damaged: its bytes do not make"):
        next(iter(found))
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", _header("(1, 3, 4, 5)", "<c8") + bytes(10_000_000))
    assert _refused(tmp_path / "b.npz", IMAGE).what == "the array 'x' is of complex64"
    assert not harm.exists()


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.npz", x=_floats(2, 3, 4, 5))
    found = batches(path, IMAGE)
    _saved(tmp_path / "a.npz", x=_floats(3, 3, 4, 5))
    with pytest.raises(DlalintError, match="it was changed meanwhile"):
        list(found)


def test_a_model_without_inputs(tmp_path: Path) -> None:
    assert list(batches(_saved(tmp_path / "a.npz", x=_floats(1)), Interface({}, {}))) == [{}]
