"""The command that runs a marked model on the device and writes down what its outputs hold."""

from __future__ import annotations

import os
from shlex import quote

from dlalint.graphview import GraphView
from dlalint.target import Target

# NVIDIA/TensorRT, samples/common/sampleOptions.cpp and samples/opensource/trtexec/trtexec.cpp of the releases
_PRINTS_OUTPUTS = (5, 1)
_TAKES_SHAPES = (6, 0)
_EXPORTS_OUTPUTS = (7, 0)
_FINDS_EXPLICIT_BATCH = (7, 2)
_STRONGLY_TYPED = (11, 0)


def dump_command(path: str, view: GraphView, target: Target, *, has_dla: bool) -> str:
    """The trtexec line for the marked model at ``path``; ``view`` is of the model with the dimensions that the user fixed."""
    words = ["trtexec", f"--onnx={quote(path)}"]
    if target.trt < _STRONGLY_TYPED:
        words += ["--fp16", "--int8"] if target.precision == "int8" else ["--fp16"]
    if has_dla:
        words += ["--useDLACore=0", "--allowGPUFallback"]
    words += _shapes(view, target)
    if target.trt >= _EXPORTS_OUTPUTS:
        stem = os.path.splitext(os.path.basename(path))[0]
        words.append(f"--exportOutput={quote(f'{stem}.outputs.json')}")
    elif target.trt >= _PRINTS_OUTPUTS:
        words.append("--dumpOutput")
    return " ".join(words)


def _shapes(view: GraphView, target: Target) -> list[str]:
    declared = view.model.graph.declared
    free = [name for name in view.inputs if name in declared and declared[name].dims is None]
    fixed = {name: dims for name in free if (dims := view.types[name].dims) is not None}
    if target.trt < _TAKES_SHAPES:  # every network has an implicit batch, and nothing else is free
        batches = {dims[0] for dims in fixed.values() if dims}
        return [f"--batch={batches.pop()}"] if len(batches) == 1 else []
    words = ["--explicitBatch"] if _EXPORTS_OUTPUTS <= target.trt < _FINDS_EXPLICIT_BATCH else []
    if fixed:
        spec = ",".join(f"{name}:{'x'.join(map(str, dims))}" for name, dims in fixed.items())
        words.append(f"--shapes={quote(spec)}")
    return words
