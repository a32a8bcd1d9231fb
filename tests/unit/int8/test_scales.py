"""A missing, broken or unequal scale is found on real networks, with the layers that it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dlalint.engine.targets import parse
from dlalint.finding import Finding
from dlalint.graph import Device
from dlalint.graphview import GraphView
from dlalint.measured import Measured, Scales
from dlalint.pipeline import Session
from dlalint.plan import Outcome

NETWORKS = ("mobilenet_v2", "resnet18", "squeezenet1_1", "unet_k2s2", "yolov5")
TARGETS = ("xavier-trt8.5", "orin-trt10.3")
_IN_FP16 = {"LRN", "Sigmoid", "Tanh", "Slice", "Softmax", "Split"}  # guide-8-5, as ONNX operators
_ABOUT_SCALES = ("scale", "calibr", "moved", "precision-of", "layer-asked")


def _judged(session: Session, view: GraphView, target: str, scales: Scales) -> Outcome:
    return session.check(view, parse(target, session.rules, "int8"), measured=Measured(scales))


def _about(outcome: Outcome) -> list[Finding]:
    return [finding for finding in outcome.findings if any(word in finding.name for word in _ABOUT_SCALES)]


def _given(values: Mapping[str, float], kinds: Mapping[str, str] | None = None) -> Scales:
    return Scales("calib.cache", "", "EntropyCalibration2", values, kinds or {})


def _all(view: GraphView) -> dict[str, float]:
    graph = view.model.graph
    return dict.fromkeys([*graph.inputs, *(name for node in graph.nodes for name in node.outputs)], 0.05)


def _touching(view: GraphView, outcome: Outcome, tensor: str) -> list[str]:
    """The nodes on the DLA with an INT8 form that read or write a tensor, from the model alone."""
    nodes = view.model.graph.nodes
    return [
        found.id
        for found, node in zip(outcome.nodes, nodes, strict=True)
        if tensor in (*node.inputs, *node.outputs) and found.device is Device.DLA and found.op_type not in _IN_FP16
    ]


def _plain(view: GraphView, outcome: Outcome) -> list[str]:
    """Tensors between operators that are always one layer each, on the DLA."""
    single = {"Conv", "Relu", "MaxPool", "Concat", "LeakyRelu", "ConvTranspose", "Clip", "Add"}
    nodes = view.model.graph.nodes
    found = []
    for name in (name for node in nodes for name in node.outputs):
        around = [number for number, node in enumerate(nodes) if name in (*node.inputs, *node.outputs)]
        if all(nodes[number].op.op_type in single and outcome.nodes[number].device is Device.DLA for number in around) and len(around) > 1:
            found.append(name)
    return found


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_scales_for_every_tensor_leave_nothing_to_say(network: str, target: str, session: Session, models: Path) -> None:
    view = session.view(models / f"{network}.onnx")
    outcome = _judged(session, view, target, _given(_all(view)))
    assert _about(outcome) == []
    assert outcome.coverage is not None
    assert outcome.coverage.tensors == outcome.coverage.scaled > 40
    assert outcome.coverage.in_fp16 == ()
    assert not any("every tensor has an INT8 scale" in text for text in outcome.unchecked)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_missing_or_broken_scale_is_found_with_its_layers(network: str, target: str, session: Session, models: Path) -> None:
    view = session.view(models / f"{network}.onnx")
    values = _all(view)
    whole = _judged(session, view, target, _given(values))
    places = _plain(view, whole)
    assert len(places) > 10
    for number, tensor in enumerate(places[:: max(1, len(places) // 6)]):
        broken = {name: scale for name, scale in values.items() if name != tensor}
        bad = (None, 0.0, -0.1, float("inf"), float("nan"), 1e-40)[number % 6]
        if bad is not None:
            broken[tensor] = bad
        outcome = _judged(session, view, target, _given(broken))
        assert [(finding.name, finding.tensor, finding.observed) for finding in _about(outcome)] == [
            ("scale-missing" if bad is None else "scale-unusable", tensor, tensor)
        ]
        region = _touching(view, outcome, tensor)
        finding = _about(outcome)[0]
        assert finding.node == region[0]
        assert all(name in finding.message for name in region[:3])
        assert outcome.coverage is not None
        assert sorted(outcome.coverage.in_fp16) == sorted(region)
        assert outcome.coverage.macs_in_fp16 == sum(node.macs for node in outcome.nodes if node.id in region)
        assert (outcome.summary, outcome.partition.devices) == (whole.summary, whole.partition.devices)  # FP16 on the DLA, not the GPU


UNEQUAL = (
    ("resnet18", "/maxpool/MaxPool_output_0", "pooling-scales-unequal", "/maxpool/MaxPool"),
    ("resnet18", "/layer1/layer1.0/conv2/Conv_output_0", "elementwise-scales-unequal", "/layer1/layer1.0/Add"),
    ("squeezenet1_1", "/features/features.3/expand1x1_activation/Relu_output_0", "concat-scales-unequal", "/features/features.3/Concat"),
    ("unet_k2s2", None, "concat-scales-unequal", None),
    ("yolov5", None, "concat-scales-unequal", None),
    ("mobilenet_v2", "/features/features.3/conv/conv.2/Conv_output_0", "", ""),
)


@pytest.mark.parametrize(("network", "tensor", "slug", "node"), UNEQUAL)
def test_unequal_scales_where_the_dla_wants_them_equal(
    network: str, tensor: str | None, slug: str, node: str | None, session: Session, models: Path
) -> None:
    view = session.view(models / f"{network}.onnx")
    if tensor is None:
        concat = next(item for item in view.model.graph.nodes if item.op.op_type == "Concat" and len(item.inputs) == 2)
        tensor, node = concat.outputs[0], concat.name
    assert node is not None
    values = _all(view)
    values[tensor] = 0.06
    found = {(finding.name, finding.node): finding for finding in _about(_judged(session, view, "xavier-trt8.5", _given(values)))}
    if not slug:  # what only convolutions and clips touch may have any scale
        assert {name for name, _ in found} <= {"elementwise-scales-unequal"}
        return
    finding = found[slug, node]
    assert finding.observed == 1.2
    assert "0.06" in finding.message
    assert "0.05" in finding.message
    touching = {item.name for item in view.model.graph.nodes if tensor in (*item.inputs, *item.outputs)}
    assert {node for _, node in found} <= touching


def test_an_output_may_have_any_scale_where_the_release_says_nothing(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    values = {**_all(view), "/maxpool/MaxPool_output_0": 0.06}
    names = [finding.name for finding in _about(_judged(session, view, "xavier-trt7.0", _given(values)))]
    assert names == []  # the header says it from 7.1 on


def _names(findings: Sequence[Finding]) -> list[str]:
    return sorted(finding.name for finding in findings)


def test_a_cache_of_another_model(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    outcome = _judged(session, view, "orin-trt10.3", _given({"data": 0.1, "prob": 0.2}))
    found = _about(outcome)
    assert outcome.coverage is not None
    assert _names(found) == [*["scale-missing"] * outcome.coverage.tensors, "scales-of-another-model"]
    root = next(number for number, finding in enumerate(outcome.findings) if finding.name == "scales-of-another-model")
    assert {finding.cause for finding in found} == {None, root}
    assert len(outcome.coverage.in_fp16) == outcome.coverage.layers


def test_names_that_are_off_by_a_letter(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    values = _all(view)
    values["/conv1/Conv_outptu_0"] = values.pop("/conv1/Conv_output_0")
    values["(Unnamed Layer* 3) [Shuffle]_output"] = 0.0
    found = _about(_judged(session, view, "orin-trt10.3", _given(values)))
    assert _names(found) == ["scale-missing", "scale-of-no-tensor"]
    assert "the nearest is /conv1/Conv_output_0" in next(finding.message for finding in found if finding.name == "scale-of-no-tensor")


def test_headers_of_other_releases_and_algorithms(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    for version, algorithm, target, wanted in (
        ("8.5.10", "EntropyCalibration2", "xavier-trt8.5", []),
        ("8.5.10", "EntropyCalibration2", "orin-trt10.3", ["scales-of-another-release"]),
        ("", "", "orin-trt10.3", []),
        ("8.5.10", "MinMaxCalibration", "xavier-trt8.5", ["calibrator-unsupported"]),
        ("8.5.10", "EntropyCalibration2", "orin-trt11.4", ["scales-not-taken"]),
    ):
        outcome = _judged(session, view, target, Scales("c", version, algorithm, _all(view)))
        assert _names(_about(outcome)) == wanted
        assert (outcome.coverage is None) == (target == "orin-trt11.4")


def test_scales_say_nothing_of_fp16(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    outcome = session.check(view, parse("orin-trt10.3", session.rules), measured=Measured(_given({"x": 1.0})))
    assert _about(outcome) == []
    assert outcome.coverage is None


def test_layers_that_are_asked_for_a_precision(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    values = _all(view)
    del values["/conv1/Conv_output_0"]
    kinds = {"/conv1/Conv": "fp16", "/relu/Relu": "fp16", "/layer4/layer4.0/Add": "fp32", "/fc/Gemn": "fp16"}
    whole = _judged(session, view, "orin-trt10.3", _given(_all(view)))
    outcome = _judged(session, view, "orin-trt10.3", _given(values, kinds))
    assert _names(_about(outcome)) == ["layer-asked-in-fp32", "precision-of-no-layer"]  # FP16 was asked for: no scale is missed
    moved = [new.id for old, new in zip(whole.nodes, outcome.nodes, strict=True) if old.device is not new.device]
    assert moved == ["/layer4/layer4.0/Add"]
    assert outcome.summary.loadables == whole.summary.loadables + 1
    assert outcome.coverage is not None
    assert whole.coverage is not None
    assert outcome.coverage.layers == whole.coverage.layers - 3


def test_a_type_for_all_layers(session: Session, models: Path) -> None:
    view = session.view(models / "resnet18.onnx")
    outcome = _judged(session, view, "orin-trt10.3", _given({}, {"*": "fp16"}))
    assert _about(outcome) == []
    assert outcome.coverage is not None
    assert outcome.coverage.layers == 0
