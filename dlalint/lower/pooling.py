"""Pooling over windows and over whole maps. Source: onnx-tensorrt, poolingHelper and the GlobalPool importers, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, simple
from dlalint.lower.window import window
from dlalint.network import Param


def pool(op: str) -> Lowering:
    """MaxPool and AveragePool; one-dimensional ones between two shuffles."""

    def lower(node: Context) -> None:
        found = window(node, node.op.get_ints("kernel_shape"))
        exclusive = op == "AVERAGE" and not node.op.get_int("count_include_pad")
        if found.spatial == 1:
            wide = node.reshape("i0", _unsqueezed(node.shape("i0")))
            made = node.layer(
                "POOLING",
                (wide,),
                node.typed(_unsqueezed(node.shape("o0"))),
                op=op,
                window=_with(found.kernel, 1),
                stride=_with(found.stride, 1),
                pre_padding=_with(found.pre, 0),
                post_padding=_with(found.post, 0),
                exclusive=exclusive,
                spatial=2,
                dilated=_dilated(found.dilation),
            )
            node.reshape(made, node.shape("o0"), "o0")
            return
        node.layer(
            "POOLING",
            ("i0",),
            op=op,
            window=found.kernel,
            stride=found.stride,
            pre_padding=found.pre,
            post_padding=found.post,
            exclusive=exclusive,
            spatial=found.spatial,
            dilated=_dilated(found.dilation),
        )
        if len(node.outputs) > 1 and node.outputs[1] is not None:
            node.layer("PLUGIN", ("i0",), "o1", suffix="[Indices]", note="the indices of the maxima")

    return lower


def global_pool(op: str) -> Lowering:
    """A pooling over the whole map up to TensorRT 6, a reduction from 7.0."""

    def lower(node: Context) -> None:
        shape = node.shape("i0")
        if node.trt >= (7, 0) or shape is None:
            reduce_op = {"AVERAGE": "AVG", "MAX": "MAX"}[op]
            axes = tuple(range(2, len(shape))) if shape is not None else None
            node.layer("REDUCE", ("i0",), op=reduce_op, axes=axes, keep=True)
            return
        size = node.operand("i0").dims
        spatial = len(shape) - 2
        zeros = (0,) * spatial
        node.layer(
            "POOLING",
            ("i0",),
            op=op,
            window=size[2:] if size is not None else None,
            stride=(1,) * spatial,
            pre_padding=zeros,
            post_padding=zeros,
            exclusive=False,
            spatial=spatial,
            dilated=False,
        )

    return lower


def _unsqueezed(shape: Shape | None) -> Shape | None:
    return None if shape is None else (*shape, 1)


def _with(values: tuple[int, ...] | None, filler: int) -> tuple[int, ...] | None:
    return None if values is None else (*values, filler)


def _dilated(dilation: tuple[int, ...] | None) -> bool:
    return dilation is not None and any(step != 1 for step in dilation)


def _powers(node: Context) -> None:
    """Pooling with the p-norm: power, average, power."""
    made = node.layer("ELEMENTWISE", ("i0",), node.typed(node.shape("i0")), suffix="[Pow]", op="POW", constants=1)
    summed = node.layer(
        "POOLING" if node.op.op_type == "LpPool" else "REDUCE", (made,), node.typed(node.shape("o0")), op="AVERAGE", given=_lp(node)
    )
    node.layer("ELEMENTWISE", (summed,), suffix="[Pow]", op="POW", constants=1)


def _lp(node: Context) -> dict[str, Param]:
    found = window(node, node.op.get_ints("kernel_shape"))
    return {
        "window": found.kernel,
        "stride": found.stride,
        "pre_padding": found.pre,
        "post_padding": found.post,
        "exclusive": False,
        "spatial": found.spatial,
        "dilated": False,
    }


LOWERINGS: dict[str, Lowering] = {
    "MaxPool": pool("MAX"),
    "AveragePool": pool("AVERAGE"),
    "GlobalAveragePool": global_pool("AVERAGE"),
    "GlobalMaxPool": global_pool("MAX"),
    "LpPool": _powers,
    "GlobalLpPool": simple("REDUCE", op="NORM", keep=True),
    "RoiAlign": simple("PLUGIN", note="RoiAlign"),
}
