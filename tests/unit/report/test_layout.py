"""Lines of text: wrapping, tables, names made safe."""

from __future__ import annotations

import pytest

from dlalint.report.escape import for_terminal
from dlalint.report.layout import Span, continued, counted, listed, plain, shortened, size, spans, table, wrapped


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("/layer1/Conv", "/layer1/Conv"),
        ("größe 网络", "größe 网络"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\u202eevil", "\\u202eevil"),
        ("bell\x07 del\x7f c1\x9b", "bell\\x07 del\\x7f c1\\x9b"),
        ("surrogate\udc80", "surrogate\\udc80"),
        ("\U000e0001tag", "\\U000e0001tag"),
    ],
)
def test_names_cannot_command_a_terminal(text: str, safe: str) -> None:
    assert for_terminal(text) == safe
    assert plain([spans(text)]) == f"{safe}\n"
    assert plain([spans(Span(text, "title"))]) == f"{safe}\n"


def test_wrapping_hangs_under_the_lead() -> None:
    assert plain(wrapped("  why ", "one two three four five six", 30)) == "  why one two three four five\n      six\n"


def test_a_long_word_stays_whole() -> None:
    address = "https://example.org/" + "x" * 100
    assert address in plain(wrapped("  ", f"see {address} there", 40))


def test_table_widens_and_wraps() -> None:
    rows = table(["Name", "n", "said"], [["a", "1", "short"], ["bb", "12", "a text that is too long for its column"]], 40, frozenset({1}))
    assert plain(rows) == ("  Name   n  said\n  a      1  short\n  bb    12  a text that is too long for\n            its column\n")


def test_table_cuts_a_long_first_column_in_the_middle() -> None:
    body = [["/a/very/long/name/of/an/operator/in/some/domain", "x"]]
    line = plain(table(["Name", "said"], body, 60, frozenset())).splitlines()[1]
    assert line.startswith("  /a/very/...me/domain  x")


@pytest.mark.parametrize(("text", "width", "short"), [("abc", 3, "abc"), ("abcdefghij", 7, "ab...ij"), ("abcdefghij", 9, "abc...hij")])
def test_shortened(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short


def test_lists_are_cut() -> None:
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "unknown size"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (301056, "294 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 30, "3.0 GiB"),
    ],
)
def test_sizes(count: int | None, words: str) -> None:
    assert size(count) == words


def test_counted() -> None:
    assert (counted(1, "node"), counted(2, "node")) == ("1 node", "2 nodes")


def test_a_line_goes_on_further_in() -> None:
    found = continued((Span("  a: "), Span("good", "good")), ", one two three four five six seven", 30, 4)
    assert plain(found) == "  a: good, one two three four\n    five six seven\n"
    assert found[0][1] == Span("good", "good")
    assert plain(continued((Span("> "),), "word", 20, 2)) == "> word\n"
