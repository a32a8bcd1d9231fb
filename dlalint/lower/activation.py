"""Activations and softmax. Source: onnx-tensorrt, activationHelper, addSoftmax and the Clip, PRelu and HardSwish importers, 5.1 to 10.1."""

from __future__ import annotations

from dlalint.lower.context import Context, Lowering, simple
from dlalint.lower.elementwise import binary_layers

FLOAT_MAX = 3.4028234663852886e38


def activation(op: str) -> Lowering:
    """One activation layer."""

    def lower(node: Context) -> None:
        node.layer("ACTIVATION", ("i0",), op=op)

    return lower


def leaky_relu(node: Context) -> None:
    """LeakyRelu."""
    node.layer("ACTIVATION", ("i0",), op="LEAKY_RELU", alpha=node.op.get_float("alpha", 0.01))


def clip(node: Context) -> None:
    """An activation with the bounds as alpha and beta; from 8.0 max and min layers when a bound is computed or the data are integers."""
    kind = node.operand("i0").type
    integers = kind is not None and kind.dtype.startswith(("int", "uint"))
    bounds_known = all(node.constant(index) for index in (1, 2) if node.has(index))
    if node.trt >= (8, 0) and (integers or not bounds_known):
        made = "i0"
        given = [index for index in (1, 2) if node.has(index)]
        for index in given:
            last = index == given[-1]
            op = "MAX" if index == 1 else "MIN"
            made = binary_layers(node, op, made, f"i{index}", "o0" if last else None)
        if not given:
            node.layer("IDENTITY", ("i0",))
        return
    if node.opset >= 11:
        low, high = _bound(node, 1, -FLOAT_MAX), _bound(node, 2, FLOAT_MAX)
    else:
        low, high = node.op.get_float("min", -FLOAT_MAX), node.op.get_float("max", FLOAT_MAX)
    node.layer("ACTIVATION", ("i0",), op="CLIP", alpha=low, beta=high)


def _bound(node: Context, index: int, default: float) -> float | None:
    if not node.has(index):
        return default
    items = node.items(index)
    return float(items[0]) if items else None


def prelu(node: Context) -> None:
    """ParametricReLU with its slope brought to the rank of the input; a plugin in 5.1."""
    if node.trt < (6, 0):
        node.layer("PLUGIN", ("i0", "i1"), note="PRelu")
        return
    node.layer(
        "PARAMETRIC_RELU",
        ("i0", "i1"),
        slope_constant=node.constant(1),
        slope_rank=node.rank("i0") if node.trt >= (7, 0) else node.rank("i1"),
    )


def hard_swish(node: Context) -> None:
    """HardSigmoid times the input."""
    gate = node.layer("ACTIVATION", ("i0",), node.typed(node.shape("i0")), suffix="[Activation]", op="HARD_SIGMOID")
    node.layer("ELEMENTWISE", ("i0", gate), op="PROD", broadcast=False, constants=0)


def softmax(node: Context) -> None:
    """SoftMax on its axis from 7.2 with operator set 13; before, and with older sets, on a matrix between two shuffles."""
    if node.op.op_type == "LogSoftmax":
        made = _softmax(node, None)
        node.layer("UNARY", (made,), suffix="[Unary]", op="LOG")
    elif node.op.op_type == "Hardmax":
        made = node.layer("TOPK", ("i0",), node.typed(node.shape("i0")), suffix="[TopK]")
        node.layer("PLUGIN", (made,), suffix="[Hardmax]", note="Hardmax")
    else:
        _softmax(node, "o0")


def _softmax(node: Context, output: str | None) -> str:
    rank = node.rank("i0")
    default = -1 if node.opset >= 13 else 1
    axis = node.op.get_int("axis", default)
    made = node.typed(node.shape("i0"), "i0")
    if node.opset >= 13 and node.trt >= (7, 2):
        resolved = axis + rank if rank is not None and axis < 0 else axis
        return node.layer("SOFTMAX", ("i0",), output if output is not None else made, axis=resolved)
    flat = node.reshape("i0", _flattened(node, axis))
    hot = node.layer("SOFTMAX", (flat,), node.typed(_flattened(node, axis), "i0"), axis=1)
    return node.reshape(hot, node.shape("i0"), output)


def _flattened(node: Context, axis: int) -> tuple[int, int] | None:
    dims = node.operand("i0").dims
    if dims is None:
        return None
    split = axis + len(dims) if axis < 0 else axis
    before = after = 1
    for dim in dims[:split]:
        before *= dim
    for dim in dims[split:]:
        after *= dim
    return before, after


def _chain(*steps: str) -> Lowering:
    """Activations that TensorRT composes of unary and elementwise layers."""

    def lower(node: Context) -> None:
        made = "i0"
        for index, step in enumerate(steps):
            kind, op = step.split(".")
            target = "o0" if index == len(steps) - 1 else node.typed(node.shape("i0"), "i0")
            inputs = (made, "i0") if kind == "ELEMENTWISE" and made != "i0" else (made,)
            made = node.layer(kind, inputs, target, suffix="" if index == len(steps) - 1 else f"[{index}]", op=op)

    return lower


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
    "Celu": _chain("UNARY.EXP", "ELEMENTWISE.MAX"),
    "Gelu": activation("GELU_ERF"),
    "Mish": _chain("ACTIVATION.SOFTPLUS", "ACTIVATION.TANH", "ELEMENTWISE.PROD"),
    "Shrink": simple("PLUGIN", note="Shrink"),
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Hardmax": softmax,
}
