"""What is being done, on one line of a terminal's stderr; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

from dlalint.report.escape import for_terminal

if TYPE_CHECKING:
    from rich.status import Status


@contextmanager
def progress(start: str, *, after: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Yields a function that changes the line, which appears ``after`` seconds: what is done sooner needs none."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    line = _Line(start, after)
    try:
        yield line.tell
    finally:
        line.end()


class _Line:
    def __init__(self, text: str, after: float) -> None:
        self._text = text
        self._lock = Lock()
        self._status: Status | None = None
        self._ended = False
        self._timer = Timer(after, self._appear)
        self._timer.daemon = True
        if after:
            self._timer.start()
        else:
            self._appear()

    def _appear(self) -> None:
        from rich.console import Console
        from rich.text import Text

        with self._lock:
            if not self._ended:
                self._status = Console(stderr=True).status(Text(for_terminal(self._text)))
                self._status.start()

    def tell(self, text: str) -> None:
        with self._lock:
            self._text = text
            if self._status is not None:
                from rich.text import Text

                self._status.update(Text(for_terminal(text)))

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            if self._status is not None:
                self._status.stop()
