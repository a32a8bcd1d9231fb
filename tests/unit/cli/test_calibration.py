"""`dlalint calibration` on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest

from dlalint.cli import execute
from tests.rewrite.conftest import text

BODY = """g (float[1,2,4,4] x) => (float[1,2,4,4] y) <float s = {0.125}, int8 z = {0}, uint8 u = {0}, float[2,2,1,1] w = {1, 2, 3, 4}> {
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) [conv] a = Conv(d, w)
    p = QuantizeLinear(a, s, u) e = DequantizeLinear(p, s, u)
    [sigmoid] b = Sigmoid(e) y = Neg(b) }"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(text(BODY), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint calibration`."""
    return partial(commands, "calibration", "--target", "orin-trt8.6")


def test_text(model: Path, dlalint: CommandLine) -> None:
    code, out, err = dlalint("model.onnx", "--layer-precisions", "halves.txt")
    assert (code, err) == (0, "")
    head, _, rest = out.partition("  Tensor ")
    assert head == HEAD
    assert rest[rest.index("\nModel written") :] == TAIL
    assert Path("halves.txt").read_text(encoding="utf-8") == "conv:fp16,sigmoid:fp16,node_of_y:fp16\n"
    assert Path("model.float.cache").read_text(encoding="utf-8").startswith("TRT-8600-EntropyCalibration2\nx: 3e000000\n")


HEAD = """model.onnx for orin-trt8.6, INT8 by a calibration cache
PARTLY INT8: 2 Q/DQ pairs became 2 scales and 1 scale followed from them; 1 of 4 nodes have all the
scales that INT8 takes.
Predicted placement: 3 of 4 nodes on the DLA in 1 loadable; with Q/DQ nodes 2 of 7 in 2.

Remarks
  asymmetric  a: it goes from 0 to 31.88: the symmetric scale that covers that makes a step 101%
              wider
  relu  a: the pair cut off what is below zero; a Relu of 'a_before_relu' does that now

Carried scales
  a_before_relu: carried from a through Relu

In FP16
  the weights 'w' were not quantized: Conv conv
  'b' has no scale: Sigmoid sigmoid, Neg Neg:y
  A scale that no Q/DQ pair gives can be measured: `dlalint calibration` on the written model, with
  --inputs.

Proof  with its 2 pairs put back, 1 of them at scales of the cache, the written model is bit-equal
       to the original at all 3 tensors, on 5 sets of inputs (normal, zeros, negative, channels,
       normal again).
       How far tensors move on seeded inputs without the pairs, as float and, as INT8, with every
       activation rounded to the scale of the cache instead, in steps of the pairs, farthest first:
"""
TAIL = """
Model written to model.float.onnx
Scales written to model.float.cache
Layer precisions written to halves.txt

What trtexec needs of it (`dlalint trtexec` with --precision int8 and --calibration prints the whole
command):
  --onnx=model.float.onnx
  --int8
  --fp16
  --useDLACore=0
  --calib=model.float.cache
  --precisionConstraints=prefer
  --layerPrecisions="$(cat halves.txt)"
"""


def test_json(model: Path, dlalint: CommandLine) -> None:
    code, out, _ = dlalint("model.onnx", "-o", "a.onnx", "--cache", "a.cache", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert (told["schema"], told["model"], told["target"]) == (1, "model.onnx", "orin-trt8.6")
    assert (told["output"], told["cache"], told["layer_precisions"]) == ("a.onnx", "a.cache", None)
    assert (told["pairs"], told["constants"], told["after"]["nodes"], told["after"]["int8_nodes"]) == (2, 0, 4, 1)
    assert [(item["tensor"], item["origin"], item["source"]) for item in told["scales"]] == [
        ("x", "pair", ""),
        ("a", "pair", ""),
        ("a_before_relu", "carried", "a"),
    ]
    assert [item["kind"] for item in told["remarks"]] == ["asymmetric", "relu"]
    assert [(item["layer"], item["reason"]) for item in told["fp16"]] == [
        ("conv", "the weights 'w' were not quantized"),
        ("sigmoid", "'b' has no scale"),
        ("node_of_y", "'b' has no scale"),
    ]
    assert told["trtexec"] == [
        "--onnx=a.onnx",
        "--int8",
        "--fp16",
        "--useDLACore=0",
        "--calib=a.cache",
        "--precisionConstraints=prefer",
        "--layerPrecisions=conv:fp16,sigmoid:fp16,node_of_y:fp16",
    ]
    assert told["proof"]["ok"]
    assert [item["tensor"] for item in told["proof"]["steps"]] == ["x", "a"]


def test_in_place(model: Path, dlalint: CommandLine) -> None:
    code, _, _ = dlalint("model.onnx", "--in-place")
    assert code == 0
    assert [node.op_type for node in onnx.load(model).graph.node] == ["Conv", "Relu", "Sigmoid", "Neg"]
    assert Path("model.cache").exists()


def test_without_a_proof(model: Path, dlalint: CommandLine) -> None:
    code, out, _ = dlalint("model.onnx", "--no-verify")
    assert code == 0
    assert "Proof" not in out
    assert Path("model.float.onnx").exists()


def test_every_scale_with_verbose(model: Path, dlalint: CommandLine) -> None:
    _, out, _ = dlalint("model.onnx", "-v")
    assert "  a_before_relu  0.250984   31.875  carried from a through Relu\n" in out
    assert "  x                 0.125   15.875  its Q/DQ pair\n" in out


def test_the_default_target(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = execute(["calibration", "model.onnx"])
    assert code == 0
    assert "model.onnx for xavier-trt5.0," in capsys.readouterr().out
    assert Path("model.float.cache").read_text(encoding="utf-8").startswith("TRT-5000-EntropyCalibration2\n")


def test_free_dimensions(model: Path, dlalint: CommandLine) -> None:
    """A dimension that is free is 1 for the proof, or what --shape says; the model stays as it is."""
    proto = text(BODY.replace("float[1,2,4,4] x", "float[1,2,H,W] x").replace("float[1,2,4,4] y", "float[1,2,H,W] y"))
    onnx.save(proto, model)
    code, out, _ = dlalint("model.onnx", "--shape", "x:1x2x5x7", "--format", "json")
    assert code == 0
    assert json.loads(out)["proof"]["exact"]
    (taken,) = onnx.load("model.float.onnx").graph.input
    assert [dim.dim_param for dim in taken.type.tensor_type.shape.dim][2:] == ["H", "W"]


def test_means_only_when_asked_for(model: Path, dlalint: CommandLine) -> None:
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) a = GlobalAveragePool(d) y = Flatten(a)"
    onnx.save(text(f"g (float[1,2,4,4] x) => (float[1,2] y) <float s = {{0.125}}, int8 z = {{0}}> {{ {body} }}"), model)
    found = []
    for option in ((), ("--infer-average-pool",)):
        code, out, _ = dlalint("model.onnx", "--format", "json", *option)
        assert code == 0
        told = json.loads(out)
        found.append([item["tensor"] for item in told["scales"]])
    assert found == [["x"], ["x", "a", "y"]]
    assert told["fp16"] == []


def test_only_weights_were_quantized(model: Path, dlalint: CommandLine) -> None:
    """No scale follows from them: the model is written, a cache is not."""
    body = "k = DequantizeLinear(w, s) y = Conv(x, k)"
    onnx.save(
        text(f"g (float[1,2,4,4] x) => (float[1,2,4,4] y) <float s = {{0.125}}, int8[2,2,1,1] w = {{1, 2, 3, 4}}> {{ {body} }}"), model
    )
    code, out, _ = dlalint("model.onnx")
    assert code == 0
    assert "NO SCALES: only 1 constant had Q/DQ nodes, and became floats. Calibrate the result with --inputs." in " ".join(out.split())
    assert "Proof  original and result are bit-equal on 5 sets of inputs" in out
    assert "--calib" not in out
    assert {path.name for path in Path().iterdir()} == {"model.onnx", "model.float.onnx"}


def test_inputs_write_no_model(model: Path, dlalint: CommandLine) -> None:
    onnx.save(text("g (float[1,2] x) => (float[1,2] y) { y = Relu(x) }"), model)
    for option in (("-o", "a.onnx"), ("--in-place",), ("--layer-precisions", "a")):
        code, _, err = dlalint("model.onnx", "--inputs", "x.npz", *option)
        assert code == 2
        assert "--output: error[E512]: --inputs writes no model" in err
