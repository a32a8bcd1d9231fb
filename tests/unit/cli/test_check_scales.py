"""``dlalint check --calibration``: files of users in, findings out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest

from dlalint.calibration.cache import ENTROPY, Cache, to_text
from dlalint.cli import execute
from dlalint.model.load import load


@pytest.fixture
def folder(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(models / "resnet18.onnx", tmp_path / "model.onnx")
    graph = load(str(tmp_path / "model.onnx")).graph
    scales = dict.fromkeys([*graph.inputs, *(name for node in graph.nodes for name in node.outputs)], 0.05)
    (tmp_path / "whole.cache").write_text(to_text(Cache("10.3.0", ENTROPY, scales)))
    scales.pop("/relu/Relu_output_0")
    (tmp_path / "calib.cache").write_text(to_text(Cache("10.3.0", ENTROPY, scales)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _check(*arguments: str) -> int:
    return execute(["check", "model.onnx", "--target", "orin-trt10.3", "--no-others", *arguments])


def test_text_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check("--precision", "int8", "--calibration", "calib.cache", "--fail-on", "warning") == 1
    out = capsys.readouterr().out
    assert "INT8 scales\n  48 of 49 tensors on the DLA have a usable scale in calib.cache; of 47 layers" in out
    assert (
        "DLA804 scale-missing  1 node\n    /relu/Relu: no INT8 scale for /relu/Relu_output_0: FP16 for /relu/Relu, /maxpool/MaxPool" in out
    )
    _check("--precision", "int8", "--calibration", "calib.cache", "--format", "json")
    document = json.loads(capsys.readouterr().out)
    assert document["scales"]["in_fp16"] == ["/relu/Relu", "/maxpool/MaxPool"]
    assert [item["tensor"] for item in document["findings"] if item["code"] == "DLA804"] == ["/relu/Relu_output_0"]


@pytest.mark.parametrize(("form", "heading"), [("html", "<h3>INT8 scales</h3>\n<p>"), ("markdown", "INT8 scales: ")])
def test_other_forms_say_it_too(form: str, heading: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _check("--precision", "int8", "--calibration", "calib.cache", "--format", form)
    said = capsys.readouterr().out.replace("\\", "")
    assert f"{heading}48 of 49 tensors on the DLA have a usable scale in calib.cache; of 47 layers with an INT8 form 2 run in FP16" in said


def test_a_whole_cache(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check("--precision", "int8", "--calibration", "whole.cache") == 1  # for the average on the GPU
    out = capsys.readouterr().out
    assert "INT8 scales\n  49 of 49 tensors on the DLA have a usable scale in whole.cache.\n" in out
    assert "DLA8" not in out


def test_layer_precisions_in_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "layers.txt").write_text("/relu/Relu:fp16,/maxpool/MaxPool:fp16\n")
    _check("--precision", "int8", "--calibration", "calib.cache", "--layer-precisions", "@layers.txt")
    assert "DLA804" not in capsys.readouterr().out


def test_layers_without_a_name_have_the_one_that_the_parser_gives_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dlalint calibration` writes such lists."""
    monkeypatch.chdir(tmp_path)
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[1,3,8,8] x) => (float[1,3,8,8] y) { a = Relu(x) y = Sigmoid(a) }'
    Path("model.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    _check("--precision", "int8", "--layer-precisions", "node_of_a:fp16,node_of_b:fp16", "--format", "json")
    found = json.loads(capsys.readouterr().out)
    assert [item["observed"] for item in found["findings"] if item["name"] == "precision-of-no-layer"] == ["node_of_b"]
    assert found["scales"]["layers"] == 0
    _check("--precision", "int8", "--layer-precisions", "node_of_a:fp16")
    assert "INT8 scales\n  No tensor needs one: no layer on the DLA has an INT8 form, or FP16 is asked" in capsys.readouterr().out


def test_a_file_that_names_no_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "layers.txt").write_text("\n")
    _check("--precision", "int8", "--calibration", "calib.cache", "--layer-precisions", "@layers.txt")
    assert "DLA804" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--calibration", "nowhere"], "nowhere: error[E543]: there is no such file."),
        (["--calibration", "model.onnx"], "model.onnx: error[E140]: line 1 is no entry of a calibration cache: "),
        (["--layer-precisions", "a"], "--layer-precisions: error[E549]: 'a' is no precision of a layer."),
        (["--layer-precisions", "@nowhere"], "nowhere: error[E543]: there is no such file."),
        (["--calibration", "calib.cache", "--precision", "fp16"], "--calibration: error[E532]: scales are for INT8. Add --precision int8."),
    ],
)
def test_what_is_refused(arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check("--precision", "int8", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"dlalint: {said}")
    assert captured.err.count("\n") == 1
