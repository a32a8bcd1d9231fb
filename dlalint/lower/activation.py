"""Activations and softmax. Source: onnx-tensorrt, activationHelper, addSoftmax and the Clip, PRelu and HardSwish importers, 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import TensorType, volume
from dlalint.lower.context import Context, Lowering, Ref
from dlalint.lower.elementwise import binary_layers, by_constant, ranked, unary_layer

FLOAT_MAX = 3.4028234663852886e38


def activation(op: str) -> Lowering:
    """One activation layer."""

    def lower(node: Context) -> None:
        node.layer("ACTIVATION", ("i0",), op=op)

    return lower


def leaky_relu(node: Context) -> None:
    """LeakyRelu."""
    node.layer("ACTIVATION", ("i0",), op="LEAKY_RELU", alpha=node.op.get_float("alpha", 0.01))


def gelu(node: Context) -> None:
    """Gelu by the error function or by its approximation."""
    node.layer("ACTIVATION", ("i0",), op="GELU_TANH" if node.op.get_string("approximate") == "tanh" else "GELU_ERF")


def clip(node: Context) -> None:
    """An activation with the bounds as alpha and beta.

    From 8.0 a maximum and a minimum for integers, and when a bound is computed or left out by an empty name.
    """
    kind = node.operand("i0").type
    integers = kind is not None and kind.dtype.startswith(("int", "uint"))
    if node.trt >= (8, 0) and (integers or not all(node.constant(index) for index in range(1, len(node.inputs)))):
        _bounded(node, "MIN", _bounded(node, "MAX", "i0", 1, None), 2, "o0")
        return
    if node.opset >= 11:
        low, high = _bound(node, 1, -FLOAT_MAX), _bound(node, 2, FLOAT_MAX)
    else:
        low, high = node.op.get_float("min", -FLOAT_MAX), node.op.get_float("max", FLOAT_MAX)
    node.layer("ACTIVATION", ("i0",), op="CLIP", alpha=low, beta=high)


def _bounded(node: Context, op: str, ref: Ref, bound: int, output: Ref | None) -> Ref:
    """A maximum or minimum with the input ``bound``, or with a constant when that is left out."""
    if node.has(bound):
        return binary_layers(node, op, ref, f"i{bound}", output, suffix="" if output is not None else f"[{op.title()}]")
    return by_constant(node, op, ref, output)


def _bound(node: Context, index: int, default: float) -> float | None:
    if not node.has(index):
        return default
    items = node.items(index)
    return float(items[0]) if items else None


def prelu(node: Context) -> None:
    """ParametricReLU with a slope of the rank of its input."""
    slope = "i1" if node.trt < (7, 0) else ranked(node, ("i0", "i1"))[1]
    rank = node.rank("i0") if node.constant(1) else node.rank(slope)
    node.layer("PARAMETRIC_RELU", ("i0", slope), slope_constant=node.constant(1), slope_rank=rank)


def hard_swish(node: Context) -> None:
    """HardSigmoid times the input."""
    gate = _same(node, "HARD_SIGMOID", "i0")
    binary_layers(node, "PROD", "i0", gate)


def mish(node: Context) -> None:
    """The input times the hyperbolic tangent of its softplus."""
    gate = _same(node, "TANH", _same(node, "SOFTPLUS", "i0"))
    binary_layers(node, "PROD", "i0", gate)


def celu(node: Context) -> None:
    """The positive part plus the negative part of alpha * (exp(x / alpha) - 1); a power instead of the product before 8.4."""
    grown = unary_layer(node, "EXP", by_constant(node, "DIV", "i0"))
    positive = by_constant(node, "MAX", "i0")
    scaled = by_constant(node, "PROD" if node.trt >= (8, 4) else "POW", by_constant(node, "SUB", grown))
    binary_layers(node, "SUM", positive, by_constant(node, "MIN", scaled))


def shrink(node: Context) -> None:
    """Two selections, each between what is shifted towards zero and the rest."""
    bools = TensorType("bool", node.shape("i0"))
    made: Ref | None = None
    for compare, shift, output in (("GREATER", "SUB", None), ("LESS", "SUM", "o0")):
        side = node.layer("ELEMENTWISE", ("i0",), bools, suffix=f"[{compare.title()}]", op=compare, constants=1, broadcast=False)
        inputs = (side, by_constant(node, shift, "i0"), *((made,) if made is not None else ()))
        made = node.layer("SELECT", inputs, output if output is not None else node.typed(node.shape("i0"), "i0"))


def _same(node: Context, op: str, ref: Ref) -> Ref:
    return node.layer("ACTIVATION", (ref,), node.typed(node.shape(ref), ref), suffix=f"[{op.title()}]", op=op)


def softmax(node: Context) -> None:
    """SoftMax on its axis, or on a matrix between two shuffles.

    The matrix is for 7.0 and 7.1, and later for operator sets below 13. TensorRT 5 and 6 take the channels as they are, other axes
    between shuffles. The reshape to its own shape that follows from 7.2 on is erased, and left out here.
    """
    made, flat = _softmax(node, "o0")
    if flat:
        node.reshape(made, node.shape("i0"), "o0")


def log_softmax(node: Context) -> None:
    """SoftMax and its logarithm, before the reshape back."""
    made, flat = _softmax(node, None)
    made = unary_layer(node, "LOG", made, None if flat else "o0")
    if flat:
        node.reshape(made, node.shape("i0"), "o0")


def _softmax(node: Context, output: Ref | None) -> tuple[Ref, bool]:
    """The SoftMax, which makes ``output`` unless it works on a flattened tensor; and whether it does."""
    rank = node.rank("i0")
    modern = node.opset >= 13 and node.trt >= (7, 2)
    axis = node.op.get_int("axis", -1 if modern else 1)
    resolved = axis + rank if rank is not None and axis < 0 else axis
    if modern or (node.trt < (7, 0) and resolved == 1):
        made = output if output is not None else node.typed(node.shape("i0"), "i0")
        return node.layer("SOFTMAX", ("i0",), made, axis=resolved), False
    shape = _flattened(node, axis)
    return node.layer("SOFTMAX", (node.reshape("i0", shape),), node.typed(shape, "i0"), axis=1), True


def _flattened(node: Context, axis: int) -> tuple[int, int] | None:
    dims = node.operand("i0").dims
    if dims is None:
        return None
    split = axis + len(dims) if axis < 0 else axis
    return volume(dims[:split]), volume(dims[split:])


def hardmax(node: Context) -> None:
    """The largest element and a one-hot tensor, between what else it takes."""
    made = node.layer("TOPK", ("i0",), node.typed(node.shape("i0"), "i0"), suffix="[TopK]")
    node.layer("ONE_HOT", (made,))


LOWERINGS: dict[str, Lowering] = {
    "Relu": activation("RELU"),
    "Sigmoid": activation("SIGMOID"),
    "Tanh": activation("TANH"),
    "LeakyRelu": leaky_relu,
    "Clip": clip,
    "PRelu": prelu,
    "Elu": activation("ELU"),
    "Selu": activation("SELU"),
    "Softplus": activation("SOFTPLUS"),
    "Softsign": activation("SOFTSIGN"),
    "ThresholdedRelu": activation("THRESHOLDED_RELU"),
    "HardSigmoid": activation("HARD_SIGMOID"),
    "HardSwish": hard_swish,
    "Celu": celu,
    "Gelu": gelu,
    "Mish": mish,
    "Shrink": shrink,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "Hardmax": hardmax,
}
