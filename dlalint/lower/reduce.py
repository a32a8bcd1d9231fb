"""Reductions, arg-reductions and sorting. Source: onnx-tensorrt, reduceTensor and the TopK importers, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.elementwise import binary_layers, unary_layer


def reduce(op: str, before: str = "", after: str = "") -> Lowering:
    """One reduce layer, with a square or a unary layer before it and a unary layer after it for norms and logarithms of sums.

    Nothing but an identity, from 10.0, when no axes are given and noop_with_empty_axes is set.
    """

    def lower(node: Context) -> None:
        if node.trt >= (10, 0) and node.op.get_int("noop_with_empty_axes") and not _given(node) and not _computed(node):
            node.layer("IDENTITY", ("i0",))
            return
        source: Ref = "i0"
        if before == "SQUARE":
            source = binary_layers(node, "PROD", "i0", "i0", None, suffix="[Square]")
        elif before:
            source = unary_layer(node, before, "i0")
        output = node.typed(node.shape("o0")) if after else "o0"
        suffix = "[Reduce]" if before or after else ""
        keep = bool(node.op.get_int("keepdims", 1))
        made = node.layer("REDUCE", (source,), output, suffix=suffix, op=op, axes=_axes(node), keep=keep)
        if after:
            unary_layer(node, after, made, "o0")

    return lower


def _reads_input(node: Context) -> bool:
    """Whether the importer looks at axes given as an input."""
    if node.op.op_type in ("ReduceSum", "ReduceLogSum"):
        return node.trt >= (8, 0)
    return node.trt >= (10, 0)


def _given(node: Context) -> tuple[int, ...] | None:
    """The axes of the attribute, else those of a constant input."""
    attribute = node.op.get_ints("axes")
    return node.ints(1) if attribute is None and _reads_input(node) else attribute


def _computed(node: Context) -> bool:
    """Whether the axes are only known to the network."""
    return node.op.get_ints("axes") is None and _reads_input(node) and node.has(1) and node.ints(1) is None


def _axes(node: Context) -> tuple[int, ...] | None:
    """The reduced axes; all when none are given."""
    rank = node.rank("i0")
    if rank is None or _computed(node):
        return None
    given = _given(node)
    return tuple(sorted({axis + rank if axis < 0 else axis for axis in given})) if given else tuple(range(rank))


LOWERINGS: dict[str, Lowering] = {
    "ReduceMean": reduce("AVG"),
    "ReduceMax": reduce("MAX"),
    "ReduceMin": reduce("MIN"),
    "ReduceSum": reduce("SUM"),
    "ReduceProd": reduce("PROD"),
    "ReduceL1": reduce("SUM", "ABS"),
    "ReduceL2": reduce("SUM", "SQUARE", "SQRT"),
    "ReduceSumSquare": reduce("SUM", "SQUARE"),
    "ReduceLogSum": reduce("SUM", "", "LOG"),
    "ReduceLogSumExp": reduce("SUM", "EXP", "LOG"),
    "ArgMax": simple("TOPK"),
    "ArgMin": simple("TOPK"),
    "TopK": simple("TOPK"),
    "CumSum": simple("LOOP"),
    "NonMaxSuppression": simple("NMS"),
}
