"""The grid that a QuantizeLinear or DequantizeLinear node lays over a tensor: scale, zero point and the integers it may use.

Source: QuantizeLinear and DequantizeLinear of the ONNX operator definitions (10 to 25) and of onnxruntime's domain com.microsoft.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from dlalint.calibration.cache import STEPS
from dlalint.errors import DlalintError
from dlalint.graph import dtype_name
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Array, Graph, attribute

LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int32": (-(1 << 31), (1 << 31) - 1)}
_SYMMETRIC = (("int8", 0), ("uint8", 128), ("int32", 0))


class QuantizationError(DlalintError):
    """A model whose Q/DQ nodes cannot be made into scales of tensors (E150 to E159)."""

    default_code = "E150"


class Grid(NamedTuple):
    """``scale`` and ``zero`` (int64) have one element, one for each slice along ``axis``, or, with ``block``, one for each run of them.

    ``dtype`` is int8, uint8, or int32 (constants only). ``given`` says that the node names a zero point.
    """

    scale: Array
    zero: Array
    dtype: str
    axis: int
    block: int
    given: bool = True

    @property
    def per_tensor(self) -> bool:
        """Whether one scale holds for all elements."""
        return bool(self.scale.size == 1)

    @property
    def symmetric(self) -> bool:
        """Whether zero lies in the middle of the integers, so that INT8 of the DLA has the same values."""
        return all((self.dtype, int(zero)) in _SYMMETRIC for zero in self.zero.reshape(-1))

    @property
    def step(self) -> float:
        """The distance of two values, the largest one of a grid with several."""
        return float(self.scale.astype(np.float64).max())

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        low, high = LIMITS[self.dtype]
        scale = self.scale.astype(np.float64)
        return float((scale * (low - self.zero)).min()), float((scale * (high - self.zero)).max())

    @property
    def covering(self) -> float:
        """The scale of the symmetric INT8 grid that covers the same range: the step itself when this grid is symmetric."""
        return self.step if self.symmetric else max(map(abs, self.range)) / STEPS

    def same(self, other: Grid) -> bool:
        """Whether both lay the same values over a tensor."""
        alike = self.dtype == other.dtype and self.scale.size == other.scale.size and (self.per_tensor or self.axis == other.axis)
        return alike and bool((self.scale.reshape(-1) == other.scale.reshape(-1)).all() and (self.zero == other.zero).all())

    def dequantized(self, array: Array) -> Array:
        """The values that integers stand for, rounded as onnxruntime does: one product in float32."""
        whole = array.astype(np.int64) - self._over(self.zero, array.shape)
        made: Array = whole.astype(np.float32) * self._over(self.scale.astype(np.float32), array.shape)
        return made.astype(self.scale.dtype)

    def quantized(self, array: Array) -> Array:
        """The integers nearest to values, ties to even, within the limits."""
        low, high = LIMITS[self.dtype]
        ratio = array.astype(np.float32) / self._over(self.scale.astype(np.float32), array.shape)
        made: Array = np.clip(np.rint(ratio).astype(np.float64) + self._over(self.zero, array.shape), low, high).astype(self.dtype)
        return made

    def _over(self, values: Array, shape: tuple[int, ...]) -> Array:
        """``values`` (scales or zero points) so that they can be combined with a tensor of ``shape``."""
        if self.per_tensor:
            return values.reshape(-1)[0]  # type: ignore[no-any-return]
        if self.block:
            axis = self.axis % len(shape)
            return np.repeat(values, self.block, axis)[(slice(None),) * axis + (slice(shape[axis]),)]
        dims = [1] * len(shape)
        dims[self.axis] = -1
        return values.reshape(dims)


def grid(graph: Graph, index: int, made: str = "") -> Grid:
    """The grid of a Q or DQ node. ``made`` is the integer type that a DQ node without zero point reads, if it is known.

    Raises :class:`QuantizationError` when it is not known before the model runs, or no grid of 8 bits.
    """
    node = graph.nodes[index]
    names = [*node.input, "", ""][1:3]
    scale = constant(graph, names[0]) if names[0] else None
    zero = constant(graph, names[1]) if names[1] else None
    for name, what, found in ((names[0], "scale", scale), (names[1], "zero point", zero)):
        if found is None and (name or what == "scale"):
            what = f"the {what} {quoted(name)} is computed when the model runs"
            raise QuantizationError(what, where=label(graph, index), cure="Export the model with fixed scales.", code="E152")
    assert scale is not None
    dtype = str(zero.dtype) if zero is not None else _implied(graph, index) if node.op_type == "QuantizeLinear" else made or "int8"
    if dtype not in LIMITS or (dtype == "int32" and node.op_type == "QuantizeLinear"):
        cure = "The DLA computes in INT8 and FP16: quantize to int8 or uint8."
        what = f"it quantizes to {dtype}" if node.op_type == "QuantizeLinear" else f"it dequantizes {dtype}"
        raise QuantizationError(what, where=label(graph, index), cure=cure, code="E151")
    usable = scale.dtype.kind == "f" and scale.size and np.isfinite(scale).all() and (scale >= 0).all()
    if not usable or (zero is not None and zero.size != scale.size):
        raise QuantizationError("its scale is no positive number", where=label(graph, index), cure="Calibrate it again.", code="E158")
    zeros = np.zeros(scale.shape, np.int64) if zero is None else zero.astype(np.int64).reshape(scale.shape)
    block = attribute(node, "block_size", 0) if scale.ndim > 1 else 0
    return Grid(scale, zeros, dtype, attribute(node, "axis", 1), block, zero is not None)


def _implied(graph: Graph, index: int) -> str:
    """The type that a Q node without zero point makes."""
    stated = attribute(graph.nodes[index], "output_dtype", 0)
    return dtype_name(stated) if stated else dtype_name(TensorProto.UINT8)


def label(graph: Graph, index: int) -> str:
    """What a message calls a node."""
    node = graph.nodes[index]
    return f"{node.op_type} {quoted(node.name or next(iter(node.output), ''))}"
