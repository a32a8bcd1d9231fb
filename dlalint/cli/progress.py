"""What is being done, on one line of a terminal's stderr; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from dlalint.report.escape import for_terminal

if TYPE_CHECKING:
    from rich.status import Status


@contextmanager
def progress(start: str, *, after: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Yields a function that changes the line, which comes ``after`` seconds: what is done sooner needs none."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    line = _Line(monotonic() + after)
    line.tell(start)
    try:
        yield line.tell
    finally:
        line.end()


class _Line:
    def __init__(self, due: float) -> None:
        self._due = due
        self._status: Status | None = None

    def tell(self, text: str) -> None:
        if monotonic() < self._due:
            return
        from rich.text import Text

        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(Text(for_terminal(text)))

    def end(self) -> None:
        if self._status is not None:
            self._status.stop()
