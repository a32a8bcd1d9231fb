"""The writer: the new file whole or the old one as it was, whatever fails."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlalint.model import save
from dlalint.model.save import Piece, Span, WriteError, merged, size, write, write_text

OLD = b"what was there"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "from"
    folder.mkdir()
    path = folder / "source.bin"
    path.write_bytes(bytes(range(256)) * 16)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "to"
    folder.mkdir()
    return folder / "result.bin"


def _pieces(source: Path) -> tuple[list[Piece], bytes]:
    data = source.read_bytes()
    pieces: list[Piece] = [b"head", Span(str(source), 10, 3000), b"", b"middle", Span(str(source), 0, 5), Span(str(source), 9, 0), b"end"]
    return pieces, b"head" + data[10:3010] + b"middle" + data[:5] + b"end"


def _only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_spans(source: Path, target: Path) -> None:
    pieces, expected = _pieces(source)
    write(pieces, str(target))
    assert target.read_bytes() == expected
    assert _only(target.parent) == ["result.bin"]


def test_a_text_replaces_a_file_and_keeps_names_that_were_not_utf8(target: Path) -> None:
    target.write_bytes(OLD)
    write_text("größe \udcff\n", str(target), "the report")
    assert target.read_bytes() == "größe ".encode() + b"\xff\n"
    assert _only(target.parent) == ["result.bin"]


def test_a_name_without_a_folder(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(target.parent)
    write([b"x"], "here.bin")
    assert _only(target.parent) == ["here.bin"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_usual_mode(mask: int, target: Path) -> None:
    before = os.umask(mask)
    try:
        write([b"x"], str(target))
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o775])
def test_an_old_file_keeps_its_mode(mode: int, target: Path) -> None:
    target.write_bytes(OLD)
    target.chmod(mode)
    seen: list[int] = []
    write([b"x"], str(target), approve=lambda path: seen.append(stat.S_IMODE(os.stat(path).st_mode)))
    assert (seen, stat.S_IMODE(target.stat().st_mode), target.read_bytes()) == ([mode], mode, b"x")


def test_a_file_that_replaces_itself(source: Path) -> None:
    data = source.read_bytes()
    write([b"first", Span(str(source), 0, len(data))], str(source), since={str(source): save.state(str(source))})
    assert source.read_bytes() == b"first" + data


def test_size_and_merged() -> None:
    pieces: list[Piece] = [
        b"",
        b"a",
        b"b",
        Span("f", 0, 4),
        Span("f", 4, 2),
        Span("f", 7, 1),
        Span("g", 8, 1),
        Span("g", 9, 0),
        Span("h", 3, 0),
        b"c",
    ]
    assert size(pieces) == 11
    assert merged(pieces) == [b"ab", Span("f", 0, 6), Span("f", 7, 1), Span("g", 8, 1), b"c"]


# how the bytes of a span come over


def _failing(number: int) -> Callable[..., int]:
    def fail(*arguments: Any) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM])
@pytest.mark.parametrize("ways", [("copy_file_range",), ("copy_file_range", "sendfile")])
def test_what_the_kernel_does_not_offer(
    number: int, ways: tuple[str, ...], source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ways:
        monkeypatch.setattr(os, name, _failing(number))
    pieces, expected = _pieces(source)
    write(pieces, str(target))
    assert target.read_bytes() == expected


@pytest.mark.parametrize("ways", [("copy_file_range",), ("copy_file_range", "sendfile")])
def test_a_way_that_ends_at_once(ways: tuple[str, ...], source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ways:
        monkeypatch.setattr(os, name, lambda *arguments: 0)
    pieces, expected = _pieces(source)
    write(pieces, str(target))
    assert target.read_bytes() == expected


def test_a_way_that_stops_in_between(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.copy_file_range
    calls: list[int] = []

    def some(first: int, second: int, count: int, offset: int) -> int:
        calls.append(count)
        if len(calls) % 3 == 0:
            raise OSError(errno.EXDEV, "once more elsewhere")
        return real(first, second, min(count, 700), offset)

    monkeypatch.setattr(os, "copy_file_range", some)
    pieces, expected = _pieces(source)
    write(pieces, str(target))
    assert target.read_bytes() == expected
    assert len(calls) == 4


def test_short_writes(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "copy_file_range", _failing(errno.EXDEV))
    monkeypatch.setattr(os, "sendfile", _failing(errno.EXDEV))
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    pieces, expected = _pieces(source)
    write(pieces, str(target))
    assert target.read_bytes() == expected


# what is refused


def _refused(pieces: list[Piece], target: Path | str, **options: Any) -> WriteError:
    with pytest.raises(WriteError) as caught:
        write(pieces, str(target), **options)
    assert str(caught.value).count("\n") == 0
    return caught.value


def _link(target: Path) -> None:
    other = target.with_name("other.bin")
    other.write_bytes(OLD)
    target.symlink_to(other)


def _dangling(target: Path) -> None:
    target.symlink_to(target.with_name("nothing"))


def _twice(target: Path) -> None:
    target.write_bytes(OLD)
    os.link(target, target.with_name("second name"))


def _protected(target: Path) -> None:
    target.write_bytes(OLD)
    target.chmod(0o444)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_link, "it is a symbolic link"),
        (_dangling, "it is a symbolic link"),
        (_twice, "the file has 2 names (hard links)"),
        (_protected, "the file is write-protected"),
        (Path.mkdir, "it is not a regular file"),
        (lambda target: os.mkfifo(target), "it is not a regular file"),
    ],
)
def test_targets_that_are_refused(make: Callable[[Path], None], what: str, target: Path) -> None:
    make(target)
    before = {path.name: path.lstat() for path in target.parent.iterdir()}
    error = _refused([b"x"], target)
    assert (error.code, error.what, error.where) == ("E402", what, str(target))
    assert {path.name: path.lstat() for path in target.parent.iterdir()} == before


def test_devices_are_refused() -> None:
    assert _refused([b"x"], os.devnull).code == "E402"
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("", "no file is named"),
        ("nowhere/at/all.bin", "the model cannot be written (No such file or directory)"),
        ("source.bin/below", "the model cannot be written (Not a directory)"),
        ("a\0b", "the model cannot be written (embedded null"),  # the rest depends on the release of Python
        ("x" * 300, "the model cannot be written (File name too long)"),
    ],
)
def test_paths_that_lead_nowhere(path: str, what: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    error = _refused([b"x"], path)
    assert error.code == "E401"
    assert error.what.replace("lstat: ", "").startswith(what)
    assert _only(source.parent) == ["source.bin"]


def test_targets_are_checked_before_anything_is_made(target: Path) -> None:
    assert save.check_target(str(target)) is None
    with pytest.raises(WriteError, match="No such file or directory"):
        save.check_target(str(target / "below" / "it"), "the map")
    write([b"x"], str(target))
    target.chmod(0o604)
    assert save.check_target(str(target)) == 0o604


def test_a_name_that_just_fits(target: Path) -> None:
    longest = target.with_name("x" * 255)
    write([b"x"], str(longest))
    assert _only(target.parent) == ["x" * 255]


def test_more_than_protobuf_can_hold(source: Path, target: Path) -> None:
    os.truncate(source, 1 << 31)
    error = _refused([b"", Span(str(source), 0, 1 << 31)], target)
    assert (error.code, error.cure) == ("E404", "Keep its weights as external data.")
    assert error.what == "the model would have 2147483648 bytes, more than one protobuf message may (2 GiB)"
    assert _only(target.parent) == []
    small: list[Piece] = [b"abc"]
    assert _refused(small, target, limit=2, what="the map").what.startswith("the map would have 3 bytes")
    write(small, str(target), limit=3)
    write(small, str(target), limit=None)


@pytest.mark.parametrize("span", [(4000, 97), (-1, 4), (4096, 1), (1, -1)])
def test_spans_outside_of_their_file(span: tuple[int, int], source: Path, target: Path) -> None:
    error = _refused([b"x", Span(str(source), *span)], target)
    assert (error.code, error.where) == ("E403", str(source))
    assert _only(target.parent) == []


def test_a_source_that_is_missing(target: Path) -> None:
    error = _refused([Span("nowhere.bin", 0, 1)], target)
    assert (error.code, error.where) == ("E401", "nowhere.bin")
    assert _only(target.parent) == []


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 3000), lambda path: os.utime(path, ns=(1, 1)), Path.touch])
def test_a_source_that_changes(change: Callable[[Path], None], source: Path, target: Path) -> None:
    pieces, _ = _pieces(source)
    error = _refused(pieces, target, approve=lambda path: change(source))
    assert (error.code, error.where, error.what) == ("E403", str(source), "the file changed while it was read")
    assert _only(target.parent) == []


def test_a_source_that_changed_before(source: Path, target: Path) -> None:
    pieces, _ = _pieces(source)
    since = {str(source): save.state(str(source))}
    data = source.read_bytes()
    source.unlink()
    source.write_bytes(data)  # another file with the same bytes
    assert _refused(pieces, target, since=since).code == "E403"
    assert _only(target.parent) == []


def test_a_source_that_ends_while_it_is_copied(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("copy_file_range", "sendfile"):
        monkeypatch.setattr(os, name, lambda *arguments: 0)
    monkeypatch.setattr(os, "read", lambda *arguments: b"")
    assert _refused([Span(str(source), 0, 10)], target).code == "E403"
    assert _only(target.parent) == []


def test_the_state_of_a_missing_file() -> None:
    with pytest.raises(WriteError, match="nowhere"):
        save.state("nowhere")


# approval


def test_approval_sees_the_whole_file(source: Path, target: Path) -> None:
    target.write_bytes(OLD)
    pieces, expected = _pieces(source)
    seen: list[tuple[bytes, bytes, bool]] = []
    write(
        pieces,
        str(target),
        approve=lambda path: seen.append((Path(path).read_bytes(), target.read_bytes(), os.path.dirname(path) == str(target.parent))),
    )
    assert seen == [(expected, OLD, True)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_approval_can_be_denied(error: type[BaseException], target: Path) -> None:
    target.write_bytes(OLD)

    def deny(path: str) -> None:
        raise error("no")

    with pytest.raises(error, match="no"):
        write([b"x"], str(target), approve=deny)
    assert target.read_bytes() == OLD
    assert _only(target.parent) == ["result.bin"]


# each call into the system fails in turn

CALLS = ("chmod", "close", "copy_file_range", "fstat", "fsync", "lseek", "lstat", "open", "read", "replace", "sendfile", "stat", "write")


class _Fault:
    """Makes the ``at``-th call of ``os.<name>`` fail; a close happens all the same."""

    def __init__(self, name: str, at: int, error: BaseException) -> None:
        self.real = getattr(os, name)
        self.name = name
        self.left = at
        self.error = error

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left:
            return self.real(*arguments, **options)
        if self.name == "close":
            self.real(*arguments)
        raise self.error


def _faults() -> Iterator[tuple[str, BaseException]]:
    for name in CALLS:
        for number in (errno.ENOSPC, errno.EIO, errno.EACCES):
            yield name, OSError(number, os.strerror(number))
        yield name, KeyboardInterrupt()


@pytest.mark.parametrize(("name", "error"), tuple(_faults()))
@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("by_hand", [False, True])
def test_old_or_new_and_nothing_beside(name: str, error: BaseException, there: bool, by_hand: bool, source: Path, target: Path) -> None:
    pieces, expected = _pieces(source)
    failed = 0
    for at in range(1, 100):
        if there:
            target.write_bytes(OLD)
        else:
            target.unlink(missing_ok=True)
        fault = _Fault(name, at, error)
        with pytest.MonkeyPatch.context() as patch:
            if by_hand:
                patch.setattr(os, "copy_file_range", _failing(errno.EXDEV))
                patch.setattr(os, "sendfile", _failing(errno.EXDEV))
            patch.setattr(os, name, fault)
            raised: BaseException | None = None
            try:
                write(pieces, str(target))
            except (WriteError, KeyboardInterrupt) as found:
                raised = found
        content = target.read_bytes() if target.exists() else None
        assert content == expected or (raised is not None and content == (OLD if there else None))
        assert not isinstance(raised, WriteError) or content != expected
        assert _only(target.parent) == (["result.bin"] if content is not None else [])
        if fault.left > 0:
            break
        failed += raised is not None
    assert content == expected
    reached = {"chmod": there, "read": by_hand, "lseek": by_hand}
    kernel = {"copy_file_range": name == "copy_file_range" or not by_hand, "sendfile": name == "sendfile" and by_hand}
    assert (failed > 0) == {**reached, **kernel}.get(name, True)


def test_an_error_of_the_disk_is_told(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", _failing(errno.ENOSPC))
    error = _refused([b"x"], target, what="the report")
    assert str(error) == f"{target}: error[E401]: the report cannot be written (No space left on device). Check the folder and the disk."


def test_what_was_not_written_whole(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data))
    assert _refused([b"x"], target).what == "the model was not written whole"
    assert _only(target.parent) == []
