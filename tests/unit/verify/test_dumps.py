"""Files of tensors: what is written is read back under the same names, and what is harmful or damaged is refused."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlalint.errors import DlalintError, LimitError
from dlalint.ort_child import ELEMENTS
from dlalint.verify import dumps
from dlalint.verify.dumps import DumpError, npz, read, read_npz


def _saved(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    path.write_bytes(b"".join(npz(arrays)))
    return str(path)


def _refused(path: Path | str) -> DlalintError:
    with pytest.raises(DlalintError) as caught:
        read(str(path))
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)
    return caught.value


def _members(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _npy(shape: str = "(2,)", descr: str = "'<f4'", data: bytes = b"\0" * 8, order: str = "False", version: bytes = b"\1\0") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}".encode()
    header += b" " * (53 - len(header) % 64 % 54) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version == b"\1\0" else 4, "little") + header + data


NAMES = ["a", "/model.0/conv/Conv_output_0", "file", "x.npy", "x", "..", "../../a", "日本", "\x1b[31m", "a b\n", "C:\\a", "%s", "x.npy.npy"]


TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=30)


def test_names_come_back_exactly(tmp_path: Path) -> None:
    arrays = {name: np.array([number], np.float32) for number, name in enumerate(NAMES)}
    found, typed = read(_saved(tmp_path / "a.npz", arrays))
    assert typed
    assert {name: array.tolist() for name, array in found.items()} == {name: [number] for number, name in enumerate(NAMES)}
    assert list(found) == NAMES
    assert list(tmp_path.iterdir()) == [tmp_path / "a.npz"]


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "/a/b": np.arange(6, dtype=np.float16).reshape(2, 3),
        "file": np.array(True),
        "日本": np.empty((0, 2), np.int64),
    }
    with np.load(_saved(tmp_path / "a.npz", arrays)) as found:
        assert found.files == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(TEXT, unique=True, min_size=1))
def test_any_name_comes_back(names: list[str]) -> None:
    pieces = b"".join(npz({name: np.array(number) for number, name in enumerate(names)}))
    found = dumps._read_npz(io.BytesIO(pieces), dumps._elements)
    assert {name: int(array) for name, array in found.items()} == {name: number for number, name in enumerate(names)}


@pytest.mark.parametrize("name", ["a\0b", "n" * 65532])
def test_names_that_no_archive_holds(name: str) -> None:
    with pytest.raises(DumpError, match=r"fits into no \.npz file"):
        npz({name: np.ones(1)})
    assert npz({"n" * 65531: np.ones(1)})


@pytest.mark.parametrize("dtype", sorted(ELEMENTS))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (1, 2, 3)])
def test_arrays_come_back_exactly(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape).astype(dtype)
    found = read_npz(_saved(tmp_path / "a.npz", {"a": array}))["a"]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, shape, array.tobytes())


def test_the_same_arrays_give_the_same_bytes() -> None:
    arrays: dict[str, NDArray[Any]] = {"a": np.ones(3), "b": np.zeros((2, 2), np.int8)}
    assert b"".join(npz(arrays)) == b"".join(npz(arrays))


def test_what_numpy_writes_is_read(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    np.savez(tmp_path / "a.npz", big=array, turned=np.asfortranarray(array), part=array[:, ::2])
    np.savez_compressed(tmp_path / "c.npz", big=array, turned=np.asfortranarray(array), part=array[:, ::2])
    for name in ("a.npz", "c.npz"):
        found = read_npz(str(tmp_path / name))
        assert {key: value.tolist() for key, value in found.items()} == {
            "big": [[0, 1, 2], [3, 4, 5]],
            "turned": [[0, 1, 2], [3, 4, 5]],
            "part": [[0, 2], [3, 5]],
        }
        assert all(value.dtype.isnative for value in found.values())


class _Harm:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_a_pickled_object_is_refused_and_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", fine=np.ones(1), a=np.array([_Harm(tmp_path / "harm")], object), allow_pickle=True)
    assert _refused(tmp_path / "a.npz").what == "the array 'a' is a Python pickle, which is never loaded"
    (tmp_path / "b.npz").write_bytes(pickle.dumps(_Harm(tmp_path / "harm")))
    assert _refused(tmp_path / "b.npz").what == "a Python pickle, which is never loaded"
    (tmp_path / "c.npz").write_bytes(b"PK\3\4" + pickle.dumps(_Harm(tmp_path / "harm")))
    assert _refused(tmp_path / "c.npz").what == "the .npz file is damaged (File is not a zip file)"
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("member", "what"),
    [
        (_npy("(1099511627776,)"), "the array 'a' is damaged: its bytes do not make (1099511627776,)"),
        (_npy("(3,)"), "the array 'a' is damaged: its bytes do not make (3,)"),
        (_npy("(1,)"), "the array 'a' is damaged: its bytes do not make (1,)"),
        (_npy("(-2,)"), "the array 'a' is damaged: its bytes do not make (-2,)"),
        (_npy("(-2, -1)"), "the array 'a' is damaged: its bytes do not make (-2, -1)"),
        (_npy(descr="'|O'"), "the array 'a' is a Python pickle, which is never loaded"),
        (_npy(descr="[('x', '<f4')]"), "the array 'a' is of [('x', '<f4')]"),
        (_npy(descr="'<U1'"), "the array 'a' is of <U1"),
        (_npy(descr="'<c8'", shape="(1,)"), "the array 'a' is of complex64"),
        (_npy(descr="'|V2'"), "the array 'a' is of |V2"),
        (_npy(version=b"\3\0"), "the array 'a' has format 3.0"),
        (_npy("(0, 99999999999999999999)", data=b""), "the .npz file is damaged ("),
        (_npy("(1,) * 10"), "the .npz file is damaged ("),
        (_npy("open('harm', 'w')"), "the .npz file is damaged ("),
        (b"", "the .npz file is damaged ("),
        (b"\x93NUMPY\1\0\xff\xff", "the .npz file is damaged ("),
        (b"no array at all", "the .npz file is damaged ("),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, member: bytes, what: str) -> None:
    error = _refused(_members(tmp_path / "a.npz", {"a.npy": member}))
    assert error.what.startswith(what)
    assert error.code == "E140"
    assert read_npz(str(_members(tmp_path / "good.npz", {"a.npy": _npy()})))["a"].tolist() == [0.0, 0.0]


def test_archives_that_are_refused(tmp_path: Path) -> None:
    assert _refused(_members(tmp_path / "a.npz", {"a.txt": b"x"})).what == "its member 'a.txt' is no .npy array"
    assert _refused(_members(tmp_path / "b.npz", {})).what == "the .npz file holds no array"
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("a.npy", _npy())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.npy", _npy())
    assert _refused(tmp_path / "c.npz").what == "its member 'a.npy' is there twice"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _members(tmp_path / "a.npz", {"a.npy": _npy("(1048576,)", data=bytes(4 << 20))}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    assert read_npz(str(path))["a"].size == 1 << 20
    monkeypatch.setattr(dumps, "MAX_BYTES", 4 << 20)
    error = _refused(path)
    assert (type(error), error.code) == (LimitError, "E206")


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _members(tmp_path / "a.npz", {f"{number}.npy": _npy() for number in range(4)})
    assert len(read_npz(str(path))) == 4
    monkeypatch.setattr(dumps, "MAX_MEMBERS", 3)
    assert _refused(path).code == "E206"


def test_long_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text('[{"name": "a", "dimensions": "1", "values": [1]}]')
    assert read(str(tmp_path / "a.json"))[0]["a"].tolist() == [1.0]
    monkeypatch.setattr(dumps, "MAX_TEXT_BYTES", 20)
    assert _refused(tmp_path / "a.json").code == "E206"


def test_every_cut_and_flip_is_an_error_or_harmless(tmp_path: Path) -> None:
    whole = b"".join(npz({"a": np.arange(8, dtype=np.float32), "b": np.ones((2, 2))}))
    path = tmp_path / "a.npz"
    for number in range(0, len(whole), 3):
        for data in (whole[:number], whole[:number] + bytes([whole[number] ^ 0xFF]) + whole[number + 1 :]):
            path.write_bytes(data)
            with contextlib.suppress(DlalintError):
                assert set(read(str(path))[0]) & {"a", "b"}


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "the file is empty"),
        (b"\x93NUMPY\1\0", "a single array without a name (.npy)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not fetched"),
        (b"{}", "no file of tensors"),
        (b"\x08\x07\x12", "no file of tensors"),
        (b"   \n", "no file of tensors"),
    ],
)
def test_what_is_no_file_of_tensors(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    error = _refused(path)
    assert (error.what, error.code) == (what, "E141")


def test_paths(tmp_path: Path) -> None:
    assert _refused(tmp_path / "nowhere").what == "there is no such file"
    assert _refused(tmp_path).what == "it is not a regular file"
    assert _refused("a\0b").what.startswith("it cannot be opened")


def test_text_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"name": "a", "dimensions": "1", "values": [1]}]')
    with pytest.raises(DumpError, match=r"text of trtexec, not an \.npz file"):
        read_npz(str(tmp_path / "a.json"))
    (tmp_path / "b.json").write_text('[{"name": 1}]')
    error = _refused(tmp_path / "b.json")
    assert error.what == "not what trtexec --exportOutput writes: no name at character 10"
    (tmp_path / "c.json").write_text("[]")
    assert _refused(tmp_path / "c.json").what == "the file holds no tensor"
