"""Nodes that multiply each channel by a constant and add one: arithmetic with constants, and batch normalization."""

from __future__ import annotations

import numpy as np

from dlalint.graph import NUMPY_FLOATS
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Array, Graph, attribute


class Affine(NamedTuple):
    """The output of a node is ``source`` times ``scale`` plus ``shift``: float64, each one number or one a channel (the second axis)."""

    source: str
    scale: Array
    shift: Array


def affine(graph: Graph, index: int) -> Affine | Miss:
    """A Mul, Add, Sub or Div with a constant, a Neg, or a BatchNormalization with constant parameters."""
    node = graph.nodes[index]
    kind = graph.type(node.output[0])
    if kind is None or kind.dtype not in NUMPY_FLOATS or kind.shape is None or len(kind.shape) < 2:
        return Miss("its type is not a known one of floats and at least two dimensions")
    if node.op_type == "BatchNormalization":
        return _normalization(graph, index)
    if node.op_type == "Neg":
        return Affine(node.input[0], np.float64(-1), np.float64(0))
    return _arithmetic(graph, index)


def _arithmetic(graph: Graph, index: int) -> Affine | Miss:
    node = graph.nodes[index]
    place = 0 if graph.is_constant(node.input[0]) else 1
    source, values = node.input[1 - place], constant(graph, node.input[place])
    if values is None:
        return Miss("no operand is a constant with known elements")
    kind = graph.type(source)
    if kind is None or kind.shape is None or graph.type(node.output[0]) != kind:
        return Miss("the constant changes the shape")
    per_channel = _per_channel(values, len(kind.shape))
    if per_channel is None or per_channel.size not in (1, kind.shape[1]):
        return Miss("the constant is not one number, nor one for each channel")
    if not np.all(np.isfinite(per_channel)) or (node.op_type == "Div" and (place == 0 or not np.all(per_channel))):
        return Miss("it divides by zero or by what is computed, or its constant is not finite")
    one, zero = np.float64(1), np.float64(0)
    if node.op_type == "Mul":
        return Affine(source, per_channel, zero)
    if node.op_type == "Div":
        return Affine(source, 1 / per_channel, zero)
    if node.op_type == "Sub":
        return Affine(source, one, -per_channel) if place == 1 else Affine(source, -one, per_channel)
    return Affine(source, one, per_channel)


def _per_channel(values: Array, rank: int) -> Array | None:
    """``values`` as one number or a vector over the second of ``rank`` axes, if nothing else makes a difference."""
    if values.ndim > rank:
        return None
    found = values.astype(np.float64).reshape((1,) * (rank - values.ndim) + values.shape)
    for axis in range(rank):
        first: Array = found.take([0], axis) if found.shape[axis] else found
        if axis != 1 and not np.array_equal(np.broadcast_to(first, found.shape), found):
            return None
        found = first if axis != 1 else found
    return found.reshape(-1) if found.size > 1 else found.reshape(())


def _normalization(graph: Graph, index: int) -> Affine | Miss:
    node = graph.nodes[index]
    if any(node.output[1:]) or attribute(node, "training_mode", 0):
        return Miss("it is in training mode")
    if graph.opset < 9 and not attribute(node, "spatial", 1):
        return Miss("it normalizes each element alone")
    found = [constant(graph, name) for name in node.input[1:5]]
    parameters = [item.astype(np.float64) for item in found if item is not None]
    if len(parameters) < 4:
        return Miss("a parameter is computed")
    gain, bias, mean, variance = parameters
    if np.any(variance < 0):
        return Miss("a variance is negative")
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = gain / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        shift = bias - mean * scale
    if not np.all(np.isfinite(scale)) or not np.all(np.isfinite(shift)):
        return Miss("a parameter is not finite, or a variance is zero")
    return Affine(node.input[0], scale, shift)
