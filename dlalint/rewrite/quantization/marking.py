"""Copies of a model to be run and thrown away, with more outputs."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import ModelProto

from dlalint.graph import DTYPE_CODES
from dlalint.rewrite.graph import Graph


def marked(proto: ModelProto, names: Sequence[str], graph: Graph) -> ModelProto:
    """The model with further outputs; an input or output of it needs none."""
    found = ModelProto()
    found.CopyFrom(proto)
    known = {item.name for item in (*found.graph.output, *found.graph.input)}
    for name in dict.fromkeys(names):
        if name not in known:
            kind = graph.type(name)
            info = onnx.helper.make_empty_tensor_value_info(name)
            if kind is not None and kind.dtype in ("float16", "float32") and name in graph.producers:
                info = onnx.helper.make_tensor_value_info(name, DTYPE_CODES[kind.dtype], None)
            found.graph.output.append(info)
    return found
