"""Random models: whatever Q/DQ nodes stand where, with the pairs put back the result is bit-equal."""

from __future__ import annotations

from pathlib import Path

import onnx

from dlalint.engine.targets import parse
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.rewrite.quantization.translating import Places, Translator
from dlalint.rewrite.weights import Weights

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
            assert proof.exact, seed
            if not proof.ok:  # scales of one tensor that are far apart: the larger one is no form of the other
                assert any(item.kind == "merged" for item in made.result.remarks), seed
                continue
            found = onnx.load(places.model)
            onnx.checker.check_model(found, full_check=True)
            tensors = {name for node in found.graph.node for name in node.output} | {item.name for item in found.graph.initializer} | {"x"}
            assert set(made.cache) <= tensors, seed
            assert not any("uantizeLinear" in node.op_type for node in found.graph.node), seed
            assert [item.name for item in found.graph.output] == [item.name for item in model.graph.output], seed
            written += 1
    assert written > SEEDS * 0.9
