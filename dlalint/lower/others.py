"""Operators whose layers the DLA never runs, whatever their parameters: quantization, control flow, recurrence, random numbers, text."""

from __future__ import annotations

from dlalint.lower.context import Lowering, simple

LOWERINGS: dict[str, Lowering] = {
    "QuantizeLinear": simple("QUANTIZE"),
    "DequantizeLinear": simple("DEQUANTIZE"),
    "If": simple("CONDITION"),
    "Loop": simple("LOOP"),
    "Scan": simple("LOOP"),
    "LSTM": simple("RNN"),
    "GRU": simple("RNN"),
    "RNN": simple("RNN"),
    "Constant": simple("CONSTANT"),
    "ConstantOfShape": simple("FILL"),
    "Range": simple("FILL"),
    "RandomNormal": simple("FILL"),
    "RandomNormalLike": simple("FILL"),
    "RandomUniform": simple("FILL"),
    "RandomUniformLike": simple("FILL"),
    "Shape": simple("SHAPE"),
    "Size": simple("SHAPE"),
}
