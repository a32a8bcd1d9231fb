"""Operators whose layers the DLA never runs, whatever their parameters: quantization, control flow, recurrence, random numbers, text."""

from __future__ import annotations

from dlalint.lower.context import Lowering, simple


def _plugins(names: str, note: str) -> dict[str, Lowering]:
    return {name: simple("PLUGIN", note=note) for name in names.split()}


LOWERINGS: dict[str, Lowering] = {
    "QuantizeLinear": simple("QUANTIZE"),
    "DequantizeLinear": simple("DEQUANTIZE"),
    "DynamicQuantizeLinear": simple("QUANTIZE"),
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
    "Bernoulli": simple("FILL"),
    "Shape": simple("SHAPE"),
    "Size": simple("SHAPE"),
    **_plugins(
        "SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap SplitToSequence"
        " ConcatFromSequence Optional OptionalGetElement OptionalHasElement",
        "TensorRT has no sequences and no optional values",
    ),
    **_plugins(
        "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer ImageDecoder", "TensorRT reads no text and no pictures"
    ),
    **_plugins("DFT STFT MelWeightMatrix HannWindow HammingWindow BlackmanWindow", "TensorRT has no importer for signal operators"),
    **_plugins("Col2Im Multinomial BitCast", "TensorRT has no importer for it"),
    **_plugins("NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", "an operator of training"),
    **_plugins("LinearAttention CausalConvWithState", "TensorRT has no importer for it"),
}
