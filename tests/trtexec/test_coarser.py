"""The coarser placement: what it saves on real models, and that it never makes one worse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest

from dlalint.cli import execute
from dlalint.engine import store
from dlalint.engine.check import Checker
from dlalint.engine.memory import macs
from dlalint.engine.targets import parse
from dlalint.graph import Device
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.placement import place
from dlalint.plan import Outcome, Partition
from dlalint.trtexec.coarser import Coarser, layer_names, search
from dlalint.trtexec.flags import Flags

OWN = Path(__file__).resolve().parents[2] / "models"
FREE = {"fcn_dynamic": (1, 3, 64, 64), "resnet18_dynamic": (1, 3, 224, 224)}


def nameable(release: tuple[int, int] = (10, 3)) -> Callable[[str], bool]:
    tables = store.read(store.locate()).tables
    return Flags(tables["trtexec"], tables["sources"], release).nameable


def checked(session: Session, path: Path, target: str) -> Outcome:
    shape = FREE.get(path.stem)
    return session.check(session.view(path, Overrides({"input": shape} if shape else {})), parse(target, session.rules))


def simulated(session: Session, outcome: Outcome) -> Callable[[frozenset[int]], Partition]:
    rules, checker = session.rules.for_target(outcome.target), Checker()
    return lambda barred: place(outcome.network, rules, checker, barred).partition


def coarser(session: Session, outcome: Outcome, most: float = 0.02) -> Coarser | None:
    work = [macs(layer.spec) for layer in outcome.network.layers]
    return search(outcome, work, simulated(session, outcome), nameable(outcome.target.trt), most)


def named(outcome: Outcome, found: Coarser) -> frozenset[int]:
    """The layers that the names bar, found again from the names alone."""
    names = layer_names(outcome, nameable(outcome.target.trt))
    wanted = set(found.names)
    helpers = {index for index, layer in enumerate(outcome.network.layers) if layer.spec.helper}
    return frozenset(index for index, own in enumerate(names) if own and index not in helpers and wanted.issuperset(own))


@pytest.mark.parametrize("path", sorted(OWN.glob("*.onnx")), ids=lambda path: path.stem)
@pytest.mark.parametrize("target", ["xavier-trt8.6", "orin-trt10.3"])
def test_no_model_gets_worse(path: Path, target: str, session: Session) -> None:
    outcome = checked(session, path, target)
    found = coarser(session, outcome)
    if found is None:
        return
    assert outcome.verdict != "full"
    before, after, summary = found.before, found.after, outcome.summary
    assert (before.loadables, before.candidates) == (summary.loadables, summary.candidates)
    assert (before.transitions, before.boundary_bytes) == (summary.transitions, summary.boundary_bytes)
    assert after.transitions <= before.transitions
    assert after.boundary_bytes <= before.boundary_bytes
    assert before.dla_macs - after.dla_macs <= 0.02 * found.total_macs
    assert after._replace(loadables=0, candidates=0) != before._replace(loadables=0, candidates=0)
    again = simulated(session, outcome)(named(outcome, found))
    assert again == found.partition  # the names alone lead to what is promised
    assert len(again.kept) == after.loadables


@pytest.mark.parametrize("name", ["unet_k2s2", "fpn_resnet18"])
def test_a_full_model_stays_whole(session: Session, models: Path, name: str) -> None:
    outcome = checked(session, models / f"{name}.onnx", "orin-trt10.3")
    assert outcome.verdict == "full"
    assert coarser(session, outcome, 1.0) is None


def test_shufflenet_keeps_its_largest_convolution(session: Session, models: Path) -> None:
    """Eighteen candidates for sixteen loadables: the two smallest are lost, and one of them is a quarter of the work."""
    outcome = checked(session, models / "shufflenet_v2_x0_5.onnx", "orin-trt10.3")
    lost = next(index for index, layer in enumerate(outcome.network.layers) if layer.name == "/conv5/conv5.0/Conv")
    assert outcome.partition.devices[lost] is Device.GPU
    found = coarser(session, outcome)
    assert found is not None
    assert found.partition.devices[lost] is Device.DLA
    assert found.after.dla_macs - found.before.dla_macs > 0.15 * found.total_macs
    assert found.after.boundary_bytes < 0.75 * found.before.boundary_bytes
    assert found.after.transitions == found.before.transitions


def test_ssd_hands_over_one_tensor_instead_of_two(session: Session, models: Path) -> None:
    outcome = checked(session, models / "ssd_mobilenet_v2.onnx", "orin-trt10.3")
    found = coarser(session, outcome)
    assert found is not None
    assert (found.before.transitions, found.after.transitions) == (12, 11)
    assert set(found.names) == {"/extra.3/extra.3.1/act/Clip", "/loc.5/Conv", "/conf.5/Conv"}


def test_yolo_leaves_the_decoding_to_the_gpu(session: Session, models: Path) -> None:
    found = coarser(session, checked(session, models / "yolov5.onnx", "orin-trt10.3"))
    assert found is not None
    assert (found.before.transitions, found.after.transitions) == (27, 3)
    assert (found.before.loadables, found.after.loadables) == (4, 1)
    assert found.after.dla_macs == found.before.dla_macs
    assert all(name.startswith("/head/") for name in found.names)


def test_nothing_moves_without_leave(session: Session, models: Path) -> None:
    """With 0 % only parts without multiplications move."""
    outcome = checked(session, models / "vit.onnx", "orin-trt10.3")
    found = coarser(session, outcome, 0.0)
    assert found is not None
    assert found.after.dla_macs >= found.before.dla_macs


# names


def called(session: Session, folder: Path, names: tuple[str, str, str], operator: str = "Relu") -> list[tuple[str, ...] | None]:
    """The names of the layers of a chain of three nodes."""
    head = '<ir_version: 8, opset_import: ["": 13]> g (float[1,8,8,8] x) => (float[1,8,8,8] y)'
    model = onnx.parser.parse_model(f"{head} {{ a = {operator}(x) b = Sigmoid(a) y = Relu(b) }}")
    for node, name in zip(model.graph.node, names, strict=True):
        node.name = name
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return layer_names(checked(session, path, "orin-trt10.3"), nameable())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("one", "two", "three"), [("one",), ("two",), ("three",)]),
        (("", "two", ""), [("node_of_a",), ("two",), ("node_of_y",)]),
        (("one", "one", "three"), [None, None, ("three",)]),
        (("a,b", "c*d", "e'f"), [None, None, None]),
        (("a:b", "c d", "\x1b[0m"), [("a:b",), ("c d",), None]),
        (("node_of_b", "", "z"), [None, None, ("z",)]),
    ],
)
def test_layers_are_called_like_their_nodes(
    session: Session, tmp_path: Path, names: tuple[str, str, str], expected: list[tuple[str, ...] | None]
) -> None:
    assert called(session, tmp_path, names) == expected


def test_a_second_layer_of_a_node_has_no_name(session: Session, tmp_path: Path) -> None:
    found = called(session, tmp_path, ("one", "two", "three"), "HardSigmoid")
    assert found[-2:] == [("two",), ("three",)]
    assert (found[0] == ("one",)) is (len(found) == 3)


def test_a_gemm_with_bias_cannot_be_named_whole(session: Session, models: Path) -> None:
    outcome = checked(session, models / "resnet18.onnx", "orin-trt10.3")
    names = layer_names(outcome, nameable())
    product = next(
        index for index, layer in enumerate(outcome.network.layers) if layer.name.startswith("/fc/Gemm") and not layer.spec.helper
    )
    assert names[product] is None
    assert coarser(session, outcome) is None


# the command line


def test_the_command_takes_the_coarser_placement(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    arguments = ["trtexec", str(models / "yolov5.onnx"), "--target", "orin-trt10.3", "--format", "json"]
    assert execute(arguments) == 0
    plain = json.loads(capsys.readouterr().out)
    assert execute([*arguments, "--coarser"]) == 0
    moved = json.loads(capsys.readouterr().out)
    assert (plain["coarser"]["used"], moved["coarser"]["used"]) == (False, True)
    assert plain["coarser"]["names"] == moved["coarser"]["names"]
    given = [text for text in moved["commands"][0]["arguments"] if text.startswith("--layerDeviceTypes=")]
    assert given == ["--layerDeviceTypes=" + ",".join(f"{name}:GPU" for name in plain["coarser"]["names"])]
    assert not any("layerDeviceTypes" in text for text in plain["commands"][0]["arguments"])
    assert moved["coarser"]["after"]["transitions"] == 3


def test_numbers_before_and_after_are_shown(capsys: pytest.CaptureFixture[str], models: Path) -> None:
    assert execute(["trtexec", str(models / "yolov5.onnx"), "--target", "orin-trt10.3"]) == 0
    rows = [text.split() for text in capsys.readouterr().out.splitlines()]
    assert ["tensors", "that", "change", "device", "27", "3"] in rows
    assert ["loadables", "of", "candidates", "4", "of", "4", "1", "of", "1"] in rows


@pytest.mark.parametrize(
    ("model", "target", "why"),
    [
        (
            "unet_k2s2",
            "orin-trt10.3",
            "no part was found whose move to the GPU saves anything (at most 2 % of the multiplications may move)",
        ),
        ("yolov5", "orin-trt8.5", "comes with 8.6; a program of your own can call setDeviceType for a coarser placement"),
    ],
)
def test_where_there_is_none_it_is_said(capsys: pytest.CaptureFixture[str], models: Path, model: str, target: str, why: str) -> None:
    assert execute(["trtexec", str(models / f"{model}.onnx"), "--target", target, "--coarser", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["coarser"] is None
    assert {"flag": "--layerDeviceTypes", "why": why} in found["left_out"]
