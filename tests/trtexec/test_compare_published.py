"""The prediction held against the published builds of tests/cases, with logs in the form that their releases print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlalint.engine.targets import parse
from dlalint.graphview import GraphView
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.trtexec.agreement import agreement
from dlalint.trtexec.comparison import Comparison
from dlalint.trtexec.observed import Fallback, GpuLayer, Group
from tests.trtexec import holding, render

CASES = Path(__file__).resolve().parents[1] / "cases"
SAMPLES = Path(__file__).resolve().parent / "samples"
WRITE = render.PREFIXES["timed"]
# loadables as the 8.4 and 8.5 logs name them
RANGES = {
    "dla-tutorial-gn-orin-trt8.4-int8": ["Conv_0", "Relu_10...Conv_11", "Relu_21...Conv_22", "Relu_32...Conv_33", "Relu_43"],
    "dla-tutorial-bn-orin-trt8.4-int8": ["Conv_0...Relu_7", "Gemm_15 + linear.bias + (Unnamed Layer* 19) [Shuffle]"],
    "dla-tutorial-bn-orin-trt8.5-int8": ["/cnn/cnn.0/Conv.../cnn/cnn.11/Relu", "/linear/Gemm"],
    "fcn-resnet18-xavier-trt8.5-fp16": ["/backbone/conv1/Conv.../classifier/classifier.4/Conv"],
}
# real nodes on the DLA, on the GPU, copies; and those found
EXPECTED = {
    "alexnet-noprob-xavier-trt5.0-fp16": ((20, 20), (0, 0), (0, 0)),
    "detr-orin-trt10.3-fp16": ((150, 150), (234, 234), (0, 0)),
    "detr-orin-trt10.3-int8": ((150, 150), (251, 251), (0, 0)),
    "dla-tutorial-bn-orin-trt8.4-int8": ((9, 9), (1, 1), (0, 0)),
    "dla-tutorial-bn-orin-trt8.5-int8": ((9, 9), (1, 1), (0, 0)),
    "dla-tutorial-gn-orin-trt8.4-int8": ((8, 8), (12, 12), (8, 8)),
    "fcn-resnet18-xavier-trt8.5-fp16": ((49, 49), (0, 0), (0, 0)),
    "googlenet-xavier-trt7.1-fp16": ((140, 140), (1, 1), (0, 0)),
    "mnist-xavier-trt5.1-fp16": ((0, 0), (2, 2), (0, 0)),
    "rn18v2-ssd-xavier-trt7.1-fp16": ((86, 86), (4, 4), (25, 25)),
    "rn50-caffe-xavier-trt5.0-fp16": ((174, 174), (1, 1), (0, 0)),
    "rn50-orin-trt10.3-fp16": ((120, 120), (1, 1), (0, 0)),
    "rn50-orin-trt10.3-int8": ((120, 120), (1, 1), (0, 0)),
    "yolo11n-orin-trt10.3-fp16": ((88, 88), (11, 11), (11, 11)),
    "yolo11n-strict-orin-trt10.3-fp16": ((300, 300), (0, 0), (0, 0)),
    "yolov3-416-xavier-trt5.0-fp16": ((0, 0), (74, 74), (0, 0)),
    "yolov4-608-xavier-trt7.1-fp16": ((48, 48), (458, 458), (0, 0)),
    "yolov4-tiny-xavier-trt7.1-fp16": ((18, 18), (44, 44), (0, 0)),
    "yolov5s-strict-orin-trt8.5-int8": ((199, 199), (0, 0), (0, 0)),
}


def _opened(session: Session, build: dict[str, Any]) -> tuple[GraphView, Outcome]:
    view = session.view(CASES / "graphs" / f"{build['graph']}.onnx")
    return view, session.check(view, parse(build["target"], session.rules, build["precision"]))


def _text(name: str, build: dict[str, Any]) -> str:
    """The build as its release logs it; where that names loadables by their ends, as the published log does."""
    nodes = {node: where for node, where in build["nodes"].items() if where != "folded-or-noop"}
    dla = [node for node, where in nodes.items() if where in ("dla", "not-gpu")]
    gpu = {node: "SHUFFLE" if where == "not-dla" else "" for node, where in nodes.items() if where in ("gpu", "not-dla")}
    release = build["target"].partition("-trt")[2]
    if release in ("5.0", "5.1"):
        head = "&&&& RUNNING TensorRT.trtexec # ./trtexec --fp16 --useDLACore=0 --allowGPUFallback\nuseDLACore: 0\n" if dla else ""
        tail = "Average over 100 runs is 49.0278 ms (host walltime is 49.155 ms, 99% percentile time is 50.5068).\n" if dla else ""
        return head + render.fallbacks([Fallback(node, "", "", "check", 0) for node in gpu], "5", WRITE) + tail
    listed = [GpuLayer(node, kind or "ELEMENTWISE" if release != "7.1" else "") for node, kind in gpu.items()]
    if release == "7.1":
        return render.lists([Group(f"{{{','.join(dla)}}}", "braces", tuple(dla))], listed, "7", WRITE)
    if release == "10.3":
        return render.lists([Group(node, "layer", (node,)) for node in dla], listed, "10", WRITE)
    ends = RANGES.get(name, [f"{dla[0]}...{dla[-1]}"])
    text = render.lists([Group(f"{{ForeignNode[{pair}]}}", "range", ()) for pair in ends], listed, "8", WRITE)
    return text if gpu else f"{text}&&&& PASSED TensorRT.trtexec [TensorRT v8503] # trtexec --int8 --useDLACore=0\n"


def _builds() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((CASES / "builds").glob("*.json"))}


BUILDS = _builds()


def _found(session: Session, folder: Path, name: str, change: str = "", into: str = "") -> Comparison:
    build = BUILDS[name]
    view, outcome = _opened(session, build)
    text = _text(name, build)
    assert change in text
    return holding.compared(view, outcome, text.replace(change, into, 1) if change else text, folder)


def test_every_build_is_expected() -> None:
    assert set(EXPECTED) == set(BUILDS)


@pytest.mark.parametrize("name", EXPECTED)
def test_published_build(session: Session, tmp_path: Path, name: str) -> None:
    found = _found(session, tmp_path, name)
    whole = agreement(found).whole
    assert (whole.dla, whole.gpu, whole.copies) == EXPECTED[name]
    assert found.differing == ()
    assert set(found.unjoined) <= {"linear.bias"}  # the bias has another name in the rebuilt graph


@pytest.mark.parametrize(
    ("name", "change", "into", "node", "real"),
    [
        ("googlenet-xavier-trt7.1-fp16", "inception_3a/pool,", "", "inception_3a/pool", ""),
        ("rn50-orin-trt10.3-fp16", "[DlaLayer] /maxpool/MaxPool", "[GpuLayer] POOLING: /maxpool/MaxPool", "/maxpool/MaxPool", "gpu"),
        ("rn50-caffe-xavier-trt5.0-fp16", "but layer prob is", "but layer pool5 is", "pool5", "gpu"),
        ("detr-orin-trt10.3-int8", "[GpuLayer] ELEMENTWISE: /model/encoder/layers.0/Add\n", "[DlaLayer] /model/encoder/layers.0/Add\n",
         "/model/encoder/layers.0/Add", "dla"),
    ],
)  # fmt: skip
def test_wrong_prediction_is_found(session: Session, tmp_path: Path, name: str, change: str, into: str, node: str, real: str) -> None:
    found = _found(session, tmp_path, name, change, into)
    pair = next(pair for pair in found.pairs if pair.node.id == node)
    assert pair.real.device == real
    others = {"prob"} if name.startswith("rn50-caffe") else set()
    assert {pair.node.id for pair in found.differing} == ({node} | others if real else set())
    assert found.agrees is not bool(real)


@pytest.mark.parametrize(
    ("name", "sample", "real"),
    [
        ("rn50-orin-trt10.3-int8", "trt10_verbose_build.txt", (120, 1, 0)),
        ("rn50-caffe-xavier-trt5.0-fp16", "trtexec_trt5_resnet50_dla.txt", (174, 1, 0)),
        ("rn50-caffe-xavier-trt5.0-fp16", "trt5_caffe_minimal.txt", (174, 1, 0)),
        ("googlenet-xavier-trt7.1-fp16", "dumpProfile_trt7_xavier.txt", (140, 1, 0)),
        ("yolov3-416-xavier-trt5.0-fp16", "trt5_6_warning_prefix.txt", (0, 5, 0)),
        ("detr-orin-trt10.3-fp16", "trt10_warnings_16_limit.txt", (124, 7, 1)),
        ("yolo11n-orin-trt10.3-fp16", "trt10_yolo11n_profile.txt", (245, 11, 13)),
    ],
)
def test_real_log(session: Session, name: str, sample: str, real: tuple[int, int, int]) -> None:
    """Logs as they were published, some of them excerpts: all that they tell is where it is predicted."""
    view, outcome = _opened(session, BUILDS[name])
    found = holding.of_file(view, outcome, SAMPLES / sample)
    whole = agreement(found).whole
    assert (whole.dla.real, whole.gpu.real, whole.copies.real) == real
    assert found.agrees


def test_profile_of_ssd_names_every_node_of_its_loadables(session: Session) -> None:
    view, outcome = _opened(session, BUILDS["rn18v2-ssd-xavier-trt7.1-fp16"])
    found = holding.of_file(view, outcome, SAMPLES / "profile_trt7_xavier_ssd.txt")
    assert agreement(found).whole.dla == (86, 86)
    assert [len(item.nodes) for item in found.loadables] == [62, 24]
    assert found.agrees
