"""``dlalint check --inputs``: a model and its inputs in, the tensors that leave FP16 out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlalint.cli import execute

Array = NDArray[Any]
Save = Callable[..., str]
ROOT = Path(__file__).resolve().parents[3]
MNIST = str(ROOT / "models" / "mnist-7.onnx")


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """``save(nodes, weights)``: a model of ``x`` (1x3x8x8) to ``y`` in the current folder."""
    monkeypatch.chdir(tmp_path)

    def run(nodes: str, weights: Mapping[str, Array], name: str = "model.onnx") -> str:
        text = f'<ir_version: 8, opset_import: ["": 17]> g (float[1,3,8,8] x) => (float[1,3,h,w] y) {{ {nodes} }}'
        model = onnx.parser.parse_model(text)
        model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in weights.items())
        onnx.save(model, name)
        return name

    return run


CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint check`."""
    return partial(commands, "check", "--target", "orin-trt8.6", "--no-others")


def document(check: CommandLine, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(check(*arguments, "--format", "json")[1])
    return found


def constant(value: float, *shape: int) -> Array:
    return np.full(shape, value, np.float32)


def inputs(name: str = "inputs.npz", value: float = 2.0, samples: int = 1) -> str:
    np.savez(name, x=constant(value, samples, 3, 8, 8))
    return name


OVERFLOWING = {
    "weights": ("c", "[first] a = Relu(x) [second] c = Conv(a, w) [third] y = Relu(c)", {"w": constant(4e4, 3, 3, 1, 1)}),
    "product": ("m", "[first] a = Relu(x) [second] m = Mul(a, w) y = Sigmoid(m)", {"w": constant(4e4, 1, 3, 1, 1)}),
    "sums": ("d", "a = Mul(x, w) b = Add(a, a) c = Add(b, b) [second] d = Add(c, c) y = Tanh(d)", {"w": constant(5e3, 1, 3, 1, 1)}),
    "exponential": ("e", "a = Mul(x, w) [second] e = Exp(a) y = Neg(e)", {"w": constant(6, 1, 3, 1, 1)}),
}


@pytest.mark.parametrize("kind", OVERFLOWING)
def test_range_and_emulation_name_the_same_layer(capsys: pytest.CaptureFixture[str], check: CommandLine, save: Save, kind: str) -> None:
    tensor, nodes, weights = OVERFLOWING[kind]
    model, data = save(nodes, weights), inputs()
    found = document(check, model, "--inputs", data)
    over = [item for item in found["findings"] if item["name"].startswith("fp16-overflow") and item["cause"] is None]
    assert [(item["tensor"], item["node"]) for item in over] == [(tensor, "second")]
    assert found["ranges"]["overflow"][0] == tensor
    assert execute(["verify", model, "--emulate", "fp16", "--inputs", data, "--format", "json", "--target", "orin-trt8.6"]) == 1
    assert json.loads(capsys.readouterr().out)["overflow"]["tensor"] == tensor
    safe = document(check, model, "--inputs", inputs("safe.npz", 2 / 1024))
    assert safe["ranges"]["overflow"] == safe["ranges"]["layers"] == []
    assert not [item for item in safe["findings"] if item["name"].startswith("fp16-overflow")]


def test_the_text_names_the_layers_to_keep_in_fp32(check: CommandLine, save: Save) -> None:
    _, nodes, weights = OVERFLOWING["weights"]
    code, out, err = check(save(nodes, weights), "--inputs", inputs(samples=5))
    assert (code, err) == (1, "")
    assert "FP16 range\n  4 tensors measured on 5 samples of inputs.npz: 2 beyond FP16.\n" in out
    assert "  tightest  c (3.66 times too large), y (3.66 times too large), x (could be over 1000 times as" in out
    flags = "--precisionConstraints=obey --layerPrecisions=second:fp32,third:fp32"
    assert f"  touching  second, third\n  in FP32   {flags}\n" in out
    assert "Wrong in FP16\n  DLA821 fp16-overflow  1 node\n    second: c reaches 2.4e+05, FP16 ends at 65504\n" in out
    assert "    behind  1 node: third\n" in out


def test_layers_without_a_name_have_the_one_that_the_parser_gives_them(check: CommandLine, save: Save) -> None:
    _, nodes, weights = OVERFLOWING["product"]
    _, out, _ = check(save(nodes, weights), "--inputs", inputs())
    flags = "--precisionConstraints=obey --layerPrecisions=second:fp32,node_of_y:fp32"
    assert f"  touching  second, node_of_y\n  in FP32   {flags}\n" in out


def test_a_folder_and_its_samples(check: CommandLine, save: Save, tmp_path: Path) -> None:
    _, nodes, weights = OVERFLOWING["product"]
    (tmp_path / "data").mkdir()
    inputs("data/one.npz", 0.1, 3)
    inputs("data/two.npz", 2.0, 2)
    found = document(check, save(nodes, weights), "--inputs", "data")["ranges"]
    assert (found["source"], found["seed"], found["samples"], found["overflow"]) == ("data", None, 5, ["m"])
    assert found["tensors"]["m"] == {"low": 4000.0, "high": 8e4, "largest": 8e4, "smallest": 4000.0, "nonfinite": 0, "count": 5 * 192}
    assert found["weights"] == {"w": {"largest": 4e4, "subnormal": 0, "zero": 0, "elements": 3}}


def test_random_inputs_are_marked(capsys: pytest.CaptureFixture[str], check: CommandLine, save: Save) -> None:
    _, nodes, weights = OVERFLOWING["product"]
    model = save(nodes, weights)
    code, out, _ = check(model, "--inputs", "random:7")
    text = " ".join(out.split())
    assert code == 1
    assert "3 tensors measured" not in text
    assert "measured on 1 sample of random data (seed 7): 1 beyond FP16" in text
    assert "FP16 ends at 65504, measured on random data (seed 7)" in text
    assert "random data can show that they leave it, never that they stay. --inputs takes real ones." in text
    assert document(check, model, "--inputs", "random:7")["ranges"] == document(check, model, "--inputs", "random:7")["ranges"]
    assert document(check, model, "--inputs", "random")["ranges"]["seed"] == 0


def test_weights_that_vanish(check: CommandLine, save: Save) -> None:
    model = save("[n] y = Mul(x, w)", {"w": np.array([1e-9, 1e-6, 1], np.float32).reshape(1, 3, 1, 1)})
    (found,) = (item for item in document(check, model, "--inputs", inputs())["findings"] if item["name"] == "fp16-weights-lost")
    assert found["message"] == "66.7 % of the weights w are below the normal numbers of FP16, 33.3 % become 0"


def test_limits_of_a_clip_are_no_weights(check: CommandLine, save: Save) -> None:
    model = save("y = Clip(x, l, h)", {"l": np.array(-3e38, np.float32), "h": np.array(3e38, np.float32)})
    assert not [item for item in document(check, model, "--inputs", inputs())["findings"] if item["name"].startswith("fp16")]


def test_nothing_is_measured_unasked(check: CommandLine) -> None:
    assert document(check, MNIST)["ranges"] is None


def test_only_fp16_is_measured(check: CommandLine) -> None:
    code, out, err = check(MNIST, "--inputs", "random", "--precision", "int8")
    assert (code, out) == (2, "")
    assert "--inputs: error[E534]: ranges are checked for FP16." in err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("none.npz", "none.npz: error[E111]: there is no such file"),
        ("random:", "--inputs: error[E505]: 'random:' has no seed"),
        ("random:-1", "--inputs: error[E505]: 'random:-1' has no seed"),
        ("random:4294967296", "has no seed. Give random:0 to random:4294967295, or ./random:4294967296 for a file."),
        (__file__, "error[E141]"),
        ("wrong.npz", "the array for 'x' is 1x3x8x9, the input 1x3x8x8"),
        ("other.npz", "no array for the input 'x'"),
        ("empty", "the folder has no .npz and no .npy file"),
    ],
)
def test_inputs_that_cannot_be_used(check: CommandLine, save: Save, tmp_path: Path, data: str, said: str) -> None:
    np.savez(tmp_path / "wrong.npz", x=constant(1, 1, 3, 8, 9))
    np.savez(tmp_path / "other.npz", z=constant(1, 1))
    (tmp_path / "empty").mkdir()
    code, out, err = check(save("y = Relu(x)", {}), "--inputs", data)
    assert (code, out) == (2, "")
    assert said in err


def test_a_model_without_its_weights(check: CommandLine) -> None:
    code, _, err = check(str(ROOT / "models" / "resnet18.onnx"), "--inputs", "random")
    assert (code, "Put the weights beside the model." in err) == (2, True)


def test_hostile_names(check: CommandLine, tmp_path: Path) -> None:
    name = "\x1b[31m,:fp32' \n--x"
    node = onnx.helper.make_node("Mul", ["x", "w"], ["y\x1b[0m"], name=name)
    kinds = [onnx.helper.make_tensor_value_info(tensor, 1, [1, 3, 8, 8]) for tensor in ("x", "y\x1b[0m")]
    weights = [numpy_helper.from_array(constant(1e5, 1, 3, 1, 1), "w")]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", kinds[:1], kinds[1:], weights), ir_version=8)
    model.opset_import[0].version = 17
    onnx.save(model, tmp_path / "m.onnx")
    np.savez(tmp_path / "in.npz", x=constant(1, 1, 3, 8, 8))
    code, out, _ = check(str(tmp_path / "m.onnx"), "--inputs", str(tmp_path / "in.npz"))
    assert (code, "\x1b" in out) == (1, False)
    assert "layerPrecisions=" not in out
    assert "ILayer::setPrecision(DataType::kFLOAT): the DLA has no FP32" in out


def test_a_lint_without_inputs_loads_no_numpy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "dlalint", "check", MNIST, "--no-others"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "dlalint.fp16.epsilons" in loaded
    assert not loaded & {"numpy", "onnx", "onnxruntime", "dlalint.verify"}
