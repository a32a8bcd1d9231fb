"""Findings by cause."""

from __future__ import annotations

from dlalint.finding import ERROR, NOTE, WARNING, Finding
from dlalint.report.grouping import grouped


def finding(code: str, node: str, severity: str = ERROR, cause: int | None = None) -> Finding:
    return Finding(code, code.lower(), severity, "fail", "says", node=node, why=f"because of {code}", cause=cause)


def test_one_fault_on_many_nodes_is_one_group() -> None:
    (group,) = grouped([finding("DLA101", f"n{index}") for index in range(100)])
    assert (group.first.node, len(group.nodes), group.followers) == ("n0", 100, ())


def test_followers_are_counted_with_their_root() -> None:
    """c follows from b, which follows from a."""
    (group,) = grouped([finding("DLA102", ""), finding("DLA103", "b", cause=0), finding("DLA104", "c", cause=1)])
    assert (group.first.code, group.nodes, group.followers) == ("DLA102", (), ("b", "c"))


def test_errors_first_then_the_most_nodes() -> None:
    found = [
        finding("DLA900", "a", NOTE),
        finding("DLA200", "b", WARNING),
        finding("DLA101", "c"),
        finding("DLA102", "d"),
        finding("DLA102", "e"),
    ]
    assert [group.first.code for group in grouped(found)] == ["DLA102", "DLA101", "DLA200", "DLA900"]


def test_a_circle_of_causes_ends() -> None:
    assert grouped([finding("DLA101", "a", cause=1), finding("DLA102", "b", cause=0)]) == []
