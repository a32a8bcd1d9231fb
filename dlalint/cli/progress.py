"""What is being done, on one line of a terminal's stderr; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dlalint.report.escape import for_terminal


@contextmanager
def progress(start: str) -> Iterator[Callable[[str], None]]:
    """Yields a function that changes the line."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(for_terminal(start))) as status:
        yield lambda text: status.update(Text(for_terminal(text)))
