"""Names of layers and nodes of the model; what lies between two ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.trtexec.joining import Found, Names, Paths, Role
from tests.trtexec import drawn, holding
from tests.trtexec.drawn import node


@pytest.fixture(scope="module")
def opened(session: Session, tmp_path_factory: pytest.TempPathFactory) -> tuple[Names, Paths]:
    model = drawn.made(
        node("Conv", "/a/Conv", "x w", "a"),
        node("Relu", "/b.0/Relu", "a", "b"),
        node("Sigmoid", "/c/Sigmoid", "a", "c"),
        node("Add", "/d/Add", "b c", "d"),
        node("Erf", "same", "d", "e"),
        node("Relu", "same", "e", "f"),
        node("Sigmoid", "", "f", "g"),
        node("Relu", "/h + i", "g", "out"),
        node("Tanh", "/side/Tanh", "x", "side"),
        outputs=("out", "side"),
        weights=(drawn.weight("w", 8, 8, 1, 1),),
    )
    view = session.view(drawn.saved(model, tmp_path_factory.mktemp("joining")))
    outcome = session.check(view, parse("orin-trt10.3", session.rules))
    return Names(outcome, {"/a/Conv_7": "/a/Conv"}), Paths(outcome, view.calls)


@pytest.mark.parametrize(
    ("name", "role", "nodes"),
    [
        ("/a/Conv", Role.NODE, (0,)),
        ("/a/Conv_7", Role.NODE, (0,)),  # registered by the log
        ("/d/Add_12", Role.NODE, (3,)),  # numbered by the parser
        ("same", Role.NODE, (4, 5)),
        ("node_of_g", Role.NODE, (6,)),
        ("Sigmoid:g", Role.NODE, (6,)),
        ("/b_0/Relu_myl4_0", Role.NODE, (1,)),
        ("__myl_AddMul_myl0_3", Role.HELPER, ()),
        ("w", Role.CONSTANT, ()),
        ("w_clone_1", Role.CONSTANT, ()),
        ("w[Constant]", Role.CONSTANT, ()),
        ("(Unnamed Layer* 12) [Shuffle]", Role.HELPER, ()),
        ("reshape_after_/a/Conv", Role.HELPER, ()),
        ("ONNXTRT_Broadcast_3", Role.HELPER, ()),
        ("/elsewhere/Conv", Role.UNKNOWN, ()),
    ],
)
def test_find(opened: tuple[Names, Paths], name: str, role: Role, nodes: tuple[int, ...]) -> None:
    assert opened[0].find(name) == Found(role, nodes)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("/a/Conv + /b.0/Relu", (0, 1)),
        ("PWN(PWN(/c/Sigmoid), /d/Add)", (2, 3)),
        ("/h + i", (7,)),  # a node's own name comes before what it looks like
        ("{ForeignNode[/a/Conv...node_of_g]}", (0, 6)),
        ("w + (Unnamed Layer* 3) [Shuffle] + /d/Add", (3,)),
        ("/a/Conv || /side/Tanh", (0, 8)),
    ],
)
def test_fused_names(opened: tuple[Names, Paths], name: str, nodes: tuple[int, ...]) -> None:
    assert opened[0].nodes(name) == nodes


def test_unnamed_layer_is_told_by_what_it_writes(opened: tuple[Names, Paths]) -> None:
    names, _ = opened
    assert names.unnamed("(Unnamed Layer* 277) [Shuffle]", ("d",)) == (3,)
    assert names.unnamed("(Unnamed Layer* 277) [Shuffle]", ("(Unnamed Layer* 277) [Shuffle]_output",)) == ()
    assert names.unnamed("/b.0/Relu", ("d",)) == ()


@pytest.mark.parametrize(
    ("first", "last", "between"),
    [((0,), (3,), {0, 1, 2, 3}), ((1,), (3,), {1, 3}), ((1,), (2,), set()), ((0,), (7,), {0, 1, 2, 3, 4, 5, 6, 7}), ((8,), (8,), {8})],
)
def test_between(opened: tuple[Names, Paths], first: tuple[int, ...], last: tuple[int, ...], between: set[int]) -> None:
    assert opened[1].between(first, last) == between


@pytest.mark.parametrize(("barred", "between"), [({1}, {0, 2, 3}), ({1, 2}, set()), ({0, 3}, {0, 1, 2, 3}), ({7}, {0, 1, 2, 3})])
def test_ways_through_another_device_do_not_count(opened: tuple[Names, Paths], barred: set[int], between: set[int]) -> None:
    assert opened[1].between((0,), (3,), frozenset(barred)) == between


def test_nodes_that_share_a_name(session: Session, tmp_path: Path) -> None:
    """Both get what is said of the name."""
    model = drawn.made(node("Relu", "n", "x", "y"), node("Sigmoid", "n", "y", "z"), node("Relu", "m", "z", "o"), outputs=("o",))
    view = session.view(drawn.saved(model, tmp_path))
    outcome = session.check(view, parse("orin-trt10.3", session.rules))
    log = "---------- Layers Running on DLA ----------\n[DlaLayer] n\n[DlaLayer] m\n---------- Layers Running on GPU ----------\n"
    found = holding.compared(view, outcome, log, tmp_path)
    assert [pair.real.device for pair in found.pairs] == ["dla"] * 3
    mixed = holding.compared(view, outcome, log + "[GpuLayer] ACTIVATION: n\n", tmp_path)
    assert [(pair.real.device, pair.real.why) for pair in mixed.pairs[:2]] == [
        ("", "it shares its name with a node on the other device")
    ] * 2
