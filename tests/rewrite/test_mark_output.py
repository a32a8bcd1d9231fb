"""Marked models: what they are byte by byte, what they compute, and what is told of them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dlalint.engine.targets import parse
from dlalint.errors import DlalintError, ModelError, UsageError
from dlalint.model.inputs import Overrides
from dlalint.model.save import Piece, Span, WriteError
from dlalint.pipeline import Session
from dlalint.rewrite import mark_output as subject
from dlalint.rewrite.dump_command import dump_command
from dlalint.rewrite.fusions import Fusions
from dlalint.rewrite.mark_output import Marked, Request, mark_output
from dlalint.rewrite.marks import CONSTANT, INTERNAL, NO_TENSOR, UNTYPED, Choice, candidates, choose

ROOT = Path(__file__).resolve().parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MNIST = ROOT / "models" / "mnist-7.onnx"
ORIN = "orin-trt10.3"


def _mark(session: Session, path: Path, output: Path, target: str = ORIN, fixed: Overrides | None = None, **options: Any) -> Marked:
    kinds = {key: options.pop(key) for key in list(options) if key in Choice._fields}
    request = Request(Choice(**kinds), str(output), **options)
    return mark_output(session, str(path), parse(target, session.rules), fixed or Overrides(), request)


def _saved(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def _text(body: str, functions: str = "") -> ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17, "local": 1]> {body} {functions}')


def _feeds(model: ModelProto) -> dict[str, NDArray[np.float32]]:
    source = np.random.default_rng(3)
    known = {tensor.name for tensor in model.graph.initializer}
    shapes = {item.name: [dim.dim_value or 2 for dim in item.type.tensor_type.shape.dim] for item in model.graph.input}
    return {name: source.standard_normal(shape).astype(np.float32) for name, shape in shapes.items() if name not in known}


def _ran(path: Path, feeds: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return dict(zip([item.name for item in run.get_outputs()], run.run(None, feeds), strict=True))


def _expected(path: Path, names: Sequence[str], feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[Any]]:
    """The tensors ``names`` by onnx's own evaluation of the unmarked model."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return [np.asarray(found) for found in ReferenceEvaluator(model).run(None, feeds)]


def _outputs(path: Path) -> dict[str, tuple[int, list[int | str | None] | None]]:
    found: dict[str, tuple[int, list[int | str | None] | None]] = {}
    for item in onnx.load(path, load_external_data=False).graph.output:
        kind = item.type.tensor_type
        dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in kind.shape.dim]
        found[item.name] = (kind.elem_type, dims if kind.HasField("shape") else None)
    return found


# bytes


@pytest.mark.parametrize("path", sorted([*(ROOT / "models").glob("*.onnx"), *LIGHT.glob("*.onnx")]), ids=lambda path: path.stem)
def test_only_the_outputs_change(path: Path, session: Session, tmp_path: Path) -> None:
    """A marked model without the new outputs is the model again, byte by byte; a canonical one stays canonical."""
    original = path.read_bytes()
    proto = ModelProto.FromString(original)
    source = _saved(proto, tmp_path / "m.onnx")
    _mark(session, source, tmp_path / "out.onnx", everything=True)
    data = (tmp_path / "out.onnx").read_bytes()
    found = ModelProto.FromString(data)
    assert found.SerializeToString() == data
    count = len(proto.graph.output)
    assert len(found.graph.output) > count
    assert list(found.graph.output)[:count] == list(proto.graph.output)
    del found.graph.output[count:]
    assert found.SerializeToString() == original


def test_the_payload_is_copied_whole_in_odd_files(session: Session, tmp_path: Path) -> None:
    """Unknown fields, a graph in two parts and outputs before nodes stay as they are."""
    proto = onnx.load(MNIST)
    first, second = GraphProto(), GraphProto()
    first.output.extend(proto.graph.output)
    first.initializer.extend(proto.graph.initializer)
    second.CopyFrom(proto.graph)
    del second.output[:], second.initializer[:]
    proto.ClearField("graph")
    parts = [ModelProto(graph=part).SerializeToString() for part in (first, second)]
    path = tmp_path / "odd.onnx"
    path.write_bytes(parts[0] + b"\x9a\x06\x01x" + parts[1] + proto.SerializeToString())
    _mark(session, path, tmp_path / "out.onnx", tensors=("ReLU32_Output_0",))
    found, expected = (ModelProto.FromString(file.read_bytes()) for file in (tmp_path / "out.onnx", path))
    assert found.graph.output.pop().name == "ReLU32_Output_0"
    assert found == expected
    assert b"\x9a\x06\x01x" in (tmp_path / "out.onnx").read_bytes()


# what they compute


def test_every_tensor_of_mnist(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = _mark(session, MNIST, out, everything=True)
    onnx.checker.check_model(out, full_check=True)
    feeds = _feeds(onnx.load(MNIST))
    results = _ran(out, feeds)
    names = [item.tensor for item in found.chosen.new]
    assert list(results) == ["Plus214_Output_0", *names]
    for name, expected in zip(names, _expected(MNIST, names, feeds), strict=True):
        assert results[name].dtype == expected.dtype
        np.testing.assert_allclose(results[name], expected, rtol=1e-4, atol=1e-4)
    assert _outputs(out)["Convolution110_Output_0"] == (TensorProto.FLOAT, [1, 16, 14, 14])


@pytest.mark.parametrize("only", [False, True])
def test_free_dimensions(only: bool, session: Session, tmp_path: Path) -> None:
    """The type in the file is the file's, whatever is fixed for the report."""
    path, out = ROOT / "models" / "resnet18_dynamic.onnx", tmp_path / "out.onnx"
    name = next(node.output[0] for node in onnx.load(path, load_external_data=False).graph.node if node.op_type == "MaxPool")
    found = _mark(session, path, out, tensors=(name,), fixed=Overrides(batch=4), only=only)
    code, dims = _outputs(out)[name]
    assert dims is not None
    assert code == TensorProto.FLOAT
    assert not isinstance(dims[0], int)
    assert dims[1:] == [64, 56, 56]
    assert found.chosen.new[0].bytes == 4 * 64 * 56 * 56 * 4
    assert "--shapes=input:4x3x224x224" in found.command


def test_a_scalar_and_an_unknown_shape(session: Session, tmp_path: Path) -> None:
    model = _text(
        """g (float[4] x) => (float[N] y) {
        total = ReduceSum <keepdims: int = 0> (x)
        same = Identity (x)
        picked = Compress (same, mask)
        odd = local.Odd (picked)
        y = Add (picked, total)
        }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([True, False, True, True]), "mask"))
    model.graph.value_info.append(helper.make_tensor_value_info("odd", TensorProto.FLOAT, None))
    path, out = _saved(model, tmp_path / "m.onnx"), tmp_path / "out.onnx"
    found = _mark(session, path, out, tensors=("total", "picked", "odd"))
    outputs = _outputs(out)
    assert (outputs["total"], outputs["odd"]) == ((TensorProto.FLOAT, []), (TensorProto.FLOAT, None))
    assert outputs["picked"][0] == TensorProto.FLOAT
    assert found.shapeless == ("odd",)
    assert [item.bytes for item in found.chosen.new] == [4, None, None]


@pytest.mark.slow
def test_resnet50_with_its_weights_inside(session: Session, tmp_path: Path) -> None:
    """100 MB."""
    path, out = _whole_resnet50(tmp_path), tmp_path / "out.onnx"
    _mark(session, path, out, operators=("Conv",))
    before, after = path.read_bytes(), out.read_bytes()
    assert len(before) > 100_000_000
    found = ModelProto.FromString(after)
    del found.graph.output[1:]
    assert found.SerializeToString() == before
    feeds = _feeds(onnx.load(path))
    results = _ran(out, feeds)
    assert len(results) == 54
    first = next(iter(results))
    np.testing.assert_array_equal(results[first], _ran(path, feeds)[first])


def _whole_resnet50(folder: Path) -> Path:
    model = onnx.load(ROOT / "models" / "resnet50.onnx", load_external_data=False)
    source = np.random.default_rng(5)
    for tensor in model.graph.initializer:
        if tensor.external_data:
            array = source.standard_normal(list(tensor.dims)).astype(np.float32) * 0.01
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return _saved(model, folder / "whole.onnx")


# --only


def test_only_drops_what_nothing_needs(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = _mark(session, MNIST, out, tensors=("Pooling66_Output_0",), only=True)
    graph = onnx.load(out).graph
    assert [node.name for node in graph.node] == ["Convolution28", "Plus30", "ReLU32", "Pooling66"]
    assert {tensor.name for tensor in graph.initializer} == {"Parameter5", "Parameter6"}
    assert {item.name for item in graph.input} == {"Input3", "Parameter5", "Parameter6"}  # an initializer's input goes with it
    assert [item.name for item in graph.output] == ["Pooling66_Output_0"]
    made = {name for node in graph.node for name in node.output}
    assert {item.name for item in graph.value_info} <= made
    onnx.checker.check_model(out, full_check=True)
    feeds = _feeds(onnx.load(MNIST))
    (expected,) = _expected(MNIST, ["Pooling66_Output_0"], feeds)
    np.testing.assert_allclose(_ran(out, feeds)["Pooling66_Output_0"], expected, rtol=1e-5, atol=1e-5)
    assert (found.dropped, found.after.summary.nodes, found.fusions) == (8, 4, ())


def test_only_keeps_an_output_that_is_named(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    found = _mark(session, MNIST, out, tensors=("Plus214_Output_0", "Plus30_Output_0"), only=True)
    assert list(_outputs(out)) == ["Plus214_Output_0", "Plus30_Output_0"]
    assert ([item.tensor for item in found.chosen.already], found.dropped) == (["Plus214_Output_0"], 0)


_CAPTURING = """g (float[2] x, bool c, float[2] unused) => (float[2] y, float[2] z) {
    a = Relu (x)
    b = Neg (x)
    gone = Exp (x)
    y = If (c) <then_branch = t () => (float[2] p) {p = Add (a, w)}, else_branch = e () => (float[2] q) {q = local.F (b)}>
    z = Sqrt (gone)
    more = Abs (y)
    }"""
_FUNCTION = '<domain: "local", opset_import: ["": 17]> F (i) => (o) {inner = Abs (i) o = Neg (inner)}'


def _capturing(folder: Path) -> Path:
    model = _text(_CAPTURING, _FUNCTION)
    model.graph.initializer.extend(numpy_helper.from_array(np.ones(2, np.float32), name) for name in ("w", "v"))
    model.metadata_props.add(key="k", value="v")
    return _saved(model, folder / "m.onnx")


def test_only_keeps_what_bodies_and_functions_take(session: Session, tmp_path: Path) -> None:
    path, out = _capturing(tmp_path), tmp_path / "out.onnx"
    _mark(session, path, out, tensors=("more",), only=True)
    before, after = onnx.load(path), onnx.load(out)
    assert [node.op_type for node in after.graph.node] == ["Relu", "Neg", "If", "Abs"]
    assert [tensor.name for tensor in after.graph.initializer] == ["w"]
    assert [item.name for item in after.graph.input] == ["x", "c", "unused"]
    for field in ("functions", "opset_import", "metadata_props", "ir_version"):
        assert getattr(after, field) == getattr(before, field)
    for condition in (True, False):
        feeds: dict[str, Any] = {"x": np.array([-1, 2], np.float32), "c": np.array(condition), "unused": np.zeros(2, np.float32)}
        np.testing.assert_array_equal(_ran(out, feeds)["more"], np.abs(_ran(path, feeds)["y"]))


def test_only_drops_what_is_stated_of_tensors_that_are_gone(session: Session, tmp_path: Path) -> None:
    model = _text("g (float[2] x) => (float[2] y) {a = Relu (x) b = Add (a, s) c = Add (x, t) y = Add (b, c)}")
    for name in ("s", "t"):
        values = numpy_helper.from_array(np.ones(1, np.float32), name)
        indices = numpy_helper.from_array(np.zeros(1, np.int64))
        model.graph.sparse_initializer.add(values=values, indices=indices, dims=[2])
    for name in ("a", "c"):
        model.graph.quantization_annotation.add(tensor_name=name)
        model.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]))
    out = tmp_path / "out.onnx"
    _mark(session, _saved(model, tmp_path / "m.onnx"), out, tensors=("b",), only=True)
    graph = onnx.load(out).graph
    assert [item.values.name for item in graph.sparse_initializer] == ["s"]
    assert [item.tensor_name for item in graph.quantization_annotation] == ["a"]
    assert [item.name for item in graph.value_info] == ["a"]
    assert [item.name for item in graph.input] == ["x"]


def test_only_where_the_outputs_stay_drops_idle_nodes(session: Session, tmp_path: Path) -> None:
    path, out = _capturing(tmp_path), tmp_path / "out.onnx"
    found = _mark(session, path, out, tensors=("y", "z"), only=True)
    assert (found.written, found.dropped, found.chosen.new) == (True, 1, ())
    assert [tensor.name for tensor in onnx.load(out).graph.initializer] == ["w"]


# what is chosen


def _names(found: Marked) -> list[str]:
    return [item.tensor for item in found.chosen.new]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tensors": ("Plus112_Output_0", "Plus30_Output_0")}, ["Plus30_Output_0", "Plus112_Output_0"]),
        ({"patterns": ("*Pool*_0", "Plus1??_*")}, ["Pooling66_Output_0", "Plus112_Output_0", "Pooling160_Output_0"]),
        ({"operators": ("Conv", "Relu")}, ["Convolution28_Output_0", "ReLU32_Output_0", "Convolution110_Output_0", "ReLU114_Output_0"]),
        ({"nodes": ("Times212",)}, ["Times212_Output_0"]),
        ({"boundaries": True}, ["Pooling160_Output_0"]),
        ({"tensors": ("Plus30_Output_0",), "patterns": ("Plus30*",)}, ["Plus30_Output_0"]),
        ({"tensors": ("Parameter193_reshape1",)}, ["Parameter193_reshape1"]),
    ],
)
def test_what_is_marked(options: dict[str, Any], names: list[str], session: Session, tmp_path: Path) -> None:
    found = _mark(session, MNIST, tmp_path / "out.onnx", **options)
    assert _names(found) == names
    assert list(_outputs(tmp_path / "out.onnx")) == ["Plus214_Output_0", *names]
    assert _ran(tmp_path / "out.onnx", _feeds(onnx.load(MNIST))).keys() == {"Plus214_Output_0", *names}


def test_what_is_left_out(session: Session, tmp_path: Path) -> None:
    model = _text(
        """g (float[2,3] x) => (float[2,3] y) {
        shape = Shape (x)
        custom = local.Custom (x)
        parts = SplitToSequence <axis: int = 0> (x)
        z = Relu (x)
        y = Reshape (z, shape)
        }"""
    )
    found = _mark(session, _saved(model, tmp_path / "m.onnx"), tmp_path / "out.onnx", everything=True)
    assert _names(found) == ["z"]
    assert [item.tensor for item in found.chosen.already] == ["y"]
    assert found.chosen.left_out == {CONSTANT: 1, UNTYPED: 1, NO_TENSOR: 1}
    crossing = _mark(session, MNIST, tmp_path / "mnist.onnx", boundaries=True)
    assert crossing.chosen.left_out == {INTERNAL: 2}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"tensors": ("nope",)}, "E510", "--tensor: error[E510]: the model has no tensor 'nope'. Did you mean "),
        ({"tensors": ("Convolution11_Output_0",)}, "E510", "Did you mean 'Convolution110_Output_0' or "),
        ({"tensors": ("Convolution110",)}, "E510", "'Convolution110' is a node. Use --node, or its output: 'Convolution110_Output_0'."),
        ({"tensors": ("Input3",)}, "E511", "'Input3' is an input of the model. What it holds is what you feed."),
        ({"tensors": ("Parameter5",)}, "E511", "'Parameter5' is an initializer. Its values are in the file."),
        ({"tensors": ("Plus30_Output_0", "x\n")}, "E510", r"the model has no tensor 'x\n'."),
        ({"nodes": ("Convolution1",)}, "E510", "--node: error[E510]: the model has no node 'Convolution1'. Did you mean 'Convolution110'"),
        ({"operators": ("Convolution",)}, "E510", "the model has no operator 'Convolution'. Did you mean "),
        ({"patterns": ("plus*",)}, "E510", "--pattern: error[E510]: 'plus*' fits no tensor to mark."),
        ({"patterns": ("*193*",)}, "E510", "'*193*' fits no tensor to mark: all are known at build time."),
        ({"boundaries": True, "target": "orin-trt11.1"}, "E510", "the placement leaves no tensor to mark."),
    ],
)
def test_what_cannot_be_marked(options: dict[str, Any], code: str, said: str, session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _mark(session, MNIST, tmp_path / "out.onnx", names=str(tmp_path / "map.json"), **options)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "count"), [("nope", 3), ("Plus30_Output", 3), ("", 3)])
def test_the_nearest_names(name: str, count: int, session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _mark(session, MNIST, tmp_path / "out.onnx", tensors=(name,))
    hint = caught.value.cure.partition("?")[0]
    assert hint.count("'") == 2 * count


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("p", "'p' lies inside a body of 'If (node 3)'. Only what the node itself hands out"),
        ("inner", "'inner' lies inside the function 'F'. Mark an output of a node that calls it"),
    ],
)
def test_tensors_of_bodies_and_functions(name: str, said: str, session: Session, tmp_path: Path) -> None:
    path = _capturing(tmp_path)
    with pytest.raises(UsageError) as caught:
        _mark(session, path, tmp_path / "out.onnx", tensors=(name,))
    assert caught.value.code == "E511"
    assert said in str(caught.value)


def test_what_has_no_type_or_is_no_tensor(session: Session, tmp_path: Path) -> None:
    model = _text("g (float[2] x) => (float[2] y) {custom = local.Custom (x) parts = SplitToSequence (x) y = Relu (x)}")
    path = _saved(model, tmp_path / "m.onnx")
    for choice in (Choice(tensors=("custom",)), Choice(nodes=("Custom:custom",))):
        with pytest.raises(UsageError, match="the type of 'custom' is not known, and TensorRT refuses") as caught:
            _mark(session, path, tmp_path / "out.onnx", **choice._asdict())
        assert caught.value.code == "E511"
    with pytest.raises(UsageError, match=r"E511.*'parts' is no tensor"):
        _mark(session, path, tmp_path / "out.onnx", tensors=("parts",))


# where it goes


def test_in_place(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(MNIST.read_bytes())
    path.chmod(0o640)
    found = _mark(session, path, path, tensors=("Plus30_Output_0",), in_place=True)
    assert found.written
    assert list(_outputs(path)) == ["Plus214_Output_0", "Plus30_Output_0"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_to_do(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(MNIST.read_bytes())
    before = _untouched(path)
    found = _mark(session, path, path, tensors=("Plus214_Output_0",), in_place=True)
    assert (found.written, found.chosen.new, found.after) == (False, (), found.before)
    assert _untouched(path) == before
    copy = _mark(session, path, tmp_path / "out.onnx", tensors=("Plus214_Output_0",))
    assert copy.written
    assert (tmp_path / "out.onnx").read_bytes() == path.read_bytes()


def _untouched(path: Path) -> tuple[int, ...]:
    """What changes when a file is written, and not when it is read: the time of the last access does, where a second passes meanwhile."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("option", ["output", "names"])
@pytest.mark.parametrize("place", ["m.onnx", "link.onnx", "sub/../m.onnx", "w.bin"])
def test_what_is_read_is_not_written_over(option: str, place: str, session: Session, tmp_path: Path) -> None:
    path = _with_side_file(tmp_path)
    (tmp_path / "link.onnx").symlink_to(path)
    (tmp_path / "sub").mkdir()
    before = {file.name: _untouched(file) for file in tmp_path.iterdir()}
    places = {"output": str(tmp_path / "out.onnx"), "names": str(tmp_path / "map.json"), option: str(tmp_path / place)}
    with pytest.raises(UsageError, match="belongs to the model itself") as caught:
        _mark(session, path, Path(places["output"]), tensors=("c",), names=places["names"])
    assert caught.value.code == "E512"
    assert {file.name: _untouched(file) for file in tmp_path.iterdir()} == before


def test_the_map_is_another_file(session: Session, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"E512.*cannot be one file"):
        _mark(session, MNIST, tmp_path / "out.onnx", tensors=("Plus30_Output_0",), names=str(tmp_path / "." / "out.onnx"))


@pytest.mark.parametrize(("option", "what"), [("output", "symbolic link"), ("names", "symbolic link")])
def test_links_are_refused_before_anything_is_written(option: str, what: str, session: Session, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    places = {"output": str(tmp_path / "out.onnx"), "names": str(tmp_path / "map.json"), option: str(link)}
    with pytest.raises(WriteError, match=what):
        _mark(session, MNIST, Path(places["output"]), tensors=("Plus30_Output_0",), names=places["names"])
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("option", ["output", "names"])
def test_folders_are_not_made(option: str, session: Session, tmp_path: Path) -> None:
    path = _with_side_file(tmp_path)
    before = sorted(tmp_path.iterdir())
    places = {"output": str(tmp_path / "out.onnx"), "names": str(tmp_path / "map.json"), option: str(tmp_path / "no" / "where")}
    with pytest.raises(WriteError, match="No such file or directory"):
        _mark(session, path, Path(places["output"]), tensors=("c",), names=places["names"], copy_data=True)
    assert sorted(tmp_path.iterdir()) == before


def test_a_result_that_reads_back_wrong_is_given_up(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[Piece] = [Span(str(MNIST), 0, MNIST.stat().st_size)]
    monkeypatch.setattr(subject, "marked", lambda *arguments: pieces)
    with pytest.raises(WriteError, match="does not read back") as caught:
        _mark(session, MNIST, tmp_path / "out.onnx", tensors=("Plus30_Output_0",))
    assert (caught.value.code, caught.value.where) == ("E405", str(tmp_path / "out.onnx"))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_changes_meanwhile(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(MNIST.read_bytes())

    def changing(*arguments: Any) -> Any:
        os.utime(path, ns=(1, 1))
        return choose(*arguments)

    monkeypatch.setattr(subject, "choose", changing)
    with pytest.raises(WriteError, match="changed while it was read"):
        _mark(session, path, tmp_path / "out.onnx", tensors=("Plus30_Output_0",))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"version https://git-lfs.github.com/spec/v1\nsize 12\n", b"\xff" * 100])
def test_files_that_are_no_models_are_explained_as_by_check(data: bytes, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError) as ours:
        _mark(session, path, tmp_path / "out.onnx", tensors=("x",))
    with pytest.raises(ModelError) as theirs:
        session.view(path)
    assert str(ours.value) == str(theirs.value)


def test_a_missing_model(session: Session, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="E111"):
        _mark(session, tmp_path / "m.onnx", tmp_path / "out.onnx", tensors=("x",))


# external data


def _with_side_file(folder: Path, location: str = "w.bin") -> Path:
    weights = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    tensor = numpy_helper.from_array(weights, "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "8"), ("length", str(weights.nbytes))):
        tensor.external_data.add(key=key, value=value)
    model = _text("g (float[1,3,8,8] x) => (float[1,4,6,6] y) {c = Conv (x, w) y = Relu (c)}")
    model.graph.initializer.append(tensor)
    place = folder / location
    if ".." not in location and not os.path.isabs(location):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"eight by" + weights.tobytes())
    return _saved(model, folder / "m.onnx")


def test_external_data_stays_where_it_is(session: Session, tmp_path: Path) -> None:
    path, out = _with_side_file(tmp_path), tmp_path / "out.onnx"
    found = _mark(session, path, out, tensors=("c",))
    assert (found.beside, found.copied) == ((), False)
    feeds = _feeds(onnx.load(path))
    results = _ran(out, feeds)
    (expected,) = _expected(path, ["c"], feeds)
    np.testing.assert_allclose(results["c"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("location", ["w.bin", "sub/folder/w.bin"])
def test_external_data_elsewhere(location: str, session: Session, tmp_path: Path) -> None:
    path, folder = _with_side_file(tmp_path, location), tmp_path / "elsewhere"
    folder.mkdir()
    told = _mark(session, path, folder / "told.onnx", tensors=("c",))
    assert (told.beside, told.copied) == ((location,), False)
    assert [file.name for file in folder.iterdir()] == ["told.onnx"]
    found = _mark(session, path, folder / "out.onnx", tensors=("c",), copy_data=True)
    assert (found.beside, found.copied) == ((location,), True)
    assert (folder / location).read_bytes() == (tmp_path / location).read_bytes()
    feeds = _feeds(onnx.load(path))
    np.testing.assert_array_equal(_ran(folder / "out.onnx", feeds)["y"], _ran(path, feeds)["y"])
    with pytest.raises(WriteError, match=r"w\.bin: error\[E402\]: the file is there already"):
        _mark(session, path, folder / "again.onnx", tensors=("c",), copy_data=True)
    assert not (folder / "again.onnx").exists()


def test_copies_go_again_when_the_model_cannot_be_written(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, folder = _with_side_file(tmp_path, "sub/folder/w.bin"), tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr(subject, "_read_back", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _mark(session, path, folder / "out.onnx", tensors=("c",), copy_data=True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        ("../w.bin", "lies outside of the model's folder"),
        ("sub/../../w.bin", "lies outside of the model's folder"),
        ("/etc/hostname", "lies outside of the model's folder"),
        ("back\\slash", "lies outside of the model's folder"),
        ("missing.bin", "cannot be read (No such file or directory)"),
        ("link.bin", "is reached through a symbolic link"),
        ("linked/w.bin", "is reached through a symbolic link"),
        ("folder", "is no regular file"),
    ],
)
def test_side_files_that_are_not_copied(location: str, fault: str, session: Session, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "elsewhere"
    (home / "folder").mkdir(parents=True)
    folder.mkdir()
    _with_side_file(home)
    model = onnx.load(home / "m.onnx", load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path = _saved(model, home / "m.onnx")
    (tmp_path / "w.bin").write_bytes((home / "w.bin").read_bytes())
    (home / "link.bin").symlink_to(tmp_path / "w.bin")
    (home / "linked").symlink_to(tmp_path)
    with pytest.raises(DlalintError) as caught:
        _mark(session, path, folder / "out.onnx", tensors=("c",), copy_data=True)
    assert (caught.value.code, fault in caught.value.what) == ("E113", True)
    assert list(folder.iterdir()) == []


def test_side_files_of_nodes_bodies_and_functions(session: Session, tmp_path: Path) -> None:
    path, folder = _capturing(tmp_path), tmp_path / "elsewhere"
    folder.mkdir()
    model = onnx.load(path)
    for number, holder in enumerate((model.graph.node[3].attribute[0].g.initializer, model.graph.initializer)):
        tensor = holder.add(name=f"far{number}", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=f"{number}.bin")
    inner = helper.make_tensor("t", 1, [1], [1.0])
    inner.ClearField("float_data")
    inner.data_location = TensorProto.EXTERNAL
    inner.external_data.add(key="location", value="2.bin")
    model.functions[0].node.insert(0, helper.make_node("Constant", [], ["k"], value=inner))
    found = _mark(session, _saved(model, path), folder / "out.onnx", tensors=("a",))
    assert found.beside == ("0.bin", "1.bin", "2.bin")


def test_data_inside_of_the_model_file_itself(session: Session, tmp_path: Path) -> None:
    path = _with_side_file(tmp_path, "m.onnx")
    with pytest.raises(ModelError, match=r"E105.*lies in the model file itself"):
        _mark(session, path, tmp_path / "out.onnx", tensors=("c",))
    assert list(tmp_path.iterdir()) == [path]


# what is told


def test_the_placement_before_and_after(session: Session, tmp_path: Path) -> None:
    found = _mark(session, MNIST, tmp_path / "out.onnx", target="orin-trt8.5", everything=True)
    before, after = found.before.summary, found.after.summary
    assert (before.dla_nodes, after.dla_nodes) == (10, 9)
    assert found.moved == ("Plus214",)
    assert found.inside == 7
    again = session.check(session.view(tmp_path / "out.onnx"), parse("orin-trt8.5", session.rules))
    assert found.after._replace(model=again.model) == again
    assert found.after.model.path == str(tmp_path / "out.onnx")


def test_the_name_map(session: Session, tmp_path: Path) -> None:
    found = _mark(session, MNIST, tmp_path / "out.onnx", tensors=("Plus30_Output_0",), names=str(tmp_path / "map.json"))
    document = json.loads((tmp_path / "map.json").read_text(encoding="ascii"))
    assert list(document) == ["schema", "model", "marked", "outputs"]
    assert (document["schema"], document["model"], document["marked"]) == (1, "mnist-7.onnx", "out.onnx")
    assert list(document["outputs"]) == ["Plus214_Output_0", "Plus30_Output_0"] == [item.tensor for item in found.outputs]
    assert document["outputs"]["Plus30_Output_0"] == {
        "output": "Plus30_Output_0",
        "marked": True,
        "index": 2,
        "node": "Plus30",
        "op_type": "Add",
        "domain": "",
        "dtype": "float32",
        "shape": [1, 8, 28, 28],
        "bytes": 25088,
        "file": "Plus30_Output_0",
    }


def test_names_of_files(session: Session, tmp_path: Path) -> None:
    odd = ["/a/b:0", "a b 0", "A_b_0", "..", "con", "x" * 300, "é/ü", "a\n\x1b[31m"]
    nodes = [helper.make_node("Relu", ["x"], [name]) for name in odd]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", odd[0]))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path, names = _saved(model, tmp_path / "m.onnx"), tmp_path / "map.json"
    _mark(session, path, tmp_path / "out.onnx", everything=True, names=str(names))
    outputs = json.loads(names.read_text(encoding="ascii"))["outputs"]
    assert list(outputs) == odd
    files = [item["file"] for item in outputs.values()]
    assert files == ["a_b_0", "a_b_0_2", "A_b_0_3", "tensor", "_con", "x" * 120, "tensor_2", "a_31m"]


@pytest.mark.parametrize(
    ("body", "tensor", "chain"),
    [
        ("c = Conv (x, w) d = Relu (c) y = MaxPool <kernel_shape: ints = [1, 1]> (d)", "c", "Conv:c Relu:d"),
        ("c = Conv (x, w) d = Add (c, x) y = Relu (d)", "d", "Conv:c Add:d Relu:y"),
        ("c = Conv (x, w) d = BatchNormalization (c, s, s, s, s) y = Neg (d)", "c", "Conv:c BatchNormalization:d Neg:y"),
        ("c = Conv (x, w) y = MaxPool <kernel_shape: ints = [1, 1]> (c)", "c", "Conv:c MaxPool:y"),
        ("c = Conv (x, w) d = Relu (c) y = Add (c, d)", "c", ""),
        ("c = Conv (x, w) y = Conv (c, w)", "c", ""),
        ("c = Conv (x, w) z = Relu (c) y = Identity (x)", "z", ""),
        ("c = Softmax (x) y, i = TopK (c, k)", "c", "Softmax:c TopK:y"),
        ("c = local.Conv (x, w) y = Relu (c)", "c", ""),
        ("a = Relu (x) b = Neg (a) c = Abs (b) d = Exp (c) e = Neg (d) f = Abs (e) y = Exp (f)", "f", "Abs:c Exp:d Neg:e Abs:f Exp:y"),
    ],
)
def test_fusions(body: str, tensor: str, chain: str, session: Session, tmp_path: Path) -> None:
    model = _text(f"g (float[1,3,4,4] x) => (float[1,3,4,4] y) {{{body}}}")
    arrays: dict[str, NDArray[Any]] = {"w": np.ones((3, 3, 1, 1), np.float32), "s": np.ones(3, np.float32), "k": np.array([1])}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    view = session.view(_saved(model, tmp_path / "m.onnx"))
    outcome = session.check(view, parse(ORIN, session.rules))
    assert " ".join(outcome.nodes[index].id for index in Fusions(view).across(tensor)) == chain


def test_fusions_end_at_outputs_and_bodies(session: Session, tmp_path: Path) -> None:
    view = session.view(_capturing(tmp_path))
    fusions = Fusions(view)
    assert [fusions.across(name) for name in ("a", "b", "y", "z")] == [(), (), (), ()]
    assert fusions.across("gone") == (2, 4)


@pytest.mark.parametrize(
    ("target", "precision", "command"),
    [
        ("xavier-trt5.0", "fp16", "trtexec --onnx='a b.onnx' --fp16 --useDLACore=0 --allowGPUFallback"),
        ("xavier-trt5.1", "fp16", "trtexec --onnx='a b.onnx' --fp16 --useDLACore=0 --allowGPUFallback --dumpOutput"),
        (
            "xavier-trt7.1",
            "int8",
            "trtexec --onnx='a b.onnx' --fp16 --int8 --useDLACore=0 --allowGPUFallback --explicitBatch '--exportOutput=a b.outputs.json'",
        ),
        (ORIN, "fp16", "trtexec --onnx='a b.onnx' --fp16 --useDLACore=0 --allowGPUFallback '--exportOutput=a b.outputs.json'"),
        ("orin-trt11.4", "fp16", "trtexec --onnx='a b.onnx' --useDLACore=0 --allowGPUFallback '--exportOutput=a b.outputs.json'"),
    ],
)
def test_the_command(target: str, precision: str, command: str, session: Session) -> None:
    found = dump_command("a b.onnx", session.view(MNIST), parse(target, session.rules, precision), has_dla=True)
    assert found.replace("--exportOutput='a b.outputs.json'", "'--exportOutput=a b.outputs.json'") == command


@pytest.mark.parametrize(("target", "option"), [("xavier-trt5.1", "--batch=4"), (ORIN, "--shapes=input:4x3x224x224")])
def test_the_command_fixes_free_dimensions(target: str, option: str, session: Session) -> None:
    view = session.view(ROOT / "models" / "resnet18_dynamic.onnx", Overrides(batch=4))
    words = dump_command("m.onnx", view, parse(target, session.rules), has_dla=False).split()
    assert option in words
    assert "--useDLACore=0" not in words


def test_candidates(session: Session) -> None:
    view = session.view(MNIST)
    found = candidates(view, session.check(view, parse("xavier-trt5.0", session.rules)))
    assert [item.tensor for item in found] == [name for node in onnx.load(MNIST).graph.node for name in node.output]
    first = found[0]
    assert (first.number, first.node, first.op_type, first.bytes, first.device.value) == (
        0,
        "Times212_reshape1",
        "Reshape",
        10240,
        "folded",
    )
    assert first.obstacle == CONSTANT
    assert {item.obstacle for item in found[1:]} == {""}
