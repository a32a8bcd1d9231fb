"""Weights outside the graph: moves them to external data, and fills a side file from the graph alone.

A weight's values follow from its name, its shape and the operator that reads it, so a side file can be made anywhere, without torch.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

INLINE_BYTES = 1024  # weights up to this stay in the graph
WEIGHTED = frozenset({"BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "LSTM", "LayerNormalization", "MatMul"})


def seeded_values(name: str, shape: tuple[int, ...], reader: str = "") -> NDArray[np.float32]:
    """Float32 values that only depend on the arguments; `reader` is the operator type that reads them, if known.

    Scales and variances are positive, other vectors small, everything else is He-uniform.
    """
    is_vector = sum(dim > 1 for dim in shape) <= 1
    if is_vector and (name.endswith(("weight", "running_var")) or reader == "Mul"):
        low, high = 0.5, 1.5
    elif is_vector:
        low, high = -0.1, 0.1
    else:
        high = math.sqrt(6.0 / _fan_in(reader, shape))
        low = -high
    source = np.random.RandomState(zlib.crc32(name.encode()))  # its stream is frozen, unlike that of numpy's newer generators
    return source.uniform(low, high, shape).astype(np.float32)


def detach_weights(model: ModelProto, learned: Collection[bytes]) -> None:
    """Turn every float weight above INLINE_BYTES into external data without a file, in place.

    A weight is what a weighted operator reads, or a tensor whose float32 bytes are in `learned`; computed constants stay inline.
    """
    readers = _readers(model)
    offset = 0
    for tensor in model.graph.initializer:
        size = 4 * math.prod(tensor.dims)
        if tensor.data_type != TensorProto.FLOAT or size <= INLINE_BYTES:
            continue
        if readers.get(tensor.name) not in WEIGHTED and numpy_helper.to_array(tensor).tobytes() not in learned:
            continue
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", f"{model.graph.name}.onnx.data"), ("offset", str(offset)), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
        offset += size


def write_side_file(graph: Path, folder: Path, zeros: bool) -> Path:
    """Write the external data that `graph` (an .onnx file) expects into `folder`, seeded or as a sparse file of zeros; return its path."""
    model = onnx.load(graph, load_external_data=False)
    tensors = [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    if not tensors:
        raise ValueError(f"{graph.name} keeps all of its weights inside; it needs no side file")
    readers = _readers(model)
    places = [{entry.key: entry.value for entry in t.external_data} for t in tensors]
    path: Path = folder / places[0]["location"]
    with path.open("wb") as file:
        file.truncate(max(int(place["offset"]) + int(place["length"]) for place in places))
        if zeros:
            return path
        for tensor, place in zip(tensors, places, strict=True):
            file.seek(int(place["offset"]))
            file.write(seeded_values(tensor.name, tuple(tensor.dims), readers.get(tensor.name, "")).astype("<f4").tobytes())
    return path


def _readers(model: ModelProto) -> dict[str, str]:
    """Operator type of the first node that reads each tensor."""
    readers: dict[str, str] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, node.op_type)
    return readers


def _fan_in(reader: str, shape: tuple[int, ...]) -> int:
    """How many products one output value sums."""
    if reader == "MatMul":
        return shape[-2]
    if reader in ("LSTM", "GRU"):
        return shape[-1]
    return math.prod(shape[1:])
