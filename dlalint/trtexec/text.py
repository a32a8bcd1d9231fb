"""A log line by line: any size in little memory, without colours, quotes and logger prefixes."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator

from dlalint.errors import reason
from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.observed import LogError

MAX_LINE = 1 << 20  # characters; the longest honest lines are lists of all layers of a network
MAX_BYTES = 1 << 30
PEEK = 1 << 16

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])?")
_TAG = (
    r"\[\d{1,4}[/-][\d/:. -]{4,26}(?:[A-Z_]{4,14})?\]:?"  # a time, perhaps with the severity behind it
    r"|\[(?:[VIWEFD]|TRT|TensorRT|VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR)\]:?"
    r"|(?:VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR|DEBUG):(?=\s|$)"
)
_PREFIX = re.compile(rf"(?:[>#]{{1,3}} ?)?(?:[ \t]*(?:{_TAG}))+ ?")


class Line(NamedTuple):
    """A line without its prefix. ``tagged`` when it had one, ``severe`` when that says error.

    ``lead`` and ``glue`` are the blanks that its start and end lost, which a line that was broken needs.
    """

    number: int
    text: str
    tagged: bool
    glue: str = ""
    severe: bool = False
    lead: str = ""

    @property
    def rest(self) -> str:
        """The text as the continuation of the line before."""
        return self.lead + self.text


def opened(path: str) -> io.BufferedReader:
    """The file at ``path``. Raises :class:`LogError` when it cannot be opened."""
    try:
        return io.BufferedReader(io.FileIO(path), PEEK)
    except (OSError, ValueError) as error:
        raise LogError(f"the file cannot be opened ({reason(error)})", where=path, cure="Check the path.", code="E131") from None


def encoding(head: bytes, path: str) -> str:
    """The encoding of a file that begins with ``head``. Raises :class:`LogError` when it is no text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise LogError("the file is compressed", where=path, cure="Unpack it first.", code="E135")
    if b"\0" in head:
        raise LogError(
            "the file is not text", where=path, cure="Give the log, profile or layer information, not the engine or model.", code="E135"
        )
    return "utf-8-sig"


def lines(stream: io.BufferedReader, path: str) -> Iterator[Line]:
    """The lines of ``stream``; what is over ``MAX_LINE`` of one is left out. Raises :class:`LogError` past ``MAX_BYTES``."""
    name = encoding(stream.peek(PEEK)[:PEEK], path)
    reader = io.TextIOWrapper(stream, encoding=name, errors="replace" if name == "utf-16" else "surrogateescape")
    try:
        yield from _cleaned(_raw(reader, path))
    finally:
        with contextlib.suppress(ValueError):  # whoever opened the stream has closed it already
            reader.detach()


def _raw(reader: io.TextIOWrapper, path: str) -> Iterator[str]:
    """The lines as they are, long ones cut."""
    size = 0
    try:
        while line := reader.readline(MAX_LINE + 1):
            size += len(line)
            rest = line
            while len(rest) > MAX_LINE and rest[-1] != "\n" and size <= MAX_BYTES:
                rest = reader.readline(MAX_LINE + 1)
                size += len(rest)
            if size > MAX_BYTES:
                raise LogError(f"the file is larger than {MAX_BYTES >> 20} MiB", where=path, cure="Cut it down.", code="E132")
            yield line
    except (OSError, UnicodeError) as error:
        raise LogError(f"the file cannot be read ({error})", where=path, cure="Check the file.", code="E131") from None


def _cleaned(raw: Iterator[str]) -> Iterator[Line]:
    match = _PREFIX.match
    for number, line in enumerate(raw, 1):
        if "\x1b" in line:
            line = _ESCAPE.sub("", line)
        found = match(line)
        text = line[found.end() :] if found else line
        glue = " " if text.endswith((" \n", " ", "\t\n")) else ""
        severe = found is not None and ("[E]" in found[0] or "ERROR" in found[0] or "[F]" in found[0])
        yield Line(number, text.strip(), found is not None, glue, severe, " " if text[:1] in " \t" and not found else "")
