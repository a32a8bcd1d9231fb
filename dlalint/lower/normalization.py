"""Normalizations. Source: onnx-tensorrt, the BatchNormalization, LRN and InstanceNormalization importers and their like, 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape, TensorType
from dlalint.lower.context import Context, Lowering, Ref
from dlalint.lower.elementwise import binary_layers, by_constant, unary_layer
from dlalint.lower.scaling import scale


def batch_normalization(node: Context) -> None:
    """A scale per channel; elementwise layers when a parameter is computed, or from 7.0 to 8.4 not FP32."""
    parameters = [node.operand(f"i{index}") for index in (1, 2, 3, 4)]
    narrow = (7, 0) <= node.trt < (8, 5) and any(found.type is not None and found.type.dtype != "float32" for found in parameters)
    if narrow or not all(found.constant for found in parameters):
        _computed(node)
    else:
        scale(node, "i0", "CHANNEL")


def _computed(node: Context) -> None:
    """Scale * (x - mean) / sqrt(variance + epsilon) + bias; what hangs on constants alone is folded."""
    data = node.typed(node.shape("i0"), "i0")
    gain, bias, mean, variance = (_column(node, index) for index in (1, 2, 3, 4))
    centered = binary_layers(node, "SUB", "i0", mean, data, suffix="[Sub]")
    if node.constant(4):
        divided = by_constant(node, "DIV", centered)
    else:
        deviation = unary_layer(node, "SQRT", by_constant(node, "SUM", variance))
        divided = binary_layers(node, "DIV", centered, deviation, data, suffix="[Div]")
    grown = binary_layers(node, "PROD", gain, divided, data, suffix="[Prod]")
    binary_layers(node, "SUM", grown, bias)


def _column(node: Context, index: int) -> Ref:
    """A computed parameter of a channel each, at the rank of the data."""
    rank, shape = node.rank("i0"), node.shape(f"i{index}")
    if rank is None or rank < 2 or shape is None or node.constant(index):
        return f"i{index}"
    return node.reshape(f"i{index}", (1, *shape) + (1,) * (rank - 2))


def lrn(node: Context) -> None:
    """Local response normalization across channels."""
    node.layer("LRN", ("i0",), window=node.op.get_int("size"), region="ACROSS_CHANNELS")


def instance_normalization(node: Context) -> None:
    """A plugin up to TensorRT 8.6, where the layer is an option of the parser; the normalization layer from 10.0."""
    node.layer("NORMALIZATION" if node.trt >= (10, 0) else "PLUGIN", ("i0",), note="InstanceNormalization")


def normalization(node: Context) -> None:
    """Layer and group normalization."""
    node.layer("NORMALIZATION", ("i0",), note=node.op.op_type)


def lp_normalization(node: Context) -> None:
    """The data divided by their norm along an axis, where a norm of 0 counts as 1."""
    rank, axis, norm = node.rank("i0"), node.op.get_int("axis", -1), _normed(node)
    resolved = axis + rank if rank is not None and axis < 0 else axis
    absolute = node.op.get_int("p", 2) == 1
    before = unary_layer(node, "ABS", "i0") if absolute else binary_layers(node, "PROD", "i0", "i0", None, suffix="[Square]")
    size = node.layer("REDUCE", (before,), norm, suffix="[Reduce]", op="SUM", axes=(resolved,), keep=True)
    if not absolute:
        size = unary_layer(node, "SQRT", size)
    empty = node.layer("ELEMENTWISE", (size,), TensorType("bool", norm.shape), suffix="[Equal]", op="EQUAL", constants=1, broadcast=False)
    mask = node.layer("CAST" if node.trt >= (10, 0) else "IDENTITY", (empty,), norm, suffix="[Cast]", to=norm.dtype)
    binary_layers(node, "DIV", "i0", binary_layers(node, "SUM", size, mask, None, suffix="[Sum]"))


def _normed(node: Context) -> TensorType:
    """The type of what is reduced along the node's axis."""
    shape, axis = node.shape("i0"), node.op.get_int("axis", -1)
    if shape is None or not -len(shape) <= axis < len(shape):
        return node.typed(None, "i0")
    return node.typed((*shape[:axis], 1, *shape[axis:][1:]), "i0")


def mean_variance_normalization(node: Context) -> None:
    """The centered data divided by their standard deviation."""
    axes = node.op.get_ints("axes") or (0, 2, 3)
    means = node.typed(_reduced(node.shape("i0"), axes), "i0")
    mean = node.layer("REDUCE", ("i0",), means, suffix="[Mean]", op="AVG", axes=axes, keep=True)
    centered = binary_layers(node, "SUB", "i0", mean, None, suffix="[Sub]")
    squared = binary_layers(node, "PROD", centered, centered, None, suffix="[Square]")
    variance = node.layer("REDUCE", (squared,), means, suffix="[Variance]", op="AVG", axes=axes, keep=True)
    deviation = by_constant(node, "SUM", unary_layer(node, "SQRT", variance))
    binary_layers(node, "DIV", centered, deviation)


def _reduced(shape: Shape | None, axes: tuple[int, ...]) -> Shape | None:
    return None if shape is None else tuple(1 if axis in axes or axis - len(shape) in axes else dim for axis, dim in enumerate(shape))


LOWERINGS: dict[str, Lowering] = {
    "BatchNormalization": batch_normalization,
    "LRN": lrn,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": normalization,
    "GroupNormalization": normalization,
    "LpNormalization": lp_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
}
