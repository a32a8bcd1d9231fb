"""Small networks of the structure of ResNet-18 and MobileNetV2 with seeded weights, quantized by onnxruntime.quantization."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SIZE = 32
# what users choose: the defaults, what TensorRT asks for, symmetric per tensor, and signed asymmetric per channel
MODES: dict[str, dict[str, Any]] = {
    "uint8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8},
    "uint8-weights": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8},
    "int8": {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "per_channel": True},
    "symmetric": {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}},
    "tensorrt": {
        "activation_type": QuantType.QInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
        "extra_options": {"ActivationSymmetric": True, "WeightSymmetric": True},
    },
}


class _Net:
    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op_type.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=f"/{name}", **attributes))
        return name

    def tensor(self, values: Any) -> str:
        name = f"weight{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def conv(self, source: str, channels: int, maps: int, kernel: int = 3, stride: int = 1, group: int = 1) -> str:
        spread = np.sqrt(2 / (channels // group * kernel * kernel))
        weights = self._draw.standard_normal((maps, channels // group, kernel, kernel)) * spread
        bias = self._draw.standard_normal(maps) * 0.1
        pads = [kernel // 2] * 4
        return self.add("Conv", source, self.tensor(weights), self.tensor(bias), pads=pads, strides=[stride] * 2, group=group)

    def model(self, source: str, channels: int) -> ModelProto:
        pooled = self.add("Flatten", self.add("GlobalAveragePool", source))
        weights = self._draw.standard_normal((10, channels)) / np.sqrt(channels)
        self.add("Gemm", pooled, self.tensor(weights), self.tensor(self._draw.standard_normal(10) * 0.1), transB=1)
        self.nodes[-1].output[0] = "y"
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.tensors)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made, full_check=True)
        return made


def resnet() -> ModelProto:
    """Stem, pooling, and four residual blocks, two of them with a projection."""
    net = _Net(1)
    found, channels = net.add("Relu", net.conv("x", 3, 8, 7, 2)), 8
    found = net.add("MaxPool", found, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for maps, stride in ((8, 1), (16, 2), (16, 1), (32, 2)):
        inner = net.add("Relu", net.conv(found, channels, maps, 3, stride))
        inner = net.conv(inner, maps, maps)
        past = net.conv(found, channels, maps, 1, stride) if stride > 1 else found
        found, channels = net.add("Relu", net.add("Add", inner, past)), maps
    return net.model(found, channels)


def mobilenet() -> ModelProto:
    """Stem and inverted residual blocks with Relu6 in its ONNX form, Clip."""
    net = _Net(2)
    zero, six = net.tensor(0.0), net.tensor(6.0)
    found, channels = net.add("Clip", net.conv("x", 3, 8, 3, 2), zero, six), 8
    for maps, stride in ((8, 1), (12, 2), (12, 1), (16, 2)):
        inner = net.add("Clip", net.conv(found, channels, 4 * channels, 1), zero, six)
        inner = net.add("Clip", net.conv(inner, 4 * channels, 4 * channels, 3, stride, 4 * channels), zero, six)
        inner = net.conv(inner, 4 * channels, maps, 1)
        found = net.add("Add", inner, found) if stride == 1 and maps == channels else inner
        channels = maps
    return net.model(found, channels)


NETWORKS = {"resnet": resnet, "mobilenet": mobilenet}


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        draw = np.random.default_rng(3)
        self._data: Iterator[dict[str, Any]] = iter([{"x": draw.standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)} for _ in range(8)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._data, None)


def quantized(model: ModelProto, mode: str, path: Path, form: QuantFormat = QuantFormat.QDQ) -> None:
    """Write ``model`` quantized to ``path``, and as it was beside it as ``float.onnx``."""
    source = path.parent / "float.onnx"
    onnx.save(model, source)
    quantize_static(str(source), str(path), _Reader(), quant_format=form, **MODES[mode])
