"""Folding next to the reference evaluator of onnx, as fixtures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from dlalint.graph import TensorType
from dlalint.graphview import Value
from dlalint.model.fold import OMITTED, fold
from dlalint.model.read import Reader

Array = npt.NDArray[Any]


def _model(op_type: str, arrays: Sequence[Array | None], opset: int, outputs: int, attributes: dict[str, Any]) -> onnx.ModelProto:
    names = ["" if array is None else f"i{i}" for i, array in enumerate(arrays)]
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
        if array is not None
    ]
    results = [f"o{i}" for i in range(outputs)]
    node = onnx.helper.make_node(op_type, names, results, **attributes)
    graph = onnx.helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name=name) for name in results])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=10)


def _folded(model: onnx.ModelProto, arrays: Sequence[Array | None]) -> tuple[Value, ...] | None:
    (node,) = Reader(model.SerializeToString()).model("m").graph.nodes
    inputs = [OMITTED if array is None else Value(str(array.dtype), array.shape, tuple(array.ravel().tolist())) for array in arrays]
    types = [None if array is None else TensorType(str(array.dtype), array.shape) for array in arrays]
    return fold(node.op, inputs, types, model.opset_import[0].version, len(node.outputs))


def _same(ours: Any, theirs: Any, tolerance: float) -> bool:
    if type(ours) is not type(theirs):
        return False
    if tolerance and math.isfinite(theirs):
        return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return bool(ours == theirs) or (ours != ours and theirs != theirs)


@pytest.fixture(scope="session")
def folded() -> Callable[..., tuple[Value, ...] | None]:
    """``folded(op_type, arrays, opset, outputs=1, **attributes)``: what folding gives for a node written and read again."""

    def run(op_type: str, arrays: Sequence[Array | None], opset: int, outputs: int = 1, **attributes: Any) -> tuple[Value, ...] | None:
        return _folded(_model(op_type, arrays, opset, outputs, attributes), arrays)

    return run


@pytest.fixture(scope="session")
def check() -> Callable[..., None]:
    """``check(op_type, arrays, opset, outputs=1, tolerance=0, **attributes)``: folding gives the types, shapes and elements of onnx."""

    def run(op_type: str, arrays: Sequence[Array | None], opset: int, outputs: int = 1, tolerance: float = 0.0, **attributes: Any) -> None:
        model = _model(op_type, arrays, opset, outputs, attributes)
        ours = _folded(model, arrays)
        with np.errstate(all="ignore"):  # NaN, infinities and overflow are part of what is compared
            theirs = ReferenceEvaluator(model).run(None, {f"i{i}": a for i, a in enumerate(arrays) if a is not None})
        assert ours is not None
        assert len(ours) == len(theirs)
        for got, wanted in zip(ours, map(np.asarray, theirs), strict=True):
            assert (got.dtype, got.shape) == (str(wanted.dtype), wanted.shape)
            assert all(_same(a, b, tolerance) for a, b in zip(got.items, wanted.ravel().tolist(), strict=True)), (got, wanted)

    return run
