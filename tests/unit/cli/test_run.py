"""``dlalint run`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[3]
MNIST = str(ROOT / "models" / "mnist-7.onnx")
CommandLine = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(commands: CommandLine) -> CommandLine:
    """As ``commands``, of `dlalint run`."""
    return partial(commands, "run")


def _model(path: Path, graph: str) -> str:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {graph}')
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_a_dump_is_what_onnxruntime_gives_for_the_saved_inputs(dlalint: CommandLine, tmp_path: Path) -> None:
    dump, inputs = tmp_path / "out.npz", tmp_path / "in.npz"
    code, out, err = dlalint(MNIST, "-o", str(dump), "--save-inputs", str(inputs))
    assert (code, err) == (0, "")
    assert out == (
        f"{MNIST} on seeded inputs (seed 0)\n"
        f"1 output written to {dump}\n"
        "\n"
        "  shape  dtype         min      max      mean  NaN  Inf  output\n"
        "  1x10   float32  -4.79138  3.92271  0.372923    0    0  Plus214_Output_0\n"
    )
    with np.load(inputs) as feed, np.load(dump) as found:
        assert (feed.files, found.files) == (["Input3"], ["Plus214_Output_0"])
        session = onnxruntime.InferenceSession(MNIST, providers=["CPUExecutionProvider"])
        (expected,) = session.run(None, {"Input3": feed["Input3"]})
        assert np.allclose(found["Plus214_Output_0"], expected, rtol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npz", "out.npz"]


def test_saved_inputs_give_the_same_again(dlalint: CommandLine, tmp_path: Path) -> None:
    one, two, other, inputs = (str(tmp_path / name) for name in ("1.npz", "2.npz", "3.npz", "in.npz"))
    assert dlalint(MNIST, "--seed", "5", "-o", one, "--save-inputs", inputs)[0] == 0
    code, out, _ = dlalint(MNIST, "--inputs", inputs, "-o", two)
    assert (code, out.startswith(f"{MNIST} on inputs of {inputs}\n")) == (0, True)
    assert dlalint(MNIST, "-o", other)[0] == 0
    assert Path(one).read_bytes() == Path(two).read_bytes() != Path(other).read_bytes()


def test_every_output_under_its_own_name_in_the_order_of_the_nodes(dlalint: CommandLine, tmp_path: Path) -> None:
    names = ["/c/b", "file", "日本", "/a.npy"]
    info = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in ("x", *reversed(names))]
    nodes = [onnx.helper.make_node("Neg", [source], [name]) for source, name in zip(("x", *names), names, strict=False)]
    graph = onnx.helper.make_graph(nodes, "g", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    code, out, _ = dlalint(str(tmp_path / "m.onnx"), "-o", str(tmp_path / "m.npz"))
    assert (code, "4 outputs written to" in out) == (0, True)
    with np.load(tmp_path / "m.npz") as found:
        assert found.files == names
        assert np.array_equal(found["/c/b"], -found["file"])


def test_json(dlalint: CommandLine, tmp_path: Path) -> None:
    model = _model(tmp_path / "m.onnx", "(float[N, 2] x, bool[1] k) => (float[N, 2] y, bool[1] z) { y = Log(x) z = Not(k) }")
    np.savez(tmp_path / "in.npz", x=np.array([[1, 0], [-1, np.e]]), k=np.array([True]), unused=np.ones(1))
    code, out, err = dlalint(model, "--inputs", str(tmp_path / "in.npz"), "--format", "json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert json.loads(out) == {
        "schema": 1,
        "model": model,
        "seed": None,
        "inputs": [{"name": "x", "dtype": "float32", "shape": [2, 2]}, {"name": "k", "dtype": "bool", "shape": [1]}],
        "outputs": [
            {"name": "y", "dtype": "float32", "shape": [2, 2], "min": 0.0, "max": 1.0, "mean": 0.5, "nan": 1, "inf": 1},
            {"name": "z", "dtype": "bool", "shape": [1], "min": 0.0, "max": 0.0, "mean": 0.0, "nan": 0, "inf": 0},
        ],
    }


@pytest.mark.parametrize(
    ("options", "shape"), [((), [1, 3, 1, 1]), (("--batch", "2"), [2, 3, 1, 1]), (("--shape", "x:1x3x8x16"), [1, 3, 8, 16])]
)
def test_free_dimensions(dlalint: CommandLine, tmp_path: Path, options: tuple[str, ...], shape: list[int]) -> None:
    model = _model(tmp_path / "m.onnx", "(float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu(x) }")
    found = json.loads(dlalint(model, "--format", "json", *options)[1])
    assert (found["outputs"][0]["shape"], found["seed"]) == (shape, 0)


def test_a_dump_replaces_the_old_one_or_leaves_it(dlalint: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    path.write_text("old")
    assert dlalint(MNIST, "--shape", "z:1", "-o", str(path))[0] == 2
    assert path.read_text() == "old"
    assert dlalint(MNIST, "-o", str(path))[0] == 0
    assert path.read_bytes().startswith(b"PK")
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_that_is_read_is_written_over(dlalint: CommandLine, tmp_path: Path) -> None:
    model, inputs = tmp_path / "m.onnx", tmp_path / "in.npz"
    model.write_bytes(Path(MNIST).read_bytes())
    np.savez(inputs, Input3=np.zeros((1, 1, 28, 28)))
    before = {path: path.read_bytes() for path in (model, inputs)}
    (tmp_path / "link.npz").symlink_to(inputs)
    for option, path in (("-o", model), ("--save-inputs", model), ("-o", inputs), ("-o", tmp_path / "link.npz")):
        code, out, err = dlalint(str(model), "--inputs", str(inputs), option, str(path))
        assert (code, out) == (2, "")
        assert "error[E523]: that file is needed for something else. Give another path." in err
    new = str(tmp_path / "new.npz")
    assert "error[E523]" in dlalint(str(model), "-o", new, "--save-inputs", str(tmp_path / "." / "new.npz"))[2]
    assert {path: path.read_bytes() for path in (model, inputs)} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.onnx",), "nowhere.onnx: error[E111]: there is no such file. Check the path."),
        ((MNIST, "--inputs", "no.npz"), "no.npz: error[E111]: there is no such file. Check the path."),
        ((MNIST, "-o", "/nowhere/at/all.npz"), "/nowhere/at/all.npz: error[E401]: the dump cannot be written"),
        ((MNIST, "--timeout", "0"), "--timeout: error[E505]: 0.0 is not in the range"),
    ],
)
def test_what_cannot_be_run(dlalint: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = dlalint(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_inputs_that_do_not_fit(dlalint: CommandLine, tmp_path: Path) -> None:
    path = str(tmp_path / "in.npz")
    for arrays, said in (
        ({"x": np.ones(1)}, "no array for the input 'Input3'. It has 'x'."),
        ({"Input3": np.ones((1, 28, 28))}, "the array for 'Input3' is 1x28x28, the input 1x1x28x28. Give it the shape of the input."),
        ({"Input3": np.ones((1, 1, 28, 28), np.int8)}, "is int8, the input float32. Convert it: array.astype('float32')."),
        ({"Input3": np.array([{}], object)}, "the array 'Input3' is a Python pickle, which is never loaded. Save arrays of numbers."),
    ):
        np.savez(path, **arrays)
        code, out, err = dlalint(MNIST, "--inputs", path)
        assert (code, out, err.startswith(f"dlalint: {path}: error[E")) == (2, "", True)
        assert said in err


def test_a_model_that_hangs_or_takes_what_cannot_be_made_up(dlalint: CommandLine, tmp_path: Path) -> None:
    body = "b (int64 i, bool c, float[1] v) => (bool c2, float[1] v2) { c2 = Identity(c) v2 = Identity(v) }"
    graph = f"(float[1] x) => (float[1] y) <int64 m = {{4611686018427387904}}, bool k = {{1}}> {{ y = Loop <body = {body}> (m, k, x) }}"
    endless = _model(tmp_path / "endless.onnx", graph)
    code, out, err = dlalint(endless, "--timeout", "0.7")
    assert (code, out) == (2, "")
    assert err == f"dlalint: {endless}: error[E305]: onnxruntime took more than 0.7 s. Allow it more time, or give it a smaller model.\n"
    text = _model(tmp_path / "text.onnx", "(string[1] x) => (string[1] y) { y = Identity(x) }")
    assert "input 'x': error[E520]: it is string, no tensor of numbers up to 64 bits." in dlalint(text)[2]
    free = _model(tmp_path / "free.onnx", "(float[] x) => (float[] y) { y = Relu(x) }")
    assert "input 'x': error[E520]: its number of dimensions is free. Fix its shape with --shape." in dlalint(free)[2]
    assert dlalint(free, "--shape", "x:2x3")[0] == 0
