"""What the driver keeps and undoes, on rewrites made up for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from dlalint.changes import Rewritten
from dlalint.engine.store import locate
from dlalint.engine.targets import parse
from dlalint.graphview import GraphView
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.rewrite.base import EXACT, ROUNDING, Miss, Plan, Replacement, Rewrite, catalogue, table
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.driver import Driver, Limits
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import ORIN, named, text

TWO = text("g (float[1,8,4,4] x) => (float[1,8,4,4] y) { a = HardSwish(x) b = Relu(a) y = HardSwish(b) }")


@pytest.fixture(autouse=True)
def _no_free_macs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlalint.rewrite.driver.FREE_MACS", 0)


def _run(
    session: Session,
    rewrites: Sequence[Rewrite],
    model: ModelProto = TWO,
    extra: float = 9.0,
    refusal: str = "",
    unasked: Sequence[Rewrite] = (),
    proven: list[str] | None = None,
) -> tuple[ModelProto, Rewritten]:
    target = parse(ORIN, session.rules)

    def check(proto: ModelProto) -> tuple[GraphView, Outcome]:
        view = session.view_bytes(proto.SerializeToString(), "model.onnx")
        return view, session.check(view, target)

    def prove(graph: Graph, item: Rewrite, replacement: Replacement) -> tuple[float | None, str]:
        if proven is not None:
            proven.append(replacement.nodes[-1].output[0])
        return 0.25, refusal if replacement.remove == (0,) else ""

    return Driver(rewrites, check, prove, Limits(extra), unasked).run(model, Weights("model.onnx"))


def _swish(plan: Plan) -> Rewrite:
    return Rewrite("hard-swish", EXACT, "Made up.", frozenset({"HardSwish"}), plan)


def _into(*operators: str) -> Plan:
    def plan(graph: Graph, index: int) -> Replacement:
        node = graph.nodes[index]
        build = Builder(graph, index, "into")
        name = node.input[0]
        for operator in operators[:-1]:
            name = build.add(operator, [name])
        build.add(operators[-1], [name], node.output[0])
        return build.replacement(index)

    return plan


def test_what_helps_stays(session: Session) -> None:
    made, found = _run(session, [_swish(_into("Relu"))])
    assert [node.op_type for node in made.graph.node] == ["Relu"] * 3
    assert [(change.rewrite, change.nodes, change.made, change.error) for change in found.changes] == [
        ("hard-swish", ("HardSwish:a",), ("a/into_0",), 0.25),
        ("hard-swish", ("HardSwish:y",), ("y/into_0",), 0.25),
    ]
    assert (found.before.summary.gpu_nodes, found.after.summary.gpu_nodes) == (2, 0)
    assert not found.attempts


@pytest.mark.parametrize(
    ("operators", "reason"),
    [
        (("Erf", "Erf"), "undone: another finding takes its place (DLA431 unary-operation)"),
        (("HardSwish",), "undone: the placement gets no better"),
    ],
)
def test_what_does_not_help_is_undone(session: Session, operators: Sequence[str], reason: str) -> None:
    made, found = _run(session, [_swish(_into(*operators))])
    assert made == TWO
    assert found.after is found.before
    assert not found.changes
    assert [(item.node, item.reason) for item in found.attempts] == [("HardSwish:a", reason), ("HardSwish:y", reason)]


def test_what_helps_at_one_place_stays_there(session: Session) -> None:
    def plan(graph: Graph, index: int) -> Replacement | Miss:
        return _into("Relu" if graph.nodes[index].output[0] == "a" else "Erf")(graph, index)

    made, found = _run(session, [_swish(plan)])
    assert [node.op_type for node in made.graph.node] == ["Relu", "Relu", "HardSwish"]
    assert found.changes[0].nodes == ("HardSwish:a",)


def test_what_is_not_proven_is_not_made(session: Session) -> None:
    made, found = _run(session, [_swish(_into("Relu"))], refusal="the proof failed: a differs")
    assert [node.op_type for node in made.graph.node] == ["HardSwish", "Relu", "Relu"]
    assert [(item.node, item.reason) for item in found.attempts] == [("HardSwish:a", "the proof failed: a differs")]


def test_only_what_helps_is_proven(session: Session) -> None:
    """A proof takes longer than a check of the placement."""

    def plan(graph: Graph, index: int) -> Replacement | Miss:
        return _into("Relu" if graph.nodes[index].output[0] == "a" else "Erf")(graph, index)

    proven: list[str] = []
    _run(session, [_swish(plan)], proven=proven)
    assert proven == ["a"]


def test_what_was_not_asked_for_is_offered(session: Session) -> None:
    made, found = _run(session, [], unasked=[_swish(_into("Relu")), _swish(lambda graph, index: Miss("of the weather"))])
    assert made == TWO
    assert [(item.rewrite, item.nodes) for item in found.offers] == [("hard-swish", ("HardSwish:a", "HardSwish:y"))]
    assert not found.attempts
    assert not _run(session, [_swish(_into("Relu"))], unasked=[_swish(_into("Relu"))])[1].offers


def test_a_miss_is_told_with_its_reason(session: Session) -> None:
    _, found = _run(session, [_swish(lambda graph, index: Miss("of the weather"))])
    assert [item.reason for item in found.attempts] == ["does not apply: of the weather"] * 2


def test_the_multiplications_are_counted(session: Session) -> None:
    def plan(graph: Graph, index: int) -> Replacement:
        build = Builder(graph, index, "into")
        build.conv(graph.nodes[index].input[0], np.eye(8, dtype=np.float32).reshape(8, 8, 1, 1), output=graph.nodes[index].output[0])
        return build.replacement(index)

    body = """g (float[1,8,4,4] x) => (float[1,8,4,4] y) <float[8,8,1,1] w = {WEIGHTS}>
        { a = Conv(x, w) b = HardSwish(a) y = Relu(b) }"""
    model = text(body.replace("WEIGHTS", ",".join(["1"] * 64)))
    assert not _run(session, [_swish(plan)], model, extra=0.99)[1].changes
    assert _run(session, [_swish(plan)], model, extra=0.99)[1].attempts[0].reason == "undone: it adds 100% of the model's multiplications"
    assert _run(session, [_swish(plan)], model, extra=1.0)[1].changes


def test_operators_of_other_domains_are_not_touched(session: Session) -> None:
    model = text("g (float[1,8,4,4] x) => (float[1,8,4,4] y) { y = HardSwish(x) }")
    model.graph.node[0].domain = "custom"
    model.opset_import.add(domain="custom", version=1)
    assert _run(session, [_swish(_into("Relu"))], model)[0] == model


def test_the_catalogue_is_named_by_the_cards(session: Session) -> None:
    """No card promises a rewrite that is not there, and no rewrite waits for a finding that never names it."""
    promised = {name for card in session.rules.cards for name in card.rewrites}
    assert promised == {item.name for item in catalogue()}


def test_the_table_of_rewrites_is_fresh() -> None:
    """`python tests/rewrite/write_table.py` renews it."""
    assert Path(f"{locate()}/rewrites.toml").read_text(encoding="utf-8") == table()


def test_every_rewrite_is_described() -> None:
    names = [item.name for item in catalogue()]
    assert len(names) == len(set(names))
    for item in catalogue():
        assert item.summary.endswith(".")
        assert len(item.summary) < 120
        assert item.operators
        assert item.exactness in (EXACT, ROUNDING, "approximate")
    turns = [item.turn for item in catalogue()]
    assert turns == sorted(turns)
    assert named("hard-swish").exactness == ROUNDING
