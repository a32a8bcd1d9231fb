"""Lines as they reach the readers: encodings, prefixes, colours, length."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.trtexec.observed import LogError
from dlalint.trtexec.read import read
from dlalint.trtexec.text import MAX_LINE, Line, lines, opened
from tests.trtexec.render import PREFIXES


def _lines(path: Path) -> list[Line]:
    with opened(str(path)) as stream:
        return list(lines(stream, str(path)))


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_prefixes_come_off(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "log"
    path.write_text(PREFIXES[prefix]("Layer 'a' (CONSTANT): x [1] y") + "\n")
    (line,) = _lines(path)
    assert (line.text, line.tagged) == ("Layer 'a' (CONSTANT): x [1] y", prefix != "none")


@pytest.mark.parametrize(
    "text", ["[DlaLayer] a", "[GpuLayer] b", "[MemUsageChange] Init", "{a,b}", "(Unnamed Layer* 1) [Shuffle]", "ERROR handling", "# x"]
)
def test_text_that_looks_like_a_prefix_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert [(line.text, line.tagged) for line in _lines(path)] == [(text, False)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(end.join(["[I] [TRT] [GpuLayer] schön", "[I] [TRT] [GpuLayer] b"]).encode(encoding))
    build = read(str(path)).build
    assert build is not None
    assert [layer.name for layer in build.placement.gpu] == ["schön", "b"]


def test_bytes_that_are_no_utf8_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"[GpuLayer] a\xff\n[GpuLayer] a\xfe\n")
    build = read(str(path)).build
    assert build is not None
    assert len({layer.name for layer in build.placement.gpu}) == 2


def test_overlong_lines_are_cut_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("[GpuLayer] " + "x" * (3 * MAX_LINE) + "\n[GpuLayer] b\n")
    found = _lines(path)
    assert [len(line.text) for line in found] == [MAX_LINE + 1, len("[GpuLayer] b")]
    assert found[1].number == 2


def test_errors_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("[E] [TRT] a\nERROR: [TRT]: b\n[W] [TRT] c\n[2022-12-02 03:14:33 ERROR] d\n")
    assert [line.severe for line in _lines(path)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E130"),
        (b"nothing of any use\n" * 9, "E130"),
        (b"\x00\x01engine", "E135"),
        (b"\x1f\x8b\x08gzip", "E135"),
        (b"PK\x03\x04zip", "E135"),
        (b'{"a": 1}', "E133"),
        (b'[{"a": 1}]', "E133"),
        (b'[{"name": "x", "dimensions": "1x3", "values": [1]}]', "E130"),
        (b'{"Layers": []}', "E133"),
        (b'{"Layers": [', "E133"),
    ],
)
def test_files_that_are_none_of_the_known(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(LogError) as caught:
        read(str(path))
    assert caught.value.code == code
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)
    assert caught.value.cure


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("nul\0l")):
        with pytest.raises(LogError) as caught:
            read(str(path))
        assert caught.value.code == "E131"


def test_unknown_lines_are_counted_and_a_few_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("# a comment\n[I] [TRT] [GpuLayer] a\n" + "".join(f"[I] [TRT] never seen {number}\n" for number in range(20)))
    unknown = read(str(path)).unknown
    assert unknown.lines == 20
    assert unknown.examples[0] == (3, "never seen 0")
    assert len(unknown.examples) == 5
