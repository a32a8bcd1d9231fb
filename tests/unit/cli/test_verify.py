"""``dlalint verify`` as a user meets it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from dlalint.cli.differences import needed

ROOT = Path(__file__).resolve().parents[3]
MNIST = str(ROOT / "models" / "mnist-7.onnx")
EQUAL = f"""\
{MNIST} and {MNIST}
EQUAL: 1 output on 5 sets of inputs, bit by bit.

  max abs  max rel    cosine  rtol needed  atol needed  tensor
        0        0  1.000000            0            0  Plus214_Output_0 (bit-equal)
"""
LOG = "(float[1, 4] x) => (float[1, 4] y) { y = Log(x) }"
RELU = "(float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }"
CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint verify`."""
    return partial(commands, "verify")


def _model(path: Path, graph: str) -> str:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {graph}')
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    """The model with one bias changed."""
    model = onnx.load(MNIST)
    (tensor,) = (item for item in model.graph.initializer if item.name == "Parameter88")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] += 0.01
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    path = tmp_path / "wrong.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_equal_models(dlalint: CommandLine) -> None:
    assert dlalint(MNIST, MNIST) == (0, EQUAL, "")
    assert dlalint(MNIST, MNIST, "--exact") == (0, EQUAL, "")


def test_a_wrong_model(dlalint: CommandLine, wrong: str) -> None:
    code, out, err = dlalint(MNIST, wrong)
    assert (code, err) == (1, "")
    text = re.sub(r"\s+", " ", out)
    sentence = "1 of 1 output not equal within rtol 0.0001 and atol 1e-05, the first is Plus214_Output_0 (worst on"
    assert f'DIFFERENT: {sentence} "normal").' in text
    row = next(line for line in out.splitlines() if "Plus214_Output_0 (" in line).split()
    assert (row[0], row[1]) == ("1.12e-03", "2.34e-04")
    assert float(row[2]) < 1
    assert "of 10 off" in text
    assert dlalint(MNIST, wrong, "--rtol", row[3])[0] == 0
    assert dlalint(MNIST, wrong, "--atol", row[4])[0] == 0
    assert dlalint(MNIST, wrong, "--rtol", row[3], "--exact")[0] == 1


def test_json(dlalint: CommandLine, wrong: str) -> None:
    code, out, err = dlalint(MNIST, wrong, "--format", "json")
    assert (code, err, out.count("\n")) == (1, "", 1)
    whole = json.loads(out)
    assert list(whole) == ["schema", "reference", "other", "ok", "exact", "rtol", "atol", "first", "blind", "extra", "sets"]
    assert (whole["schema"], whole["ok"], whole["first"], whole["reference"], whole["other"]) == (
        1,
        False,
        "Plus214_Output_0",
        MNIST,
        wrong,
    )
    assert [item["name"] for item in whole["sets"]] == ["normal", "zeros", "large", "negative", "channels"]
    (tensor,) = whole["sets"][0]["tensors"]
    assert (tensor["tensor"], tensor["shape"], tensor["dtype"], tensor["elements"]) == ("Plus214_Output_0", [1, 10], "float32", 10)
    assert 0 < tensor["max_abs"] < 0.1
    assert tensor["max_rel"] == tensor["max_abs"] / tensor["scale"]
    assert dlalint(MNIST, wrong, "--format", "json")[1] == out


def test_json_without_numbers_that_json_does_not_know(dlalint: CommandLine, tmp_path: Path) -> None:
    one, two = _model(tmp_path / "1", LOG), _model(tmp_path / "2", LOG.replace("Log(x)", "Relu(x)"))
    code, out, _ = dlalint(one, two, "--format", "json")
    zeros = json.loads(out, parse_constant=lambda name: pytest.fail(name))["sets"][1]["tensors"][0]
    assert (code, zeros["inf"], zeros["required_rtol"], zeros["finite"]) == (1, 4, None, 0)


def test_the_report_in_a_file(dlalint: CommandLine, tmp_path: Path) -> None:
    assert dlalint(MNIST, MNIST, "-o", str(tmp_path / "report.txt")) == (0, "", "")
    assert (tmp_path / "report.txt").read_text() == EQUAL


def test_given_inputs(dlalint: CommandLine, tmp_path: Path) -> None:
    one = _model(tmp_path / "1", RELU)
    two = _model(tmp_path / "2", "(float[N, 4] x) => (float[N, 4] y) <float t = {1000}> { a = Min(x, t) y = Relu(a) }")
    np.savez(tmp_path / "small.npz", x=np.ones((2, 4)))
    np.savez(tmp_path / "large.npz", x=np.full((3, 4), 2000.0))
    small, large = str(tmp_path / "small.npz"), str(tmp_path / "large.npz")
    assert dlalint(one, two)[0] == 0
    assert dlalint(one, two, "--inputs", small)[0] == 0
    code, out, _ = dlalint(one, two, "--inputs", small, "--inputs", large)
    assert code == 1
    assert 'the first is y (worst on "given 2")' in re.sub(r"\s+", " ", out)
    _, out, _ = dlalint(one, two, "--inputs", large, "--only-inputs", "--format", "json")
    assert [(item["name"], item["tensors"][0]["shape"]) for item in json.loads(out)["sets"]] == [("given", [3, 4])]


@pytest.mark.parametrize(("options", "size"), [((), 1), (("--batch", "3"), 3), (("--shape", "x:5x4"), 5)])
def test_free_dimensions(dlalint: CommandLine, tmp_path: Path, options: tuple[str, ...], size: int) -> None:
    model = _model(tmp_path / "m", RELU)
    _, out, _ = dlalint(model, model, "--format", "json", *options)
    assert [item["tensors"][0]["shape"] for item in json.loads(out)["sets"]] == [[size, 4]] * 5


def test_chosen_outputs(dlalint: CommandLine, tmp_path: Path) -> None:
    few = _model(tmp_path / "few", "(float[2] x) => (float[2] a) { a = Relu(x) }")
    many = _model(tmp_path / "many", "(float[2] x) => (float[2] a, float[2] b) { a = Relu(x) b = Neg(a) }")
    code, out, _ = dlalint(few, many)
    assert (code, "Outputs of the second model only, not compared: b." in out) == (0, True)
    code, out, err = dlalint(many, few)
    assert (code, out) == (2, "")
    assert err == (
        f"dlalint: {many} and {few}: error[E307]: the second model lacks 'b' of the first one's outputs."
        " Name the outputs to compare with --tensor.\n"
    )
    assert dlalint(many, few, "--tensor", "a")[0] == 0


def test_values_that_are_not_finite(dlalint: CommandLine, tmp_path: Path) -> None:
    log = _model(tmp_path / "log", LOG)
    code, out, _ = dlalint(log, log)
    assert code == 0
    assert 'On "zeros", "negative" the first model gives nothing but NaN and infinities: equal ones say little.' in re.sub(r"\s+", " ", out)
    never = _model(tmp_path / "never", LOG.replace("{ y = Log(x)", "<float z = {0}> { a = Div(z, z) y = Mul(x, a)"))
    code, out, _ = dlalint(never, never)
    assert code == 1
    assert "UNPROVEN: on 5 sets of inputs the first model gives nothing but NaN and infinities." in out


def test_of_many_outputs_those_that_differ_are_shown(dlalint: CommandLine, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(40)]
    head = f"(float[2] x) => ({', '.join(f'float[2] {name}' for name in names)}) <float c = {{2}}> {{ "
    one = _model(tmp_path / "1", head + " ".join(f"{name} = Abs(x)" for name in names) + " z = Neg(c) }")
    two = _model(tmp_path / "2", head + " ".join(f"{name} = {'Mul(x, c)' if name == 't38' else 'Abs(x)'}" for name in names) + " }")
    code, out, _ = dlalint(one, two)
    shown = re.findall(r"^ +[\d-].*  (t\d+)", out, re.MULTILINE)
    assert (code, len(shown), "t38" in shown) == (1, 30, True)
    assert "  and 10 more that are no further apart (-v shows all)\n" in out
    assert re.findall(r"^ +[\d-].*  (t\d+)", dlalint(one, two, "-v")[1], re.MULTILINE) == names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((MNIST,), "B: error[E522]: there is nothing to compare with. Give a second model, or --emulate fp16."),
        ((MNIST, "nowhere.onnx"), "nowhere.onnx: error[E111]: there is no such file. Check the path."),
        ((MNIST, __file__), f"{__file__}: error[E123]: text, not a binary ONNX model. Give the binary .onnx file."),
        ((MNIST, MNIST, "--rtol", "-1"), "--rtol: error[E522]: -1.0 is no tolerance. Give a number from 0."),
        ((MNIST, MNIST, "--atol", "nan"), "--atol: error[E522]: nan is no tolerance. Give a number from 0."),
        ((MNIST, MNIST, "--atol", "inf"), "--atol: error[E522]: inf is no tolerance. Give a number from 0."),
        ((MNIST, MNIST, "--seed", "-1"), "--seed: error[E505]: -1 is not in the range"),
        ((MNIST, MNIST, "--only-inputs"), "--only-inputs: error[E522]: there are no inputs to compare on. Give --inputs too."),
        ((MNIST, MNIST, "--inputs", "no.npz"), "no.npz: error[E111]: there is no such file. Check the path."),
        ((MNIST, MNIST, "--inputs", MNIST), f"{MNIST}: error[E141]: no file of tensors."),
        ((MNIST, MNIST, "--tensor", "y"), "the first model has no output 'y'. It has 'Plus214_Output_0'."),
        ((MNIST, MNIST, "--batch", "2"), "--batch 2: error[E501]: input 'Input3' is fixed at 1x1x28x28 in the file."),
        ((MNIST, MNIST, "--shape", "z:1"), "--shape z: error[E501]: the model has no input 'z'."),
    ],
)
def test_what_cannot_be_compared(dlalint: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = dlalint(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_model_without_its_weights(dlalint: CommandLine) -> None:
    model = str(ROOT / "models" / "resnet18.onnx")
    assert dlalint(model, model) == (
        2,
        "",
        f"dlalint: {model}: error[E303]: its side file 'resnet18.onnx.data' is missing. Put the weights beside the model.\n",
    )


def test_names_that_a_terminal_would_obey(dlalint: CommandLine, tmp_path: Path) -> None:
    name = "\x1b[31m\n::error::"
    info = [onnx.helper.make_tensor_value_info(item, 1, [2]) for item in ("x", name)]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], [name])], "g", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    path = str(tmp_path / "m.onnx")
    code, out, _ = dlalint(path, path)
    assert code == 0
    assert "\\x1b[31m\\x0a::error::" in out
    assert "\x1b" not in out
    assert json.loads(dlalint(path, path, "--format", "json")[1])["sets"][0]["tensors"][0]["tensor"] == name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (math.inf, "none does"),
        (1.0, "1.0e+00"),
        (0.0123, "1.3e-02"),
        (0.0999, "1.0e-01"),
        (1e-7, "1.0e-07"),
        (3.01e-320, "3.1e-320"),
    ],
)
def test_a_tolerance_is_rounded_up(value: float, text: str) -> None:
    assert needed(value) == text
    assert value in (0.0, math.inf) or float(text) >= value
