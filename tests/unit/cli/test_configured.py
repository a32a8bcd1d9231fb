"""Every command that has a target, a precision or shapes takes them from the configuration file, and its options win."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[3]
TEXT = """
target = ["orin-trt10.3", "xavier-trt5.0"]
precision = "int8"
[shapes]
input = "1x3x256x512"
[[model]]
match = "mnist*"
target = "xavier-trt8.5"
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Run) -> Run:
    """The command line in a folder with a configuration and two models."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dlalint.toml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "other.toml").write_text('target = "orin-trt8.6"\n', encoding="utf-8")
    for name in ("fcn_dynamic", "mnist-7"):
        shutil.copy(ROOT / "models" / f"{name}.onnx", tmp_path)
    return commands


def _json(run: Run, *arguments: str) -> dict[str, Any]:
    _, out, err = run(*arguments, "--format", "json")
    assert out, err
    found: dict[str, Any] = json.loads(out)
    return found


SHAPE = "input:1x3x64x64"
OPTIONS = ("--target", "xavier-trt8.6", "--precision", "fp16")


def test_fix(run: Run) -> None:
    found = _json(run, "fix", "fcn_dynamic.onnx", "--diff", "--no-verify")
    assert (found["target"], found["precision"], found["before"]["verdict"]) == ("orin-trt10.3", "int8", "partial")
    found = _json(run, "fix", "fcn_dynamic.onnx", "--diff", "--no-verify", *OPTIONS)
    assert (found["target"], found["precision"]) == ("xavier-trt8.6", "fp16")
    assert run("fix", "mnist-7.onnx", "--diff")[2].startswith("dlalint: mnist-7.onnx: dlalint.toml: shape input: error[E501]")


def test_fix_writes_the_shapes(run: Run, tmp_path: Path) -> None:
    body = "(float[N,8,8,8] input) => (float[N,8,1,1] y) { y = GlobalAveragePool(input) }"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {body}'), tmp_path / "mean.onnx")
    (tmp_path / "dlalint.toml").write_text('target = "orin-trt10.3"\n[shapes]\ninput = "2x8x8x8"\n', encoding="utf-8")
    assert run("fix", "mean.onnx", "--no-verify")[0] == 0
    dims = onnx.load(tmp_path / "mean.fixed.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [2, 8, 8, 8]


def test_split(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dlalint.toml").write_text('target = "orin-trt10.3"\nprecision = "int8"\n', encoding="utf-8")
    found = _json(run, "split", "mnist-7.onnx", "-o", "parts", "--no-verify")
    assert (found["target"], found["precision"]) == ("orin-trt10.3", "int8")
    found = _json(run, "split", "mnist-7.onnx", "-o", "other", "--no-verify", *OPTIONS)
    assert (found["target"], found["precision"]) == ("xavier-trt8.6", "fp16")


def test_trtexec(run: Run) -> None:
    found = _json(run, "trtexec", "fcn_dynamic.onnx")
    assert found["target"] == {"name": "orin-trt10.3", "trt": "10.3", "soc": "orin", "precision": "int8"}
    assert any("input:1x3x256x512" in command["line"] for command in found["commands"])
    found = _json(run, "trtexec", "fcn_dynamic.onnx", *OPTIONS, "--shape", SHAPE)
    assert (found["target"]["name"], found["target"]["precision"]) == ("xavier-trt8.6", "fp16")
    assert any("input:1x3x64x64" in command["line"] for command in found["commands"])


def test_another_file_and_tables_of_a_model(run: Run) -> None:
    found = _json(run, "trtexec", "fcn_dynamic.onnx", "--config", "other.toml", "--shape", SHAPE)
    assert found["target"]["name"] == "orin-trt8.6"
    _, out, _ = run("mark-output", "mnist-7.onnx", "--list")
    assert out.startswith("mnist-7.onnx on xavier-trt8.5, INT8: 12 tensors\n")


def test_mark_output(run: Run) -> None:
    """It takes the target alone: a shape is fixed in its report only when that is asked for."""
    assert run("mark-output", "fcn_dynamic.onnx", "--list")[1].startswith("fcn_dynamic.onnx on orin-trt10.3, INT8: ")
    assert run("mark-output", "fcn_dynamic.onnx", "--list", *OPTIONS)[1].startswith("fcn_dynamic.onnx on xavier-trt8.6, FP16: ")
    rows = [line.split() for line in run("mark-output", "fcn_dynamic.onnx", "--list")[1].splitlines()]
    assert not any("256x512" in row[3] for row in rows[2:])


def test_graph(run: Run, tmp_path: Path) -> None:
    assert run("graph", "fcn_dynamic.onnx", "-o", "a.html")[0] == 0
    assert run("graph", "fcn_dynamic.onnx", "-o", "b.html", *OPTIONS)[0] == 0
    first, second = ((tmp_path / name).read_text(encoding="utf-8") for name in ("a.html", "b.html"))
    assert "<small>on orin-trt10.3, INT8</small>" in first
    assert "11 of 13 nodes run on the DLA" in first
    assert "<small>on xavier-trt8.6, FP16</small>" in second


def test_verify(run: Run, tmp_path: Path) -> None:
    body = "(float[1,N] x) => (float[1,N] y) { y = Relu(x) }"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {body}'), tmp_path / "relu.onnx")
    (tmp_path / "dlalint.toml").write_text('[shapes]\nx = "1x6"\n', encoding="utf-8")
    shapes = [tensor["shape"] for item in _json(run, "verify", "relu.onnx", "relu.onnx")["sets"] for tensor in item["tensors"]]
    assert shapes == [[1, 6]] * 5
    found = _json(run, "verify", "relu.onnx", "relu.onnx", "--shape", "x:1x3")
    assert found["sets"][0]["tensors"][0]["shape"] == [1, 3]
    assert _json(run, "run", "relu.onnx")["outputs"][0]["shape"] == [1, 6]
    (tmp_path / "dlalint.toml").write_text('[shapes]\nz = "1x6"\n', encoding="utf-8")
    assert run("verify", "relu.onnx", "relu.onnx")[2].startswith("dlalint: relu.onnx: dlalint.toml: shape z: error[E501]")
