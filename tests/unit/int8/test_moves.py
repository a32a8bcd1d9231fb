"""Convolutions that only move values are told from those that compute, wherever their weights lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from dlalint.int8.moves import picks
from dlalint.model.load import load


def _weights(kind: str, dtype: str, channels: int = 64) -> NDArray[np.generic]:
    made = np.zeros((channels, channels, 3, 3), np.float32)
    made[np.arange(channels), np.arange(channels)[::-1], 1, 2] = 1
    if kind == "half":
        made[-1] *= 0.5
    elif kind == "two":
        made[-1, 3, 0, 0] = 1
    elif kind == "none":
        made[-1] = 0
    elif kind == "first":
        made[0] *= 0.25
    elif kind == "minus":
        made[1, 3, 1, 1] = -0.0
    return made.astype(dtype)


def _picks(path: Path, weights: NDArray[np.generic], *, outside: bool) -> bool:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, [1, weights.shape[1], 8, 8])],
        [onnx.helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(onnx.helper.make_model(graph), path, save_as_external_data=outside, location="w.bin", size_threshold=0)
    model = load(str(path))
    return picks(model.graph.constants["w"], model.path)


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("kind", "wanted"), [("move", True), ("half", False), ("two", False), ("none", False), ("first", False), ("minus", False)]
)
def test_weights(kind: str, wanted: bool, dtype: str, outside: bool, tmp_path: Path) -> None:
    assert _picks(tmp_path / "m.onnx", _weights(kind, dtype), outside=outside) is wanted


def test_small_weights_and_other_types(tmp_path: Path) -> None:
    assert _picks(tmp_path / "m.onnx", _weights("move", "float32", 2), outside=False)
    assert not _picks(tmp_path / "m.onnx", _weights("move", "float64", 2), outside=False)


@pytest.mark.parametrize("state", ["missing", "short", "elsewhere"])
def test_weights_that_cannot_be_read(state: str, tmp_path: Path) -> None:
    path = tmp_path / "sub" / "m.onnx"
    path.parent.mkdir()
    assert _picks(path, _weights("move", "float32"), outside=True)
    side = path.parent / "w.bin"
    if state == "missing":
        side.unlink()
    elif state == "short":
        side.write_bytes(side.read_bytes()[:5000])
    else:
        side.rename(tmp_path / "w.bin")
        path.write_bytes(path.read_bytes().replace(b"\x05w.bin", b"\x05../w."))
    model = load(str(path))
    assert not picks(model.graph.constants["w"], model.path)
