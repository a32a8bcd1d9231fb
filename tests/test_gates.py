"""What keeps speed honest, on every model at hand: weights change nothing, memory says what onnx says, company changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from dlalint.cli import execute
from dlalint.engine.targets import parse
from dlalint.graph import Attribute, Graph, Node, Tensor, dtype_size, volume
from dlalint.model.load import load
from dlalint.model.save import Span
from dlalint.model.skeleton import excise, restore
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.report.to_json import document
from dlalint.worker import Worker

TESTS = Path(__file__).resolve().parent
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
FILES = sorted([*(TESTS.parent / "models").glob("*.onnx"), *(TESTS / "cases" / "graphs").rglob("*.onnx"), *LIGHT.glob("*.onnx")])
TARGETS = (("xavier-trt5.0", "fp16"), ("xavier-trt8.5", "int8"), ("orin-trt10.3", "fp16"))


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def _outcomes(session: Session, path: Path) -> list[Outcome]:
    view = session.view(path)
    return [session.check(view, parse(name, session.rules, precision)) for name, precision in TARGETS]


def _said(session: Session, path: Path) -> list[dict[str, Any]]:
    return [document(outcome, session.rules.sources) for outcome in _outcomes(session, path)]


# weights


def _whole(source: Path, path: Path) -> None:
    """The model ``source`` with all its weights inside, as holes of the right length."""
    model = onnx.load(source, load_external_data=False)
    offset = 0
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            length = round(volume(tuple(tensor.dims)) * dtype_size("float32" if tensor.data_type == 1 else "int64"))
            del tensor.external_data[:]
            for key, value in (("location", path.name), ("offset", str(offset)), ("length", str(length))):
                tensor.external_data.add(key=key, value=value)
            offset += length
    with path.open("wb") as file:
        for piece in restore(model.SerializeToString(), str(path)):
            if isinstance(piece, Span):
                file.truncate(file.tell() + piece.length)
                file.seek(0, os.SEEK_END)
            else:
                file.write(piece)


def _bare(value: Attribute) -> Any:
    """An attribute without the bytes of tensors and where they lie."""
    if isinstance(value, Tensor):
        return value.name, value.dtype, value.dims
    if isinstance(value, Graph):
        return _structure(value)
    return tuple(map(_bare, value)) if type(value) is tuple else value


def _attributes(node: Node) -> dict[str, Any]:
    return {name: _bare(value) for name, value in node.op.attributes.items()}


def _structure(graph: Graph) -> dict[str, Any]:
    """All of a graph but the bytes of its constants."""
    return {
        "names": (graph.name, graph.inputs, graph.outputs),
        "declared": graph.declared,
        "constants": {name: (tensor.dtype, tensor.dims) for name, tensor in graph.constants.items()},
        "nodes": [(node.name, node.inputs, node.outputs, node.op.op_type, node.op.domain, _attributes(node)) for node in graph.nodes],
    }


@pytest.mark.parametrize("source", FILES, ids=_name)
def test_the_stripped_model_is_the_whole_one_without_its_weights(source: Path, tmp_path: Path, session: Session) -> None:
    whole, stripped = tmp_path / "whole.onnx", tmp_path / "stripped.onnx"
    _whole(source, whole)
    stripped.write_bytes(excise(str(whole), 4096))
    assert stripped.stat().st_size < 1 << 20
    full, bare = load(str(whole)), load(str(stripped))
    assert _structure(full.graph) == _structure(bare.graph)
    kept = {name: tensor.payload for name, tensor in full.graph.constants.items() if tensor.nbytes <= 4096}
    assert kept == {name: bare.graph.constants[name].payload for name in kept}
    for ours, theirs in zip(_said(session, whole), _said(session, stripped), strict=True):
        for said in (ours, theirs):
            del said["model"]
        assert ours == theirs


# shapes


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_remembered_shapes_are_those_of_onnx(path: Path, session: Session) -> None:
    """The session has seen many models before this one: what it remembers of them must be right here."""
    view = session.view(path)
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False), data_prop=True).graph
    for item in (*inferred.value_info, *inferred.output):
        kind = item.type.tensor_type
        dims = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
        if kind.HasField("shape") and None not in dims:
            found = view.types[item.name]
            assert found.dims == dims, item.name
            assert onnx.TensorProto.DataType.Name(kind.elem_type).lower() in (found.dtype, found.dtype.replace("float32", "float"))


# company


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as running:
        yield running


def test_models_that_are_checked_together_are_checked_as_alone(worker: Worker, session: Session) -> None:
    forwards, backwards = (Session(session.rules, worker=worker) for _ in range(2))
    together = {path: _said(forwards, path) for path in FILES}
    reverse = {path: _said(backwards, path) for path in reversed(FILES)}
    for path in FILES:
        alone = _said(Session(session.rules, worker=worker), path)
        assert together[path] == alone, path
        assert reverse[path] == alone, path


def test_nothing_is_worked_out_twice(worker: Worker, session: Session) -> None:
    """A model that comes again costs no question, and few of its nodes are looked at again."""
    again = Session(session.rules, worker=worker)
    for path in FILES:
        again.view(path)
    before = again.effort
    for path in FILES:
        again.view(path)
    after = again.effort
    assert after.questions == before.questions > 0
    assert after.calls == 2 * before.calls
    assert after.worked_out - before.worked_out < before.calls // 10
    assert after.alone == 2 * before.alone < after.calls // 10
    assert after.unanswered == 0


def test_the_program_tells_what_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, copy = str(TESTS.parent / "models" / "resnet50.onnx"), str(tmp_path / "copy.onnx")
    shutil.copyfile(path, copy)
    assert execute(["check", path, copy, "-v", "--exit-zero", "--no-others"]) == 0
    assert capsys.readouterr().err == (
        "dlalint: 201 of 244 nodes were known from nodes alike, 43 were worked out (0 for themselves);"
        " onnx was asked 43 times and gave no answer 0 times; 0 parts of files were not in the usual form\n"
    )
    assert execute(["check", path, "--exit-zero", "--no-others"]) == 0
    assert capsys.readouterr().err == ""
