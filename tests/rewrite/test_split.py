"""A model as parts that run one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.rewrite import splitting
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.parts import Part, model_of
from dlalint.rewrite.splitting import heads, split

from .conftest import text, with_side_file

BODY = """g (float[1,8,4,4] x) => (float[1,8,4,4] y, float[1,8,4,4] early) <float[8,8,1,1] w = {WEIGHTS}> {
    k = Constant<value: tensor = float {0.5}>()
    a = Conv(x, w) early = Relu(a) b = Erf(early) c = Mul(b, k) d = Conv(c, w) y = Add(d, early) }""".replace(
    "WEIGHTS", ",".join(["0.25"] * 64)
)


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = str(tmp_path / "model.onnx")
    onnx.save(text(BODY), path)
    return path


def test_parts_follow_the_devices(session: Session, model: str, tmp_path: Path) -> None:
    with Runner() as runner:
        found = split(session, model, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), runner=runner)
    assert found.files == ("00-dla.onnx", "01-gpu.onnx", "02-dla.onnx")
    assert [(part.inputs, part.outputs) for part in found.parts] == [
        (("x",), ("early",)),
        (("early",), ("b",)),
        (("b", "early"), ("y",)),
    ]
    assert found.proof is not None
    assert found.proof.ok
    assert found.proof.error == 0
    for name in found.files:
        part = onnx.load(tmp_path / "out" / name)
        onnx.checker.check_model(part, full_check=True)
        assert (part.ir_version, part.opset_import[0].version) == (8, 17)
    assert [node.op_type for node in part.graph.node] == ["Constant", "Mul", "Conv", "Add"]
    told = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert [item["file"] for item in told["parts"]] == list(found.files)
    assert told["parts"][1]["inputs"] == [{"name": "early", "dtype": "float32", "shape": [1, 8, 4, 4], "bytes": 512}]
    assert told["parts"][1]["nodes"] == ["Erf:b"]
    assert heads(found.outcome, found.graph) == ("early",)


def test_a_cut_at_a_tensor_makes_two(session: Session, model: str, tmp_path: Path) -> None:
    with Runner() as runner:
        found = split(session, model, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), ["early"], runner=runner)
    assert found.files == ("00-dla.onnx", "01-gpu.onnx")
    assert found.parts[1].inputs == ("early",)
    assert found.parts[1].outputs == ("y",)


def test_weights_in_side_files_come_into_the_parts(session: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "model.onnx")
    with_side_file(text(BODY), tmp_path / "model.onnx", "weights.bin")
    with Runner() as runner:
        found = split(session, path, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), runner=runner)
    assert found.proof is not None
    assert found.proof.ok
    assert not any(tensor.external_data for name in found.files for tensor in onnx.load(tmp_path / "out" / name).graph.initializer)


def test_a_failed_proof_leaves_nothing(session: Session, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: Graph, part: Part) -> onnx.ModelProto:
        made = model_of(graph, part)
        for node in made.graph.node:
            node.op_type = {"Erf": "Sigmoid"}.get(node.op_type, node.op_type)
        return made

    monkeypatch.setattr(splitting, "model_of", wrong)
    with Runner() as runner, pytest.raises(DlalintError, match="the parts differ from the whole: y first"):
        split(session, model, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), runner=runner)
    assert not (tmp_path / "out").exists()


def test_the_command(model: str, tmp_path: Path, program: Callable[..., tuple[int, str, str]]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        return program("split", *arguments)

    target = ("--target", "orin-trt10.3", "-o", str(tmp_path / "out"))
    code, out, err = run(model, *target)
    assert (code, err) == (0, "")
    assert "01-gpu.onnx  GPU         1  b 512 B" in out
    assert "Proof  the parts give bit-equal outputs on 5 sets of inputs" in out
    assert out.splitlines()[-1].endswith("--target orin-trt10.3 --at early")
    code, out, _ = run(model, *target, "--format", "json", "--at", "early", "--no-verify")
    assert code == 0
    assert json.loads(out)["proof"] is None
    assert [item["device"] for item in json.loads(out)["parts"]] == ["dla", "gpu"]
    code, out, err = run(model, *target, "--at", "earlyy")
    assert (code, out) == (2, "")
    assert err == "dlalint: --at: error[E514]: no node computes tensor 'earlyy'. Did you mean early?\n"
