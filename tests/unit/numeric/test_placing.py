"""Models whose weights lie elsewhere: beside them, in folders, and behind links."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from dlalint.numeric import Runner
from dlalint.numeric.ranges import ranges

X = np.array([[1, -1]], np.float32)


def _model(path: Path, location: str) -> None:
    """``y = x * large + small``: ``large`` is in the model itself unless a place is given for it, ``small`` in ``location``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    large = onnx.numpy_helper.from_array(np.arange(800, dtype=np.float32).reshape(400, 2), "large")
    small = onnx.TensorProto(name="small", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "4"), ("length", "8")):
        small.external_data.add(key=key, value=value)
    nodes = [onnx.helper.make_node("Mul", ["x", "large"], ["p"]), onnx.helper.make_node("Add", ["p", "small"], ["y"])]
    info = [onnx.helper.make_tensor_value_info("x", 1, [1, 2]), onnx.helper.make_tensor_value_info("y", 1, [400, 2])]
    graph = onnx.helper.make_graph(nodes, "g", info[:1], info[1:], [large, small])
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def _side(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.array([9, 10, 20], np.float32).tobytes())


def _beside(folder: Path) -> Path:
    _model(folder / "m.onnx", "w.bin")
    _side(folder / "w.bin")
    return folder / "m.onnx"


def _below(folder: Path) -> Path:
    _model(folder / "m.onnx", "weights/w.bin")
    _side(folder / "weights" / "w.bin")
    return folder / "m.onnx"


def _both_are_links(folder: Path) -> Path:
    """As a cache of the Hugging Face hub has it."""
    _model(folder / "blobs" / "1a2b", "m.onnx.data")
    _side(folder / "blobs" / "3c4d")
    snapshot = folder / "snapshots" / "5e6f"
    snapshot.mkdir(parents=True)
    (snapshot / "m.onnx").symlink_to("../../blobs/1a2b")
    (snapshot / "m.onnx.data").symlink_to("../../blobs/3c4d")
    return snapshot / "m.onnx"


def _the_model_is_a_link(folder: Path) -> Path:
    _model(folder / "one" / "real.onnx", "w.bin")
    _side(folder / "two" / "w.bin")
    (folder / "two" / "m.onnx").symlink_to("../one/real.onnx")
    return folder / "two" / "m.onnx"


@pytest.mark.parametrize("layout", [_beside, _below, _both_are_links, _the_model_is_a_link])
@pytest.mark.parametrize("budget", [1 << 20, 1])
def test_weights_are_found(runner: Runner, tmp_path: Path, layout: object, budget: int) -> None:
    assert callable(layout)
    path = layout(tmp_path)
    found = ranges(runner, str(path), [{"x": X}], budget=budget)
    assert {name: (item.low, item.high) for name, item in found.items()} == {"x": (-1.0, 1.0), "p": (-799.0, 798.0), "y": (-779.0, 808.0)}


def test_from_another_folder(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _beside(tmp_path / "deep")
    monkeypatch.chdir(tmp_path)
    assert ranges(runner, "deep/m.onnx", [{"x": X}])["y"].high == 808.0
