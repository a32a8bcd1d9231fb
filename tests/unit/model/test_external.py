"""Side files: their state is told, their contents are not read."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from dlalint.model.external import faulty_side_files
from dlalint.model.load import load

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12\n"


def _states(folder: Path, *places: tuple[str, int, int | None]) -> list[tuple[str, str]]:
    """The faulty side files of a model with one weight of twelve bytes at each place: file, offset, length."""
    proto = onnx.parser.parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (y) { y = Relu(x) }')
    for index, (name, offset, length) in enumerate(places):
        tensor = TensorProto(name=f"w{index}", data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
        entries = {"location": name, "offset": str(offset)} | ({} if length is None else {"length": str(length)})
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        proto.graph.initializer.append(tensor)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return list(faulty_side_files(load(str(path))))


def test_nothing_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "side.bin").write_bytes(bytes(24))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "side.bin").write_bytes(bytes(12))
    assert _states(tmp_path, ("side.bin", 0, 12), ("side.bin", 12, None), ("sub/side.bin", 0, 12)) == []
    assert _states(tmp_path) == []


@pytest.mark.parametrize(
    ("places", "end"), [([("side.bin", 1, 12)], 13), ([("side.bin", 0, 12), ("side.bin", 988, None), ("side.bin", 4, 12)], 1000)]
)
def test_too_short(places: list[tuple[str, int, int | None]], end: int, tmp_path: Path) -> None:
    (tmp_path / "side.bin").write_bytes(bytes(12))
    assert _states(tmp_path, *places) == [("side.bin", f"too short: 12 bytes, the model refers to {end}")]


def test_every_file_is_told_of_once_in_the_order_of_use(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(bytes(12))
    found = _states(tmp_path, ("z", 0, 12), ("good", 0, 12), ("a", 0, 12), ("z", 12, 12))
    assert found == [("z", "missing"), ("a", "missing")]


@pytest.mark.parametrize("size", [len(POINTER), 1023])
def test_git_lfs_pointer(size: int, tmp_path: Path) -> None:
    (tmp_path / "side.bin").write_bytes(POINTER.ljust(size))
    assert _states(tmp_path, ("side.bin", 0, 12)) == [("side.bin", "a Git LFS pointer, not fetched")]


def test_what_begins_like_a_pointer_but_is_long(tmp_path: Path) -> None:
    (tmp_path / "side.bin").write_bytes(POINTER.ljust(1024))
    assert _states(tmp_path, ("side.bin", 0, 12)) == []


@pytest.mark.parametrize("name", ["/dev/zero", "../side.bin", "sub/../side.bin", "sub/.."])
def test_outside(name: str, tmp_path: Path) -> None:
    assert _states(tmp_path, (name, 0, 12)) == [(name, "outside of the model's folder, where no loader follows it")]


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert _states(tmp_path, ("fifo", 0, 12), ("folder", 0, 12), ("gone", 0, 12), ("loop", 0, 12), ("a\0b", 0, 12)) == [
        ("fifo", "no regular file"),
        ("folder", "no regular file"),
        ("gone", "missing"),
        ("loop", "not readable (Too many levels of symbolic links)"),
        ("a\0b", "not readable (embedded null byte)"),
    ]
