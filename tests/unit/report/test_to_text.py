"""The report for people, read as they read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.report.formats import text_rows
from dlalint.report.layout import plain
from dlalint.report.to_text import to_text, verdict_sentence

MODELS = Path(__file__).resolve().parents[3] / "models"
ORDER = ["Operator", "Why nodes run on the GPU", "Notes", "Partition", "Not checkable", "Other targets"]


def check(session: Session, model: str, target: str, others: str = "") -> Outcome:
    names = [parse(name, session.rules) for name in others.split()]
    return session.check(session.view(MODELS / f"{model}.onnx"), parse(target, session.rules), names)


def text(session: Session, outcome: Outcome, width: int = 100, *, verbose: bool = False, quiet: bool = False) -> str:
    return plain(to_text(outcome, session.rules.sources, width, verbose=verbose, quiet=quiet))


def test_sections_come_in_order(session: Session) -> None:
    said = text(session, check(session, "resnet18", "orin-trt10.3", "xavier-trt5.0"))
    places = [said.index(heading) for heading in ORDER]
    assert places == sorted(places)


def test_the_verdict_is_one_sentence_with_the_numbers(session: Session) -> None:
    outcome = check(session, "resnet18", "orin-trt10.3")
    assert verdict_sentence(outcome) == (
        "47 of 48 nodes run on the DLA in 2 loadables of at most 16, 1 on the GPU, tensors change device 3 times (52.0 KiB),"
        " 100 % of the multiplications on the DLA. 1 node folded away."
    )


def test_a_root_cause_says_everything(session: Session) -> None:
    said = text(session, check(session, "resnet18", "orin-trt10.3"))
    entry = said[said.index("  DLA311") : said.index("Notes")]
    for part in ("DLA311 reduce-operation", "1 node", "/avgpool/GlobalAveragePool", "AVG", "MAX", "why ", "do ", "source ", "(documented)"):
        assert part in entry


def test_many_nodes_are_cut_unless_all_are_asked_for(session: Session) -> None:
    outcome = check(session, "mobilenet_v2", "xavier-trt5.0")
    short, long = text(session, outcome), text(session, outcome, verbose=True)
    assert "/features.4/conv/conv.0/conv.0.2/Clip and 28 more" in " ".join(short.split())
    assert "more (-v shows all)" in short
    assert " more" not in long.split("Notes")[0]
    assert len(long) > len(short)


def test_quiet_is_the_verdict(session: Session) -> None:
    said = text(session, check(session, "resnet18", "orin-trt10.3"), quiet=True)
    assert said.count("\n") == 3
    assert "Partition" not in said


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_lines_fit_the_width(session: Session, width: int) -> None:
    """Addresses and names are not broken, everything else is."""
    said = text(session, check(session, "yolov8", "xavier-trt8.5"), width)
    long = [line for line in said.splitlines() if len(line) > width]
    assert [line for line in long if "http" not in line and "/" not in line] == []


def test_an_empty_graph_has_a_report(session: Session, tmp_path: Path) -> None:
    import onnx

    graph = onnx.helper.make_graph(
        [], "empty", [onnx.helper.make_tensor_value_info("x", 1, [1])], [onnx.helper.make_tensor_value_info("x", 1, [1])]
    )
    path = tmp_path / "empty.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    outcome = session.check(session.view(path), parse("orin-trt10.3", session.rules))
    assert outcome.verdict == "none"
    assert "NONE: 0 of 0 nodes run on the DLA." in text(session, outcome)


def test_the_next_step_names_the_rules_that_have_rewrites(session: Session) -> None:
    """Rules whose findings follow from others are not named: a rewrite starts from the cause."""
    outcome = check(session, "efficientnet_b0", "orin-trt10.3")
    codes = {item.code for item in outcome.findings if item.rewrites and item.cause is None}
    assert codes
    assert f"\nNext  `dlalint fix --diff` tries rewrites for {', '.join(sorted(codes))}.\n" in text(session, outcome)
    clean = outcome._replace(findings=tuple(item for item in outcome.findings if not item.rewrites))
    assert "Next  " not in text(session, clean)


@pytest.mark.parametrize(
    ("model", "target", "named"),
    [("efficientnet_b0", "orin-trt10.3", True), ("efficientnet_b0", "xavier-trt8.5", False), ("resnet18", "orin-trt10.3", False)],
)
def test_a_coarser_placement_is_named_where_loadables_compete(session: Session, model: str, target: str, named: bool) -> None:
    """Not for releases whose trtexec cannot send layers to the GPU."""
    outcome = check(session, model, target)
    assert ("`dlalint trtexec --coarser`" in plain(text_rows([outcome], session.rules, 100))) is named
    assert bool(outcome.partition.dropped) is (model != "resnet18")


def test_a_layer_made_of_several_is_named(session: Session) -> None:
    """What its node alone does may not be what is refused."""
    outcome = check(session, "vit", "orin-trt10.3")
    first = next(item for item in outcome.findings if " + " in item.layer)
    said = " ".join(text(session, outcome).split())
    assert f"{first.node}: {first.message} layer {first.layer} " in said
    alone = next(item for item in outcome.findings if item.layer == item.node)
    assert f"layer {alone.layer} " not in said


def test_followers_of_the_limit_are_one_entry(session: Session) -> None:
    said = text(session, check(session, "efficientnet_b0", "orin-trt10.3"))
    assert said.count("DLA601") == 1
    assert "behind" in said
    assert "DLA602" not in said.split("Partition")[0]
