"""The models of the benchmark: made on the spot, the same every time, with weights that take no room on disk unless asked for."""

from __future__ import annotations

import os
import shutil
from math import prod
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, helper

from dlalint.model.save import Span
from dlalint.model.skeleton import restore

ROOT = Path(__file__).resolve().parents[2]


def resnet50(path: Path, scale: int = 1, *, beside: bool = False, holes: bool = True) -> Path:
    """ResNet-50 with ``scale`` times the channels (the weights grow with its square), inside the file or ``beside`` it."""
    model = onnx.load(ROOT / "models" / "resnet50.onnx", load_external_data=False)
    del model.graph.value_info[:]
    location = f"{path.name}.data" if beside else path.name
    offset = 0
    for tensor in model.graph.initializer:
        _scale(tensor, scale)
        length = 4
        for dim in tensor.dims:
            length *= dim
        if tensor.data_location == TensorProto.EXTERNAL:
            del tensor.external_data[:]
            for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
                tensor.external_data.add(key=key, value=value)
            offset += length
    if beside:
        path.write_bytes(model.SerializeToString())
        _blank(path.with_name(location), offset)
        return path
    return _written(model, path, holes)


def _written(model: ModelProto, path: Path, holes: bool) -> Path:
    """The model with what it has in ``path`` itself as external data inside of it."""
    with path.open("wb") as file:
        for piece in restore(model.SerializeToString(), str(path)):
            if isinstance(piece, Span):
                _fill(file.fileno(), piece.length, holes)
                file.seek(0, os.SEEK_END)
            else:
                file.write(piece)
                file.flush()
    return path


def _scale(tensor: TensorProto, scale: int) -> None:
    """Channels times ``scale``, but for those of the image and the classes."""
    dims = list(tensor.dims)
    if len(dims) == 4:
        dims[:2] = [dims[0] * scale, dims[1] if dims[1] == 3 else dims[1] * scale]
    elif len(dims) == 2:
        dims[1] *= scale
    elif len(dims) == 1 and dims[0] != 1000:
        dims[0] *= scale
    if dims != list(tensor.dims) and tensor.data_location != TensorProto.EXTERNAL:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
    del tensor.dims[:]
    tensor.dims.extend(dims)


def _fill(descriptor: int, length: int, holes: bool) -> None:
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if holes:
        os.ftruncate(descriptor, end + length)
        return
    block = bytes(1 << 20)
    for start in range(0, length, len(block)):
        os.write(descriptor, block[: length - start])


def _blank(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def chain(path: Path, nodes: int, *, own: bool = False) -> Path:
    """``nodes`` nodes: convolutions, activations and sums one after the other, with three weights in turn, or each with its ``own``.

    With its own they are depthwise, with a bias, and names are as long as exporters make them.
    """
    made, weights = [], []
    stem = "/backbone/layers." if own else ""
    name = "x"
    for number in range(nodes):
        kind, out = number % 4, f"{stem}{number}/out_0" if own else f"t{number}"
        label = f"{stem}{number}/op" if own else f"n{number}"
        if kind == 0 and own:
            given = [f"{stem}{number}.weight", f"{stem}{number}.bias"]
            weights += [_weight(given[0], 16, 1, 3, 3), _weight(given[1], 16)]
            made.append(helper.make_node("Conv", [name, *given], [out], label, pads=[1, 1, 1, 1], group=16))
        elif kind == 0:
            made.append(helper.make_node("Conv", [name, f"w{number % 12 // 4}"], [out], label, pads=[1, 1, 1, 1]))
        elif kind == 2:
            made.append(helper.make_node("Add", [name, made[-2].output[0]], [out], label))
        else:
            made.append(helper.make_node("Relu" if kind == 1 else "Sigmoid", [name], [out], label))
        name = out
    weights += [] if own else [_weight(f"w{index}", 16, 16, 3, 3) for index in range(3)]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(made, "chain", [info("x", 1, (1, 16, 32, 32))], [info(name, 1, (1, 16, 32, 32))], weights)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def _weight(name: str, *shape: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, shape, bytes(4 * prod(shape)), raw=True)


def many(folder: Path, count: int, *, whole: bool = False) -> list[Path]:
    """``count`` small models: those of models/ under other names, their weights left out unless they shall be ``whole``."""
    folder.mkdir(exist_ok=True)
    sources = sorted(path for path in (ROOT / "models").glob("*.onnx") if path.stat().st_size < 60_000)
    found = []
    for number in range(count):
        path, source = folder / f"m{number:03d}.onnx", sources[number % len(sources)]
        if whole:
            _whole(source, path)
        else:
            shutil.copyfile(source, path)
        found.append(path)
    return found


def _whole(source: Path, path: Path) -> None:
    """The model ``source`` with zeros for the weights that it has beside it."""
    model = onnx.load(source, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            size = prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
            del tensor.external_data[:]
            for key, value in (("location", path.name), ("offset", "0"), ("length", str(size))):
                tensor.external_data.add(key=key, value=value)
    _written(model, path, holes=True)
