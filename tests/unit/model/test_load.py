"""Opening files: what is a model, what is named for what it is, and that weights are never read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto

from dlalint.errors import DlalintError, LimitError, ModelError
from dlalint.graph import Location, TensorType
from dlalint.model.load import MAX_BYTES, OLDEST_OPSET, READ_WHOLE_BYTES, find_models, load, parse
from dlalint.model.wire import encode_bytes, encode_int, encode_varint

MODELS = Path(__file__).resolve().parents[3] / "models"
AGAIN = "Export the model again."


def _proto(opset: int = 17, ir_version: int = 8, shape: Sequence[int | str | None] | None = (1, 3), domain: str = "") -> ModelProto:
    info = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Relu", ["x"], ["y"], domain=domain)
    graph = onnx.helper.make_graph([node], "g", [info("x", 1, shape)], [info("y", 1, None)])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(domain, opset)], ir_version=ir_version)


def _refused(path: Path | str, data: bytes | ModelProto | None = None) -> DlalintError:
    if data is not None:
        Path(path).write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    with pytest.raises(DlalintError) as caught:
        load(str(path))
    assert caught.value.where == str(path)
    assert caught.value.cure.endswith(".")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_model(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(_proto().SerializeToString())
    model = load(str(path))
    assert (model.path, model.ir_version, model.opset, model.digest) == (str(path), 8, 17, "")
    assert model.size == path.stat().st_size
    assert dict(model.graph.declared) == {"x": TensorType("float32", (1, 3)), "y": TensorType("float32", None)}
    assert load(str(path), digest=True).digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    for name in ("model", "model.json", "model.textproto", "model.pb"):
        (tmp_path / name).write_bytes(_proto().SerializeToString())
        assert load(str(tmp_path / name)).opset == 17


def test_a_link_to_a_model(tmp_path: Path) -> None:
    (tmp_path / "link.onnx").symlink_to(MODELS / "mnist-7.onnx")
    assert len(load(str(tmp_path / "link.onnx")).graph.nodes) == 12


# what is no model


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model.onnx", b"x")
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return out.getvalue()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


TORCH = "Export with torch.onnx.export."
PICKLE = "a Python pickle (PyTorch weights)"
ENGINE = "dlalint reads the ONNX model the engine was built from."


@pytest.mark.parametrize(
    ("data", "what", "cure"),
    [
        (gzip.compress(b"model"), "gzip data", "Unpack it: gunzip."),
        (_zip(), "a zip archive", "Unpack it: unzip."),
        (b"\x28\xb5\x2f\xfd\x00", "zstandard data", "Unpack it: zstd -d."),
        (b"\xfd7zXZ\x00", "xz data", "Unpack it: unxz."),
        (b"BZh9\x00", "bzip2 data", "Unpack it: bunzip2."),
        (_tar(), "a tar archive", "Unpack it: tar xf."),
        (b"\x1c\x00\x00\x00TFL3", "a TensorFlow Lite model", "Export ONNX from the original model, or convert with tf2onnx."),
        (b"\x1c\x00\x00\x00ORTM", "an ONNX Runtime .ort model", "Use the .onnx file it was made from."),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights)", "Convert with tf2onnx."),
        (b"ptrt\x00", "a TensorRT engine", ENGINE),
        (b"ftrt\x00", "a TensorRT engine", ENGINE),
        *((pickle.dumps({"w": 1}, protocol), PICKLE, TORCH) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture", "Give an ONNX model."),
        (b"\x7fELF\x02", "a program", "Give an ONNX model."),
        (b"%PDF-1.7\x00", "a PDF document", "Give an ONNX model."),
        (_safetensors(), "a safetensors file", "Export the model with torch.onnx.export."),
    ],
)
def test_other_formats(data: bytes, what: str, cure: str, tmp_path: Path) -> None:
    error = _refused(tmp_path / "a.onnx", data)
    assert (error.code, error.what, error.cure) == ("E122", f"{what}, not an ONNX model", cure)


BINARY = "Give the binary .onnx file."
SAVE = "Save the model in the binary form: onnx.save(model, path)."


@pytest.mark.parametrize(
    ("data", "what", "cure"),
    [
        (b"hello\n", "text", BINARY),
        (b"\thello\r\n", "text", BINARY),
        (("é" * 300).encode(), "text", BINARY),  # of which the 512 bytes that are looked at are whole characters
        (("xé" * 300).encode(), "text", BINARY),  # and not
        (b'{"a": 1}', "JSON text", BINARY),
        (b"\xef\xbb\xbf[1]", "JSON text", BINARY),
        (b"\n<!DOCTYPE html><html>", "an HTML or XML page", "Download the file itself, not the page about it."),
        ("model".encode("utf-16"), "UTF-16 text", BINARY),
        (onnx.printer.to_text(_proto()).encode(), "ONNX in a text form", SAVE),
        (str(_proto().graph).encode() + b"ir_version: 8", "ONNX in a text form", SAVE),
        (b'{"irVersion": "8", "graph": {}}', "ONNX in a text form", SAVE),
    ],
)
def test_text(data: bytes, what: str, cure: str, tmp_path: Path) -> None:
    error = _refused(tmp_path / "a.onnx", data)
    assert (error.code, error.what, error.cure) == ("E123", f"{what}, not a binary ONNX model", cure)


@pytest.mark.parametrize("data", [b"\xff" * 600, b"caf\xe9 au lait", b"a\x01"])
def test_what_is_neither_text_nor_a_model(data: bytes, tmp_path: Path) -> None:
    assert _refused(tmp_path / "a.onnx", data).code == "E101"


def test_empty_file(tmp_path: Path) -> None:
    error = _refused(tmp_path / "a.onnx", b"")
    assert str(error) == f"{tmp_path}/a.onnx: error[E120]: the file is empty. Export or download the model again."


@pytest.mark.parametrize(("size", "shown"), [(b"size 102400000\n", "102400000"), (b"", "?")])
def test_git_lfs_pointer(size: bytes, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    error = _refused(path, b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\n" + size)
    assert (error.code, error.what) == ("E121", f"a Git LFS pointer, not a model ({shown} bytes not fetched)")
    assert error.cure == f'Run: git lfs pull --include "{path}".'


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "gone.onnx").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.onnx").symlink_to(tmp_path / "loop.onnx")
    cases = {
        tmp_path / "missing.onnx": ("E111", "there is no such file", "Check the path."),
        tmp_path / "gone.onnx": ("E111", "there is no such file", "Check the path."),
        tmp_path / "loop.onnx": ("E112", "it cannot be opened (Too many levels of symbolic links)", "Check the path."),
        tmp_path / "fifo" / "a.onnx": ("E112", "it cannot be opened (Not a directory)", "Check the path."),
        tmp_path / ("n" * 300): ("E112", "it cannot be opened (File name too long)", "Check the path."),
        Path("a\0b"): ("E112", "it cannot be opened (embedded null byte)", "Check the path."),
        tmp_path: ("E110", "it is a folder that holds no .onnx file", "Give a model file."),
        tmp_path / "fifo": ("E110", "it is not a regular file", "Give a model file."),
        Path("/dev/zero"): ("E110", "it is not a regular file", "Give a model file."),
    }
    for path, expected in cases.items():
        error = _refused(path)
        assert (error.code, error.what, error.cure) == expected


def test_the_empty_path() -> None:
    with pytest.raises(ModelError) as caught:
        load("")
    assert str(caught.value) == "'': error[E111]: there is no such file. Check the path."


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:  # pragma: no cover
    path = tmp_path / "a.onnx"
    path.write_bytes(_proto().SerializeToString())
    path.chmod(0)
    assert _refused(path).what == "it may not be read"


# what is broken


@pytest.mark.parametrize(
    ("proto", "code", "what", "cure"),
    [
        (_proto(ir_version=0), "E103", "not an ONNX model: IR version 0 does not exist", AGAIN),
        (_proto(ir_version=-8), "E103", "not an ONNX model: IR version -8 does not exist", AGAIN),
        (_proto(ir_version=1 << 16), "E103", "not an ONNX model: IR version 65536 does not exist", AGAIN),
        (_proto(ir_version=1), "E103", "IR version 1 is older than 3, the oldest TensorRT reads", AGAIN),
        (_proto(ir_version=2), "E103", "IR version 2 is older than 3, the oldest TensorRT reads", AGAIN),
        (_proto(opset=6), "E103", "operator set 6 is older than 7, the oldest TensorRT reads", ""),
        (_proto(opset=0), "E103", "operator set 0 is older than 7, the oldest TensorRT reads", ""),
        (_proto(opset=-1), "E103", "operator set -1 is older than 7, the oldest TensorRT reads", ""),
        (ModelProto(graph=_proto().graph), "E102", "not an ONNX model: the header has neither an IR version nor an operator set", AGAIN),
        (ModelProto(graph=_proto().graph, ir_version=8), "E103", "the model names no version of the standard operator set", AGAIN),
        (
            _proto(shape=(-1, 3)),
            "E104",
            "input 'x' has the impossible dimension -1",
            "A free dimension is written as a name; fix it with --shape.",
        ),
        (
            _proto(shape=(1, 1 << 31)),
            "E104",
            "input 'x' has the impossible dimension 2147483648",
            "A free dimension is written as a name; fix it with --shape.",
        ),
        (_proto(shape=(1 << 30,) * 40), "E104", "input 'x' is impossibly large: 40 dimensions", AGAIN),
        (_proto(shape=(1 << 30, 1 << 30, 4, 0)), "E104", "input 'x' is impossibly large: 4 dimensions", AGAIN),
        (_proto(shape=(1,) * 65), "E104", "input 'x' is impossibly large: 65 dimensions", AGAIN),
    ],
)
def test_broken_headers_and_inputs(proto: ModelProto, code: str, what: str, cure: str, tmp_path: Path) -> None:
    error = _refused(tmp_path / "a.onnx", proto)
    convert = f"Convert it: onnx.version_converter.convert_version(model, {OLDEST_OPSET + 6})."
    assert (error.code, error.what, error.cure) == (code, what, cure or convert)


@pytest.mark.parametrize(
    "proto",
    [
        _proto(opset=7),
        _proto(ir_version=3),
        _proto(ir_version=99),
        _proto(domain="com.x", opset=1),  # no standard operator, no standard operator set
        _proto(shape=None),
        _proto(shape=()),
        _proto(shape=(0, 3)),
        _proto(shape=("N", None)),
        _proto(shape=((1 << 31) - 1, 1 << 30, 0)),
        _proto(shape=(1,) * 64),
    ],
)
def test_odd_models_that_are_whole(proto: ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(proto.SerializeToString())
    assert len(load(str(path)).graph.nodes) == 1


@pytest.mark.parametrize("name", ["espcn", "fcn_dynamic", "resnet18_dynamo"])
def test_truncated(name: str, tmp_path: Path) -> None:
    data = (MODELS / f"{name}.onnx").read_bytes()
    for part in range(20):
        error = _refused(tmp_path / "a.onnx", data[: len(data) * part // 20])
        assert error.code == ("E101" if part else "E120")


# what is large


def _sparse_model(path: Path, weight_bytes: int) -> bytes:
    """Write a model with one embedded weight of zeros that take no space on the disk; the bytes before the weight."""
    head = encode_int(1, 8) + encode_bytes(8, encode_int(2, 17))
    node = encode_bytes(1, encode_bytes(1, b"x") + encode_bytes(1, b"w") + encode_bytes(2, b"y") + encode_bytes(4, b"Add"))
    tensor = encode_int(1, weight_bytes // 4) + encode_int(2, 1) + encode_bytes(8, b"w") + b"\x4a" + encode_varint(weight_bytes)
    tail = encode_bytes(11, encode_bytes(1, b"x")) + encode_bytes(12, encode_bytes(1, b"y"))
    entry = b"\x2a" + encode_varint(len(tensor) + weight_bytes) + tensor
    head += b"\x3a" + encode_varint(len(node) + len(entry) + weight_bytes + len(tail)) + node + entry
    with path.open("wb") as file:
        file.write(head)
        file.seek(weight_bytes, os.SEEK_CUR)
        file.write(tail)
    return head


def test_an_embedded_weight_of_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    head = _sparse_model(path, 1 << 30)
    script = f"""
import resource, time
from dlalint.model.load import load
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
model = load({str(path)!r}, digest=True)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, kibibytes = map(float, done.stdout.split())
    assert seconds < 1
    assert kibibytes < 16 << 10
    weight = load(str(path)).graph.constants["w"]
    assert (weight.dims, weight.payload, weight.where) == ((1 << 28,), None, Location("", len(head), 1 << 30))


def test_a_file_that_is_mapped_reads_as_one_that_is_not(tmp_path: Path) -> None:
    data = (MODELS / "espcn.onnx").read_bytes()
    padding = b"\xfa\x7f" + encode_varint(READ_WHOLE_BYTES)  # a field that ONNX does not have
    with (tmp_path / "large.onnx").open("wb") as file:
        file.write(data + padding)
        file.truncate(len(data + padding) + READ_WHOLE_BYTES)
    small, large = load(str(MODELS / "espcn.onnx")), load(str(tmp_path / "large.onnx"), digest=True)
    assert large.digest == ""
    assert large.size == len(data + padding) + READ_WHOLE_BYTES
    assert large.graph.constants == small.graph.constants
    assert [node.outputs for node in large.graph.nodes] == [node.outputs for node in small.graph.nodes]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process table of Linux")
def test_many_large_weights_cost_no_memory(tmp_path: Path) -> None:
    """The file lies in the page cache in pieces of two megabytes, as after it was read."""
    path = tmp_path / "large.onnx"
    weight = bytes(3 << 20)
    heads = [TensorProto(name=f"w{index}", data_type=1, dims=[len(weight) // 4]).SerializeToString() for index in range(32)]
    with path.open("wb") as file:
        graph = b"".join(encode_bytes(5, head + encode_bytes(9, weight)) for head in heads)
        file.write(_proto().SerializeToString() + encode_bytes(7, graph))
        if hasattr(os, "posix_fadvise"):
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    path.read_bytes()
    script = f"""
from dlalint.model.load import load
print(len(load({str(path)!r}).graph.constants), *(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    count, kibibytes = map(int, done.stdout.split())
    assert count == len(heads) + len(_proto().graph.initializer)
    assert kibibytes < 32 << 10


def test_more_than_protobuf_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(_proto().SerializeToString())
    os.truncate(path, MAX_BYTES + 1)
    error = _refused(path)
    assert isinstance(error, LimitError)
    assert (error.code, error.what) == ("E202", "the file has 2147483648 bytes, more than one protobuf message may (2 GiB)")
    assert error.cure == "Save its weights as external data."


# finding models


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.onnx", "a.onnx", "sub/c.onnx", "sub/deep/d.onnx", "sub/e.pb", "empty/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "sub" / "link.onnx").symlink_to(tmp_path / "folder.onnx")
    (tmp_path / "sub" / "gone.onnx").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["b.onnx", "a.onnx"], ["b.onnx", "a.onnx"]),
        (["a.onnx", "a.onnx"], ["a.onnx"]),
        (["."], ["a.onnx", "b.onnx", "sub/c.onnx", "sub/deep/d.onnx", "sub/gone.onnx"]),  # what cannot be read is said later
        (["sub", "a.onnx", "sub/c.onnx"], ["sub/c.onnx", "sub/deep/d.onnx", "sub/gone.onnx", "a.onnx"]),
        (["sub/e.pb"], ["sub/e.pb"]),
        (["*.onnx"], ["a.onnx", "b.onnx"]),
        (["**/*.onnx"], ["a.onnx", "b.onnx", "sub/c.onnx", "sub/deep/d.onnx", "sub/gone.onnx"]),
        (["[ab].onnx"], ["a.onnx", "b.onnx"]),
        (["sub/?.onnx"], ["sub/c.onnx"]),
        (["empty"], ["empty"]),
        (["missing.onnx", "*.none", "[", "**y", "a**/b.onnx", "-", ""], ["missing.onnx", "*.none", "[", "**y", "a**/b.onnx", "-", ""]),
        (["\0*"], ["\0*"]),
        ([], []),
    ],
)
@pytest.mark.usefixtures("folder")
def test_find_models(paths: list[str], found: list[str]) -> None:
    assert find_models(paths) == found


def test_find_models_by_an_absolute_pattern(folder: Path) -> None:
    assert find_models([f"{folder}/*.onnx"]) == [f"{folder}/a.onnx", f"{folder}/b.onnx"]
    assert find_models([f"{folder}/*.none"]) == [f"{folder}/*.none"]


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    (folder / "[x].onnx").write_bytes(b"x")
    assert find_models(["[x].onnx"]) == ["[x].onnx"]


def test_a_file_that_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the answer of the system is put in."""

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.onnx").write_bytes(_proto().SerializeToString())
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ModelError) as caught:
        load(str(tmp_path / "a.onnx"))
    assert (caught.value.code, caught.value.what) == ("E112", "it may not be read")


def test_patterns_that_no_file_can_match() -> None:
    for pattern in ("a\0/*", "*\0", "**/\0*"):
        assert find_models([pattern]) == [pattern]


def test_a_model_in_memory_is_named_in_errors() -> None:
    assert parse(_proto().SerializeToString(), "a.onnx").path == "a.onnx"
    with pytest.raises(ModelError) as caught:
        parse(b"", "a.onnx")
    assert caught.value.where == "a.onnx"
