"""How differences of tensors are reported, for all commands that compare numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlalint.errors import UsageError
from dlalint.graph import shape_in_words
from dlalint.report.layout import Row, Span, spans, table, wrapped

if TYPE_CHECKING:
    from dlalint.numeric import Difference, Tolerance

_SHOWN = 30  # tensors, unless everything is asked for
_HEADER = ["max abs", "max rel", "cosine", "rtol needed", "atol needed", "tensor"]
_LEGEND = (
    "max rel is the largest difference in units of the tensor's largest magnitude; an element x may be off by atol times that magnitude "
    "plus rtol times |x|. Needed is the smallest that would do if the other one stayed."
)


def tolerance(rtol: float, atol: float) -> Tolerance:
    """What ``--rtol`` and ``--atol`` say. Raises :class:`UsageError`."""
    from dlalint.numeric import Tolerance

    for option, value in (("--rtol", rtol), ("--atol", atol)):
        if not 0 <= value < math.inf:
            raise UsageError(f"{value} is no tolerance", where=option, cure="Give a number from 0.", code="E522")
    return Tolerance(rtol, atol)


def rows(found: Sequence[tuple[Difference, str, bool]], width: int, verbose: bool) -> list[Row]:
    """The table: each tensor with a remark and whether it passed, in the order given; of many, those that differ come first."""
    shown = list(found)
    if len(found) > _SHOWN and not verbose:
        chosen = sorted(range(len(found)), key=lambda index: (found[index][2], -(found[index][0].max_rel or 0.0)))[:_SHOWN]
        shown = [found[index] for index in sorted(chosen)]
    body = [_cells(difference, remark) for difference, remark, _ in shown]
    columns = min(max(width, 60), 140)
    lines = table(_HEADER, body, columns, frozenset(range(5)))
    if len(shown) < len(found):
        lines.append(spans(Span(f"  and {len(found) - len(shown)} more that are no further apart (-v shows all)", "dim")))
    return lines if all(item.bit_equal for item, _, _ in found) else [*lines, *wrapped("  ", _LEGEND, columns, "dim")]


def _cells(found: Difference, remark: str) -> list[str]:
    """The columns of one tensor. Its name comes last, where it is never cut: it has to be told from others and copied."""
    if not found.alike:
        shapes = [
            f"{dtype} {shape_in_words(shape)}" for dtype, shape in ((found.dtype, found.shape), (found.other_dtype, found.other_shape))
        ]
        said = [" against ".join(shapes)]
        numbers = list("-----")
    else:
        said = _remarks(found)
        cosine = "-" if found.cosine is None else f"{math.floor(found.cosine * 1e6) / 1e6:.6f}"
        numbers = [_number(found.max_abs), _number(found.max_rel), cosine, needed(found.required_rtol), needed(found.required_atol)]
    said += [remark] if remark else []
    return [*numbers, f"{found.tensor} ({'; '.join(said)})" if said else found.tensor]


def _remarks(found: Difference) -> list[str]:
    said = []
    if found.mismatches:
        said.append(f"{found.mismatches} of {found.elements} off")
    if found.nan:
        said.append(f"{found.nan} NaN on one side")
    if found.inf:
        said.append(f"{found.inf} infinite on one side")
    if not found.elements:
        said.append("empty")
    elif found.finite < found.elements:
        said.append(f"{found.elements - found.finite} not finite")
    return said or (["bit-equal"] if found.bit_equal else [])


def _number(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.2e}"


def needed(value: float) -> str:
    """A tolerance in two digits, rounded up so that it does."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "none does"
    exponent = math.floor(math.log10(value))
    digits = math.ceil(value / 10.0 ** (exponent - 1) * (1 - 1e-12))
    return f"{digits * 10.0 ** (exponent - 1):.1e}"


def document(found: Difference) -> dict[str, Any]:
    """A difference as plain data."""
    values = found._asdict()
    values["elements"] = found.elements
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value  # JSON has no such number


def as_json(whole: Mapping[str, Any]) -> str:
    """One line of JSON."""
    text = json.dumps(whole, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda char: f"\\u{ord(char[0]):04x}", text) + "\n"
