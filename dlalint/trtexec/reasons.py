"""What TensorRT's own messages say about a limit: the limit's name in the rule data, and the value that the message states."""

from __future__ import annotations

import re

from dlalint.finding import LimitValue
from dlalint.named_tuple import NamedTuple

# the message, the limit, and what it states: a number in it, a word that the limit's list must not have, or a fixed value
_NUMBERS = (
    (re.compile(r"Dimension: \d{1,4} \(\d{1,12}\) exceeds maximum allowed size for DLA: (\d{1,9})"), "tensor.size"),
    (re.compile(r"[Bb]atch size .{0,200} exceeds max batch size allowed of (\d{1,9})"), "batch.size"),
    (re.compile(r"DLA supports only (\d{1,4}) subgraphs per DLA core"), "loadables.max"),
    (re.compile(r"only supports slicing (\d{1,2}) dimensional tensors"), "slice.rank"),
)
_WORDS = (
    (re.compile(r"DLA cores do not support ([A-Z_]{2,20}) ElementWise operation"), "elementwise.operations"),
    (re.compile(r"DLA cores do not support ([A-Z_]{2,20}) Reduce operation"), "reduce.operations"),
    (re.compile(r"Unary operation: ([A-Z_]{2,20}) is not supported on DLA"), "unary.operations"),
    (re.compile(r"ActivationType = ([A-Z_]{2,30})\) not supported for DLA"), "activation.types"),
)
_FIXED: tuple[tuple[str, str, LimitValue], ...] = (
    ("Concatenation on DLA requires at least two inputs", "concat.inputs", 2),
    ("only supports concatenation on the C dimension", "concat.axis", 3),
    ("does not support out-of-bounds slice operation", "slice.modes", ("DEFAULT",)),
    ("does not support reshape layers directly connected to Slice or Concat", "reshape.beside", False),
    ("does not support dynamic shape", "shape.dynamic", False),
    ("only supports FP16 and Int8 precision type", "tensor.dtypes", ("float16", "float32", "float64", "int8")),
)
_KINDS = (("MatMul is unsupported on DLA", "MATRIX_MULTIPLY"),)


class Stated(NamedTuple):
    """What a message says of a limit: its ``value``, or a ``word`` that is not in its list. For ``layer.kinds`` the word is a kind."""

    limit: str
    value: LimitValue | None
    word: str = ""


def stated(message: str) -> Stated | None:
    """What ``message`` says of a limit; ``None`` when it names none."""
    for pattern, limit in _NUMBERS:
        found = pattern.search(message)
        if found:
            return Stated(limit, int(found[1]))
    for pattern, limit in _WORDS:
        found = pattern.search(message)
        if found:
            return Stated(limit, None, found[1])
    for text, limit, value in _FIXED:
        if text in message:
            return Stated(limit, value)
    return next((Stated("layer.kinds", None, kind) for text, kind in _KINDS if text in message), None)
