"""Text from models made safe for where it goes."""

from __future__ import annotations

import unicodedata

# control, format (bidirectional marks among them), surrogate, unassigned and private characters, line and paragraph separators
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def for_terminal(text: str) -> str:
    """``text`` on one line, without anything that a terminal could take for a command."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNSAFE else char for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
