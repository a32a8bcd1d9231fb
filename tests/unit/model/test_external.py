"""Side files: their state is told, their contents are not read."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from dlalint.model.external import faulty_side_files, tensors
from dlalint.model.load import load, parse

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


OUTSIDE = "outside of the model's folder, where no loader follows it"


def test_links_that_lead_outside(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(bytes(12))
    (tmp_path / "homely").mkdir()
    (tmp_path / "homely" / "w").write_bytes(bytes(12))
    (home / "link").symlink_to("../secret")
    (home / "folder").symlink_to("..", target_is_directory=True)
    (home / "sub" / "beside").symlink_to("../../homely/w")
    (home / "null").symlink_to("/dev/null")
    places = ["link", "folder/secret", "sub/beside", "null"]
    assert _states(home, *((name, 0, 12) for name in places)) == [(name, OUTSIDE) for name in places]


def test_links_that_stay_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").write_bytes(bytes(12))
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "sub" / "up").symlink_to("../real")
    assert _states(tmp_path, ("link", 0, 12), ("sub/up", 0, 12)) == []
    monkeypatch.chdir(tmp_path)
    assert faulty_side_files(load("model.onnx")) == ()


def test_a_cache_of_links(tmp_path: Path) -> None:
    """A model and its side file, both links to files beside each other, as download caches keep them."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "a"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    assert _states(blobs, ("model.onnx_data", 0, 12)) == [("model.onnx_data", "missing")]
    (blobs / "d4e5").write_bytes(bytes(12))
    (snapshot / "model.onnx").symlink_to("../../blobs/model.onnx")
    (snapshot / "model.onnx_data").symlink_to("../../blobs/d4e5")
    assert faulty_side_files(load(str(snapshot / "model.onnx"))) == ()


def test_hard_links(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(12))
    os.link(tmp_path / "one", tmp_path / "two")
    assert _states(tmp_path, ("two", 0, 12)) == [("two", "one of 2 names of a file (hard links), which loaders refuse")]


def test_constants_that_are_no_weights(tmp_path: Path) -> None:
    """In attributes, in bodies of bodies, in functions and in the defaults of their attributes."""
    text = """<ir_version: 8, opset_import: ["": 17, "f": 1]> g (bool c) => (y, z) <float[1] w = {1}> {
        z = Constant<value = float[1] {2}> ()
        v = Constant<value = float[1] {2}> ()
        y = If(c)<then_branch = t () => (float[1] p) <float[1] a = {3}> {
            p = If(c)<then_branch = u () => (float[1] q) { q = Constant<value = float[1] {4}> () o = Constant<value = float[1] {5}> () },
                      else_branch = v () => (float[1] r) { r = Neg(a) }> },
            else_branch = e () => (float[1] s) { s = f.F (c) }> }
        <domain: "f", opset_import: ["": 17]> F (m) => (n) { n = Constant<value = float[1] {5}> () }"""
    proto = onnx.parser.parse_model(text)
    proto.functions[0].attribute_proto.append(onnx.helper.make_attribute("k", onnx.helper.make_tensor("", 1, (1,), [6])))
    found = list(tensors(parse(proto.SerializeToString(), "model.onnx")))
    assert sorted((tensor.values() or (0,))[0] for tensor in found) == [1, 2, 3, 4, 5, 6]
    inner = proto.graph.node[2].attribute[0].g.node[0].attribute[0].g.node[0].attribute[0].t
    inner.ClearField("float_data")
    inner.data_location = TensorProto.EXTERNAL
    inner.external_data.add(key="location", value="../secret")
    assert faulty_side_files(parse(proto.SerializeToString(), str(tmp_path / "model.onnx"))) == (("../secret", OUTSIDE),)
