"""Arithmetic, comparison, logic, unary operators. Source: onnx-tensorrt, elementwiseHelper, broadcastTensors, unaryHelper, 5.1 to 10.1."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.graph import Shape, TensorType
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.scaling import mode_of_constant, scale


def binary_layers(node: Context, op: str, left: Ref, right: Ref, output: Ref | TensorType | None = "o0", *, suffix: str = "") -> Ref:
    """One elementwise layer; the operand of lower rank is brought to the other's by a shuffle when it is not a constant."""
    left, right = ranked(node, (left, right))
    shape = _broadcast(node.shape(left), node.shape(right))
    constants = sum(node.operand(ref).constant for ref in (left, right))
    made = output if output is not None else node.typed(shape, left)
    return node.layer(
        "ELEMENTWISE", (left, right), made, suffix=suffix, op=op, constants=constants, broadcast=_broadcasts(node, left, right)
    )


def by_constant(node: Context, op: str, ref: Ref, output: Ref | None = None) -> Ref:
    """An elementwise layer over a tensor and a constant that the importer adds."""
    made = output if output is not None else node.typed(node.shape(ref), ref)
    suffix = "" if output is not None else f"[{op.title()}]"
    return node.layer("ELEMENTWISE", (ref,), made, suffix=suffix, op=op, constants=1, broadcast=False)


def unary_layer(node: Context, op: str, ref: Ref, output: Ref | None = None) -> Ref:
    """A unary layer that makes an output of the node, or a tensor in between."""
    made = output if output is not None else node.typed(node.shape(ref), ref)
    return node.layer("UNARY", (ref,), made, suffix="" if output is not None else f"[{op.title()}]", op=op)


def ranked(node: Context, refs: Sequence[Ref]) -> tuple[Ref, ...]:
    """The tensors at the rank of the highest: computed ones of lower rank get ones in front by a shuffle."""
    ranks = [node.rank(ref) for ref in refs]
    wanted = max((rank for rank in ranks if rank is not None), default=0)
    return tuple(_raised(node, ref, wanted) for ref in refs)


def _raised(node: Context, ref: Ref, wanted: int) -> Ref:
    shape = node.shape(ref)
    if shape is None or len(shape) >= wanted or node.operand(ref).constant:
        return ref
    return node.reshape(ref, (1,) * (wanted - len(shape)) + shape)


def _broadcast(left: Shape | None, right: Shape | None) -> Shape | None:
    if left is None or right is None:
        return None
    rank = max(len(left), len(right))
    left, right = (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))


def _broadcasts(node: Context, left: Ref, right: Ref) -> bool | None:
    """Whether two computed operands have different shapes; ``None`` when that is not known."""
    if node.operand(left).constant or node.operand(right).constant:
        return False
    ours, theirs = node.shape(left), node.shape(right)
    if ours is None or theirs is None:
        return None
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a != b or a is None]
    if len(ours) != len(theirs) or any(isinstance(a, int) and isinstance(b, int) for a, b in pairs):
        return True
    return None if pairs else False


def binary(op: str) -> Lowering:
    """An operator of two inputs, or a chain of layers over more; of one input an identity."""

    def lower(node: Context) -> None:
        _chain(node, op, "o0")

    return lower


def _chain(node: Context, op: str, output: Ref | None) -> Ref:
    """The inputs combined one after the other, all at one rank."""
    inputs = tuple(f"i{index}" for index in range(len(node.inputs)) if node.has(index))
    if len(inputs) < 2:
        return node.layer("IDENTITY", inputs or ("i0",), output if output is not None else node.typed(node.shape("i0"), "i0"))
    made, *others = ranked(node, inputs)
    for index, other in enumerate(others, 1):
        last = index == len(others)
        suffix = "" if last and output is not None else f"[{index}]"
        made = binary_layers(node, op, made, other, output if last else None, suffix=suffix)
    return made


def scaled(op: str) -> Lowering:
    """A sum or product, which TensorRT 6 makes a scale layer when one operand is a constant per tensor, channel or element.

    That parser makes a scale layer of a power too, but the DLA takes neither form of it.
    """

    def lower(node: Context) -> None:
        if node.trt[0] == 6 and len(node.inputs) == 2 and node.constant(0) != node.constant(1):
            data, constant = ("i1", "i0") if node.constant(0) else ("i0", "i1")
            mode = mode_of_constant(node.operand(constant).dims, node.operand(data).dims)
            if mode is not None:
                scale(node, data, mode)
                return
        _chain(node, op, "o0")

    return lower


def mean(node: Context) -> None:
    """A sum, then a product with a constant."""
    by_constant(node, "PROD", _chain(node, "SUM", None), "o0")


def compare_or_equal(op: str) -> Lowering:
    """GreaterOrEqual and LessOrEqual: comparison, equality, and their disjunction."""

    def lower(node: Context) -> None:
        bools = TensorType("bool", node.shape("o0"))
        strict = binary_layers(node, op, "i0", "i1", bools, suffix="[Compare]")
        equal = binary_layers(node, "EQUAL", "i0", "i1", bools, suffix="[Equal]")
        binary_layers(node, "OR", strict, equal)

    return lower


def mod(node: Context) -> None:
    """The difference to the product with the quotient; with fmod and fractions, one rounded down or up, whichever is nearer to zero."""
    kind = node.operand("i0").type
    if not node.op.get_int("fmod"):
        _remainder(node, binary_layers(node, "FLOOR_DIV", "i0", "i1", None, suffix="[Div]"), "o0")
        return
    quotient = binary_layers(node, "DIV", "i0", "i1", None, suffix="[Div]")
    if kind is not None and kind.dtype.startswith("int"):
        _remainder(node, quotient, "o0")
        return
    rounded = [_remainder(node, unary_layer(node, op, quotient), None) for op in ("FLOOR", "CEIL")]
    node.layer("SELECT", (_not_negative(node, quotient), *rounded))


def _remainder(node: Context, quotient: Ref, output: Ref | None) -> Ref:
    product = binary_layers(node, "PROD", "i1", quotient, None, suffix="[Prod]")
    return binary_layers(node, "SUB", "i0", product, output, suffix="" if output is not None else "[Sub]")


def _not_negative(node: Context, ref: Ref) -> Ref:
    bools = TensorType("bool", node.shape(ref))
    made = [
        node.layer("ELEMENTWISE", (ref,), bools, suffix=f"[{op.title()}]", op=op, constants=1, broadcast=False)
        for op in ("GREATER", "EQUAL")
    ]
    return node.layer("ELEMENTWISE", made, bools, suffix="[Or]", op="OR", constants=0, broadcast=False)


def is_nan(node: Context) -> None:
    """A comparison of the tensor with itself, inverted; one unary layer from 10.1."""
    if node.trt >= (10, 1):
        unary_layer(node, "ISNAN", "i0", "o0")
        return
    equal = binary_layers(node, "EQUAL", "i0", "i0", TensorType("bool", node.shape("i0")), suffix="[Equal]")
    unary_layer(node, "NOT", equal, "o0")


def is_inf(node: Context) -> None:
    """A unary layer; with one sign only, together with a comparison with 0."""
    negative, positive = node.op.get_int("detect_negative", 1), node.op.get_int("detect_positive", 1)
    if negative and positive:
        unary_layer(node, "ISINF", "i0", "o0")
        return
    bools = TensorType("bool", node.shape("i0"))
    op = "LESS" if negative else "GREATER"
    sign = node.layer("ELEMENTWISE", ("i0",), bools, suffix=f"[{op.title()}]", op=op, constants=1, broadcast=False)
    if negative or positive:
        other = node.layer("UNARY", ("i0",), bools, suffix="[Isinf]", op="ISINF")
    else:
        other = node.layer("ELEMENTWISE", ("i0",), bools, suffix="[Less]", op="LESS", constants=1, broadcast=False)
    binary_layers(node, "AND", sign, other)


def unary(op: str) -> Lowering:
    """One unary layer."""

    def lower(node: Context) -> None:
        unary_layer(node, op, "i0", "o0")

    return lower


_UNARY = "Abs Neg Exp Log Sqrt Erf Ceil Floor Round Sign Not Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh"

LOWERINGS: dict[str, Lowering] = {
    **{name: unary(name.upper()) for name in _UNARY.split()},
    "Reciprocal": unary("RECIP"),
    "IsNaN": is_nan,
    "IsInf": is_inf,
    "Add": scaled("SUM"),
    "Sub": binary("SUB"),
    "Mul": scaled("PROD"),
    "Div": binary("DIV"),
    "Pow": binary("POW"),
    "Max": binary("MAX"),
    "Min": binary("MIN"),
    "Sum": binary("SUM"),
    "Mean": mean,
    "Equal": binary("EQUAL"),
    "Greater": binary("GREATER"),
    "Less": binary("LESS"),
    "GreaterOrEqual": compare_or_equal("GREATER"),
    "LessOrEqual": compare_or_equal("LESS"),
    "And": binary("AND"),
    "Or": binary("OR"),
    "Xor": binary("XOR"),
    "Mod": mod,
    "Where": simple("SELECT"),
}
