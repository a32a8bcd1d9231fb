"""Convolutions, transposed convolutions and Gemm as one thing: constant weights from input channels to maps, and a bias."""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.affine import Affine
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Array, Graph, attribute

LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm"})


class Linear(NamedTuple):
    """The parameters of the node with the index ``number``.

    ``weights`` lie as (groups, maps of a group, channels of a group, taps of the kernel). ``bias`` is float64, a vector over the maps, or
    what Gemm broadcasts; ``shape`` is that of the weights in the model.
    """

    number: int
    weights: Array
    bias: Array
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    def behind(self, found: Affine) -> Linear:
        """The node with ``found`` applied to what it makes."""
        scale = np.broadcast_to(found.scale, (self.weights.shape[0] * self.weights.shape[1],)).reshape(*self.weights.shape[:2], 1, 1)
        bias = self.bias * found.scale + found.shift
        return self._replace(weights=self.weights * scale.astype(self.weights.dtype), bias=bias)

    def before(self, found: Affine) -> Linear:
        """The node with ``found`` applied to what it reads."""
        groups, maps, channels, _ = self.weights.shape
        scale, shift = (np.broadcast_to(item, (groups * channels,)).reshape(groups, 1, channels) for item in (found.scale, found.shift))
        weights = self.weights * scale[..., None].astype(self.weights.dtype)
        moved = (self.weights.sum(axis=3, dtype=np.float64) * shift).sum(axis=2) if np.any(shift) else np.zeros((groups, maps))
        return self._replace(weights=weights, bias=self.bias + moved.reshape(-1))


def linear(graph: Graph, index: int) -> Linear | Miss:
    """The parameters of a Conv, ConvTranspose or Gemm; a :class:`Miss` when they are computed."""
    node = graph.nodes[index]
    weights = constant(graph, node.input[1])
    given = len(node.input) > 2 and node.input[2]
    bias = constant(graph, node.input[2]) if given else None
    if weights is None or (given and bias is None) or weights.dtype.kind != "f" or weights.ndim < 2:
        return Miss("its weights are computed")
    wide = weights.astype(np.float32) if weights.dtype == np.float16 else weights
    groups = attribute(node, "group", 1) if node.op_type != "Gemm" else 1
    if node.op_type == "Gemm":
        matrix = wide if attribute(node, "transB", 0) else wide.T
        factor = attribute(node, "alpha", 1.0)
        parts = (matrix if factor == 1 else matrix * np.asarray(factor, wide.dtype))[None, :, :, None]
    else:
        parts = wide.reshape(groups, wide.shape[0] // groups, wide.shape[1], -1)
        parts = parts.swapaxes(1, 2) if node.op_type == "ConvTranspose" else parts
    maps = parts.shape[0] * parts.shape[1]
    share = attribute(node, "beta", 1.0) if node.op_type == "Gemm" else 1
    vector = np.zeros(maps) if bias is None else bias.astype(np.float64) * share
    return Linear(index, parts, vector, weights.dtype, weights.shape)


def put(build: Builder, found: Linear, source: str, output: str) -> Miss | None:
    """Add the node with its new parameters, reading ``source`` and making ``output``; a :class:`Miss` when they are out of range."""
    node = build.graph.nodes[found.number]
    parts = found.weights.swapaxes(1, 2) if node.op_type == "ConvTranspose" else found.weights
    if node.op_type == "Gemm":
        matrix = found.weights[0, :, :, 0]
        parts = matrix if attribute(node, "transB", 0) else matrix.T
    with np.errstate(over="ignore"):
        weights, bias = (item.astype(found.dtype, copy=False) for item in (parts.reshape(found.shape), found.bias))
    if not (np.all(np.isfinite(weights)) and np.all(np.isfinite(bias))):
        return Miss(f"the folded weights are out of the range of {found.dtype}")
    inputs = [source, build.tensor(weights), *([build.tensor(bias)] if np.any(bias) or len(node.input) > 2 else [])]
    if node.op_type == "Gemm":
        build.keep(node, inputs, [output], alpha=None, beta=None)
    else:
        build.keep(node, inputs, [output])
    return None
