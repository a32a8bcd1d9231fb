"""Arithmetic, comparison, logic, unary operators. Source: onnx-tensorrt, elementwiseHelper, broadcastTensors, unaryHelper, 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape, TensorType
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.network import Param


def binary_layers(node: Context, op: str, left: Ref, right: Ref, output: Ref | None = "o0", *, suffix: str = "") -> Ref:
    """One elementwise layer; the operand of lower rank is brought to the other's by a shuffle when it is not a constant."""
    left, right = _ranked(node, left, right), _ranked(node, right, left)
    shape = _broadcast(node.shape(left), node.shape(right))
    constants = sum(node.operand(ref).constant for ref in (left, right))
    made: Ref | TensorType = output if output is not None else node.typed(shape, left)
    return node.layer(
        "ELEMENTWISE", (left, right), made, suffix=suffix, op=op, constants=constants, broadcast=_broadcasts(node, left, right)
    )


def _ranked(node: Context, ref: Ref, other: Ref) -> Ref:
    rank, wanted = node.rank(ref), node.rank(other)
    shape = node.shape(ref)
    if rank is None or wanted is None or shape is None or rank >= wanted or node.operand(ref).constant:
        return ref
    return node.reshape(ref, (1,) * (wanted - rank) + shape)


def _broadcast(left: Shape | None, right: Shape | None) -> Shape | None:
    if left is None or right is None:
        return None
    rank = max(len(left), len(right))
    left, right = (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))


def _broadcasts(node: Context, left: Ref, right: Ref) -> bool:
    """Whether two computed operands have different shapes."""
    if node.operand(left).constant or node.operand(right).constant:
        return False
    return node.shape(left) != node.shape(right)


def binary(op: str) -> Lowering:
    """An operator of two inputs, or a chain of layers over more; of one input an identity."""

    def lower(node: Context) -> None:
        count = len(node.inputs)
        if count == 1:
            node.layer("IDENTITY", ("i0",))
            return
        made = "i0"
        for index in range(1, count):
            last = index == count - 1
            made = binary_layers(node, op, made, f"i{index}", "o0" if last else None, suffix="" if last else f"[{index}]")

    return lower


def mean(node: Context) -> None:
    """A sum, then a product with a constant."""
    if len(node.inputs) == 1:
        node.layer("IDENTITY", ("i0",))
        return
    made = "i0"
    for index in range(1, len(node.inputs)):
        made = binary_layers(node, "SUM", made, f"i{index}", None, suffix=f"[{index}]")
    node.layer("ELEMENTWISE", (made,), op="PROD", constants=1, broadcast=False)


def compare_or_equal(op: str) -> Lowering:
    """GreaterOrEqual and LessOrEqual: comparison, equality, and their disjunction."""

    def lower(node: Context) -> None:
        bools = TensorType("bool", node.shape("o0"))
        strict = node.layer("ELEMENTWISE", ("i0", "i1"), bools, suffix="[Compare]", op=op, given=_pair(node))
        equal = node.layer("ELEMENTWISE", ("i0", "i1"), bools, suffix="[Equal]", op="EQUAL", given=_pair(node))
        node.layer("ELEMENTWISE", (strict, equal), op="OR", constants=0, broadcast=False)

    return lower


def _pair(node: Context) -> dict[str, Param]:
    return {"constants": sum(node.constant(index) for index in (0, 1)), "broadcast": _broadcasts(node, "i0", "i1")}


def mod(node: Context) -> None:
    """Mod: division, floor, product, difference."""
    quotient = binary_layers(node, "DIV", "i0", "i1", None, suffix="[Div]")
    whole = node.layer("UNARY", (quotient,), node.typed(node.shape("o0"), "i0"), suffix="[Floor]", op="FLOOR")
    back = binary_layers(node, "PROD", whole, "i1", None, suffix="[Prod]")
    binary_layers(node, "SUB", "i0", back, "o0")


def unary(op: str) -> Lowering:
    """One unary layer."""

    def lower(node: Context) -> None:
        node.layer("UNARY", ("i0",), op=op)

    return lower


_UNARY = "Abs Neg Exp Log Sqrt Erf Ceil Floor Round Sign Not Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh"

LOWERINGS: dict[str, Lowering] = {
    **{name: unary(name.upper()) for name in _UNARY.split()},
    "Reciprocal": unary("RECIP"),
    "IsNaN": unary("ISNAN"),
    "IsInf": unary("ISINF"),
    "Add": binary("SUM"),
    "Sub": binary("SUB"),
    "Mul": binary("PROD"),
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
