"""Rebuilds an ONNX graph from a verbose TensorRT build log: `graph_from_log.py LOG GRAPH.onnx`.

The log of the ONNX parser names every node with its inputs, outputs and shapes, but not its attributes; those of the operators
below follow from the shapes. Weights become external data without a file.
"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_NODE = re.compile(r"\[TRT\] (?P<name>\S+) \[(?P<op>\w+)\] (?P<side>inputs|outputs): (?P<tensors>.*)$")
_TENSOR = re.compile(r"\[([^\[\]]+?) -> \(([^()]*)\)\[(\w+)\]\]")
_INPUT = re.compile(r"Adding network input: (\S+) with dtype: (\w+), dimensions: \(([^()]*)\)")
_OUTPUT = re.compile(r"Marking \S+ as output: (\S+)")
_TYPES = {
    "FLOAT": TensorProto.FLOAT,
    "HALF": TensorProto.FLOAT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "BOOL": TensorProto.BOOL,
}
Tensor = tuple[str, tuple[int, ...], int]


def tensors(text: str) -> list[Tensor]:
    """Name, shape and element type of each tensor of a line."""
    return [(name, tuple(int(dim) for dim in dims.split(",") if dim.strip()), _TYPES[kind]) for name, dims, kind in _TENSOR.findall(text)]


def attributes(op: str, inputs: list[Tensor], outputs: list[Tensor]) -> dict[str, Any]:
    """What the shapes say about a node."""
    before, after = inputs[0][1], outputs[0][1]
    if op == "Conv":
        kernel = inputs[1][1][2:]
        strides = [max(1, round(a / b)) for a, b in zip(before[2:], after[2:], strict=True)]
        group = before[1] // inputs[1][1][1]
        return {"kernel_shape": list(kernel), "strides": strides, "pads": [size // 2 for size in kernel] * 2, "group": group}
    if op == "MaxPool":
        return {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    if op == "Transpose":
        return {"perm": next(list(p) for p in itertools.permutations(range(len(before))) if tuple(before[i] for i in p) == after)}
    if op == "Gemm":
        return {"transB": int(inputs[1][1][1] == before[1] and inputs[1][1][0] == after[1])}
    return {"axis": -1} if op in ("Softmax", "LayerNormalization") else {}


def rebuild(log: str, name: str) -> onnx.ModelProto:
    """The graph that the log describes, nodes in the order of the parser."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, Tensor | TensorProto] = {}
    made: dict[str, Tensor] = {}
    pending: dict[str, list[Tensor]] = {}
    for line in log.splitlines():
        found = _NODE.search(line)
        if not found:
            continue
        node, op = found["name"], found["op"]
        if found["side"] == "inputs":
            pending[node] = tensors(found["tensors"])
            continue
        inputs, outputs = pending.pop(node), tensors(found["tensors"])
        names = [item[0] for item in inputs]
        if op == "Reshape":
            names = [names[0], f"{node}_shape"]
            constants[names[1]] = numpy_helper.from_array(np.array(outputs[0][1], np.int64), names[1])
        for item in inputs:
            if item[0] not in made and not (op == "Reshape" and item is not inputs[0]):
                constants.setdefault(item[0], item)
        made.update({item[0]: item for item in outputs})
        nodes.append(helper.make_node(op, names, [item[0] for item in outputs], name=node, **attributes(op, inputs, outputs)))
    graph_inputs = [(n, tuple(int(d) for d in dims.split(",")), _TYPES[_kind(kind)]) for n, kind, dims in _INPUT.findall(log)]
    for item in graph_inputs:
        constants.pop(item[0], None)
    marked = list(dict.fromkeys(item for item in _OUTPUT.findall(log) if item in made))
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(n, kind, dims) for n, dims, kind in graph_inputs],
        [helper.make_tensor_value_info(n, made[n][2], made[n][1]) for n in marked],
        [_weight(item) if isinstance(item, tuple) else item for item in constants.values()],
    )
    offset = 0
    for tensor in graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            size = 4 * int(np.prod(tensor.dims))
            for key, value in (("location", f"{name}.onnx.data"), ("offset", str(offset)), ("length", str(size))):
                tensor.external_data.add(key=key, value=value)
            offset += size
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _kind(text: str) -> str:
    return {"float32": "FLOAT", "float16": "HALF", "int32": "INT32", "int64": "INT64", "bool": "BOOL"}[text]


def _weight(item: Tensor) -> TensorProto:
    name, dims, kind = item
    if int(np.prod(dims)) <= 4:
        return numpy_helper.from_array(np.full(dims, 0.5, helper.tensor_dtype_to_np_dtype(kind)), name)
    tensor = TensorProto(name=name, dims=dims, data_type=kind)
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    model = rebuild(source.read_text(encoding="utf-8", errors="replace"), target.stem)
    target.write_bytes(model.SerializeToString(deterministic=True))
    print(f"{target.name}: {len(model.graph.node)} nodes")
