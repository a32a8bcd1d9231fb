"""What weights become in FP16, against numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dlalint.errors import ModelError
from dlalint.measured import Weight
from dlalint.model.load import load
from dlalint.numeric.weights import weights


def _model(path: Path, tensors: list[TensorProto], side: str = "") -> str:
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
    nodes = [helper.make_node("Identity", [tensors[0].name], ["y"])]
    model = helper.make_model(helper.make_graph(nodes, "g", [], outputs, tensors))
    onnx.save(model, path, save_as_external_data=bool(side), location=side or None, size_threshold=0)
    return str(path)


@pytest.mark.parametrize("side", ["", "m.weights"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_those_of_numpy(tmp_path: Path, side: str, dtype: type) -> None:
    source = np.random.RandomState(3)
    array: NDArray[Any] = (source.standard_normal((3, 1 << 20)) * 10.0 ** source.uniform(-12, 6, (3, 1 << 20))).astype(dtype)
    array[0, :4] = [0, -0.0, np.inf, np.nan]
    path = _model(tmp_path / "m.onnx", [numpy_helper.from_array(array, "w")], side)
    with np.errstate(over="ignore"):
        halves = np.abs(array).astype(np.float16)
    below = (array != 0) & (halves < np.float16(2**-14))
    largest = float(np.abs(array[np.isfinite(array)]).max())
    wanted = Weight(largest, int(below.sum()), int((below & (halves == 0)).sum()), array.size)
    assert weights(path, load(path).graph.constants) == {"w": wanted}


def test_small_ones_and_those_that_are_no_wide_floats(tmp_path: Path) -> None:
    tensors = [
        helper.make_tensor("typed", TensorProto.FLOAT, [3], [1e-6, 1e-9, 7e4]),
        numpy_helper.from_array(np.array(2.0, np.float32), "scalar"),
        numpy_helper.from_array(np.array([], np.float32), "empty"),
        numpy_helper.from_array(np.array([1, 2]), "integers"),
        numpy_helper.from_array(np.array([1, 2], np.float16), "halves"),
    ]
    path = _model(tmp_path / "m.onnx", tensors)
    found = weights(path, load(path).graph.constants)
    assert found == {"typed": Weight(7e4, 2, 1, 3), "scalar": Weight(2.0, 0, 0, 1), "empty": Weight(0.0, 0, 0, 0)}


def test_a_side_file_that_is_gone(tmp_path: Path) -> None:
    path = _model(tmp_path / "m.onnx", [numpy_helper.from_array(np.ones(9, np.float32), "w")], "m.weights")
    model = load(path)
    (tmp_path / "m.weights").unlink()
    with pytest.raises(ModelError, match=r"the side file 'm\.weights' is missing"):
        weights(path, model.graph.constants)
