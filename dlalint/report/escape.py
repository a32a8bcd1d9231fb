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


def shortened_name(text: str, most: int = 200) -> str:
    """``text`` cut to ``most`` characters: names come from models and may be of any length."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def for_xml(text: str) -> str:
    """``text`` with only such characters as XML 1.0 allows; markup is escaped by the writer."""
    return "".join(char if unicodedata.category(char) not in _UNSAFE else _escaped(char) for char in text)


def for_markdown(text: str) -> str:
    """``text`` as Markdown that shows it and nothing else."""
    safe = for_terminal(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_[]()#|~!@:$" else char for char in safe)


def for_cell(text: str) -> str:
    """``text`` for a spreadsheet, which takes some beginnings for formulas."""
    safe = for_terminal(text)
    return f"'{safe}" if safe[:1] in ("=", "+", "-", "@") else safe


def for_annotation(text: str, *, value: bool = False) -> str:
    """``text`` inside of a GitHub workflow command; ``value`` for one of its properties."""
    safe = for_terminal(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return safe.replace(":", "%3A").replace(",", "%2C") if value else safe


def for_uri(path: str) -> str:
    """A path as a relative URI."""
    from urllib.parse import quote

    return quote(path.replace("\\", "/").encode("utf-8", "surrogateescape"), safe="/")
