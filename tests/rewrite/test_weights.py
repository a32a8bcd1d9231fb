"""Weights that are read when asked for, and new ones that wait outside of memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from dlalint.errors import ModelError
from dlalint.model.save import write
from dlalint.model.skeleton import excise, restore
from dlalint.rewrite import weights as module
from dlalint.rewrite.weights import Weights, nbytes

from .conftest import text, with_side_file

BODY = "g (float[1,8] x) => (float[1,8] y) <float[8] w = {1, 2, 3, 4, 5, 6, 7, 8}> { y = Add(x, w) }"


def _refers(location: str, dims: list[int], **entries: int) -> TensorProto:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool", "float64"])
def test_new_weights_come_back_as_they_went(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 16)
    arrays = [np.arange(count).reshape(shape).astype(dtype) for count, shape in ((24, (2, 3, 4)), (64, (64,)), (9, (3, 3)))]
    with Weights(str(tmp_path / "model.onnx")) as weights:
        tensors = [
            weights.new(array.T.copy().T if number else array.transpose(2, 0, 1), f"t{number}") for number, array in enumerate(arrays)
        ]
        folder = Path(weights.files[1]).parent
        for tensor, array in zip(tensors, (arrays[0].transpose(2, 0, 1), *arrays[1:]), strict=True):
            assert tensor.data_location == TensorProto.EXTERNAL or array.nbytes < 16
            assert np.array_equal(weights.array(tensor), array)
            assert np.array_equal(onnx.numpy_helper.to_array(weights.inside(tensor)), array)
            assert weights.belongs(tensor)
            assert nbytes(tensor) >= array.nbytes
        assert folder.exists()
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_small_ones_and_those_without_a_context_stay_in_memory(tmp_path: Path) -> None:
    weights = Weights(str(tmp_path / "model.onnx"))
    assert weights.new(np.zeros(1 << 19, np.float32), "t").raw_data
    with weights:
        assert weights.new(np.zeros(10, np.float32), "t").raw_data
        assert not weights.new(np.zeros(1 << 19, np.float32), "t").raw_data


def test_old_and_new_weights_meet_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_BYTES", 16)
    source = tmp_path / "model.onnx"
    proto = text(BODY)
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.arange(8, dtype=np.float32), "w"))
    source.write_bytes(proto.SerializeToString())
    skeleton = onnx.ModelProto.FromString(excise(str(source), 8))
    assert not skeleton.graph.initializer[0].raw_data
    with Weights(str(source)) as weights:
        assert weights.array(skeleton.graph.initializer[0]).tolist() == list(range(8))
        skeleton.graph.initializer.append(weights.new(np.full(8, 7, np.float32), "v"))
        skeleton.graph.node[0].input[1] = "v"
        write(restore(skeleton.SerializeToString(), *weights.files), str(tmp_path / "out.onnx"))
    made = onnx.load(tmp_path / "out.onnx")
    assert [onnx.numpy_helper.to_array(tensor).tolist() for tensor in made.graph.initializer] == [list(range(8)), [7.0] * 8]
    assert not any(tensor.external_data for tensor in made.graph.initializer)


def test_side_files_are_read_where_they_lie_and_nowhere_else(tmp_path: Path) -> None:
    with_side_file(text(BODY), tmp_path / "model.onnx", "side.bin")
    tensor = onnx.load(tmp_path / "model.onnx", load_external_data=False).graph.initializer[0]
    weights = Weights(str(tmp_path / "model.onnx"))
    assert weights.array(tensor).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not weights.belongs(tensor)
    blank = _refers("side.bin", [8])
    for key in ("offset", "length"):
        blank.external_data.add(key=key, value="")
    assert weights.array(blank).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    (tmp_path / "link.bin").symlink_to("side.bin")
    (tmp_path / "folder").symlink_to("/etc", target_is_directory=True)
    (tmp_path / "hard.bin").write_bytes(bytes(32))
    os.link(tmp_path / "hard.bin", tmp_path / "harder.bin")
    for location in ("../side.bin", "/etc/hostname", "folder/hostname", "none.bin", "link.bin", "hard.bin", ""):
        with pytest.raises(ModelError, match="cannot be used"):
            weights.array(_refers(location, [8]))
    with pytest.raises(ModelError, match="is too short"):
        weights.array(_refers("side.bin", [1 << 20]))
    with pytest.raises(ModelError, match="is too short"):
        weights.inside(_refers("side.bin", [8], offset=8, length=32))
