"""Models run with onnxruntime: what they give, and what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlalint import ort_child
from dlalint.errors import DlalintError, ModelError, UsageError
from dlalint.graph import TensorType
from dlalint.model.wire import encode_varint
from dlalint.numeric import RunError, Runner, feeds
from dlalint.numeric import runner as running

from .conftest import Make

RELU = "(float[N, 2] x) => (float[N, 2] y) { y = Relu(x) }"
ONES = np.ones((1, 2), np.float32)


def _f32(values: Sequence[float]) -> NDArray[Any]:
    return np.array(values, np.float32)


def _refused(runner: Runner, model: str | bytes, feed: dict[str, NDArray[Any]] | None = None) -> DlalintError:
    with pytest.raises(DlalintError) as caught:
        runner.outputs(model, {"x": ONES} if feed is None else feed)
    return caught.value


def _side_file(folder: Path, name: str, data: bytes | None, location: str = "w.bin") -> Path:
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    info = [onnx.helper.make_tensor_value_info(name, 1, [1, 2]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "w"], ["y"])], "g", info[:1], info[1:], [tensor])
    path = folder / name
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    if data is not None:
        (folder / location).write_bytes(data)
    return path


def test_a_real_model_gives_what_onnxruntime_gives_here(runner: Runner, models: Path) -> None:
    path = str(models / "mnist-7.onnx")
    types = runner.inputs(path)
    assert types == {"Input3": TensorType("float32", (1, 1, 28, 28))}
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for _, feed in feeds(types):
        (expected,) = session.run(None, feed)
        found = runner.outputs(path, feed)
        assert list(found) == ["Plus214_Output_0"]
        assert np.array_equal(found["Plus214_Output_0"], expected)
        assert np.array_equal(runner.outputs(Path(path).read_bytes(), feed)["Plus214_Output_0"], expected)


def test_a_model_with_a_side_file(runner: Runner, models: Path, tmp_path: Path) -> None:
    build = [sys.executable, str(models / "build.py"), "--data", "fcn_dynamic", "--output", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    path = str(shutil.copy(models / "fcn_dynamic.onnx", tmp_path))
    assert runner.inputs(path) == {"input": TensorType("float32", (1, 3, "height", "width"))}
    found = runner.outputs(path, {"input": np.ones((1, 3, 32, 48), np.float32)})
    assert {name: array.shape for name, array in found.items()} == {"output": (1, 19, 32, 48)}


def test_the_interface(runner: Runner, make: Make) -> None:
    model = make(
        """(float[N, 2] x, int64 k, bool[3] m, float16[] h) => (float[N, 2] late, float[N, 2] early, int64 k2)
        <float[2] w = {1, 2}> { early = Relu(x) late = Add(early, w) k2 = Identity(k) }"""
    )
    found = runner.interface(model)
    assert found.inputs == {
        "x": TensorType("float32", ("N", 2)),
        "k": TensorType("int64", ()),
        "m": TensorType("bool", (3,)),
        "h": TensorType("float16", None),
    }
    assert list(found.outputs) == ["early", "late", "k2"]  # as the nodes make them
    assert found.outputs["late"] == TensorType("float32", ("N", 2))


def test_an_initializer_is_no_input(runner: Runner, make: Make) -> None:
    model = make("(float[2] x, float[2] w = {5, 6}) => (float[2] y) { y = Add(x, w) }")
    assert list(runner.inputs(model)) == ["x"]
    assert runner.outputs(model, {"x": _f32([1, 1])})["y"].tolist() == [6.0, 7.0]


@pytest.mark.parametrize("dtype", sorted(ort_child.ELEMENTS))
def test_every_element_type_goes_both_ways(runner: Runner, make: Make, dtype: str) -> None:
    kind = {"float32": "float", "float64": "double"}.get(dtype, dtype)
    model = make(f"({kind}[2, N] x) => ({kind}[2, N] y) {{ y = Identity(x) }}")
    for shape in ((2, 3), (2, 0)):
        array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
        found = runner.outputs(model, {"x": array})["y"]
        assert (str(found.dtype), found.shape, found.tolist()) == (dtype, shape, array.tolist())


def test_odd_values_and_layouts(runner: Runner, make: Make) -> None:
    model = make("(float[N, M] x) => (float[N, M] y) { y = Identity(x) }")
    array = np.array([[np.nan, -0.0], [np.inf, -np.inf], [1e-45, 1.0]], np.float32)
    assert runner.outputs(model, {"x": array.T})["y"].tobytes() == array.T.tobytes()
    scalar = make("(float x) => (float y) { y = Identity(x) }")
    found = runner.outputs(scalar, {"x": np.array(3, np.float32)})["y"]
    assert (found.shape, float(found)) == ((), 3.0)
    found[...] = 4  # the caller's own


def test_wanted_outputs(runner: Runner, make: Make) -> None:
    model = make("(float[2] x) => (float[2] a, float[2] b, float[2] c) { a = Relu(x) b = Neg(x) c = Abs(x) }")
    feed = {"x": _f32([1, -2])}
    assert list(runner.outputs(model, feed)) == ["a", "b", "c"]
    assert list(runner.outputs(model, feed, ["c", "a"])) == ["c", "a"]
    assert runner.outputs(model, feed, []) == {}
    with pytest.raises(RunError, match=r"cannot run it: .*nowhere"):
        runner.outputs(model, feed, ["nowhere"])


def test_names_of_any_kind(runner: Runner) -> None:
    names = ["/a/b", "file", "\x1b[31m\n", "日本", "'\"\\", "x.npy"]
    info = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in ["x", *names]]
    nodes = [onnx.helper.make_node("Relu", ["x"], [name]) for name in names]
    graph = onnx.helper.make_graph(nodes, "g", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    assert list(runner.outputs(model, {"x": np.ones(2, np.float32)})) == names


def test_large_inputs_and_outputs_do_not_block(runner: Runner, make: Make) -> None:
    model = make("(float[N, 2] x) => (float[N, 2] y, float[N, 2] z) { y = Relu(x) z = Neg(x) }")
    array = np.arange(6_000_000, dtype=np.float32).reshape(-1, 2)
    found = runner.outputs(model, {"x": array})
    assert np.array_equal(found["y"], array)
    assert np.array_equal(found["z"], -array)


@pytest.mark.parametrize(
    ("graph", "feed", "said"),
    [
        (RELU, {"x": np.ones((1, 3), np.float32)}, "Got invalid dimensions for input: x for the following indices"),
        (RELU, {"x": np.ones((1, 2))}, "Unexpected input data type. Actual: (tensor(double)) , expected: (tensor(float))"),
        (RELU, {}, "Required inputs (['x']) are missing from input feed ([])"),
        ("(float[2] x) => (string[2] y) { y = Cast <to: int = 8> (x) }", {"x": _f32([1, 2])}, "output 'y' is no tensor of numbers"),
        ("(float[2] x) => (seq(float[2]) y) { y = SequenceConstruct(x) }", {"x": _f32([1, 2])}, "output 'y' is no tensor of numbers"),
        ("(float[2] x) => (bfloat16[2] y) { y = Cast <to: int = 16> (x) }", {"x": _f32([1, 2])}, "No corresponding Numpy type"),
        ("(float[2] x) => (float[2] y) { y = NoSuchOperator(x) }", {"x": _f32([1, 2])}, "NoSuchOperator"),
    ],
)
def test_what_onnxruntime_refuses(runner: Runner, make: Make, graph: str, feed: dict[str, NDArray[Any]], said: str) -> None:
    error = _refused(runner, make(graph), feed)
    assert isinstance(error, RunError)
    assert (error.code, error.where) == ("E303", "the model")
    assert error.what.startswith("onnxruntime cannot run it: ")
    assert said in error.what
    assert "\n" not in str(error)


def test_an_ir_version_that_is_too_new(runner: Runner, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "new.onnx"
    path.write_bytes(make(RELU, ir_version=99))
    error = _refused(runner, str(path))
    assert error.what.startswith("onnxruntime cannot run it: Unsupported model IR version: 99, max supported IR version:")
    assert (error.where, error.cure) == (str(path), "Update onnxruntime.")


def test_feeds_that_cannot_be_sent(runner: Runner, make: Make) -> None:
    for array in (np.array(["a"]), np.array([1, "a"], object), np.ones(2, np.complex64), np.ones((1, 2), ">f4")):
        with pytest.raises(UsageError, match="it is fed with"):
            runner.outputs(make(RELU), {"x": array})


def test_what_is_no_model(runner: Runner, tmp_path: Path) -> None:
    text = tmp_path / "a.onnx"
    text.write_text("no model at all")
    for model, where in ((str(text), str(text)), (str(tmp_path / "nowhere.onnx"), str(tmp_path / "nowhere.onnx")), (b"\0\0", "the model")):
        error = _refused(runner, model)
        assert isinstance(error, ModelError)
        assert error.where == where


@pytest.mark.parametrize(
    ("location", "content", "fault"),
    [
        ("w.bin", None, "missing"),
        ("w.bin", b"1234", "too short: 4 bytes, the model refers to 8"),
        ("w.bin", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not fetched"),
        ("../w.bin", b"12345678", "outside of the model's folder, where no loader follows it"),
        ("*/_ORT_MEM_ADDR_/*", None, "missing"),
    ],
)
def test_side_files_that_are_not_followed(runner: Runner, tmp_path: Path, location: str, content: bytes | None, fault: str) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    path = _side_file(folder, "a.onnx", content, location)
    error = _refused(runner, str(path))
    assert error.what == f"its side file {location!r} is {fault}"
    assert _refused(runner, path.read_bytes()).what.startswith(f"its side file {location!r} is ")


def test_side_files_in_bodies_and_attributes_are_looked_at(runner: Runner, make: Make, tmp_path: Path) -> None:
    model = onnx.load(_side_file(tmp_path, "a.onnx", None), load_external_data=False)
    hidden = onnx.helper.make_node("Constant", [], ["w"], value=model.graph.initializer[0])
    del model.graph.initializer[:]
    model.graph.node.insert(0, hidden)
    assert _refused(runner, model.SerializeToString()).what == "its side file 'w.bin' is missing"
    body = onnx.helper.make_graph([hidden], "b", [], [onnx.helper.make_tensor_value_info("w", 1, [2])])
    whole = onnx.load_from_string(make("(bool c) => (float[2] y) { y = Identity(c) }"))
    whole.graph.node[0].CopyFrom(onnx.helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body))
    assert _refused(runner, whole.SerializeToString()).what == "its side file 'w.bin' is missing"


def test_a_file_that_changes_is_read_again(runner: Runner, make: Make, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    for operator, expected in (("Relu", 0.0), ("Neg", 1.0), ("Abs", 1.0)):
        path.write_bytes(make(f"(float[1] x) => (float[1] y) {{ y = {operator}(x) }}"))
        assert runner.outputs(str(path), {"x": _f32([-1])})["y"].tolist() == [expected]


def test_a_side_file_that_changes_is_read_again(runner: Runner, tmp_path: Path) -> None:
    path = _side_file(tmp_path, "a.onnx", _f32([1, 2]).tobytes())
    assert runner.outputs(str(path), {"x": ONES})["y"].tolist() == [[2.0, 3.0]]
    fresh = tmp_path / "fresh"
    fresh.write_bytes(_f32([5, 6]).tobytes())
    fresh.replace(tmp_path / "w.bin")
    assert runner.outputs(str(path), {"x": ONES})["y"].tolist() == [[6.0, 7.0]]


def test_sessions_are_kept(make: Make, models: Path) -> None:
    with Runner() as runner:
        path = str(models / "mnist-7.onnx")
        (_, feed), *_ = feeds(runner.inputs(path))
        runner.outputs(path, feed)
        for number in range(3 * ort_child.KEPT):
            model = make(f"(float[1] x) => (float[1] y{number}) {{ y{number} = Relu(x) }}")
            assert list(runner.outputs(model, {"x": np.ones(1, np.float32)})) == [f"y{number}"]
        assert sorted(os.listdir(runner._process.folder)) == [f"model-{number}.onnx" for number in (10, 11, 12, 9)]
        again = make("(float[1] x) => (float[1] y11) { y11 = Relu(x) }")
        assert list(runner.outputs(again, {"x": np.ones(1, np.float32)})) == ["y11"]
        assert len(os.listdir(runner._process.folder)) == ort_child.KEPT


# large files: onnxruntime gets the structure, and maps the weights where they lie


def _large(path: Path, scale: float = 1.0) -> Path:
    weight = np.random.default_rng(1).standard_normal((64, 2, 32, 32)).astype(np.float32) * np.float32(scale)
    info = [onnx.helper.make_tensor_value_info("x", 1, [1, 2, 32, 32]), onnx.helper.make_tensor_value_info("y", 1, [1, 64, 1, 1])]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])], "g", info[:1], info[1:], [numpy_helper.from_array(weight, "w")]
    )
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def test_a_large_file_is_opened_without_its_weights_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _large(tmp_path / "m.onnx")
    feed = {"x": np.random.default_rng(2).standard_normal((1, 2, 32, 32)).astype(np.float32)}
    with Runner() as plain:
        expected = plain.outputs(str(path), feed)["y"]
        assert not list(Path(plain.folder).glob("model-*.onnx"))
    monkeypatch.setattr(running, "MAPPED_BYTES", path.stat().st_size)
    with Runner() as runner:
        assert np.array_equal(runner.outputs(str(path), feed)["y"], expected)
        (copy,) = Path(runner.folder).glob("model-*.onnx")
        assert copy.stat().st_size < 1000
        _large(path, 2.0)  # another model by the same name
        assert np.array_equal(runner.outputs(str(path), feed)["y"], 2 * expected)
    assert np.array_equal(runner.outputs(str(path), feed)["y"], 2 * expected)  # a runner that was closed begins again
    runner.close()


def test_a_large_file_that_refers_to_itself_is_opened_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _large(tmp_path / "m.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "m.onnx"), ("offset", "0000"), ("length", str(len(data)))):
        tensor.external_data.add(key=key, value=value)
    head = model.SerializeToString()
    tensor.external_data[1].value = f"{len(head) + 5:04d}"  # behind the model, in a field that nobody knows
    head = model.SerializeToString()
    path.write_bytes(head + b"\xfa\x06" + encode_varint(len(data)) + data)
    monkeypatch.setattr(running, "MAPPED_BYTES", 1)
    with Runner() as runner:
        runner.located(str(path))
        assert not list(Path(runner.folder).glob("model-*.onnx"))
