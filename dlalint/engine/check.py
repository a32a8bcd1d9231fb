"""Which layers the DLA takes, one by one: every limit that a layer breaks, not the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlalint.engine.memory import Load, load
from dlalint.engine.predicates import failing
from dlalint.engine.registry import SKIP, Quantity
from dlalint.engine.ruleset import BoundCard, TargetRules
from dlalint.finding import ERROR, Finding
from dlalint.named_tuple import NamedTuple
from dlalint.network import LayerSpec, Network

SHAPE = "shape"


class Violation(NamedTuple):
    """A broken limit: the card, what was observed, and which of the layer's inputs and outputs it is about (-1: none)."""

    bound: BoundCard
    observed: Any
    tensor: int


class Verdict(NamedTuple):
    """What the cards say about a layer. ``unknown`` names the quantities that could not be known but decide."""

    violations: tuple[Violation, ...]
    unknown: tuple[str, ...]

    def refused(self, stage: str) -> bool:
        """Whether a limit of ``stage`` keeps the layer off the DLA."""
        return any(
            found.bound.severity == ERROR and found.bound.card.stage == stage and found.bound.card.verdict == "fail"
            for found in self.violations
        )


class Checker:
    """Judges layers; what was measured or judged once is remembered for all layers that share a spec, and for all targets."""

    def __init__(self) -> None:
        self._measured: dict[tuple[LayerSpec, str, int], Any] = {}
        self._verdicts: dict[int, dict[LayerSpec, Verdict]] = {}
        self._rules: list[TargetRules] = []  # kept alive, because verdicts are remembered by identity
        self._loads: dict[LayerSpec, Load] = {}
        self.said: dict[tuple[int, LayerSpec, int, str], Finding] = {}  # by rules, spec, violation and operator

    def judge(self, network: Network, rules: TargetRules) -> tuple[Verdict, ...]:
        """The verdict of each layer of ``network``."""
        known = self._known(rules)
        for spec in network.kinds().difference(known):
            known[spec] = self._judge(spec, rules)
        return tuple(map(known.__getitem__, network.specs()))

    def _known(self, rules: TargetRules) -> dict[LayerSpec, Verdict]:
        found = self._verdicts.get(id(rules))
        if found is None:
            self._rules.append(rules)
            found = self._verdicts[id(rules)] = {}
        return found

    def loads(self, network: Network) -> tuple[Load, ...]:
        """The work and memory of each layer of ``network``."""
        known = self._loads
        for spec in network.kinds().difference(known):
            known[spec] = load(spec)
        return tuple(map(known.__getitem__, network.specs()))

    def _judge(self, spec: LayerSpec, rules: TargetRules) -> Verdict:
        violations: list[Violation] = []
        unknown: list[str] = []
        broken: set[str] = set()
        for bound in rules.cards_for(spec.kind):
            card = bound.card
            if card.unless in broken:
                continue
            if not bound.tests:
                violations.append(Violation(bound, spec.note, -1))
                if card.verdict == "unknown":
                    unknown.append(card.slug)
                continue
            found = self._broken(spec, bound, rules)
            if found is None:
                if bound.severity == ERROR:
                    unknown.append(bound.tests[0].quantity.name)
            elif found:
                violations.extend(found)
                broken.add(card.slug)
        if any(not operand.constant and operand.dims is None for operand in spec.inputs) or any(
            kind is None or kind.dims is None for kind in spec.outputs
        ):
            unknown.append(SHAPE)
        return Verdict(tuple(violations), tuple(unknown))

    def _broken(self, spec: LayerSpec, bound: BoundCard, rules: TargetRules) -> list[Violation] | None:
        """The violations of one card, none when it holds, ``None`` when that cannot be known."""
        first: list[Violation] = []
        for test in bound.tests:
            value = self.measure(spec, test.quantity, rules)
            if value is SKIP:
                return []
            if value is None:
                return None
            indices = failing(test.predicate, value, test.limit.value)
            if not indices:
                return []
            if test is bound.tests[0]:
                first = _violations(bound, test.quantity, value, indices)
        return first

    def measure(self, spec: LayerSpec, measured: Quantity, rules: TargetRules) -> Any:
        """The value of a quantity for a layer."""
        key = (spec, measured.name, id(rules) if measured.targeted else 0)
        if key not in self._measured:
            self._measured[key] = measured.measure(spec, rules.target)
        return self._measured[key]


def _violations(bound: BoundCard, measured: Quantity, value: Any, indices: Iterable[int]) -> list[Violation]:
    if not measured.tensors:
        return [Violation(bound, value, -1)]
    # one finding per tensor would repeat itself along a chain of layers: the first one says it
    index = next(iter(indices))
    return [Violation(bound, value[index], index)]
