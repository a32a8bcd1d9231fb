"""Bars in text: of blocks where the output can show them, else of plain signs."""

from __future__ import annotations

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(part: float, width: int, *, blocks: bool) -> str:
    """A bar of ``part`` (0 to 1) of ``width`` characters; anything above nothing shows."""
    part = min(max(part, 0.0), 1.0)
    if not blocks:
        return "#" * max(round(part * width), 1 if part else 0)
    eighths = max(round(part * width * 8), 1 if part else 0)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def can_show(encoding: str | None) -> bool:
    """Whether an output in ``encoding`` can show blocks."""
    try:
        _EIGHTHS.encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
