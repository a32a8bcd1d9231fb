"""Findings that do not count: waived by the configuration, or known to a baseline."""

from __future__ import annotations

from dlalint.finding import Finding
from dlalint.named_tuple import NamedTuple


class Waiver(NamedTuple):
    """Findings that are accepted: of a rule (code, beginning of a code, or slug), at nodes and in models that match patterns.

    ``expires`` is an ISO date, the last day it holds; empty when it holds for good.
    """

    rule: str
    reason: str
    node: str = "*"
    model: str = "*"
    expires: str = ""


class Waived(NamedTuple):
    """A finding that the configuration accepts, why, and until when: an ISO date, empty for good."""

    finding: Finding
    reason: str
    expires: str


class Known(NamedTuple):
    """An entry of a baseline: a finding that was there when it was written. ``print`` is its fingerprint."""

    path: str
    target: str
    code: str
    name: str
    node: str
    print: str


class Contrast(NamedTuple):
    """A check held against a baseline: how many findings it knows, its entries that are there no more, and the findings it knows.

    ``prints`` are the fingerprints of all its entries for the model on the target.
    """

    known: int
    fixed: tuple[Known, ...]
    unchanged: tuple[Finding, ...] = ()
    prints: frozenset[str] = frozenset()
