"""Quantization with scales, zero points and axes that make no sense."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

from onnx import TensorProto, helper

from tests.hostile.corpus.case import Case, model

SCALES: tuple[tuple[tuple[int, ...], list[float]], ...] = (
    ((), [0.1]),
    ((), [0.0]),
    ((), [float("nan")]),
    ((), [float("inf")]),
    ((), [-1.0]),
    ((1,), [1e-45]),
    ((8,), [0.5] * 8),
    ((3,), [0.5] * 3),
    ((0,), []),
    ((2, 2, 2), [1.0] * 8),
)
ZEROS = ((3, 0), (2, 300), (3, -200), (1, 0), (17, 0), (22, 7), (9, 1), (6, 1 << 30))


def cases(source: random.Random) -> Iterator[Case]:
    """Sixty."""
    for (shape, values), (kind, zero) in source.sample(list(itertools.product(SCALES, ZEROS)), 50):
        count = max(1, len(values)) if shape != (0,) else 0
        scale = helper.make_tensor("s", TensorProto.FLOAT, shape, values)
        point = TensorProto(name="z", data_type=kind, dims=shape, int32_data=[zero] * count)
        options: dict[str, Any] = {"axis": source.choice((0, 1, -1, 4, -9, 1 << 40))} if source.randrange(2) else {}
        opset = source.choice((10, 13, 19, 21))
        if opset == 10:
            options = {}
        if opset == 21 and source.randrange(2):
            options["block_size"] = source.choice((0, 1, 3, -1, 1 << 40))
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", *(["z"] if source.randrange(4) else [])], ["q"], "quantize", **options),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "dequantize", **options),
            helper.make_node("Relu", ["d"], ["y"], "relu"),
        ]
        yield Case(f"pair_{kind}_{len(shape)}", model(nodes, [scale, point], opset=opset).SerializeToString())
    for operator in ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"):
        for count in (1, 8):
            yield Case(operator, model([helper.make_node(operator, ["x"] * count, ["y"])]).SerializeToString())
