"""Every model at hand on every target: each node has its place and each fallback its reason."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from dlalint.engine.targets import names, parse
from dlalint.finding import ERROR
from dlalint.graph import Device
from dlalint.pipeline import Session

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
OWN = Path(__file__).resolve().parents[1] / "models"
FILES = sorted(OWN.glob("*.onnx")) + sorted(LIGHT.glob("*.onnx"))
FREE = {"fcn_dynamic", "resnet18_dynamic"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_node_has_a_verdict_on_every_target(path: Path, session: Session) -> None:
    view = session.view(path)
    for name in names(session.rules):
        outcome = session.check(view, parse(name, session.rules))
        errors = {finding.node_index for finding in outcome.findings if finding.severity == ERROR}
        assert [node.number for node in outcome.nodes] == list(range(len(view.model.graph.nodes)))
        for node in outcome.nodes:
            if node.device is Device.GPU:
                assert node.number in errors or -1 in errors, (name, node)  # -1: about the model
            elif node.device is Device.UNKNOWN:
                assert path.stem in FREE, (name, node)
            else:
                assert node.device in (Device.DLA, Device.FOLDED)


def test_what_does_nothing_before_an_output_has_its_reason_too(session: Session) -> None:
    body = "(float[1,8,4,4] x) => (float[1,8,4,4] y) <int64[8] p = {0, 0, 0, 0, 0, 0, 0, 0}> { a = Relu(x) y = Pad(a, p) }"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {body}')
    view = session.view_bytes(model.SerializeToString(), "model.onnx")
    outcome = session.check(view, parse("orin-trt10.3", session.rules))
    assert [(node.device, node.codes) for node in outcome.nodes] == [(Device.DLA, ()), (Device.GPU, ("DLA101",))]
