"""A result that is not what it should be is found out, whatever is wrong with it, and not written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dlalint.calibration.translated import Proof
from dlalint.engine.targets import parse
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.rewrite.quantization.translating import Made, Places, Translator
from dlalint.rewrite.weights import Weights
from tests.rewrite.conftest import text

BODY = """g (float[1,2,4,4] x) => (float[1,2,4,4] y) <float s = {0.125}, float t = {0.1}, int8 z = {0}, uint8 u = {0}, uint8 i = {100},
    int8[2,2,1,1] w = {1, -20, 3, 4}, float[2] g = {2, 1}, float[2] b = {1, 1}, float[2] e = {0, 0}, float[2] v = {1, 2}> {
    q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) k = DequantizeLinear(w, t, z) c = Conv(d, k)
    p = QuantizeLinear(c, s, u) r = DequantizeLinear(p, s, u) l = Conv(r, k) n = BatchNormalization(l, g, b, e, v)
    m = QuantizeLinear(n, s, i) y = DequantizeLinear(m, s, i) }"""
Spoil = Callable[[Made], object]


def _weight(made: Made) -> None:
    tensor = next(item for item in made.removed.model.graph.initializer if item.name == "k")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), "k"))


def _wiring(made: Made) -> None:
    for proto in (made.removed.model, made.joined.model):
        proto.graph.node[2].input[0] = "x"


def _relu(made: Made) -> None:
    for proto in (made.removed.model, made.joined.model):
        next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Identity"


def _folding(made: Made) -> None:
    conv = made.joined.model.graph.node[-1]
    tensor = next(item for item in made.joined.model.graph.initializer if item.name == conv.input[1])
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), tensor.name))


def _scale(made: Made) -> Made:
    scales = tuple(item._replace(scale=item.scale * 2) for item in made.result.scales)
    return made._replace(result=made.result._replace(scales=scales))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_weight, "c differs by "),
        (_wiring, "y differs by "),
        (_relu, "c goes below zero, where its pair cut it off"),
        (_folding, "folding batch normalizations moves outputs by "),
        (_scale, "x differs by "),
    ],
    ids=lambda item: item.__name__.strip("_") if callable(item) else "",
)
def test_found_out(spoil: Spoil, fault: str, session: Session, tmp_path: Path) -> None:
    onnx.save(text(BODY), tmp_path / "model.onnx")
    before = _proof(session, tmp_path, lambda made: made)
    assert (before.ok, before.exact, before.fault) == (True, True, "")
    for path in tmp_path.glob("out.*"):
        path.unlink()
    proof = _proof(session, tmp_path, spoil)
    assert not proof.ok
    assert proof.fault.startswith(fault)
    assert proof.fault.startswith(proof.first)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}


def _proof(session: Session, folder: Path, spoil: Spoil) -> Proof:
    with Runner() as runner, Weights(str(folder / "model.onnx")) as weights:
        translator = Translator(session, parse("orin-trt8.6", session.rules, "int8"), runner)
        made = translator.translate(weights)
        spoilt = spoil(made)
        found = spoilt if isinstance(spoilt, Made) else made
        proof = translator.save(found, Places(str(folder / "out.onnx"), str(folder / "out.cache")))
    assert proof is not None
    return proof
