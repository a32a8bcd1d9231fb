"""Where a report goes: the terminal, a pipe or a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from dlalint.report.layout import STYLES, Row, plain


def width() -> int:
    """The columns to write for: those of the terminal, 100 for a pipe or file."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 100
    except (OSError, ValueError):
        return 100


def show(rows: Sequence[Row], path: str | None, color: bool) -> None:
    """Print lines, in colours on a terminal that has them; or write them to ``path``."""
    if path is not None or not color or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        write(plain(rows), path)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for row in rows:
        console.print(Text.assemble(*((span.text, STYLES.get(span.style, "")) for span in row)))


def write(text: str, path: str | None) -> None:
    """Write to stdout, or replace the file at ``path`` as a whole. Raises :class:`dlalint.model.save.WriteError`."""
    if path is None:
        sys.stdout.flush()
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    from dlalint.model import save

    save.write_text(text, path, "the report")
