"""Findings gathered by cause: a hundred nodes with one fault are one entry."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.finding import ERROR, SEVERITIES, WRONG_VALUES, Finding
from dlalint.named_tuple import NamedTuple


class Group(NamedTuple):
    """Findings of one rule with one explanation. ``followers`` are nodes on which other findings follow from these."""

    findings: tuple[Finding, ...]
    nodes: tuple[str, ...]
    followers: tuple[str, ...]

    @property
    def first(self) -> Finding:
        """The finding that stands for the group."""
        return self.findings[0]


def is_wrong(group: Group) -> bool:
    """Whether a group is about errors that are wrong values, not about what runs on the GPU."""
    return group.first.severity == ERROR and group.first.name in WRONG_VALUES


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """Root causes: errors first, then by how many nodes they concern; findings that only follow from others are counted with them."""
    keys: dict[tuple[str, str, str, str], list[int]] = {}
    for index, finding in enumerate(findings):
        if finding.cause is None:
            keys.setdefault((finding.severity, finding.code, finding.why, finding.fix), []).append(index)
    root = {index: end for index, end in enumerate(roots(findings)) if findings[index].cause is not None}
    behind: dict[int, list[str]] = {}
    for index, cause in root.items():
        behind.setdefault(cause, []).append(findings[index].node)
    found = []
    for members in keys.values():
        nodes = tuple(dict.fromkeys(findings[index].node for index in members if findings[index].node))
        followers = dict.fromkeys(node for index in members for node in behind.get(index, ()) if node and node not in nodes)
        found.append(Group(tuple(findings[index] for index in members), nodes, tuple(followers)))
    return sorted(found, key=lambda group: (SEVERITIES.index(group.first.severity), -len(group.nodes) - len(group.followers)))


def roots(findings: Sequence[Finding]) -> list[int]:
    """For each finding the one it follows from in the end, itself when it follows from none."""
    found = [-1] * len(findings)
    for index in range(len(findings)):
        way: dict[int, None] = {}
        at = index
        while found[at] < 0 and at not in way and (cause := findings[at].cause) is not None:
            way[at] = None
            at = cause
        end = found[at] if found[at] >= 0 else at
        found[at] = end
        for step in way:
            found[step] = end
    return found
