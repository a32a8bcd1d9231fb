"""Cards and limits, bound: everything a rule refers to exists, or loading fails with the file and the table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dlalint.engine import (  # noqa: F401  (importing registers the quantities)
    memory,
    quantities,
    quantities_movement,
    quantities_quantize,
    store,
)
from dlalint.engine.limits import INFERRED, LimitFiles, fault
from dlalint.engine.predicates import NUMERIC, PREDICATES, in_words
from dlalint.engine.registry import QUANTITIES, Quantity
from dlalint.finding import ERROR, SEVERITIES, Limit
from dlalint.named_tuple import NamedTuple
from dlalint.target import Target

STAGES = ("layer", "validation", "network", "model")
_CARD_KEYS = frozenset("code kinds stage severity verdict check limit unless message why instead rewrites sources examples".split())


class Test(NamedTuple):
    """One comparison of a card: predicate, quantity, limit by name."""

    predicate: str
    quantity: Quantity
    limit: str


class Card(NamedTuple):
    """A rule: what it looks at, what it says.

    ``tests`` are alternatives: the rule is broken when all of them fail. A layer rule without tests is broken by every layer of its kinds.
    """

    code: str
    slug: str
    area: str
    kinds: frozenset[str]
    stage: str
    severity: str
    verdict: str
    tests: tuple[Test, ...]
    limit: str
    unless: str
    message: str
    why: str
    instead: str
    rewrites: tuple[str, ...]
    sources: tuple[str, ...]


class BoundTest(NamedTuple):
    """A test with the limit of a target."""

    predicate: str
    quantity: Quantity
    limit: Limit


class BoundCard(NamedTuple):
    """A card with the limits of a target; ``severity`` is what breaking it means there."""

    card: Card
    tests: tuple[BoundTest, ...]
    severity: str

    @property
    def limit(self) -> Limit | None:
        """The limit the card is named for, if it has one."""
        return self.tests[0].limit if self.tests else None


class TargetRules:
    """All that holds for one target."""

    def __init__(
        self,
        target: Target,
        limits: Mapping[str, Limit],
        placement: Mapping[str, Any],
        cards: tuple[BoundCard, ...],
        reason_without_dla: str = "",
        sources_without_dla: tuple[str, ...] = (),
    ) -> None:
        self.target = target
        self.limits = limits
        self.placement = placement
        self.cards = cards
        self.reason_without_dla = reason_without_dla
        self.sources_without_dla = sources_without_dla
        self._by_kind: dict[str, tuple[BoundCard, ...]] = {}
        self._by_slug = {bound.card.slug: bound for bound in cards}

    def bound(self, card: Card) -> BoundCard:
        """``card`` with the limits of the target; without any when none of them holds here."""
        return self._by_slug.get(card.slug) or BoundCard(card, (), card.severity)

    def cards_for(self, kind: str) -> tuple[BoundCard, ...]:
        """The cards that judge layers of ``kind``, in the order of their codes."""
        found = self._by_kind.get(kind)
        if found is None:
            found = tuple(bound for bound in self.cards if not bound.card.kinds or kind in bound.card.kinds)
            self._by_kind[kind] = found
        return found


class RuleSet:
    """The rule book. Raises :class:`RuleDataError` when the data contradict themselves."""

    def __init__(self, tables: Mapping[str, store.Table], *, checked: bool = False) -> None:
        """``checked`` says that the tables were found sound before."""
        self.sources: store.Table = tables.get("sources", {})
        self.index: store.Table = tables.get("index", {})
        self.kinds: store.Table = tables.get("kinds", {})
        self.parser: store.Table = tables.get("parser", {})
        self.rewrites: store.Table = tables.get("rewrites", {})
        self.trtexec: store.Table = tables.get("trtexec", {})
        self.files = LimitFiles(tables, checked=checked)
        self.socs = {name.removeprefix("socs/"): table for name, table in tables.items() if name.startswith("socs/")}
        areas = [(name, table) for name, table in tables.items() if name.startswith("cards/")]
        cards = [self._card(name, slug, card) for name, table in areas for slug, card in table.items()]
        self.cards = tuple(sorted(cards, key=lambda card: card.code))
        self.by_slug = {card.slug: card for card in self.cards}
        self.by_code = {card.code: card for card in self.cards}
        self._targets: dict[Target, TargetRules] = {}
        self._allowing: dict[tuple[Target, str, str], TargetRules] = {}
        if not checked:
            from dlalint.engine.soundness import check

            check(self, tables)

    @classmethod
    def load(cls, folder: str | None = None) -> RuleSet:
        """The rules of ``folder``, else those of the installation."""
        stored = store.read(folder or store.locate())
        book = cls(stored.tables, checked=stored.checked)
        if not stored.checked:
            store.keep(stored)
        return book

    def for_target(self, target: Target) -> TargetRules:
        """The limits and cards of ``target``."""
        found = self._targets.get(target)
        if found is None:
            found = self._targets[target] = self._bind(target)
        return found

    def allowing(self, target: Target, name: str, value: str) -> TargetRules:
        """The rules of ``target`` with one more value in the list that the limit ``name`` is."""
        key = (target, name, value)
        if key not in self._allowing:
            rules = self.for_target(target)
            old = rules.limits[name]
            assert isinstance(old.value, tuple)
            wider = old._replace(value=(*(str(item) for item in old.value), value))
            cards = tuple(
                card._replace(tests=tuple(test._replace(limit=wider) if test.limit.name == name else test for test in card.tests))
                for card in rules.cards
            )
            self._allowing[key] = TargetRules(target, {**rules.limits, name: wider}, rules.placement, cards)
        return self._allowing[key]

    @cached_property
    def since(self) -> dict[str, tuple[int, int] | None]:
        """The release whose parser first knows an operator; ``None`` when none does. Operators that are not listed were always known."""
        found: dict[str, tuple[int, int] | None] = {}
        for release, names in self.parser.get("since", {}).items():
            version = None if release == "never" else tuple(int(part) for part in release.split("."))
            found.update(dict.fromkeys(names, version))
        return found

    # binding

    def _bind(self, target: Target) -> TargetRules:
        for gap in self.index.get("without_dla", ()):
            if target.name in (f"{gap['soc']}-trt{release}" for release in gap["releases"]):
                return TargetRules(target, {}, {}, (), gap["reason"], (gap["source"],))
        resolved = self.files.resolve(target.release, target.soc)
        beyond = resolved.beyond
        limits = dict(resolved.values)
        sources = tuple(dict.fromkeys(resolved.kinds.values()))
        limits["layer.kinds"] = Limit("layer.kinds", tuple(sorted(resolved.kinds)), "documented", sources)
        cards = []
        for card in self.cards:
            tests = tuple(BoundTest(test.predicate, test.quantity, limits[test.limit]) for test in card.tests if test.limit in limits)
            if not card.tests and card.stage == "layer":
                cards.append(BoundCard(card, (), card.severity))
            elif tests and tests[0].limit.name == card.tests[0].limit:
                cards.append(_judged(card, tests, beyond))
        return TargetRules(target, limits, resolved.placement, tuple(cards))

    def _card(self, file: str, slug: str, table: store.Table) -> Card:
        where = f"{file}, {slug}"
        for key in table:
            if key not in _CARD_KEYS:
                raise fault(where, f"unknown key {key}")
        for key in ("code", "message", "why", "instead"):
            if not table.get(key):
                raise fault(where, f"{key} is missing")
        check = table.get("check", {})
        alternatives = check.get("any_of", [check] if check else [])
        tests = tuple(_test(where, alternative) for alternative in alternatives)
        stage, severity = table.get("stage", "layer"), table.get("severity", ERROR)
        if stage not in STAGES or severity not in SEVERITIES:
            raise fault(where, f"stage {stage} or severity {severity} does not exist")
        return Card(
            table["code"],
            slug,
            file.removeprefix("cards/"),
            frozenset(table.get("kinds", ())),
            stage,
            severity,
            table.get("verdict", "fail"),
            tests,
            table.get("limit", tests[0].limit if tests else ""),
            table.get("unless", ""),
            table["message"],
            table["why"],
            table["instead"],
            tuple(table.get("rewrites", ())),
            tuple(table.get("sources", ())),
        )


def _test(where: str, table: Mapping[str, Any]) -> Test:
    names = [key for key in table if key in PREDICATES]
    if len(names) != 1 or set(table) - {*names, "of"}:
        raise fault(where, f"a check has one predicate of {', '.join(PREDICATES)}, and `of`")
    limit = table[names[0]]
    measured = table.get("of", limit)
    if measured not in QUANTITIES:
        raise fault(where, f"there is no quantity {measured}")
    return Test(names[0], QUANTITIES[measured], limit)


def _judged(card: Card, tests: tuple[BoundTest, ...], beyond: Mapping[str, str]) -> BoundCard:
    """Whether going beyond the limit is an error on this target: not when only another release states a number."""
    first = tests[0]
    default = "warning" if first.limit.confidence == INFERRED and first.predicate in NUMERIC else card.severity
    severity = beyond.get(first.limit.name, beyond.get("*", default))
    if card.severity != ERROR:
        severity = card.severity
    return BoundCard(card, tests, severity)


def limit_in_words(bound: BoundCard) -> str:
    """What the limits of a card allow, alternatives joined."""
    return " or ".join(in_words(test.predicate, test.limit.value) for test in bound.tests)
