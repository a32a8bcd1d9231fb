"""Reductions, arg-reductions and sorting. Source: onnx-tensorrt, reduceTensor and the TopK importers, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.lower.context import Context, Lowering, simple
from dlalint.network import Param


def reduce(op: str) -> Lowering:
    """One reduce layer over the axes given as attribute or constant input, over all when none are."""

    def lower(node: Context) -> None:
        _reduce(node, op, "i0", "o0")

    return lower


def composed(op: str, before: str, after: str) -> Lowering:
    """A reduction with a unary or elementwise layer before or after it: norms and logarithms of sums."""

    def lower(node: Context) -> None:
        source = "i0"
        if before:
            kind, name = before.split(".")
            inputs = ("i0", "i0") if name == "PROD" else ("i0",)
            extra: dict[str, Param] = {"constants": 0, "broadcast": False} if kind == "ELEMENTWISE" else {}
            source = node.layer(kind, inputs, node.typed(node.shape("i0")), suffix=f"[{name.title()}]", op=name, given=extra)
        made = _reduce(node, op, source, None if after else "o0")
        if after:
            kind, name = after.split(".")
            node.layer(kind, (made,), suffix=f"[{name.title()}]", op=name)

    return lower


def _reduce(node: Context, op: str, source: str, output: str | None) -> str:
    axes = _axes(node)
    made = output if output is not None else node.typed(node.shape("o0"))
    return node.layer("REDUCE", (source,), made, op=op, axes=axes, keep=bool(node.op.get_int("keepdims", 1)))


def _axes(node: Context) -> tuple[int, ...] | None:
    rank = node.rank("i0")
    given = node.ints(1) if node.has(1) else node.op.get_ints("axes")
    if rank is None or (node.has(1) and given is None):
        return None
    if not given:
        return () if node.op.get_int("noop_with_empty_axes") else tuple(range(rank))
    return tuple(sorted(axis + rank if axis < 0 else axis for axis in given))


LOWERINGS: dict[str, Lowering] = {
    "ReduceMean": reduce("AVG"),
    "ReduceMax": reduce("MAX"),
    "ReduceMin": reduce("MIN"),
    "ReduceSum": reduce("SUM"),
    "ReduceProd": reduce("PROD"),
    "ReduceL1": composed("SUM", "UNARY.ABS", ""),
    "ReduceL2": composed("SUM", "ELEMENTWISE.PROD", "UNARY.SQRT"),
    "ReduceSumSquare": composed("SUM", "ELEMENTWISE.PROD", ""),
    "ReduceLogSum": composed("SUM", "", "UNARY.LOG"),
    "ReduceLogSumExp": composed("SUM", "UNARY.EXP", "UNARY.LOG"),
    "ArgMax": simple("TOPK"),
    "ArgMin": simple("TOPK"),
    "TopK": simple("TOPK"),
    "CumSum": simple("LOOP"),
    "NonMaxSuppression": simple("NMS"),
}
