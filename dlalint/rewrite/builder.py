"""Makes the nodes of a replacement: unique names, the element type of the model, the spelling of its operator set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from dlalint.rewrite.base import Replacement
from dlalint.rewrite.graph import Array, Graph


class Builder:
    """Collects nodes and initializers. Every method that adds a node returns the tensor it makes.

    ``output`` names that tensor when it has to keep the name of a tensor that is replaced.
    """

    def __init__(self, graph: Graph, index: int, rewrite: str) -> None:
        self.graph = graph
        node = graph.nodes[index]
        own = node.name if node.name in graph.unique_names else next(filter(None, node.output), node.op_type)
        self._stem = f"{own}/{rewrite}"
        self._number = 0
        self._nodes: list[NodeProto] = []
        self._tensors: list[TensorProto] = []

    def replacement(self, *remove: int) -> Replacement:
        """What was built, in place of the nodes ``remove``."""
        return Replacement(tuple(dict.fromkeys(remove)), tuple(self._nodes), tuple(self._tensors))

    def name(self) -> str:
        """A name that the model does not have, for a node or tensor."""
        while True:
            name = f"{self._stem}_{self._number}"
            self._number += 1
            graph = self.graph
            if name not in graph.producers and name not in graph.initializers and name not in graph.inputs:
                return name

    def add(self, op_type: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """A node with one output; attributes that are ``None`` are left out."""
        name = self.name()
        made = output or name
        kept = {key: value for key, value in attributes.items() if value is not None}
        self._nodes.append(onnx.helper.make_node(op_type, list(inputs), [made], name=name, **kept))
        return made

    def keep(self, node: NodeProto, inputs: Sequence[str], outputs: Sequence[str] | None = None, **attributes: Any) -> str:
        """The same node with other inputs, outputs or attributes (``None`` removes one); its name stays."""
        found = NodeProto()
        found.CopyFrom(node)
        del found.input[:]
        found.input.extend(inputs)
        if outputs is not None:
            del found.output[:]
            found.output.extend(outputs)
        others = [item for item in found.attribute if item.name not in attributes]
        del found.attribute[:]
        found.attribute.extend(others)
        found.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in attributes.items() if value is not None)
        self._nodes.append(found)
        return str(found.output[0])

    def tensor(self, array: Array) -> str:
        """An initializer; a Constant node before IR version 4, where every initializer has to be an input of the model."""
        name = self.name()
        if self.graph.proto.ir_version < 4:
            found = numpy_helper.from_array(np.ascontiguousarray(array), name)
            self._nodes.append(onnx.helper.make_node("Constant", [], [name], name=name, value=found))
        else:
            self._tensors.append(self.graph.weights.new(array, name))
        return name

    def like(self, values: Any, tensor: str) -> str:
        """An initializer of the element type of ``tensor``."""
        return self.tensor(np.asarray(values, dtype=self.dtype(tensor)))

    def dtype(self, tensor: str) -> np.dtype[Any]:
        """The element type of a tensor of the model; float32 when it is not known."""
        found = self.graph.type(tensor)
        name = found.dtype if found is not None else "float32"
        return (
            np.dtype(name) if name in ("float16", "float32", "float64", "int64", "int32", "bool", "int8", "uint8") else np.dtype("float32")
        )

    def reshape(self, source: str, shape: Sequence[int], output: str = "") -> str:
        """Reshape to a static shape."""
        return self.add("Reshape", [source, self.tensor(np.array(shape, np.int64))], output)

    def transpose(self, source: str, order: Sequence[int], output: str = "") -> str:
        """Transpose."""
        return self.add("Transpose", [source], output, perm=list(order))

    def slice(self, source: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], output: str = "") -> str:
        """A contiguous slice."""
        if self.graph.opset < 10:
            return self.add("Slice", [source], output, starts=list(starts), ends=list(ends), axes=list(axes))
        given = [self.tensor(np.array(values, np.int64)) for values in (starts, ends, axes)]
        return self.add("Slice", [source, *given], output)

    def clip(self, source: str, low: float | None, high: float | None, like: str, output: str = "") -> str:
        """Clip; ``like`` names a tensor of the same element type."""
        if self.graph.opset < 11:
            return self.add("Clip", [source], output, min=low, max=high)
        bounds = ["" if value is None else self.like(value, like) for value in (low, high)]
        return self.add("Clip", [source, *bounds[: 2 if high is not None else 1]], output)

    def squeeze(self, source: str, axes: Sequence[int], output: str = "") -> str:
        """Remove dimensions of size 1."""
        return self._axes("Squeeze", source, axes, output)

    def unsqueeze(self, source: str, axes: Sequence[int], output: str = "") -> str:
        """Add dimensions of size 1."""
        return self._axes("Unsqueeze", source, axes, output)

    def _axes(self, op_type: str, source: str, axes: Sequence[int], output: str) -> str:
        if self.graph.opset < 13:
            return self.add(op_type, [source], output, axes=list(axes))
        return self.add(op_type, [source, self.tensor(np.array(axes, np.int64))], output)

    def conv(
        self,
        source: str,
        weights: Array,
        bias: Array | None = None,
        output: str = "",
        *,
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        group: int = 1,
        transposed: bool = False,
    ) -> str:
        """A convolution. ``weights``: (maps, channels/group, height, width); if ``transposed``: (channels, maps/group, height, width)."""
        inputs = [source, self.tensor(weights), *([self.tensor(bias)] if bias is not None else [])]
        return self.add(
            "ConvTranspose" if transposed else "Conv",
            inputs,
            output,
            kernel_shape=list(weights.shape[2:]),
            strides=list(strides),
            pads=list(pads),
            dilations=list(dilations),
            group=group,
        )
