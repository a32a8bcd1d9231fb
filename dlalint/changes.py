"""What rewriting did to a model: every change with its proof, and what was tried in vain."""

from __future__ import annotations

from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome

MISS = "does not apply: "  # how the reason of an attempt begins that found nothing to replace


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


class Offer(NamedTuple):
    """An approximate rewrite that was not asked for, and the nodes on the GPU that it would start from."""

    rewrite: str
    nodes: tuple[str, ...]


class Proof(NamedTuple):
    """How the whole model was compared: ``sets`` of inputs, the largest relative error of an output, and the first tensor that differs.

    On the sets ``unsteady`` the original does not agree with itself: its outputs move by ``unrest`` of the largest when its inputs move
    by their rounding, so that these sets say little. ``error`` leaves them out where others tell.
    """

    sets: tuple[str, ...]
    error: float
    ok: bool
    first: str
    unsteady: tuple[str, ...] = ()
    unrest: float = 0.0


class Rewritten(NamedTuple):
    """A model before and after; ``changes`` in the order they were made. ``after`` is ``before`` when nothing changed.

    ``offers`` are the rewrites that apply to what remains and were not tried, since they are approximate.
    """

    before: Outcome
    after: Outcome
    changes: tuple[Change, ...]
    attempts: tuple[Attempt, ...]
    offers: tuple[Offer, ...] = ()


def gpu_helpers(outcome: Outcome) -> int:
    """The layers on the GPU that only reshape for others, which no node of the model stands for."""
    layers = zip(outcome.network.layers, outcome.partition.devices, strict=True)
    return sum(layer.spec.helper and device is Device.GPU for layer, device in layers)
