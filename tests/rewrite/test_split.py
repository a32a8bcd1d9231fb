"""A model as parts that run one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.graph import Device
from dlalint.model.inputs import Overrides
from dlalint.model.skeleton import excise
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.numeric import Runner
from dlalint.pipeline import Session
from dlalint.rewrite import splitting
from dlalint.rewrite.graph import Graph, parsed
from dlalint.rewrite.parts import Part, by_device, model_of
from dlalint.rewrite.splitting import heads, split
from dlalint.rewrite.weights import Weights

from .conftest import text, with_side_file

MODELS = Path(__file__).resolve().parents[2] / "models"
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


ATTENTION = """g (float[1,24,4,4] x) => (float[1,8,4,4] y) <int64[3] sizes = {8,8,8}> {
    r = Relu(x) q, k, v = Split<axis=1>(r, sizes) kt = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, kt)
    p = Softmax<axis=1>(s) m = MatMul(v, p) y = Relu(m) }"""


def test_a_node_whose_pieces_go_to_several_segments_stays_in_a_part_of_its_device(session: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "attention.onnx")
    onnx.save(text(ATTENTION), path)
    with Runner() as runner:
        found = split(session, path, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), runner=runner)
    made = [[node.op_type for node in onnx.load(tmp_path / "out" / name).graph.node] for name in found.files]
    assert found.files == ("00-dla.onnx", "01-gpu.onnx", "02-dla.onnx", "03-gpu.onnx", "04-dla.onnx")
    assert made == [["Relu", "Split", "Transpose"], ["MatMul"], ["Softmax"], ["MatMul"], ["Relu"]]
    assert [(alone.loadables, alone.gpu_nodes) if alone else None for alone in found.alone] == [(1, 0), None, (1, 0), None, (1, 0)]
    assert found.proof is not None
    assert found.proof.ok


# between two parts lies a reshape that changes nothing: it is of whoever reads it; a shape from another part is written down
BETWEEN = {
    "erased": (
        """g (float[1,8,4,4] x) => (float[1,4] y) <float[8,4] w = {WEIGHTS}> {
        a = Relu(x) e = Erf(a) p = GlobalAveragePool(a) f = Flatten(p) y = Gemm(f, w) }""".replace("WEIGHTS", ",".join(["0.5"] * 32)),
        [["Relu"], ["GlobalAveragePool"], ["Flatten", "Gemm"]],
    ),
    "shape": (
        """g (float[1,8,4,4] x) => (float[1,8,16] y) <int64[1] two = {2}, int64[1] minus = {-1}> {
        a = Relu(x) e = Erf(a) s = Shape(a) h = Slice(s, zero, two) k = Concat<axis=0>(h, minus) r = Reshape(e, k) y = Sin(r) }""".replace(
            "<int64[1] two", "<int64[1] zero = {0}, int64[1] two"
        ),
        [["Relu"], ["Erf", "Slice", "Concat", "Reshape", "Sin"]],
    ),
    "output": (
        "g (float[1,8,4,4] x) => (float[1,8,4,4] y, float[1,8,4,4] z) { a = Relu(x) y = Identity(a) z = Erf(a) }",
        [["Relu"], ["Identity", "Erf"]],
    ),
}


@pytest.mark.parametrize("case", list(BETWEEN))
def test_what_lies_between_parts(session: Session, case: str, tmp_path: Path) -> None:
    path = str(tmp_path / "model.onnx")
    body, expected = BETWEEN[case]
    onnx.save(text(body), path)
    with Runner() as runner:
        found = split(session, path, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), runner=runner)
    assert [[node.op_type for node in onnx.load(tmp_path / "out" / name).graph.node] for name in found.files] == expected
    assert found.proof is not None
    assert found.proof.ok


@pytest.mark.parametrize("target", ["orin-trt10.3", "xavier-trt8.5"])
@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_node_is_in_one_part_of_its_device(session: Session, path: Path, target: str) -> None:
    view = session.view(str(path), Overrides(batch=1) if "dynamic" in path.stem else None)
    outcome = session.check(view, parse(target, session.rules))
    graph = Graph(parsed(excise(str(path), KEEP_INTEGER_BYTES), str(path)), view, Weights(str(path)))
    seen: list[int] = []
    ready = {name for name in graph.inputs if name not in graph.initializers}
    for part in by_device(graph, outcome):
        assert ready.issuperset(part.inputs)
        ready.update(part.outputs)
        own = [index for index in part.nodes if outcome.nodes[index].device is not Device.FOLDED]
        assert {outcome.nodes[index].device is Device.DLA for index in own} == {part.device is Device.DLA}
        seen += own
    assert sorted(seen) == [node.number for node in outcome.nodes if node.device is not Device.FOLDED]


def test_parts_have_the_shapes_that_were_fixed(session: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "dynamic.onnx")
    onnx.save(text(BODY.replace("[1,", "[N,")), path)
    with Runner() as runner:
        found = split(
            session, path, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), overrides=Overrides(batch=4), runner=runner
        )
    assert found.proof is not None
    assert found.proof.ok
    for name in found.files:
        graph = onnx.load(tmp_path / "out" / name).graph
        assert {item.type.tensor_type.shape.dim[0].dim_value for item in (*graph.input, *graph.output)} == {4}
    assert [alone.loadables if alone else None for alone in found.alone] == [1, None, 1]


def test_a_cut_at_a_tensor_makes_two(session: Session, model: str, tmp_path: Path) -> None:
    with Runner() as runner:
        found = split(session, model, parse("orin-trt10.3", session.rules), str(tmp_path / "out"), ["early"], runner=runner)
    assert found.files == ("00-dla.onnx", "01-gpu.onnx")
    assert found.parts[1].inputs == ("early",)
    assert found.parts[1].outputs == ("y",)


def test_a_cut_through_what_nobody_knows_the_type_of(session: Session, tmp_path: Path) -> None:
    """The output of an If has the type that the file declares; a part needs one for its inputs."""
    body = """g (float[1,8,4,4] x, bool[] c) => (float[1,8,4,4] y) {
        t = If(c) <then_branch = a () => (float[1,8,4,4] u) { u = Relu(x) }, else_branch = b () => (float[1,8,4,4] v) { v = Erf(x) }>
        y = Relu(t) }"""
    path = tmp_path / "model.onnx"
    onnx.save(text(body), path)
    with pytest.raises(DlalintError) as caught:
        split(session, str(path), parse("orin-trt10.3", session.rules), str(tmp_path / "out"), ["t"])
    assert (caught.value.code, caught.value.what) == ("E551", "a cut goes through 't', whose element type is not known")
    assert not (tmp_path / "out").exists()
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(path)), path)
    assert split(session, str(path), parse("orin-trt10.3", session.rules), str(tmp_path / "out"), ["t"]).parts[1].inputs == ("t",)


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
    assert "00-dla.onnx  DLA         2  1 loadable   early 512 B" in out
    assert "01-gpu.onnx  GPU         1               b 512 B" in out
    assert "Proof  the parts give bit-equal outputs on 5 sets of inputs" in out
    assert out.splitlines()[-1].endswith("--target orin-trt10.3 --at early")
    code, out, _ = run(model, *target, "--format", "json", "--at", "early", "--no-verify")
    assert code == 0
    assert json.loads(out)["proof"] is None
    assert [item["device"] for item in json.loads(out)["parts"]] == ["dla", "gpu"]
    code, out, err = run(model, *target, "--at", "earlyy")
    assert (code, out) == (2, "")
    assert err == "dlalint: --at: error[E514]: no node computes tensor 'earlyy'. Did you mean early?\n"
