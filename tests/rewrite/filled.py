"""Models in ONNX's text form whose declared constants get seeded random values."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from .conftest import text


def filled(body: str, opset: int = 17) -> ModelProto:
    """The model; every constant that is declared without values gets some between 0.5 and 1.5, every other one negative."""
    model = text(body, opset)
    source = np.random.default_rng(5)
    made = {name for node in model.graph.node for name in node.output}
    for item in [value for value in model.graph.value_info if value.name not in made]:
        kind = item.type.tensor_type
        values = source.uniform(0.5, 1.5, [dim.dim_value for dim in kind.shape.dim])
        values.reshape(-1)[1::2] *= -1
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(dtype), item.name))
        model.graph.value_info.remove(item)
    return model
