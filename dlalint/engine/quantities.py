"""The quantities of tensors, convolutions, poolings and activations that limits are held against."""

from __future__ import annotations

from typing import Any

from dlalint.engine.registry import SKIP, quantity
from dlalint.graph import TensorType, shape_in_words, volume
from dlalint.network import LayerSpec
from dlalint.target import Target

COMPARISONS = frozenset({"EQUAL", "GREATER", "LESS"})


def param(name: str, *keys: str) -> None:
    """Register the parameter ``keys[0]`` of a layer as it is; several keys are joined to one tuple."""

    def measure(spec: LayerSpec, _: Target) -> Any:
        if len(keys) == 1:
            return spec.params.get(keys[0])
        joined: list[Any] = []
        for key in keys:
            value = spec.params.get(key)
            if value is None:
                return None
            joined.extend(value if isinstance(value, tuple) else (value,))
        return tuple(joined)

    quantity(name)(measure)


param("conv.kernel", "kernel")
param("conv.stride", "stride")
param("conv.dilation", "dilation")
param("conv.padding", "pre_padding", "post_padding")
param("conv.maps", "maps")
param("conv.groups", "groups")
param("conv.spatial", "spatial")
param("conv.weights_constant", "weights_constant")
param("deconv.kernel", "kernel")
param("deconv.stride", "stride")
param("deconv.dilation", "dilation")
param("deconv.padding", "pre_padding", "post_padding")
param("deconv.maps", "maps")
param("deconv.groups", "groups")
param("deconv.spatial", "spatial")
param("fc.maps", "maps")
param("fc.imported", "imported")
param("pooling.types", "op")
param("pooling.window", "window")
param("pooling.stride", "stride")
param("pooling.padding", "pre_padding", "post_padding")
param("pooling.spatial", "spatial")
param("pooling.dilated", "dilated")
param("scale.spatial", "spatial")
param("lrn.window", "window")
param("activation.types", "op")
param("unary.operations", "op")
param("reduce.operations", "op")
# for messages
param("kernel", "kernel")
param("stride", "stride")
param("padding", "pre_padding", "post_padding")
param("scales", "scales")
param("axis", "axis")


def _tensors(spec: LayerSpec) -> list[TensorType | None]:
    """The types of inputs and outputs; a constant input is ``None`` here, for it lies in the loadable."""
    return [None if operand.constant else operand.type for operand in spec.inputs] + list(spec.outputs)


def first_data(spec: LayerSpec) -> TensorType | None:
    """The type of the first computed input, else of the first output."""
    data = spec.data
    if data:
        return data[0].type
    return spec.outputs[0] if spec.outputs else None


def effective_batch(found: TensorType | None) -> int | None:
    """The batch as the DLA counts it: the product of all dimensions but the last three. Source: TensorRT 8.4 guide, section 12."""
    if found is None or found.dims is None:
        return None
    return volume(found.dims[:-3])


@quantity("layer.kinds")
def _kind(spec: LayerSpec, _: Target) -> Any:
    return SKIP if spec.kind in ("UNKNOWN", "MISSING") else spec.kind


@quantity("shape.dynamic", tensors=True)
def _dynamic(spec: LayerSpec, _: Target) -> Any:
    """Free dimensions only: a shape that could not be inferred at all is another finding."""
    inputs = tuple(None if operand.constant else operand.free for operand in spec.inputs)
    return inputs + tuple(None if kind is None or kind.shape is None else kind.dims is None for kind in spec.outputs)


@quantity("tensor.dtypes", tensors=True)
def _dtypes(spec: LayerSpec, _: Target) -> Any:
    compares = spec.kind == "ELEMENTWISE" and spec.params.get("op") in COMPARISONS
    kinds = _tensors(spec)
    if compares:  # its boolean output is the comparison's own matter
        kinds = kinds[: len(spec.inputs)]
    return tuple(None if kind is None or kind.dtype == "undefined" else kind.dtype for kind in kinds)


@quantity("tensor.size", tensors=True)
def _sizes(spec: LayerSpec, _: Target) -> Any:
    return tuple(_largest(kind) for kind in _tensors(spec))


def _largest(kind: TensorType | None) -> int | None:
    if kind is None or not kind.dims:
        return None
    return max(kind.dims[-3:])


@quantity("batch.size")
def _batch(spec: LayerSpec, _: Target) -> Any:
    found = [effective_batch(kind) for kind in _tensors(spec)]
    known = [batch for batch in found if batch is not None]
    return max(known) if known else None


@quantity("conv.padding_over_kernel")
def _padding_over_kernel(spec: LayerSpec, _: Target) -> Any:
    """By how much the padding exceeds the largest one allowed, the kernel less one; 0 or less is within."""
    kernel, pre, post = (_ints(spec, name) for name in ("kernel", "pre_padding", "post_padding"))
    if kernel is None or pre is None or post is None:
        return None
    return tuple(pad - size + 1 for pads in (pre, post) for pad, size in zip(pads, kernel, strict=True))


def _ints(spec: LayerSpec, name: str) -> tuple[int, ...] | None:
    value = spec.params.get(name)
    return tuple(int(item) for item in value) if isinstance(value, tuple) else None


@quantity("conv.channels")
def _conv_channels(spec: LayerSpec, _: Target) -> Any:
    return _channels(spec)


@quantity("deconv.channels")
def _deconv_channels(spec: LayerSpec, _: Target) -> Any:
    return _channels(spec)


def _channels(spec: LayerSpec) -> int | None:
    dims = spec.inputs[0].dims
    return dims[1] if dims is not None and len(dims) > 1 else None


@quantity("deconv.kernel_size")
def _kernel_size(spec: LayerSpec, _: Target) -> Any:
    return _joined(spec.params.get("kernel"))


@quantity("deconv.stride_size")
def _stride_size(spec: LayerSpec, _: Target) -> Any:
    return _joined(spec.params.get("stride"))


def _joined(value: object) -> str | None:
    return "x".join(str(item) for item in value) if isinstance(value, tuple) else None


@quantity("deconv.square")
def _square(spec: LayerSpec, _: Target) -> Any:
    found = []
    for name in ("kernel", "stride"):
        value = spec.params.get(name)
        if not isinstance(value, tuple):
            return None
        found.append(value[0] if len(set(value)) == 1 else None)
    return tuple(found)


@quantity("deconv.stride_over_kernel")
def _stride_over_kernel(spec: LayerSpec, _: Target) -> Any:
    kernel, stride = _ints(spec, "kernel"), _ints(spec, "stride")
    if kernel is None or stride is None:
        return None
    return tuple(step - size for step, size in zip(stride, kernel, strict=True))


@quantity("pooling.exclusive_padding")
def _exclusive_padding(spec: LayerSpec, _: Target) -> Any:
    pre, post = spec.params.get("pre_padding"), spec.params.get("post_padding")
    if not spec.params.get("exclusive"):
        return False
    if not isinstance(pre, tuple) or not isinstance(post, tuple):
        return None
    return any(pre) or any(post)


@quantity("activation.clip_low")
def _clip_low(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("alpha") if spec.params.get("op") == "CLIP" else SKIP


@quantity("activation.clip_high")
def _clip_high(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("beta") if spec.params.get("op") == "CLIP" else SKIP


@quantity("prelu.slope_constant")
def _slope_constant(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("slope_constant")


@quantity("prelu.slope_rank")
def _slope_rank(spec: LayerSpec, _: Target) -> Any:
    rank, wanted = spec.params.get("slope_rank"), spec.inputs[0].rank
    return None if rank is None or wanted is None else rank == wanted


@quantity("elementwise.operations")
def _operation(spec: LayerSpec, _: Target) -> Any:
    return SKIP if spec.params.get("op") in COMPARISONS else spec.params.get("op")


@quantity("comparison.operations")
def _comparison(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("op") if spec.params.get("op") in COMPARISONS else SKIP


@quantity("comparison.device")
def _comparison_device(spec: LayerSpec, _: Target) -> Any:
    return True if spec.params.get("op") in COMPARISONS else SKIP


@quantity("elementwise.constants")
def _constants(spec: LayerSpec, _: Target) -> Any:
    return sum(operand.constant for operand in spec.inputs) or spec.params.get("constants", 0)


@quantity("elementwise.broadcast")
def _broadcast(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("broadcast", False)


@quantity("operands")
def _operands(spec: LayerSpec, _: Target) -> Any:
    shapes = [operand.type.shape for operand in spec.inputs if operand.type is not None]
    return " and ".join(shape_in_words(shape) for shape in shapes if shape is not None)
