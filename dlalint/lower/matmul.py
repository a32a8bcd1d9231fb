"""Matrix products. Source: onnx-tensorrt, the Gemm and MatMul importers, branches 5.1 to 10.1, and the builder's MatMulToConvTransform.

As a verbose TensorRT 10.3 build log shows, a product with a constant becomes a 1x1 convolution between two reshapes; its bias joins it.
"""

from __future__ import annotations

from dlalint.graph import Shape, volume
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.elementwise import binary_layers


def gemm(node: Context) -> None:
    """Up to 8.0 a fully connected layer, from 8.2 a convolution, when the weights are constant; else a product, factors and a sum."""
    alpha, beta = node.op.get_float("alpha", 1.0), node.op.get_float("beta", 1.0)
    bias_constant = not node.has(2) or node.constant(2)
    weights = node.operand("i1").dims
    if node.constant(1) and bias_constant and not node.op.get_int("transA") and weights is not None and len(weights) == 2:
        maps, depth = (weights[0], weights[1]) if node.op.get_int("transB") else (weights[1], weights[0])
        _connected(node, "i0", maps, depth, ("i1", "i2") if node.has(2) else ("i1",))
        return
    made = node.layer("MATRIX_MULTIPLY", ("i0", "i1"), "o0" if alpha == 1 and not node.has(2) else node.typed(node.shape("o0")))
    if alpha != 1:
        target = "o0" if not node.has(2) else node.typed(node.shape("o0"))
        made = node.layer("ELEMENTWISE", (made,), target, suffix="[Alpha]", op="PROD", constants=1, broadcast=False)
    if node.has(2):
        bias: Ref = "i2"
        if beta != 1:
            bias = node.layer(
                "ELEMENTWISE", ("i2",), node.typed(node.shape("i2")), suffix="[Beta]", op="PROD", constants=1, broadcast=False
            )
        binary_layers(node, "SUM", made, bias, "o0", suffix="[Bias]")


def matmul(node: Context) -> None:
    """A fully connected layer or convolution when the right factor is a constant matrix, else a matrix product."""
    weights = node.operand("i1").dims
    rank = node.rank("i0")
    flat = weights is not None and len(weights) >= 2 and volume(weights[:-2]) == 1
    if node.constant(1) and weights is not None and flat and rank is not None and _convertible(node, rank):
        _connected(node, "i0", weights[-1], weights[-2], ("i1",))
        return
    node.layer("MATRIX_MULTIPLY", ("i0", "i1"))


def _convertible(node: Context, rank: int) -> bool:
    """Up to 8.2 the importer itself chooses a fully connected layer, for matrices only; later the builder converts."""
    return rank == 2 if node.trt < (8, 4) else rank >= 2


def _connected(node: Context, source: Ref, maps: int, depth: int, weights: tuple[Ref, ...]) -> None:
    rows = _rows(node.shape(source), depth)
    if node.trt < (8, 2) or (node.op.op_type == "MatMul" and node.trt < (8, 4)):
        kind = "FULLY_CONNECTED"
    else:
        kind = "CONVOLUTION"
    ones = (1, 1)
    before = node.reshape(source, (*rows, depth, 1, 1) if rows is not None else None)
    made = node.layer(
        kind,
        (before, *weights),
        node.typed((*rows, maps, 1, 1) if rows is not None else None),
        kernel=ones,
        stride=ones,
        dilation=ones,
        pre_padding=(0, 0),
        post_padding=(0, 0),
        groups=1,
        maps=maps,
        spatial=2,
        weights_constant=True,
        product=True,
        product_rank=node.rank(source),
    )
    node.reshape(made, node.shape("o0"), "o0")


def _rows(shape: Shape | None, depth: int) -> tuple[int] | None:
    """The leading dimensions of a matrix (or a stack of them) as one batch."""
    if shape is None or not shape or any(not isinstance(dim, int) for dim in shape) or shape[-1] != depth:
        return None
    return (volume(tuple(dim for dim in shape[:-1] if isinstance(dim, int))),)


LOWERINGS: dict[str, Lowering] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": simple("EINSUM"),
}
