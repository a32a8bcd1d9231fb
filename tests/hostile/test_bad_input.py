"""Bad input through the command line: exit code 2, one line that says what, where and what to do, nothing else written anywhere."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import onnx
import pytest
from onnx import ModelProto, TensorProto

from dlalint.model.wire import encode_bytes, encode_int

MODELS = Path(__file__).resolve().parents[2] / "models"
GOOD = (MODELS / "espcn.onnx").read_bytes()
LINE = re.compile(r"dlalint: (?P<where>.+?): error\[(?P<code>E[1-6]\d\d)\]: (?P<what>.+?)\. (?P<cure>[A-Z`].+\.)")


class Run(Protocol):
    """See conftest."""

    code: int
    out: str
    err: str


Dlalint = Callable[..., Run]


def _refusal(run: Run) -> tuple[str, str]:
    """What a refused run said: where, and what. Nothing but that one line, and exit 2."""
    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert run.err.endswith("\n")
    assert len(run.err) < 1000
    found = LINE.fullmatch(run.err.strip())
    assert found, run.err
    return found["where"], found["what"]


def _parse(text: str) -> ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 17, "f": 1]> {text}')


def _relu(opset: int = 17, ir_version: int = 8, shape: Sequence[Any] = (1, 3, 8, 8)) -> ModelProto:
    proto = _parse("g (float[1] x) => (y) { y = Relu(x) }")
    proto.ir_version, proto.opset_import[0].version = ir_version, opset
    proto.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, shape))
    return proto


def _add(tensor: TensorProto) -> ModelProto:
    proto = _parse("g (float[1,3,8,8] x) => (y) { y = Add(x, w) }")
    tensor.name = "w"
    proto.graph.initializer.append(tensor)
    return proto


def _external(*entries: tuple[str, str]) -> ModelProto:
    tensor = TensorProto(data_type=1, dims=[1, 3, 1, 1], data_location=TensorProto.EXTERNAL)
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)
    return _add(tensor)


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("model.onnx", data)
    return out.getvalue()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def _nested(depth: int) -> bytes:
    """An If in an If in an If, deeper than protobuf itself would write it."""
    graph = b""
    for _ in range(depth):
        attribute = encode_bytes(1, b"then_branch") + encode_bytes(6, graph) + encode_int(20, 5)
        graph = encode_bytes(1, encode_bytes(2, b"y") + encode_bytes(4, b"If") + encode_bytes(5, attribute))
    return encode_int(1, 8) + encode_bytes(8, encode_int(2, 17)) + encode_bytes(7, graph)


def _doubling(depth: int) -> ModelProto:
    """Functions that each call the next one twice."""
    bodies = [f"F{level} (p) => (r) {{ q = f.F{level + 1}(p) r = f.F{level + 1}(q) }}" for level in range(depth)]
    bodies.append(f"F{depth} (p) => (r) {{ r = Relu(p) }}")
    return _parse(
        "g (float[4] x) => (y) { y = f.F0(x) }" + " ".join(f'<domain: "f", opset_import: ["": 17, "f": 1]> {body}' for body in bodies)
    )


IF = "y = If(c)<then_branch = t () => (float[4] p) {{ {} }}, else_branch = e () => (float[4] q) {{ q = Neg(x) }}>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 102400000\n"

BAD: dict[str, tuple[bytes | ModelProto, str]] = {
    # not a model at all
    "empty": (b"", "the file is empty"),
    "text": (b"hello\n", "text, not a binary ONNX model"),
    "json": (b'{"graph": {}}', "JSON text, not a binary ONNX model"),
    "onnx-json": (b'{"irVersion": "8"}', "ONNX in a text form, not a binary ONNX model"),
    "html": (b"<!DOCTYPE html><html></html>", "an HTML or XML page, not a binary ONNX model"),
    "lfs": (POINTER, "a Git LFS pointer, not a model (102400000 bytes not fetched)"),
    "gzip": (gzip.compress(GOOD), "gzip data, not an ONNX model"),
    "zip": (_zip(GOOD), "a zip archive, not an ONNX model"),
    "tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(20), "a TensorFlow Lite model, not an ONNX model"),
    "pickle": (pickle.dumps({"w": 1}), "a Python pickle (PyTorch weights), not an ONNX model"),
    "safetensors": (_safetensors(), "a safetensors file, not an ONNX model"),
    "onnx-text": (onnx.printer.to_text(_relu()).encode(), "ONNX in a text form, not a binary ONNX model"),
    "zeros": (bytes(1000), "the file is damaged: a field has no number"),
    "ones": (b"\xff" * 1000, "the file is truncated or damaged"),
    "graph-only": (_relu().graph.SerializeToString(), "not an ONNX model"),
    "tensor": (TensorProto(name="w", data_type=1, dims=[1], float_data=[1]).SerializeToString(), "not an ONNX model"),
    # the header
    "no-graph": (ModelProto(ir_version=8).SerializeToString(), "not an ONNX model: it holds no graph"),
    "no-header": (ModelProto(graph=_relu().graph), "the header has neither an IR version nor an operator set"),
    "no-opset": (ModelProto(ir_version=8, graph=_relu().graph), "the model names no version of the standard operator set"),
    "opset-too-new": (_relu(opset=999), "operator set 999 is newer than the installed onnx knows"),
    "opset-absurd": (_relu(opset=1 << 40), "operator set 1099511627776 is newer than the installed onnx knows"),
    "opset-6": (_relu(opset=6), "operator set 6 is older than 7, the oldest TensorRT reads"),
    "opset-0": (_relu(opset=0), "operator set 0 is older than 7, the oldest TensorRT reads"),
    "opset-negative": (_relu(opset=-1), "operator set -1 is older than 7, the oldest TensorRT reads"),
    "ir-0": (_relu(ir_version=0), "IR version 0 does not exist"),
    "ir-2": (_relu(ir_version=2), "IR version 2 is older than 3, the oldest TensorRT reads"),
    "ir-negative": (_relu(ir_version=-1), "IR version -1 does not exist"),
    # wiring
    "cycle": (_parse("g (float x) => (y) { a = Add(x, b) b = Relu(a) y = Neg(b) }"), "are not in order, or form a cycle: 'Add:a' uses 'b'"),
    "self": (_parse("g (float x) => (y) { y = Relu(y) }"), "are not in order, or form a cycle: 'Relu:y' uses 'y'"),
    "unsorted": (_parse("g (float x) => (y) { y = Relu(a) a = Neg(x) }"), "are not in order, or form a cycle: 'Relu:y' uses 'a'"),
    "cycle-through-body": (
        _parse(f"g (bool c, float[4] x) => (z) {{ {IF.format('p = Relu(z)')} z = Neg(y) }}"),
        "are not in order, or form a cycle: 'Relu:p' uses 'z'",
    ),
    "cycle-in-function": (
        _parse('g (float x) => (y) { y = f.F(x) } <domain: "f", opset_import: ["": 17]> F (a) => (r) { r = Add(a, b) b = Neg(r) }'),
        "are not in order, or form a cycle: 'Add:r' uses 'b'",
    ),
    "made-twice": (_parse("g (float x) => (y) { y = Relu(x) y = Neg(x) }"), "tensor 'y' is made twice"),
    "input-made": (_parse("g (float x) => (x) { x = Relu(x) }"), "tensor 'x' is made twice"),
    "input-twice": (_parse("g (float x, float x) => (y) { y = Relu(x) }"), "input 'x' is there twice"),
    "initializer-twice": (_parse("g (float x) => (y) <float w = {1}, float w = {2}> { y = Add(x, w) }"), "initializer 'w' is there twice"),
    "undefined-input": (_parse("g (float x) => (y) { y = Relu(nowhere) }"), "'Relu:y' uses tensor 'nowhere', which nothing makes"),
    "undefined-in-body": (
        _parse(f"g (bool c, float[4] x) => (y) {{ {IF.format('p = Relu(nowhere)')} }}"),
        "'Relu:p' uses tensor 'nowhere', which nothing makes",
    ),
    "undefined-output": (_parse("g (float x) => (y, z) { y = Relu(x) }"), "graph output 'z' is made by no node"),
    # sizes
    "dim-negative": (_relu(shape=(-1, 3)), "input 'x' has the impossible dimension -1"),
    "dim-huge": (_relu(shape=(1 << 40, 3)), "input 'x' has the impossible dimension 1099511627776"),
    "dims-huge": (_relu(shape=(1 << 30,) * 40), "input 'x' is impossibly large: 40 dimensions"),
    "weight-negative": (_add(TensorProto(data_type=1, dims=[-1, 3])), "tensor 'w' has the impossible shape (-1, 3)"),
    "weight-huge": (_add(TensorProto(data_type=1, dims=[1 << 40])), "tensor 'w' has the impossible shape (1099511627776,)"),
    "weight-huge-product": (_add(TensorProto(data_type=1, dims=[1 << 30] * 50)), "tensor 'w' has the impossible shape (1073741824, "),
    "raw-short": (
        _add(TensorProto(data_type=1, dims=[3, 3], raw_data=b"1234")),
        "tensor 'w' holds 4 bytes, its shape (3, 3) of float32 needs 36",
    ),
    "raw-long": (_add(TensorProto(data_type=3, dims=[2], raw_data=b"1234")), "tensor 'w' holds 4 bytes, its shape (2,) of int8 needs 2"),
    "floats-short": (
        _add(TensorProto(data_type=1, dims=[3], float_data=[1, 2])),
        "tensor 'w' holds 8 bytes, its shape (3,) of float32 needs 12",
    ),
    "integers-short": (
        _add(TensorProto(data_type=7, dims=[3], int64_data=[1, 2])),
        "tensor 'w' holds 2 elements, its shape (3,) of int64 needs 3",
    ),
    "wrong-field": (
        _add(TensorProto(data_type=7, dims=[2], float_data=[1] * 4)),
        "of int64 keeps its elements in the field of another type",
    ),
    # external data that no file could hold
    "external-nowhere": (_external(), "external data of tensor 'w' names no file"),
    "external-offset": (_external(("location", "a"), ("offset", "-4")), "external data of tensor 'w' has an impossible offset '-4'"),
    "external-length": (
        _external(("location", "a"), ("length", "8")),
        "tensor 'w' holds 8 bytes, its shape (1, 3, 1, 1) of float32 needs 12",
    ),
    "external-twice": (_external(("location", "a"), ("location", "b")), "external data states 'location' twice"),
    # depth
    "bodies-65": (_nested(65), "subgraphs are nested more than 64 deep"),
    "bodies-10000": (_nested(10000), "subgraphs are nested more than 64 deep"),
    "functions-that-double": (_doubling(30), "the model has more than 200000 nodes once its functions are opened"),
    # names
    "name-long": (
        _parse(f"g (float x) => (y) {{ y = Relu({'n' * 100000}) }}"),
        f"tensor '{'n' * 200}'... (100000 characters), which nothing",
    ),
    "name-escapes": (
        _parse("g (float x) => (y) { y = Relu(ABCDE) }").SerializeToString().replace(b"ABCDE", b"\x1b[1m\n"),
        r"uses tensor '\x1b[1m\n', which nothing makes",
    ),
    "name-not-utf8": (
        _parse("g (float x) => (y) { y = Relu(ABCDE) }").SerializeToString().replace(b"ABCDE", b"\xff\xfe\xfd\xfc\xfb"),
        r"uses tensor '\udcff\udcfe\udcfd\udcfc\udcfb', which nothing makes",
    ),
}


def _write(path: Path, data: bytes | ModelProto) -> None:
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, dlalint: Dlalint, folder: Path) -> None:
    data, what = BAD[name]
    _write(folder / "model.onnx", data)
    at, said = _refusal(dlalint("check", "model.onnx"))
    assert at == "model.onnx"
    assert what in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_all_of_them_at_once_and_the_good_ones_are_reported(form: str, dlalint: Dlalint, folder: Path) -> None:
    names = [name for name in BAD if name != "functions-that-double"]
    for name in names:
        _write(folder / f"{name}.onnx", BAD[name][0])
    for good in ("0-first", "m-middle", "zz-last"):
        _write(folder / f"{good}.onnx", _relu())
    run = dlalint("check", ".", "missing.onnx", "--format", form, "--no-others")
    assert run.code == 2
    lines = run.err.splitlines()
    assert [found["where"] for line in lines if (found := LINE.fullmatch(line))] == [
        *sorted(f"{name}.onnx" for name in names),
        "missing.onnx",
    ]
    assert len(lines) == len(names) + 1
    if form == "text":
        assert re.findall(r"^(\S+) on xavier", run.out, re.M) == ["0-first.onnx", "m-middle.onnx", "zz-last.onnx"]
        assert run.out.count("FULL: 1 of 1 node") == 3
        return
    documents = {item["model"]["path"]: item for item in json.loads(run.out)["models"]}
    assert len(documents) == len(names) + 4
    assert {path for path, item in documents.items() if item.get("verdict") == "full"} == {"0-first.onnx", "m-middle.onnx", "zz-last.onnx"}
    for name in names:
        error = documents[f"{name}.onnx"]["error"]
        assert f"error[{error['code']}]" in run.err
        assert BAD[name][1] in error["message"] + "."
        assert error["fix"].endswith(".")


def test_one_bad_and_one_good_model(dlalint: Dlalint, folder: Path) -> None:
    _write(folder / "a.onnx", GOOD[:700])
    _write(folder / "b.onnx", _relu())
    for order in (("a.onnx", "b.onnx"), ("b.onnx", "a.onnx")):
        run = dlalint("check", *order, "--exit-zero")
        assert run.code == 2  # a model that was not checked is never a success
        assert run.out.startswith("b.onnx on xavier-trt5.0, FP16\nFULL: 1 of 1 node")
        assert run.err.startswith("dlalint: a.onnx: error[E101]: ")


@pytest.mark.parametrize("part", range(20))
def test_truncated(part: int, dlalint: Dlalint, folder: Path) -> None:
    data = (MODELS / "resnet18_dynamo.onnx").read_bytes()
    _write(folder / "model.onnx", data[: len(data) * part // 20])
    at, said = _refusal(dlalint("check", "model.onnx"))
    assert at == "model.onnx"
    assert ("truncated or damaged" if part else "the file is empty") in said


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes(seed: int, dlalint: Dlalint, folder: Path) -> None:
    source = random.Random(seed)
    _write(folder / "model.onnx", source.randbytes(source.choice([1, 2, 5, 20, 500, 5000])))
    at, said = _refusal(dlalint("check", "model.onnx"))
    assert at == "model.onnx"
    assert re.search("damaged|text, not a binary|not an ONNX model", said)


# what is no file


def test_paths(dlalint: Dlalint, folder: Path) -> None:
    (folder / "empty").mkdir()
    os.mkfifo(folder / "fifo.onnx")
    (folder / "gone.onnx").symlink_to("nowhere")
    (folder / "loop.onnx").symlink_to("loop.onnx")
    cases = {
        "missing.onnx": "there is no such file",
        "*.none": "there is no such file",
        "a**/b.onnx": "there is no such file",
        "-": "there is no such file",
        "gone.onnx": "there is no such file",
        "loop.onnx": "it cannot be opened (Too many levels of symbolic links)",
        "fifo.onnx/a.onnx": "it cannot be opened (Not a directory)",
        "n" * 300: "it cannot be opened (File name too long)",
        "empty": "it is a folder that holds no .onnx file",
        "fifo.onnx": "it is not a regular file",
        "/dev/zero": "it is not a regular file",
        "/dev/null": "it is not a regular file",
    }
    for path, what in cases.items():
        at, said = _refusal(dlalint("check", path))
        assert at == path
        assert what in said
    assert dlalint("check", ".").err.count("\n") == 3


def test_paths_that_a_terminal_would_obey(dlalint: Dlalint) -> None:
    for path, shown in (("a\nb.onnx", r"a\x0ab.onnx"), ("\x1b[31m.onnx", r"\x1b[31m.onnx"), ("\udcff.onnx", r"\udcff.onnx"), ("", "''")):
        at, said = _refusal(dlalint("check", path))
        assert at == shown
        assert "there is no such file" in said
    at, said = _refusal(dlalint("check", "a\0b"))
    assert at == r"a\x00b"
    assert "it cannot be opened (embedded null byte)" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permissions(dlalint: Dlalint, folder: Path) -> None:  # pragma: no cover
    _write(folder / "model.onnx", GOOD)
    (folder / "model.onnx").chmod(0)
    at, said = _refusal(dlalint("check", "model.onnx"))
    assert at == "model.onnx"
    assert "it may not be read" in said


@pytest.mark.parametrize(
    ("size", "what"), [(1 << 30, "the file is damaged: a field has no number"), (1 << 31, "more than one protobuf message may (2 GiB)")]
)
def test_large_files_of_nothing(size: int, what: str, dlalint: Dlalint, folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(size)
    at, said = _refusal(dlalint("check", "model.onnx"))
    assert at == "model.onnx"
    assert what in said


# side files: a lint needs no weights, so these are findings


@pytest.mark.parametrize(
    ("location", "content", "state"),
    [
        ("side.bin", None, "the side file side.bin is missing"),
        ("side.bin", b"\0" * 8, "the side file side.bin is too short: 8 bytes, the model refers to 16"),
        ("side.bin", POINTER, "the side file side.bin is a Git LFS pointer, not fetched"),
        ("folder", None, "the side file folder is no regular file"),
        ("fifo", None, "the side file fifo is no regular file"),
        ("../side.bin", None, "the side file ../side.bin is outside of the model's folder, where no loader follows it"),
        ("/dev/zero", None, "the side file /dev/zero is outside of the model's folder, where no loader follows it"),
        ("n" * 300, None, f"the side file {'n' * 300} is not readable (File name too long)"),
        ("side.bin", b"\0" * 16, ""),
    ],
)
def test_side_files(location: str, content: bytes | None, state: str, dlalint: Dlalint, folder: Path) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    if content is not None:
        (folder / location).write_bytes(content)
    _write(folder / "model.onnx", _external(("location", location), ("offset", "4"), ("length", "12")))
    run = dlalint("check", "model.onnx", "--format", "json", "--no-others", "--fail-on", "error")
    assert run.err == ""
    assert run.code in (0, 1)
    found = [item["message"] for item in json.loads(run.out)["findings"] if item["name"] == "weights-missing"]
    assert found == ([state] if state else [])


# options

OPTIONS: list[tuple[list[str], str, str]] = [
    (["--shape", "input"], "--shape", "'input' is no shape"),
    (["--shape", "input:"], "--shape", "'input:' is no shape"),
    (["--shape", ":1x2"], "--shape", "':1x2' is no shape"),
    (["--shape", "input:1xax3"], "--shape", "'input:1xax3' is no shape"),
    (["--shape", "input:-1x3"], "--shape", "'input:-1x3' is no shape"),
    (["--shape", "input:1.5x3"], "--shape", "'input:1.5x3' is no shape"),
    (["--shape", "input:0x3"], "--shape", "'input:0x3' has a dimension that no tensor can have"),
    (["--shape", "input:9999999999x3"], "--shape", "'input:9999999999x3' has a dimension that no tensor can have"),
    (["--shape", "other:1x3"], "model.onnx: --shape other", "the model has no input 'other'"),
    (["--shape", "input:1x1"], "model.onnx: --shape input", "input 'input' has 4 dimensions, not 2"),
    (["--shape", "input:1x1x99x99"], "model.onnx: --shape input", "input 'input' is fixed at 1x1x180x320 in the file"),
    (["--batch", "0"], "--batch", "0 is no batch"),
    (["--batch", "-3"], "--batch", "-3 is no batch"),
    (["--batch", "9999999999"], "--batch", "9999999999 is no batch"),
    (["--batch", "7"], "model.onnx: --batch 7", "input 'input' is fixed at 1x1x180x320 in the file"),
    (["--target", "nope"], "--target", "unknown target 'nope'"),
    (["--target", ""], "--target", "unknown target ''"),
    (["--target", "xavier"], "--target", "unknown target 'xavier'"),
    (["--target", "xavier-trt99.0"], "--target", "unknown target 'xavier-trt99.0'"),
    (["--target", "xavier-trt8.5", "--target", "nope"], "--target", "unknown target 'nope'"),
    (["--select", "NOPE"], "--select", "no rule is called 'NOPE'"),
    (["--select", "DLA999"], "--select", "no rule is called 'DLA999'"),
    (["--select", ""], "--select", "no rule is called ''"),
    (["--select", "DLA1,NOPE"], "--select", "no rule is called 'NOPE'"),
    (["--ignore", "NOPE"], "--ignore", "no rule is called 'NOPE'"),
    (["--output", "missing/report.txt"], "missing/report.txt", "the report cannot be written (No such file or directory)"),
    (["--output", "."], ".", "it is not a regular file"),
]


@pytest.mark.parametrize(("arguments", "where", "what"), OPTIONS, ids=[" ".join(option[0]) for option in OPTIONS])
def test_bad_options(arguments: Sequence[str], where: str, what: str, dlalint: Dlalint, folder: Path) -> None:
    _write(folder / "model.onnx", GOOD)
    at, said = _refusal(dlalint("check", "model.onnx", *arguments))
    assert at == where
    assert what in said


# what click or the command itself refuses
MISUSED: list[tuple[list[str], str, str]] = [
    (["--batch", "x"], "--batch", "'x'"),
    (["--format", "xml"], "--format", "'xml'"),
    (["--precision", "fp8"], "--precision", "'fp8'"),
    (["--fail-on", "never"], "--fail-on", "'never'"),
    (["--shape"], "--shape", ""),
    (["--nope"], "--nope", ""),
    (["--others", "nope"], "--others", "unknown target 'nope'"),
    (["--others", ""], "--others", "unknown target ''"),
    (["--output", ""], "--output", ""),
]


@pytest.mark.parametrize(("arguments", "where", "what"), MISUSED, ids=[" ".join(option[0]) for option in MISUSED])
def test_bad_options_of_click(arguments: Sequence[str], where: str, what: str, dlalint: Dlalint, folder: Path) -> None:
    _write(folder / "model.onnx", GOOD)
    at, said = _refusal(dlalint("check", "model.onnx", *arguments))
    assert at == where
    assert what in said


@pytest.mark.parametrize("arguments", [["check"], ["nope"], ["--nope"]])
def test_bad_commands(arguments: Sequence[str], dlalint: Dlalint) -> None:
    run = dlalint(*arguments)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)


def test_an_option_that_fits_one_model_of_two(dlalint: Dlalint, folder: Path) -> None:
    _write(folder / "fixed.onnx", GOOD)
    _write(folder / "free.onnx", _relu(shape=("N", 3, 8, 8)))
    run = dlalint("check", "fixed.onnx", "free.onnx", "--batch", "7")
    assert run.code == 2
    assert run.out.startswith("free.onnx on xavier-trt5.0, FP16\nFULL: 1 of 1 node")
    assert run.err.startswith("dlalint: fixed.onnx: --batch 7: error[E501]: input 'input' is fixed at 1x1x180x320 in the file. Export ")


# models that are whole, however odd


def test_a_model_that_crashes_shape_inference(dlalint: Dlalint, folder: Path) -> None:
    text = "g (float[1,3,8,8] x, int64[1,2] i) => (y, z) { a = Relu(x) y = GatherND<batch_dims: int = -7>(a, i) z = Sigmoid(a) }"
    _write(folder / "model.onnx", _parse(text))
    run = dlalint("check", "model.onnx", "--format", "json", "--target", "orin-trt8.6")
    assert run.err == ""
    assert run.code in (1, 2)
    document = json.loads(run.out)
    crashes = [item["observed"] for item in document["findings"] if item["name"] == "inference-crashed"]
    if not crashes:  # pragma: no cover
        pytest.skip(f"onnx {onnx.__version__} survives it")
    assert crashes == ["onnx died with signal 11 in shape inference of GatherND"]
    assert run.code == 2
    assert dlalint("check", "model.onnx", "--exit-zero").code == 2
    assert [node["device"] for node in document["nodes"]] == ["dla", "gpu", "dla"]


def test_functions_that_call_themselves(dlalint: Dlalint, folder: Path) -> None:
    body = '<domain: "f", opset_import: ["": 17, "f": 1]> F (p) => (r) { q = Relu(p) r = f.F(q) }'
    _write(folder / "model.onnx", _parse("g (float[1,3,8,8] x) => (y) { y = f.F(x) }" + body))
    run = dlalint("check", "model.onnx", "--format", "json")
    assert (run.code, run.err) == (1, "")
    assert json.loads(run.out)["nodes"][0]["device"] == "unknown"


def test_a_chain_of_functions(dlalint: Dlalint, folder: Path) -> None:
    bodies = [f"F{level} (p) => (r) {{ r = f.F{level + 1}(p) }}" for level in range(3000)] + ["F3000 (p) => (r) { r = Relu(p) }"]
    functions = " ".join(f'<domain: "f", opset_import: ["": 17, "f": 1]> {body}' for body in bodies)
    _write(folder / "model.onnx", _parse("g (float[1,3,8,8] x) => (y) { y = f.F0(x) } " + functions))
    run = dlalint("check", "model.onnx", "--format", "json")
    assert (run.code, run.err) == (1, "")
    assert json.loads(run.out)["verdict"] == "unknown"


def test_names_that_a_terminal_would_obey(dlalint: Dlalint, folder: Path) -> None:
    proto = _parse("g (float[1,3,8,8] x) => (y) { [NODENAME] y = Det(x) }").SerializeToString()
    for name in (b"\x1b]0;a\x07b", b"a\nb\rc\x00d", "\u202eab\u200b".encode()):
        _write(folder / "model.onnx", proto.replace(b"NODENAME", name.ljust(8)[:8]))
        text = dlalint("check", "model.onnx")
        assert (text.code, text.err) == (1, "")
        assert re.findall(r"[^\n -~×⁰-₿]", text.out) == []
        whole = dlalint("check", "model.onnx", "--format", "json")
        assert whole.code == 1
        assert json.loads(whole.out)["nodes"][0]["op_type"] == "Det"


# in a process of its own


def _process(*arguments: str | bytes, cwd: Path, timeout: float = 20) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dlalint", "check", *arguments], cwd=cwd, capture_output=True, timeout=timeout, check=False
    )


def test_processes(tmp_path: Path) -> None:
    _write(tmp_path / "good.onnx", _relu())
    _write(tmp_path / "cut.onnx", GOOD[:700])
    _write(tmp_path / "lfs.onnx", POINTER)
    os.mkfifo(tmp_path / "fifo.onnx")
    before = sorted(tmp_path.iterdir())
    lines = {
        "cut.onnx": "error[E101]: the file is truncated or damaged: a field of 1491 bytes runs past its end."
        " Export or download the model again.",
        "lfs.onnx": 'error[E121]: a Git LFS pointer, not a model (102400000 bytes not fetched). Run: git lfs pull --include "lfs.onnx".',
        "fifo.onnx": "error[E110]: it is not a regular file. Give a model file.",
        "/dev/zero": "error[E110]: it is not a regular file. Give a model file.",
        "none.onnx": "error[E111]: there is no such file. Check the path.",
    }
    for path, line in lines.items():
        done = _process(path, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", f"dlalint: {path}: {line}\n")
    done = _process("good.onnx", *lines, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith(b"good.onnx on xavier-trt5.0, FP16\nFULL: 1 of 1 node")
    assert done.stderr.decode() == "".join(f"dlalint: {path}: {line}\n" for path, line in lines.items())
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_name_that_is_not_utf8(tmp_path: Path) -> None:
    _write(tmp_path / "\udcff.onnx", GOOD)
    done = _process(b"\xff.onnx", "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    done = _process(b"\xfe.onnx", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"dlalint: \\udcfe.onnx: error[E111]: there is no such file. Check the path.\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_that_are_not_utf8(form: str, tmp_path: Path) -> None:
    proto = _parse("g (float[1,3,8,8] x) => (y) { [NODENAME] y = Det(x) }").SerializeToString()
    _write(tmp_path / "model.onnx", proto.replace(b"NODENAME", b"\xff\xfe\x80\x81\x82\x83\x84\x85"))
    done = _process("model.onnx", "--format", form, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    text = done.stdout.decode("utf-8")
    if form == "json":
        assert json.loads(text)["nodes"][0]["name"] == "\udcff\udcfe\udc80\udc81\udc82\udc83\udc84\udc85"


def test_onnx_is_not_installed(tmp_path: Path) -> None:
    script = "import dlalint.worker, dlalint.__main__ as program; dlalint.worker.find_spec = lambda name: None; program.main()"
    _write(tmp_path / "good.onnx", _relu())
    done = subprocess.run([sys.executable, "-c", script, "check", "good.onnx"], cwd=tmp_path, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        "dlalint: error[E302]: onnx's extension module was not found. Reinstall onnx: pip install --force-reinstall onnx.\n"
    )


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    _write(tmp_path / "good.onnx", _relu())
    command = f"{sys.executable} -m dlalint check good.onnx --format json | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_an_interruption(tmp_path: Path) -> None:
    """While onnx is stuck in an endless loop."""
    _write(tmp_path / "model.onnx", _parse('g (float[2] x) => (y) { y = Einsum<equation: string = "i2->i">(x) }'))
    with subprocess.Popen(
        [sys.executable, "-m", "dlalint", "check", "model.onnx"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            process.wait(1.5)
        except subprocess.TimeoutExpired:
            process.send_signal(2)
            out, err = process.communicate(timeout=10)
            assert (process.returncode, out, err.decode()) == (130, b"", "interrupted\n")
            return
    pytest.skip(f"onnx {onnx.__version__} comes to an end")  # pragma: no cover
