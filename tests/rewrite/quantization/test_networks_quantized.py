"""Whole networks, quantized by onnxruntime in the ways its users do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import QuantFormat

from dlalint.calibration import layer_precisions
from tests.rewrite.conftest import ran

from .conftest import Call, Translate
from .networks import MODES, NETWORKS, SIZE, quantized


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_become_scales(network: str, mode: str, tmp_path: Path, translate: Translate) -> None:
    """Everything is INT8, the proof is bit-exact, and the result is the float network but for the rounding of its weights."""
    path = tmp_path / "quantized.onnx"
    original = NETWORKS[network]()
    quantized(original, mode, path)
    old = Counter(node.op_type for node in onnx.load(path).graph.node)
    found = translate(path)
    assert found.code == 0
    proof = found.told["proof"]
    assert (proof["exact"], proof["restored"], proof["ok"]) == (True, 0.0, True)
    assert found.told["pairs"] == old["QuantizeLinear"]
    assert found.told["constants"] == old["DequantizeLinear"] - old["QuantizeLinear"]
    assert found.told["fp16"] == []
    # what onnxruntime dropped because the pair cuts off at zero is there again, as often as in the float network
    assert Counter(found.operators)["Conv"] == Counter(node.op_type for node in original.graph.node)["Conv"]
    dropped = {"Relu", "Clip"}
    assert sum(name in dropped for name in found.operators) == sum(node.op_type in dropped for node in original.graph.node)
    # steps: the input is rounded and nothing else; further in roundings add up, but stay a small part of the 127 steps of a range
    steps = {item["tensor"]: item for item in proof["steps"]}
    assert 0.24 < steps["x"]["median"] < 0.26
    assert 0.49 < steps["x"]["largest"] <= 0.5001
    assert max(item["median"] for item in steps.values()) < 4
    feed = {"x": np.random.default_rng(9).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)}
    expected, got = ran(original, feed)[0], ran(found.model, feed)[0]
    assert np.abs(expected - got).max() < 0.06 * np.abs(expected).max()


@pytest.mark.parametrize("network", NETWORKS)
def test_symmetric_scales_are_those_of_the_model(network: str, tmp_path: Path, translate: Translate) -> None:
    path = tmp_path / "quantized.onnx"
    quantized(NETWORKS[network](), "tensorrt", path)
    model = onnx.load(path)
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    expected = {node.input[0]: float(constants[node.input[1]]) for node in model.graph.node if node.op_type == "QuantizeLinear"}
    expected["y"] = expected.pop("y_QuantizeLinear_Input")  # the graph output keeps its name
    found = translate(path)
    assert found.cache.scales == expected
    assert found.told["proof"]["cached"] == found.told["pairs"]
    assert [kind for kind in ("asymmetric", "relu", "weights", "merged") if found.remarks(kind)] == []


def test_uint8_scales_cover_the_range(tmp_path: Path, translate: Translate) -> None:
    path = tmp_path / "quantized.onnx"
    quantized(NETWORKS["mobilenet"](), "uint8", path)
    model = onnx.load(path)
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    found = translate(path)
    for node in pairs:
        scale, zero = (np.float64(constants[name]) for name in node.input[1:])
        covering = scale * 128 / 128 if zero == 128 else scale * max(zero, 255 - zero) / 127
        name = "y" if node.input[0] == "y_QuantizeLinear_Input" else node.input[0]
        assert found.cache.scales[name] == pytest.approx(covering, rel=1e-6), name
    # a Clip is put back where the range ends at 6; a Relu where nothing came up to it
    bounds = {item.name: float(numpy_helper.to_array(item)) for item in found.model.graph.initializer if not item.dims}
    assert all(tuple(bounds[name] for name in node.input[1:]) == (0.0, 6.0) for node in found.model.graph.node if node.op_type == "Clip")
    assert found.remarks("relu")
    assert {item["tensor"] for item in found.told["scales"] if item["origin"] == "carried"} == {
        f"{name}_before_relu" for name in found.remarks("relu")
    }


def test_operator_format_is_refused(tmp_path: Path, translate: Translate) -> None:
    path = tmp_path / "quantized.onnx"
    quantized(NETWORKS["resnet"](), "uint8", path, QuantFormat.QOperator)
    found = translate(path)
    assert found.code == 2
    assert "QLinearConv '/conv0_quant': error[E156]: it computes with integers (operator format)" in found.err
    assert "quant_format=QuantFormat.QDQ" in found.err


def test_some_layers_in_float(tmp_path: Path, call: Call) -> None:
    """Nodes left out of quantization are listed for trtexec, by the names it has for them."""
    from onnxruntime.quantization import quantize_static

    from .networks import _Reader

    onnx.save(NETWORKS["resnet"](), "float.onnx")
    quantize_static(
        "float.onnx", "q.onnx", _Reader(), quant_format=QuantFormat.QDQ, nodes_to_exclude=["/conv3", "/gemm21"], **MODES["tensorrt"]
    )
    code, out, _ = call("calibration", "q.onnx", "--target", "orin-trt8.6", "--layer-precisions", "halves.txt")
    assert code == 0
    listed = layer_precisions.parse(Path("halves.txt").read_text(encoding="utf-8"))
    names = {node.name for node in onnx.load("q.float.onnx").graph.node}
    assert set(listed) <= names
    assert set(listed.values()) == {"fp16"}
    assert "/conv3" in listed
    assert '--layerPrecisions="$(cat halves.txt)"' in out
    assert "--precisionConstraints=prefer" in out
