"""Random small models with Q/DQ nodes in every place that they can stand in."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

UNARY = ("Relu", "Neg", "Abs", "Sigmoid", "Identity", "Clip", "MaxPool", "Transpose", "Softmax", "HardSwish")
BINARY = ("Add", "Mul", "Sub", "Max", "Concat")
DIMS = (1, 2, 4, 4)


class Drawn:
    """A model drawn from ``seed``: up to twelve operators over tensors of one shape, each perhaps behind pairs."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._nodes: list[NodeProto] = []
        self._tensors: list[TensorProto] = []
        self._made = 0
        self._integers: list[tuple[str, int]] = []

    def model(self) -> ModelProto:
        """The model; valid, and every output of it is a tensor of the graph."""
        draw = self._draw
        kind = draw.choice([TensorProto.FLOAT] * 3 + [TensorProto.INT8, TensorProto.UINT8])
        pool = ["x"] if kind == TensorProto.FLOAT else []
        if kind != TensorProto.FLOAT:
            grid = self._grid(unsigned=kind == TensorProto.UINT8)
            pool = [self._add("DequantizeLinear", "x", *grid) for _ in range(draw.randint(1, 2))]
        else:
            pool += self._pairs("x")
        for _ in range(draw.randint(1, 12)):
            made = self._operator(pool)
            pool += [made, *self._pairs(made)]
        inputs = [helper.make_tensor_value_info("x", kind, DIMS)]
        names = draw.sample([name for name in pool if name != "x"], min(len(pool) - ("x" in pool), draw.randint(1, 3)))
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, DIMS) for name in names or [self._operator(pool)]]
        if self._integers and draw.random() < 0.3:
            name, element = draw.choice(self._integers)
            outputs.append(helper.make_tensor_value_info(name, element, DIMS))
        graph = helper.make_graph(self._nodes, "drawn", inputs, outputs, self._tensors)
        made_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made_model, full_check=True)
        return made_model

    def _operator(self, pool: Sequence[str]) -> str:
        draw = self._draw
        op_type = draw.choice((*UNARY, *BINARY, "Conv", "BatchNormalization", "Constant"))
        if op_type == "Conv":
            weights = np.random.default_rng(draw.randrange(1000)).standard_normal((2, 2, 3, 3)).astype(np.float32) / 4
            return self._add("Conv", draw.choice(pool), self._weights(weights), pads=[1] * 4)
        if op_type == "BatchNormalization":
            values = [self._tensor(np.array(pair, np.float32)) for pair in ([1.5, 0.5], [0.1, -0.1], [0.2, 0.0], [1.0, 2.0])]
            return self._add(op_type, draw.choice(pool), *values)
        if op_type == "Constant":
            return self._add("Add", draw.choice(pool), self._weights(np.float32(0.7)))
        if op_type in BINARY:
            made = self._add(op_type, draw.choice(pool), draw.choice(pool), **({"axis": 1} if op_type == "Concat" else {}))
            return made if op_type != "Concat" else self._add("Slice", made, *map(self._tensor, map(np.array, ([1], [3], [1]))))
        more = [self._tensor(np.float32(0.0)), self._tensor(np.float32(3.0))] if op_type == "Clip" else []
        keywords = {"MaxPool": {"kernel_shape": [1, 1]}, "Transpose": {"perm": [0, 1, 3, 2]}}.get(op_type, {})
        return self._add(op_type, draw.choice(pool), *more, **keywords)

    def _weights(self, values: np.ndarray) -> str:
        """A constant: of floats, of floats behind a pair, or of integers."""
        form = self._draw.randrange(3)
        name = self._tensor(values)
        if form == 0:
            return name
        scale, zero = self._grid()
        if form == 1:
            return self._add("DequantizeLinear", self._add("QuantizeLinear", name, scale, zero), scale, zero)
        integers = self._tensor(np.clip(np.rint(values * 20), -128, 127).astype(np.int8))
        return self._add("DequantizeLinear", integers, scale, self._tensor(np.int8(0)))

    def _pairs(self, source: str) -> list[str]:
        """What DQ nodes make of a tensor behind none, one or two Q nodes, one behind the other or side by side."""
        found: list[str] = []
        for _ in range(self._draw.choice((0, 1, 1, 1, 2))):
            scale, zero = self._grid()
            made = self._add("QuantizeLinear", self._draw.choice([source, *found]), scale, zero)
            self._integers.append((made, TensorProto.UINT8 if self._unsigned(zero) else TensorProto.INT8))
            found += [self._add("DequantizeLinear", made, scale, zero) for _ in range(self._draw.choice((0, 1, 1, 2)))]
        return found

    def _grid(self, *, unsigned: bool | None = None) -> tuple[str, str]:
        draw = self._draw
        unsigned = draw.random() < 0.5 if unsigned is None else unsigned
        zero = np.uint8(draw.choice((0, 0, 128, 100))) if unsigned else np.int8(draw.choice((0, 0, -128, 7)))
        return self._tensor(np.float32(draw.choice((0.02, 0.05, 6 / 255)))), self._tensor(zero)

    def _unsigned(self, name: str) -> bool:
        return next(item.data_type == TensorProto.UINT8 for item in self._tensors if item.name == name)

    def _tensor(self, values: object) -> str:
        name = f"c{len(self._tensors)}"
        self._tensors.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def _add(self, op_type: str, *inputs: str, **attributes: object) -> str:
        self._made += 1
        name = f"t{self._made}"
        outputs = [name]
        self._nodes.append(helper.make_node(op_type, list(inputs), outputs, name=f"n{self._made}", **attributes))  # type: ignore[arg-type]
        return name
