"""Files written whole or not at all: into a temporary file beside the target, which then takes the target's place.

The large parts of a result are ranges of files that exist already; the kernel copies them, they never come into this process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Union

from dlalint.errors import DlalintError, reason
from dlalint.model.load import MAX_BYTES
from dlalint.named_tuple import NamedTuple

CHUNK = 1 << 30  # bytes asked of the kernel at once
BUFFER = 1 << 20  # bytes copied by hand at once


class Span(NamedTuple):
    """``length`` bytes of the file ``path``, from ``offset`` on."""

    path: str
    offset: int
    length: int


Piece = Union[bytes, Span]


class State(NamedTuple):
    """What tells that a file was not written since: size, time of the last write in nanoseconds, device and inode."""

    size: int
    written: int
    device: int
    inode: int


class WriteError(DlalintError):
    """A file could not be written; what stood in its place still does."""

    default_code = "E401"


class _Source(NamedTuple):
    descriptor: int
    state: State


def state(path: str) -> State:
    """The state of a file now, for :func:`write` to hold against its state then. Raises :class:`WriteError`."""
    try:
        return _state(os.stat(path))
    except (OSError, ValueError) as error:
        raise WriteError(f"it cannot be read ({reason(error)})", where=path, cure="Check the path.") from None


def size(pieces: Iterable[Piece]) -> int:
    """The bytes of the pieces together."""
    return sum(piece.length if isinstance(piece, Span) else len(piece) for piece in pieces)


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces with those that follow each other directly made one, and without empty ones."""
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if isinstance(piece, Span):
            if isinstance(last, Span) and last.path == piece.path and last.offset + last.length == piece.offset:
                found[-1] = last._replace(length=last.length + piece.length)
            elif piece.length:
                found.append(piece)
        elif isinstance(last, bytes):
            found[-1] = last + piece
        elif piece:
            found.append(piece)
    return found


def write(
    pieces: Iterable[Piece],
    target: str,
    *,
    approve: Callable[[str], None] | None = None,
    since: Mapping[str, State] | None = None,
    what: str = "the model",
    limit: int | None = MAX_BYTES,
) -> None:
    """Write ``pieces``, one after the other, as the file ``target``: the new file whole, or the old one as it was.

    ``approve`` gets the path of the finished temporary file and may raise to give it up. ``since`` are states of source files as of the
    time the pieces were made. ``what`` names the file in errors. ``limit`` is the most bytes it may have (protobuf's, unless given).

    A target that is a symbolic link is refused: what it points to may belong to a cache or another project, and a link that silently
    became a file is no better. So is one with several names (hard links), one that is no regular file, and one that is write-protected.
    The mode of an existing target is kept. Raises :class:`WriteError`, or what ``approve`` raises.
    """
    parts = tuple(pieces)
    total = size(parts)
    if limit is not None and total > limit:
        raise WriteError(
            f"{what} would have {total} bytes, more than one protobuf message may (2 GiB)",
            where=target,
            cure="Keep its weights as external data.",
            code="E404",
        )
    mode = check_target(target, what)
    _replace(parts, total, target, mode, what, approve, since or {})
    _sync(os.path.dirname(target) or ".")


def write_text(text: str, target: str, what: str) -> None:
    """Write ``text`` as the file ``target``, as :func:`write` does; names that were not UTF-8 in a model become their bytes again."""
    write([text.encode("utf-8", "surrogateescape")], target, what=what, limit=None)


def _replace(
    parts: Sequence[Piece],
    total: int,
    target: str,
    mode: int | None,
    what: str,
    approve: Callable[[str], None] | None,
    since: Mapping[str, State],
) -> None:
    """Write beside ``target``, and put the result in its place when nothing went wrong."""
    temporary = os.path.join(os.path.dirname(target), f".dlalint-{os.urandom(8).hex()}.tmp")
    try:
        with contextlib.ExitStack() as stack:
            sources = _sources(parts, since, stack)
            _fill(temporary, parts, mode, sources)
            if os.stat(temporary).st_size != total:
                raise WriteError(f"{what} was not written whole", where=target, cure="Check the disk.")
            if approve is not None:
                approve(temporary)
            _unchanged(sources)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise WriteError(f"{what} cannot be written ({reason(error)})", where=target, cure="Check the folder and the disk.") from None
        raise


def check_target(path: str, what: str = "the model") -> int | None:
    """Refuse a path that may not be written to, see :func:`write`. Returns the mode of the file that is there, ``None`` without one."""
    if not path:
        raise WriteError("no file is named", where="--output", cure="Give a path, or leave the option out.")
    try:
        found = os.lstat(path)
    except FileNotFoundError as error:
        if os.path.isdir(os.path.dirname(path) or "."):
            return None
        raise WriteError(f"{what} cannot be written ({reason(error)})", where=path, cure="Make its folder first.") from None
    except (OSError, ValueError) as error:
        raise WriteError(f"{what} cannot be written ({reason(error)})", where=path, cure="Check the folder.") from None
    if stat.S_ISLNK(found.st_mode):
        raise WriteError("it is a symbolic link", where=path, cure="Give the path of the file itself, or another one.", code="E402")
    if not stat.S_ISREG(found.st_mode):
        raise WriteError("it is not a regular file", where=path, cure="Give another path.", code="E402")
    if found.st_nlink > 1:
        raise WriteError(f"the file has {found.st_nlink} names (hard links)", where=path, cure="Give another path.", code="E402")
    if not found.st_mode & 0o222:
        raise WriteError("the file is write-protected", where=path, cure="Give another path, or chmod +w.", code="E402")
    return stat.S_IMODE(found.st_mode) & 0o777


def _state(found: os.stat_result) -> State:
    return State(found.st_size, found.st_mtime_ns, found.st_dev, found.st_ino)


def _sources(parts: Sequence[Piece], since: Mapping[str, State], stack: contextlib.ExitStack) -> dict[str, _Source]:
    """The files that the spans come from, opened; each must hold all its spans."""
    found: dict[str, _Source] = {}
    for part in parts:
        if not isinstance(part, Span):
            continue
        if part.path not in found:
            try:
                descriptor = os.open(part.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise WriteError(f"it cannot be read ({reason(error)})", where=part.path, cure="Check the file.") from None
            stack.callback(os.close, descriptor)
            found[part.path] = _Source(descriptor, since.get(part.path) or _state(os.fstat(descriptor)))
        if part.offset < 0 or part.length < 0 or part.offset + part.length > found[part.path].state.size:
            raise _changed(part.path)
    _unchanged(found)
    return found


def _unchanged(sources: Mapping[str, _Source]) -> None:
    for path, source in sources.items():
        if _state(os.fstat(source.descriptor)) != source.state:
            raise _changed(path)


def _changed(path: str) -> WriteError:
    return WriteError("the file changed while it was read", where=path, cure="Run it again.", code="E403")


def _fill(path: str, parts: Sequence[Piece], mode: int | None, sources: Mapping[str, _Source]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    out = os.open(path, flags, 0o666 if mode is None else mode)  # never readable for more people than the file it replaces
    try:
        for part in parts:
            if isinstance(part, Span):
                _copy(sources[part.path].descriptor, part, out)
            else:
                _put(out, part)
        if mode is not None:
            os.chmod(path, mode)
        os.fsync(out)
    finally:
        os.close(out)


def _put(out: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(out, rest) :]


def _range(source: int, out: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, out, count, offset)


def _send(source: int, out: int, offset: int, count: int) -> int:
    return os.sendfile(out, source, offset, count)


# what the kernel may not offer, depending on its age, on both file systems, and on what a container lets through
_IN_KERNEL = tuple(step for name, step in (("copy_file_range", _range), ("sendfile", _send)) if hasattr(os, name))
_NOT_OFFERED = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EPERM, errno.ENOTSOCK})


def _copy(source: int, span: Span, out: int) -> None:
    """Append ``span`` of the open file ``source`` to ``out``."""
    offset, end = span.offset, span.offset + span.length
    for step in _IN_KERNEL:
        while offset < end:
            try:
                count = step(source, out, offset, min(end - offset, CHUNK))
            except OSError as error:
                if error.errno not in _NOT_OFFERED:
                    raise
                break
            if not count:  # some file systems say so for what they will not copy; the next way tells the end of the file from that
                break
            offset += count
    if offset < end:
        os.lseek(source, offset, os.SEEK_SET)
    while offset < end:
        data = os.read(source, min(end - offset, BUFFER))
        if not data:
            raise _changed(span.path)
        _put(out, data)
        offset += len(data)


def _sync(folder: str) -> None:
    """Make the new name last over a power cut, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
