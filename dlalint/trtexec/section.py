"""What reads one kind of line in a log; the reader offers every line to its sections in turn."""

from __future__ import annotations

from dlalint.trtexec.observed import LogError
from dlalint.trtexec.text import Line

MOST = 200_000  # records of one kind; no network has as many layers


class Section:
    """Takes the lines it knows. A section keeps state while a log is read and is dropped after it."""

    def take(self, line: Line) -> bool:
        """Whether this line is one of the section's; if so it has been read."""
        raise NotImplementedError

    def more(self, line: Line) -> bool:
        """Whether ``line``, without a prefix, continues the line that was taken last: a paste breaks long lines."""
        return False


def bounded(count: int) -> None:
    """Raise :class:`LogError` when a log repeats one kind of line more often than any network can."""
    if count > MOST:
        raise LogError(f"more than {MOST} lines of one kind", cure="Give the log of one build.", code="E132")
