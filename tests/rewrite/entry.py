"""Models in ONNX's text form that begin with a convolution, so that the driver has multiplications to compare with."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import ModelProto

from .filled import filled


def shape(dims: Sequence[object], dtype: str = "float") -> str:
    """A type in the text form."""
    return f"{dtype}[{','.join(map(str, dims))}]"


def behind_conv(
    dims: Sequence[int], made: Sequence[object], body: str, constants: Sequence[str] = (), *, dtype: str = "float", opset: int = 17
) -> ModelProto:
    """A model whose ``body`` makes ``y`` of the shape ``made`` from ``t``, a convolution of the shape ``dims``."""
    weights = shape([dims[1], 1, 1, 1], dtype)
    values = ", ".join([f"{weights} w", *constants])
    text = f"g ({shape(dims, dtype)} x) => ({shape(made, dtype)} y) <{values}> {{ t = Conv<group={dims[1]}>(x, w) {body} }}"
    return filled(text, opset)


def ints(name: str, values: Sequence[int]) -> str:
    """An initializer of integers in the text form."""
    return f"int64[{len(values)}] {name} = {{{', '.join(map(str, values))}}}"
