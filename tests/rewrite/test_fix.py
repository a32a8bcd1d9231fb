"""`fix` from a file to a file: what it writes, what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as graphsurgeon
import pytest

from dlalint.rewrite.base import Replacement, catalogue
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph

from .conftest import ran, text, with_side_file

BODY = """g (float[1,8,4,4] x) => (float[1,8,4,4] y) <float[8,8,3,3] w = {WEIGHTS}> {
    [first] a = Conv<pads: ints = [1,1,1,1]>(x, w) [swish] b = HardSwish(a) [second] y = Conv<pads: ints = [1,1,1,1]>(b, w) }"""
WEIGHTS = ",".join(str((7 * index % 11 - 5) / 40) for index in range(576))
BODY = BODY.replace("WEIGHTS", WEIGHTS)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    proto = text(BODY)
    onnx.helper.set_model_props(proto, {"kept": "yes"})
    onnx.save(proto, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def fix(program: Run) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        return program("fix", "--target", "orin-trt10.3", *arguments)

    return run


def test_a_fixed_model(model: Path, fix: Run) -> None:
    code, out, err = fix("model.onnx")
    assert (code, err) == (0, "")
    assert out.startswith(
        "model.onnx on orin-trt10.3, FP16\nFULL: 1 rewrite leaves 0 nodes on the GPU (before 1), 1 loadable (before 2).\n"
    )
    assert "hard-swish  1 place, equal up to rounding" in out
    assert "original and result agree on 5 sets of inputs (normal, zeros, large, negative, channels)" in out
    assert out.endswith("Written to model.fixed.onnx\n")
    made, old = onnx.load("model.fixed.onnx"), onnx.load("model.onnx")
    onnx.checker.check_model(made, full_check=True)
    assert [node.name for node in made.graph.node if not node.name.startswith("swish/")] == ["first", "second"]
    assert made.metadata_props[0].key == "kept"
    assert made.graph.initializer[0] == old.graph.initializer[0]
    feeds = {"x": np.random.default_rng(3).standard_normal((1, 8, 4, 4)).astype(np.float32)}
    np.testing.assert_allclose(ran(made, feeds)[0], ran(old, feeds)[0], atol=1e-5)
    assert sorted(os.listdir()) == ["model.fixed.onnx", "model.onnx"]


def test_json_and_a_place_for_the_result(model: Path, fix: Run) -> None:
    code, out, err = fix("model.onnx", "-o", "out.onnx", "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["output"] == "out.onnx"
    assert [item["rewrite"] for item in document["changes"]] == ["hard-swish"]
    assert document["changes"][0]["nodes"] == ["swish"]
    assert document["proof"]["ok"]
    assert (document["before"]["gpu_nodes"], document["after"]["gpu_nodes"]) == (1, 0)


def test_in_place_and_diff(model: Path, fix: Run) -> None:
    before = model.read_bytes()
    code, out, _ = fix("model.onnx", "--diff")
    assert (code, model.read_bytes()) == (0, before)
    assert out.endswith("Nothing was written.\n")
    assert "Proof  original and result agree" in out
    assert os.listdir() == ["model.onnx"]
    assert fix("model.onnx", "--in-place", "-o", "a.onnx")[0] == 2
    assert fix("model.onnx", "--in-place")[0] == 0
    assert model.read_bytes() != before
    again = model.read_bytes()
    code, out, _ = fix("model.onnx", "--in-place")
    assert code == 0
    assert "UNCHANGED" in out
    assert model.read_bytes() == again


GELU = """g (float[1,8,4,4] x) => (float[1,8,4,4] y)
    <float[8,8,3,3] w = {WEIGHTS}, float r = {1.4142135}, float one = {1}, float h = {0.5}> {
    [first] a = Conv<pads: ints = [1,1,1,1]>(x, w) d = Div(a, r) [erf] e = Erf(d) p = Add(e, one) m = Mul(a, p) y = Mul(m, h) }"""


def test_approximate_rewrites_are_offered_and_not_made(fix: Run, model: Path) -> None:
    onnx.save(text(GELU.replace("WEIGHTS", ",".join(["0.01"] * 576))), model)
    _, out, _ = fix("model.onnx", "--diff")
    heading, names = "Approximate rewrites, tried with --allow-approximate", "gelu or gelu-sigmoid or erf-to-tanh"
    assert f"{heading}\n  {names}  1 place (erf)\n" in out
    assert "approximate, largest error" not in out
    offers = json.loads(fix("model.onnx", "--diff", "--format", "json")[1])["offers"]
    assert offers == [{"rewrite": name, "nodes": ["erf"]} for name in names.split(" or ")]
    assert f"{heading}\n  gelu-sigmoid  1 place (erf)\n" in fix("model.onnx", "--diff", "--ignore", "gelu,erf-to-tanh")[1]
    _, out, _ = fix("model.onnx", "--diff", "--allow-approximate")
    assert "FULL: " in out
    assert heading not in out


def test_groups_over_the_limit_are_in_the_verdict(fix: Run, model: Path) -> None:
    """What gets better may be less of what the limit sends to the GPU, with as many loadables."""
    steps = [f"a{i} = Conv(t{i}, w) t{i + 1} = {'HardSwish' if i % 2 else 'Exp'}(a{i})" for i in range(40)]
    proto = text(f"""g (float[1,1,4,4] t0) => (float[1,1,4,4] y) <float[1,1,1,1] w = {{0.01}}> {{ {" ".join(steps)} y = Conv(t40, w) }}""")
    onnx.save(proto, model)
    out = fix("model.onnx", "--diff", "--select", "hard-swish")[1]
    sentence = "leave 45 nodes on the GPU (before 65), 16 loadables (before 16), 5 groups of layers over their limit (before 25)."
    assert sentence in " ".join(out.split())


def test_select_and_ignore(model: Path, fix: Run) -> None:
    assert "UNCHANGED" in fix("model.onnx", "--diff", "--select", "div-to-mul,neg-to-mul")[1]
    assert "hard-swish  1 place" not in fix("model.onnx", "--diff", "--ignore", "hard-swish")[1]
    assert "hard-swish  1 place" in fix("model.onnx", "--diff", "--select", "hard-swish")[1]
    code, out, err = fix("model.onnx", "--select", "nope")
    assert (code, out) == (2, "")
    assert err.startswith("dlalint: --select: error[E504]: no rewrite is called 'nope'. There are: ")


def _wrong(graph: Graph, index: int) -> Replacement:
    build = Builder(graph, index, "wrong")
    build.add("Relu", [graph.nodes[index].input[0]], graph.nodes[index].output[0])
    return build.replacement(index)


def test_a_rewrite_that_changes_values_is_not_made(model: Path, fix: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = catalogue()
    lying = tuple(item._replace(plan=_wrong) for item in right if item.name == "hard-swish")
    monkeypatch.setattr("dlalint.rewrite.fixing.catalogue", lambda: lying)
    code, out, _ = fix("model.onnx")
    assert code == 0
    assert "hard-swish  the proof failed: b differs by" in out
    assert os.listdir() == ["model.onnx"]


def test_a_whole_model_that_changes_is_not_written(model: Path, fix: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the proof of each rewrite is passed over, that of the whole model still stands."""
    lying = tuple(item._replace(plan=_wrong) for item in catalogue() if item.name == "hard-swish")
    monkeypatch.setattr("dlalint.rewrite.fixing.catalogue", lambda: lying)
    monkeypatch.setattr("dlalint.rewrite.fixing.parts", lambda graph, replacement: None)
    Path("model.fixed.onnx").write_bytes(b"old")
    code, out, err = fix("model.onnx")
    assert (code, err) == (1, "")
    assert "Proof  FAILED on 5 sets of inputs" in out
    assert "y differs first" in out
    assert out.endswith("Nothing was written.\n")
    assert Path("model.fixed.onnx").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["model.fixed.onnx", "model.onnx"]
    assert fix("model.onnx", "--no-verify")[0] == 0
    assert Path("model.fixed.onnx").read_bytes() != b"old"


SHAKY = """g (float[1,8,4,4] x) => (float[1,8,4,4] y) <float[8,8,3,3] w = {WEIGHTS}, float r = {3}, float many = {MANY}> {
    a = Conv<pads: ints = [1,1,1,1]>(x, w) d = Div(a, r) c = Conv<pads: ints = [1,1,1,1]>(d, w) m = Mul(c, many) y = Sin(m) }"""
SHAKY = SHAKY.replace("WEIGHTS", WEIGHTS)


def test_inputs_on_which_a_model_does_not_agree_with_itself(fix: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outputs are others with each last bit of large inputs: there nothing can be proven, elsewhere it can."""
    onnx.save(text(SHAKY.replace("MANY", "300")), model)
    code, out, err = fix("model.onnx")
    assert (code, err) == (0, "")
    assert "1 place, equal up to rounding, largest error" in out
    said = " ".join(out.split())
    assert "agree on 4 sets of inputs (normal, zeros, negative, channels), largest error" in said
    assert "On 1 set of inputs (large) the original does not agree with itself: its outputs move by" in said
    assert out.endswith("Written to model.fixed.onnx\n")
    monkeypatch.setattr("dlalint.rewrite.fixing.parts", lambda graph, replacement: None)
    code, out, _ = fix("model.onnx", "-o", "other.onnx")
    assert (code, Path("other.onnx").exists()) == (1, False)
    assert "Proof  FAILED on 5 sets of inputs" in out


def test_a_model_that_never_agrees_with_itself(fix: Run, model: Path) -> None:
    """It is held against that, as long as its outputs move so little that a fault would show."""
    onnx.save(text(SHAKY.replace("MANY", "5e3")), model)
    code, out, _ = fix("model.onnx")
    assert code == 0
    assert "agree on 5 sets of inputs (normal, zeros, large, negative, channels) as far as the original agrees with itself" in " ".join(
        out.split()
    )
    onnx.save(text(SHAKY.replace("MANY", "1e7")), model)
    code, out, _ = fix("model.onnx", "-o", "other.onnx")
    assert (code, Path("other.onnx").exists()) == (1, False)
    assert "Proof  FAILED on 5 sets of inputs" in out


@pytest.mark.parametrize("body", [BODY, SHAKY.replace("MANY", "300").replace("Div(a, r)", "HardSwish(a)")])
def test_a_fault_that_only_the_whole_model_shows(body: str, fix: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On inputs on which the original agrees with itself nothing is forgiven, and other inputs do not make up for it."""
    lying = tuple(item._replace(plan=_wrong) for item in catalogue() if item.name == "hard-swish")
    monkeypatch.setattr("dlalint.rewrite.fixing.catalogue", lambda: lying)
    monkeypatch.setattr("dlalint.rewrite.fixing.Fixer._prove", lambda *given: (0.0, ""))
    onnx.save(text(body), model)
    code, out, _ = fix("model.onnx")
    assert (code, Path("model.fixed.onnx").exists()) == (1, False)
    assert "Proof  FAILED on 5 sets of inputs" in out


def test_what_onnxruntime_cannot_run_is_unproven(model: Path, fix: Run) -> None:
    proto = onnx.load(model)
    proto.graph.node.append(onnx.helper.make_node("Odd", ["y"], ["z"], domain="custom"))
    proto.opset_import.add(domain="custom", version=1)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, [1, 8, 4, 4]))
    onnx.save(proto, model)
    code, out, err = fix("model.onnx")
    assert (code, out) == (2, "")
    assert err.startswith("dlalint: model.onnx: error[E310]: the result cannot be proven: ")
    assert err.endswith("Give --no-verify to write the result unproven.\n")
    assert os.listdir() == ["model.onnx"]
    assert fix("model.onnx", "--no-verify")[0] == 0


def test_free_dimensions_are_fixed_in_the_result(fix: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    proto = text(BODY)
    for item in (*proto.graph.input, *proto.graph.output):
        item.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(proto, "free.onnx")
    assert "UNCHANGED" in fix("free.onnx", "--diff")[1]
    assert fix("free.onnx", "--batch", "2")[0] == 0
    made = onnx.load("free.fixed.onnx")
    assert [[dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in (*made.graph.input, *made.graph.output)] == [
        [2, 8, 4, 4]
    ] * 2


def test_weights_in_side_files(fix: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_side_file(text(BODY), tmp_path / "model.onnx", "w.bin")
    data = Path("w.bin").read_bytes()
    code, out, err = fix("model.onnx")
    assert (code, err) == (0, "")
    assert "Proof  original and result agree" in out
    assert Path("w.bin").read_bytes() == data
    assert onnx.load("model.fixed.onnx", load_external_data=False).graph.initializer[0].external_data[0].value == "w.bin"
    Path("w.bin").unlink()
    code, out, err = fix("model.onnx")
    assert (code, out) == (2, "")
    assert "w.bin" in err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_end_at_any_time_leaves_the_old_file(model: Path, number: int) -> None:
    Path("model.fixed.onnx").write_bytes(b"old")
    command = [sys.executable, "-m", "dlalint", "fix", "model.onnx", "--target", "orin-trt10.3"]
    outcomes = set()
    for wait in (0.05, 0.3, 0.5, 0.7, 0.9):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(wait)
            process.send_signal(number)
            process.wait(30)
        found = Path("model.fixed.onnx").read_bytes()
        outcomes.add(found == b"old")
        if found != b"old":
            onnx.checker.check_model(onnx.load("model.fixed.onnx"), full_check=True)
            Path("model.fixed.onnx").write_bytes(b"old")
    assert True in outcomes


def test_a_rehearsal_with_side_files_says_what_it_cannot_show(fix: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_side_file(text(BODY), tmp_path / "model.onnx", "w.bin")
    code, out, _ = fix("model.onnx", "--diff")
    assert code == 0
    assert "Proof  each rewrite by itself." in out
    assert sorted(os.listdir()) == ["model.onnx", "w.bin"]


def test_the_graph_tool_of_nvidia_opens_the_result(model: Path, fix: Run) -> None:
    assert fix("model.onnx")[0] == 0
    graph = graphsurgeon.import_onnx(onnx.load("model.fixed.onnx")).cleanup().toposort()
    assert [node.op for node in graph.nodes] == [node.op_type for node in onnx.load("model.fixed.onnx").graph.node]
