"""The models folder: the manifest tells the truth, the graphs are valid, and a side file makes them run."""

from __future__ import annotations

import hashlib
import math
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto

tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

MODELS = Path(__file__).resolve().parents[1] / "models"
MANIFEST: dict[str, dict[str, Any]] = tomllib.loads((MODELS / "MANIFEST.toml").read_text(encoding="utf-8"))
NAMES = sorted(MANIFEST)
MADE = [name for name in NAMES if MANIFEST[name]["exporter"].startswith("torch")]
MAX_BYTES = 400 * 1024
INLINE_BYTES = 1024
KEYS = {"origin", "licence", "exporter", "opset", "input", "nodes", "sha256"}


def _load(name: str) -> ModelProto:
    return onnx.load(MODELS / f"{name}.onnx", load_external_data=False)


def _external(model: ModelProto) -> list[tuple[TensorProto, dict[str, str]]]:
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    return [(tensor, {entry.key: entry.value for entry in tensor.external_data}) for tensor in tensors]


def _build(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(MODELS / "build.py"), *arguments], capture_output=True, text=True, check=False)


def test_manifest_lists_every_file() -> None:
    assert sorted(path.stem for path in MODELS.glob("*.onnx")) == NAMES
    assert [name for name in NAMES if name not in MADE] == ["mnist-7"]


@pytest.mark.parametrize("name", NAMES)
def test_manifest_entry(name: str) -> None:
    entry = MANIFEST[name]
    data = (MODELS / f"{name}.onnx").read_bytes()
    model = _load(name)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        item.name: [dim.dim_param or dim.dim_value for dim in item.type.tensor_type.shape.dim]
        for item in model.graph.input
        if item.name not in weights
    }
    assert set(entry) == KEYS
    assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert len(data) < MAX_BYTES
    assert entry["nodes"] == len(model.graph.node)
    assert {"": entry["opset"]} == {item.domain: item.version for item in model.opset_import}
    assert entry["input"] == inputs


@pytest.mark.parametrize("name", NAMES)
def test_graph_is_valid(name: str) -> None:
    """The checker wants the side file, so external weights become inputs of the same type for it."""
    model = _load(name)
    for tensor, _ in _external(model):
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    inside = [tensor for tensor in model.graph.initializer if tensor.data_location != TensorProto.EXTERNAL]
    del model.graph.initializer[:]
    model.graph.initializer.extend(inside)
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_node_names_are_unique(name: str) -> None:
    names = [node.name for node in _load(name).graph.node]
    assert "" not in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", MADE)
def test_no_trace_of_the_exporting_machine(name: str) -> None:
    model = _load(name)
    graph = model.graph
    items = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info)
    assert [item for item in items if item.doc_string] == []
    assert [item for item in items if len(item.metadata_props)] == []


@pytest.mark.parametrize("name", MADE)
def test_large_weights_are_external_and_packed(name: str) -> None:
    model = _load(name)
    end = 0
    for tensor, place in _external(model):
        length = 4 * math.prod(tensor.dims)
        assert place == {"location": f"{name}.onnx.data", "offset": str(end), "length": str(length)}
        assert tensor.data_type == TensorProto.FLOAT
        assert length > INLINE_BYTES
        assert not tensor.raw_data
        end += length
    assert end > 0
    weights = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm")}
    inside = [t for t in model.graph.initializer if t.name in weights and t.data_location != TensorProto.EXTERNAL]
    assert [tensor.name for tensor in inside if 4 * math.prod(tensor.dims) > INLINE_BYTES] == []


def test_side_file_runs_and_repeats(tmp_path: Path) -> None:
    side = tmp_path / "squeezenet1_1.onnx.data"
    shutil.copy(MODELS / "squeezenet1_1.onnx", tmp_path)
    done = _build("--data", "squeezenet1_1", "--output", str(tmp_path))
    first = side.read_bytes()
    _build("--data", "squeezenet1_1", "--output", str(tmp_path))
    session = onnxruntime.InferenceSession(tmp_path / "squeezenet1_1.onnx", providers=["CPUExecutionProvider"])
    image = np.linspace(-1, 1, 3 * 224 * 224, dtype=np.float32).reshape(1, 3, 224, 224)
    scores = session.run(None, {"input": image})[0]
    assert (done.returncode, done.stderr) == (0, "")
    assert side.read_bytes() == first
    assert scores.shape == (1, 1000)
    assert np.isfinite(scores).all()
    assert scores.std() > 0.01


def test_side_file_of_zeros(tmp_path: Path) -> None:
    done = _build("--data", "resnet50", "--zeros", "--output", str(tmp_path))
    side = tmp_path / "resnet50.onnx.data"
    assert done.stdout == f"resnet50.onnx.data: {side.stat().st_size:,} bytes\n"
    assert side.stat().st_size == sum(int(place["length"]) for _, place in _external(_load("resnet50")))
    assert not any(side.read_bytes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data",), "build.py: --data needs the names of the models\n"),
        (("--data", "nothing"), "build.py: no such model: nothing.onnx\n"),
        (("--data", "mnist-7"), "build.py: mnist-7.onnx keeps all of its weights inside; it needs no side file\n"),
    ],
)
def test_build_refuses(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = _build(*arguments, "--output", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_build_lists_the_manifest() -> None:
    done = _build("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert done.returncode == 0
