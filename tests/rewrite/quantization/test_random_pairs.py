"""Random models: whatever Q/DQ nodes stand where, with the pairs put back the result is bit-equal."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.rewrite.quantization.translating import Places, Translator
from dlalint.rewrite.weights import Weights
from dlalint.verify import Runner

from .random_pairs import Drawn

SEEDS = 40


def test_random_models(session: Session, tmp_path: Path) -> None:
    places = Places(str(tmp_path / "out.onnx"), str(tmp_path / "out.cache"))
    written = 0
    with Runner() as runner:
        translator = Translator(session, parse("orin-trt8.6", session.rules, "int8"), runner)
        for seed in range(SEEDS):
            model = Drawn(seed).model()
            onnx.save(model, tmp_path / "model.onnx")
            if not any("uantizeLinear" in node.op_type for node in model.graph.node):
                continue
            with Weights(str(tmp_path / "model.onnx")) as weights:
                made = translator.translate(weights)
                proof = translator.save(made, places)
            assert proof is not None
            assert (proof.exact, proof.ok) == (True, True), seed
            found = onnx.load(places.model)
            onnx.checker.check_model(found, full_check=True)
            tensors = {name for node in found.graph.node for name in node.output} | {item.name for item in found.graph.initializer} | {"x"}
            assert set(made.cache) <= tensors, seed
            assert not any("uantizeLinear" in node.op_type for node in found.graph.node), seed
            assert [item.name for item in found.graph.output] == [item.name for item in model.graph.output], seed
            written += 1
    assert written > SEEDS * 0.9


@pytest.mark.parametrize("seed", [50, 65])
def test_pairs_that_cut_off_most_of_a_tensor(seed: int, session: Session, tmp_path: Path) -> None:
    """Where a pair is what makes a tensor what it is, no scale can stand for it: nothing is written."""
    onnx.save(Drawn(seed).model(), tmp_path / "model.onnx")
    places = Places(str(tmp_path / "out.onnx"), str(tmp_path / "out.cache"))
    with Runner() as runner, Weights(str(tmp_path / "model.onnx")) as weights:
        translator = Translator(session, parse("orin-trt8.6", session.rules, "int8"), runner)
        proof = translator.save(translator.translate(weights), places)
    assert proof is not None
    assert (proof.exact, proof.ok) == (True, False)
    assert proof.steps[0].median > 64
    assert proof.steps[0].beyond > 0.5
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}
