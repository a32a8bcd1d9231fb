"""Every card is what its examples show: the failing model breaks exactly these rules, the passing one none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dlalint.engine import store
from dlalint.engine.check import Checker
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import names, parse
from dlalint.finding import ERROR, NOTE, Finding
from dlalint.graph import TensorType
from dlalint.network import LayerSpec, Operand
from dlalint.plan import Outcome

from .conftest import judged

Check = Callable[..., Outcome]
KEYS = {"target", "precision", "opset", "pass", "fail", "codes", "scales", "ranges"}
# cards of single layers that no ONNX model can break, judged below on layers that no parser makes
NO_MODEL = {"pooling-type", "prelu-slope-rank"}
_HALF = Operand(TensorType("float16", (1, 4, 8, 8)))
_UNREACHABLE = {
    "pooling-type": ("xavier-trt5.1", LayerSpec("POOLING", {"op": "MIN", "spatial": 2}, (_HALF,), (_HALF.type,))),
    "prelu-slope-rank": (
        "xavier-trt8.5",
        LayerSpec("PARAMETRIC_RELU", {"slope_constant": True, "slope_rank": 1}, (_HALF, Operand(None, True)), (_HALF.type,)),
    ),
}


class Card(NamedTuple):
    """A card as the file has it."""

    slug: str
    code: str
    stage: str
    examples: dict[str, Any]


CARDS = [
    Card(slug, table["code"], table.get("stage", "layer"), table.get("examples", {}))
    for path in sorted((Path(store.locate()) / "cards").glob("*.toml"))
    for slug, table in store.parse(str(path)).items()
]
WITH_EXAMPLES = [pytest.param(card, id=card.code) for card in CARDS if card.examples]


def _check(outcome: Check, card: Card, which: str) -> tuple[Finding, ...]:
    given = card.examples
    measured = given.get("scales"), given.get("ranges")
    return outcome(given[which], given["target"], given.get("opset", 13), given.get("precision", "fp16"), *measured).findings


def _codes(found: tuple[Finding, ...], listed: set[str]) -> set[str]:
    """The codes of errors and warnings, and of those notes that an example is about."""
    return {finding.code for finding in found if finding.severity != NOTE or finding.code in listed}


@pytest.mark.parametrize("card", WITH_EXAMPLES)
def test_the_failing_example_breaks_exactly_its_rules(card: Card, outcome: Check) -> None:
    listed = set(card.examples.get("codes", [card.code]))
    assert _codes(_check(outcome, card, "fail"), listed) == listed


@pytest.mark.parametrize("card", WITH_EXAMPLES)
def test_the_passing_example_breaks_none(card: Card, outcome: Check) -> None:
    assert _codes(_check(outcome, card, "pass"), {card.code}) == set()


@pytest.mark.parametrize("card", WITH_EXAMPLES)
def test_findings_say_what_why_and_what_to_do(card: Card, outcome: Check) -> None:
    for finding in _check(outcome, card, "fail"):
        for text in (finding.message, finding.why, finding.fix):
            assert text.strip()
            assert re.search(r"[{}]|  ", text) is None


def test_an_unknown_operator_is_no_refusal(outcome: Check) -> None:
    card = next(card for card in CARDS if card.slug == "operator-unknown")
    found = outcome(card.examples["fail"], card.examples["target"])
    assert (found.verdict, found.summary.unknown_nodes) == ("unknown", 1)


def test_an_unknown_shape_is_said_on_every_target(outcome: Check, book: RuleSet) -> None:
    graph = next(card.examples["fail"] for card in CARDS if card.slug == "shape-unknown")
    silent = [
        name
        for name in names(book)
        if not book.for_target(parse(name, book)).reason_without_dla
        and "DLA004" not in {finding.code for finding in outcome(graph, name).findings}
    ]
    assert silent == []


@pytest.mark.parametrize("card", WITH_EXAMPLES)
def test_examples_are_complete_and_about_their_card(card: Card) -> None:
    assert {"target", "pass", "fail"} <= set(card.examples) <= KEYS
    assert card.code in card.examples.get("codes", [card.code])


@pytest.mark.parametrize("card", WITH_EXAMPLES)
def test_what_goes_to_the_gpu_names_a_source(card: Card, outcome: Check) -> None:
    """But for findings on the file (DLA0xx): those state what it holds."""
    found = _check(outcome, card, "fail")
    assert [item.code for item in found if item.severity == ERROR and not item.sources and not item.code.startswith("DLA0")] == []


def test_every_rule_about_a_layer_has_examples() -> None:
    without = {card.slug for card in CARDS if card.stage in ("layer", "validation") and not card.examples}
    assert without == NO_MODEL


@pytest.mark.parametrize("slug", sorted(NO_MODEL))
def test_rules_that_no_model_can_break(slug: str, book: RuleSet, checker: Checker) -> None:
    target, spec = _UNREACHABLE[slug]
    verdict = judged(checker, spec, book.for_target(parse(target, book)))
    assert [found.bound.card.slug for found in verdict.violations] == [slug]
    assert verdict.refused("layer")
