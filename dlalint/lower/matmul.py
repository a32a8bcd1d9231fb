"""Matrix products. Source: onnx-tensorrt, the Gemm and MatMul importers, branches v5.0 to 10.1, and the builder's MatMulToConvTransform.

As a verbose TensorRT 10.3 build log shows, a product with a constant becomes a 1x1 convolution between two reshapes; its bias joins it.
``imported`` says what the importer of the release makes of the product before the builder converts it.
"""

from __future__ import annotations

from dlalint.graph import Dim, Shape, volume
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.elementwise import binary_layers, by_constant, ranked

CONNECTED, PRODUCT = "FULLY_CONNECTED", "MATRIX_MULTIPLY"


def gemm(node: Context) -> None:
    """Up to 8.0 a fully connected layer, from 8.2 a convolution, when the weights are constant; else a product. Factors, and a sum."""
    factor, weights = node.op.get_float("alpha", 1.0), node.operand("i1").dims
    convertible = node.constant(1) and not node.op.get_int("transA") and weights is not None and len(weights) == 2
    joined = convertible and node.constant(2) and factor == 1
    added = node.has(2) and not joined
    target = "o0" if factor == 1 and not added else None
    if convertible and weights is not None:
        maps, depth = weights if node.op.get_int("transB") else weights[::-1]
        made = _connected(node, maps, depth, ("i1", "i2") if joined else ("i1",), _gemm_imported(node), target)
    else:
        made = node.layer("MATRIX_MULTIPLY", ("i0", "i1"), target or node.typed(node.shape("o0")))
    if factor != 1:
        made = by_constant(node, "PROD", made, None if added else "o0")
    if added:
        binary_layers(node, "SUM", made, _scaled_bias(node), suffix="[Bias]")


def _scaled_bias(node: Context) -> Ref:
    if node.op.get_float("beta", 1.0) == 1 or node.constant(2):
        return "i2"
    return by_constant(node, "PROD", "i2")


def _gemm_imported(node: Context) -> str:
    """Fully connected in 5.0, and from 7.2 to 8.0 without factors and with a vector as bias; in 5.1 to 7.1 only for three dimensions."""
    if node.trt < (5, 1):
        return CONNECTED
    plain = node.op.get_float("alpha", 1.0) == 1 and node.op.get_float("beta", 1.0) == 1
    vector = node.constant(2) and node.rank("i2") == 1 if node.has(2) else node.trt >= (8, 0)
    return CONNECTED if (7, 2) <= node.trt < (8, 2) and plain and vector and node.rank("i0") == 2 else PRODUCT


def matmul(node: Context) -> None:
    """A fully connected layer or convolution when the right factor is a constant matrix, else a matrix product."""
    weights = node.operand("i1").dims
    rank = node.rank("i0")
    flat = weights is not None and len(weights) >= 2 and volume(weights[:-2]) == 1
    if node.constant(1) and weights is not None and flat and rank is not None and _convertible(node, rank):
        _connected(node, weights[-1], weights[-2], ("i1",), _matmul_imported(node), "o0")
        return
    inputs = ("i0", "i1") if node.trt < (7, 0) or 1 in (rank, node.rank("i1")) else ranked(node, ("i0", "i1"))
    node.layer("MATRIX_MULTIPLY", inputs)


def _matmul_imported(node: Context) -> str:
    """Fully connected in 5.0, and from 7.1 to 8.2 for two matrices."""
    matrices = node.rank("i0") == 2 and node.rank("i1") == 2
    return CONNECTED if node.trt < (5, 1) or ((7, 1) <= node.trt < (8, 4) and matrices) else PRODUCT


def _convertible(node: Context, rank: int) -> bool:
    """Up to 8.2 the importer itself chooses a fully connected layer, for matrices only; later the builder converts."""
    return rank == 2 if node.trt < (8, 4) else rank >= 2


def _connected(node: Context, maps: int, depth: int, weights: tuple[Ref, ...], imported: str, output: Ref | None) -> Ref:
    rows = _rows(node.shape("i0"), depth)
    if node.trt < (8, 2) or (node.op.op_type == "MatMul" and node.trt < (8, 4)):
        kind = "FULLY_CONNECTED"
    else:
        kind = "CONVOLUTION"
    ones = (1, 1)
    before = node.reshape("i0", (*rows, depth, 1, 1) if rows is not None else None)
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
        product_rank=node.rank("i0"),
        imported=imported,
    )
    return node.reshape(made, node.shape("o0"), output)


def _rows(shape: Shape | None, depth: int) -> tuple[Dim] | None:
    """The leading dimensions of a matrix, or of a stack of them, as one batch; a free one leaves it open."""
    if not shape or (isinstance(shape[-1], int) and shape[-1] != depth):
        return None
    if len(shape) == 2:
        return (shape[0],)
    leading = tuple(dim for dim in shape[:-1] if isinstance(dim, int))
    return (volume(leading) if len(leading) == len(shape) - 1 else None,)


LOWERINGS: dict[str, Lowering] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": simple("EINSUM"),
}
