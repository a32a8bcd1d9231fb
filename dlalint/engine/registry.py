"""The registry of named quantities: what cards can measure about a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dlalint.named_tuple import NamedTuple
from dlalint.network import LayerSpec
from dlalint.target import Target

Measure = Callable[[LayerSpec, Target], Any]
F = TypeVar("F", bound=Measure)


class _Skip:
    """The answer of a quantity that does not apply to a layer."""

    def __repr__(self) -> str:
        return "SKIP"


SKIP = _Skip()


class Quantity(NamedTuple):
    """A named measure. Its value is ``None`` when it cannot be known, ``SKIP`` when it does not apply.

    ``tensors`` marks a measure with one element for each input and output of the layer, in this order.
    """

    name: str
    measure: Measure
    tensors: bool
    targeted: bool


QUANTITIES: dict[str, Quantity] = {}


def quantity(name: str, *, tensors: bool = False, targeted: bool = False) -> Callable[[F], F]:
    """Register a measure under ``name``. ``targeted`` says that it depends on the target, not on the layer alone."""

    def register(measure: F) -> F:
        if name in QUANTITIES:
            raise ValueError(f"quantity {name} is registered twice")
        QUANTITIES[name] = Quantity(name, measure, tensors, targeted)
        return measure

    return register
