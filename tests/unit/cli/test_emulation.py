"""``dlalint verify --emulate fp16`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[3]
MNIST = str(ROOT / "models" / "mnist-7.onnx")
CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint verify`."""
    return partial(commands, "verify")


@pytest.fixture
def loud(tmp_path: Path) -> str:
    """A network whose second layer overflows on inputs from 2 on."""
    text = "g (float[1,3,4,4] x) => (float[1,3,4,4] y) { a = Relu(x) [gain] m = Mul(a, w) y = Sigmoid(m) }"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    model.graph.initializer.append(numpy_helper.from_array(np.full((1, 3, 1, 1), 4e4, np.float32), "w"))
    path = tmp_path / "loud.onnx"
    onnx.save(model, path)
    return str(path)


@pytest.fixture
def inputs(tmp_path: Path) -> Any:
    def write(**arrays: Any) -> str:
        path = tmp_path / "inputs.npz"
        np.savez(path, **arrays)
        return str(path)

    return write


def test_a_model_that_holds(dlalint: CommandLine) -> None:
    code, out, err = dlalint(MNIST, "--emulate", "fp16", "--target", "orin-trt8.6")
    lines = out.splitlines()
    assert (code, err, lines[0]) == (0, "", f"{MNIST} in FP16, layers of orin-trt8.6")
    assert lines[1] == "CLOSE: 9 tensors on 1 set of inputs (random, seed 0), each within 1 % of its largest magnitude; the"
    assert "Random inputs can show an overflow, never that there is none: give real ones with --inputs." in " ".join(out.split())


def test_the_first_layer_that_overflows(dlalint: CommandLine, loud: str, inputs: Any) -> None:
    file = inputs(x=np.full((1, 3, 4, 4), 2, np.float32))
    code, out, _ = dlalint(loud, "--emulate", "fp16", "--inputs", file)
    text = " ".join(out.split())
    assert code == 1
    said = "OVERFLOW: the first layer that leaves FP16 makes m (Mul gain, on the GPU): 48 of 48 elements (100 %) are finite in FP32 only,"
    assert f"{said} where they reach 8e+04; on 1 set of inputs." in text
    assert "Random" not in text


def test_json(dlalint: CommandLine, loud: str, inputs: Any) -> None:
    file = inputs(x=np.full((1, 3, 4, 4), 2, np.float32))
    code, out, _ = dlalint(loud, loud, "--emulate", "fp16", "--inputs", file, "--format", "json")
    found = json.loads(out)
    assert (code, found["ok"], found["inputs"], found["emulate"], found["target"]) == (1, False, "given", "fp16", "xavier-trt5.0")
    place = {"tensor": "m", "layer": "gain", "node": "gain", "op_type": "Mul", "device": "gpu"}
    assert found["first"] == found["overflow"] == place
    ((name, tensors),) = ((item["name"], item["tensors"]) for item in found["sets"])
    assert (name, [item["tensor"] for item in tensors], [item["inf"] for item in tensors]) == (file, ["a", "m", "y"], [0, 48, 0])


def test_made_up_inputs_are_marked(dlalint: CommandLine) -> None:
    code, out, _ = dlalint(MNIST, "--emulate", "fp16", "--seed", "7", "--format", "json")
    assert (code, json.loads(out)["inputs"]) == (0, "random, seed 7")


def test_a_tolerance(dlalint: CommandLine) -> None:
    code, out, _ = dlalint(MNIST, "--emulate", "fp16", "--atol", "0.001")
    assert code == 1
    assert out.splitlines()[1].startswith(
        "OFF: 3 of 9 tensors are off by more than 0.1 % of its largest magnitude on 1 set of inputs (random,"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([MNIST], "B: error[E522]: there is nothing to compare with"),
        ([MNIST, "--emulate", "fp16", "--exact"], "--exact: error[E522]: no model is exact in FP16"),
        ([MNIST, MNIST, "--target", "orin-trt8.6"], "--target: error[E522]: two models are compared for no target"),
        ([MNIST, "--emulate", "fp16", "--target", "orin-trt1.0"], "error[E5"),
        ([MNIST, "--emulate", "fp16", "--inputs", "none.npz"], "none.npz: error[E111]: there is no such file"),
        ([MNIST, "--emulate", "fp16", "--tensor", "none"], "--tensor: error[E510]: 'none' is no float that one layer hands to the next"),
        ([MNIST, "--emulate", "fp16", "--atol", "nan"], "--atol: error[E522]: nan is no tolerance"),
    ],
)
def test_what_cannot_be_done(dlalint: CommandLine, arguments: list[str], said: str) -> None:
    code, out, err = dlalint(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_wrong_inputs(dlalint: CommandLine, loud: str, inputs: Any) -> None:
    code, _, err = dlalint(loud, "--emulate", "fp16", "--inputs", inputs(z=np.zeros(3)))
    assert (code, "no array for the input 'x'" in err) == (2, True)


def test_weights_that_are_not_there(dlalint: CommandLine) -> None:
    code, _, err = dlalint(str(ROOT / "models" / "resnet18.onnx"), "--emulate", "fp16")
    assert (code, "Put the weights beside the model." in err) == (2, True)
