"""Fields of real models changed, dropped, doubled and exchanged: still protobuf, no longer the same model."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

from onnx import ModelProto

from tests.hostile.corpus.broken import REAL
from tests.hostile.corpus.case import Case, conv

WORDS = ("", "x", "input", "Relu", "Conv", "Reshape", "Concat", "Constant", "If", "Loop", "DequantizeLinear", "\x1b[1m", "é", "a" * 5000)
NUMBERS = (0, 1, -1, 2, 3, 7, 16, 64, 8193, 1 << 31, (1 << 63) - 1, -(1 << 63))


def cases(source: random.Random) -> Iterator[Case]:
    """A hundred and twenty."""
    for _ in range(120):
        proto = ModelProto.FromString(source.choice(REAL).read_bytes()) if source.randrange(4) else conv()
        for _ in range(source.choice((1, 1, 2, 3, 8))):
            with contextlib.suppress(ValueError):  # a number that the field cannot hold
                _change(source, source.choice(list(messages(proto))))
        yield Case("changed", proto.SerializeToString())


def messages(proto: Any) -> Iterator[Any]:
    """``proto`` and every message inside of it."""
    pending = [proto]
    while pending:
        message = pending.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending.extend(value if field.is_repeated else [value])


def _change(source: random.Random, message: Any) -> None:
    found = message.ListFields()
    if not found:
        return
    field, value = source.choice(found)
    if field.is_repeated:
        _change_list(source, field, value)
    elif field.message_type is not None:
        message.ClearField(field.name)
    elif field.enum_type is not None:
        setattr(message, field.name, source.choice(list(field.enum_type.values_by_number)))
    else:
        setattr(message, field.name, _other(source, value))


def _change_list(source: random.Random, field: Any, value: Any) -> None:
    if not len(value):
        return
    at = source.randrange(len(value))
    how = source.choice(("drop", "repeat", "swap", "set", "clear"))
    items = list(value)
    if how == "drop":
        del items[at]
    elif how == "repeat":
        items.append(items[at])
    elif how == "swap":
        items[0], items[at] = items[at], items[0]
    elif how == "clear":
        items.clear()
    elif field.message_type is None:
        items[at] = _other(source, items[at])
    del value[:]
    value.extend(items)


def _other(source: random.Random, value: Any) -> Any:
    if isinstance(value, bytes):
        return source.choice((b"", b"SAME_UPPER", b"\xff\x00", value[:-1], value * 2))
    if isinstance(value, str):
        return source.choice(WORDS)
    if isinstance(value, float):
        return source.choice((0.0, -1.0, 0.5, 1e30, float("nan"), float("inf")))
    return source.choice(NUMBERS)
