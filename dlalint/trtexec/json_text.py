"""JSON as TensorRT writes it, element by element: cut ends lose only what is cut, sizes and depth are bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from dlalint.trtexec.observed import LogError

MAX_JSON = 1 << 25  # bytes of one document
MAX_VALUES = 4_000_000  # commas, as a measure of how many values
MAX_BRACKETS = 1_000_000

_BLANK = re.compile(r"[\s,]*")
_NO_NUMBER = re.compile(r"(:\s{0,8})[-+]?(?:nan|inf)\b")
_DECODER = json.JSONDecoder(strict=False)


def checked(text: str, path: str) -> str:
    """``text``, with what C++ prints for no number as null. Raises :class:`LogError` when it would take too much memory."""
    if len(text) > MAX_JSON or text.count(",") > MAX_VALUES or text.count("[") + text.count("{") > MAX_BRACKETS:
        raise LogError(
            f"the JSON is over a limit ({MAX_JSON >> 20} MiB, {MAX_VALUES} values)", where=path, cure="Cut it down.", code="E132"
        )
    return _NO_NUMBER.sub(r"\1null", text)


class Array:
    """Iterates over the elements of the array that starts at ``start``; then ``end`` and ``complete`` say where and how it ended."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.end = start
        self.complete = False

    def __iter__(self) -> Iterator[object]:
        text = self.text
        if not text.startswith("[", self.end):
            return
        at = self.end + 1
        while True:
            blank = _BLANK.match(text, at)
            at = blank.end() if blank else at
            if text.startswith("]", at):
                self.end, self.complete = at + 1, True
                return
            try:
                value, at = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                self.end = at
                return
            yield value


def value_at(text: str, start: int) -> object:
    """The value that starts at ``start``, ``None`` when it cannot be read."""
    try:
        return _DECODER.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
