"""Normalizations. Source: onnx-tensorrt, the BatchNormalization, LRN and InstanceNormalization importers and their like, 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, simple


def batch_normalization(node: Context) -> None:
    """A scale per channel; computed with elementwise layers when its parameters are not constants."""
    if not all(node.constant(index) for index in (1, 2, 3, 4)):
        _computed(node)
        return
    shape = node.shape("i0")
    if shape is None or len(shape) in (4, 5):
        node.layer("SCALE", ("i0",), mode="CHANNEL", power=False, spatial=len(shape) - 2 if shape is not None else None)
        return
    widened = _four(shape)
    source = node.reshape("i0", widened)
    made = node.layer("SCALE", (source,), node.typed(widened), mode="CHANNEL", power=False, spatial=2)
    node.reshape(made, node.shape("o0"), "o0")


def _four(shape: Shape) -> Shape:
    return shape + (1,) * (4 - len(shape)) if len(shape) < 4 else shape


def _computed(node: Context) -> None:
    made = node.layer("ELEMENTWISE", ("i4",), node.typed(node.shape("i4")), suffix="[Epsilon]", op="SUM", constants=1, broadcast=False)
    made = node.layer("UNARY", (made,), node.typed(node.shape("i4")), suffix="[Sqrt]", op="SQRT")
    centered = node.layer("ELEMENTWISE", ("i0", "i3"), node.typed(node.shape("i0")), suffix="[Sub]", op="SUB", constants=0, broadcast=True)
    made = node.layer("ELEMENTWISE", (centered, made), node.typed(node.shape("i0")), suffix="[Div]", op="DIV", constants=0, broadcast=True)
    made = node.layer("ELEMENTWISE", (made, "i1"), node.typed(node.shape("i0")), suffix="[Prod]", op="PROD", constants=0, broadcast=True)
    node.layer("ELEMENTWISE", (made, "i2"), op="SUM", constants=0, broadcast=True)


def lrn(node: Context) -> None:
    """Local response normalization across channels."""
    node.layer("LRN", ("i0",), window=node.op.get_int("size"), region="ACROSS_CHANNELS")


def instance_normalization(node: Context) -> None:
    """A plugin up to TensorRT 8.5, the normalization layer from 8.6."""
    node.layer("NORMALIZATION" if node.trt >= (8, 6) else "PLUGIN", ("i0",), note="InstanceNormalization")


def normalization(node: Context) -> None:
    """Layer and group normalization."""
    node.layer("NORMALIZATION", ("i0",), note=node.op.op_type)


LOWERINGS: dict[str, Lowering] = {
    "BatchNormalization": batch_normalization,
    "LRN": lrn,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": normalization,
    "GroupNormalization": normalization,
    "LpNormalization": simple("REDUCE", op="NORM", keep=True),
    "MeanVarianceNormalization": simple("REDUCE", op="AVG", keep=True),
}
