"""What rewriting did to a model: every change with its proof, and what was tried in vain."""

from __future__ import annotations

from typing import NamedTuple

from dlalint.plan import Outcome


class Change(NamedTuple):
    """One rewrite that stays. ``nodes`` are the ids of the nodes it replaced, ``made`` those of the new ones.

    ``error`` is the largest relative error of its own proof (to the largest output), ``None`` when it is proven with the whole model only.
    """

    rewrite: str
    exactness: str
    nodes: tuple[str, ...]
    made: tuple[str, ...]
    error: float | None


class Attempt(NamedTuple):
    """A rewrite that does not stay at ``node``, and why: it does not apply, was undone, or its proof failed."""

    rewrite: str
    node: str
    reason: str


class Rewritten(NamedTuple):
    """A model before and after; ``changes`` in the order they were made. ``after`` is ``before`` when nothing changed."""

    before: Outcome
    after: Outcome
    changes: tuple[Change, ...]
    attempts: tuple[Attempt, ...]
