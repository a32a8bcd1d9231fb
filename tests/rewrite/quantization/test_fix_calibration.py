"""`dlalint fix --calibration`: the cache of a model in step with its rewritten form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dlalint.calibration.cache import ENTROPY, Cache, parse, scale_of, to_text
from tests.rewrite.conftest import ran
from tests.rewrite.filled import filled

from .conftest import Call

BODY = """g (float[1,4,8,8] x) => (float[1,8,10,10] y) <float[8,4,3,3] w, float[8,8,1,1] v, int64[8] p = {0,0,1,1,0,0,1,1}> {
    a = Conv<pads=[1,1,1,1]>(x, w) b = Relu(a) c = Pad<mode="reflect">(b, p) d = HardSwish(c) e = Conv(d, v) f = Identity(e)
    y = Relu(f) }"""
NAMES = ("x", "a", "b", "c", "d", "e", "f", "y", "(Unnamed Layer* 3) [Shuffle]_output")


@pytest.fixture
def model(call: Call, tmp_path: Path) -> Path:
    onnx.save(filled(BODY), tmp_path / "model.onnx")
    scales = {name: scale_of(number + 1.0) for number, name in enumerate(NAMES)}
    (tmp_path / "model.cache").write_text(to_text(Cache("8.5.10", ENTROPY, scales)), encoding="utf-8")
    return tmp_path / "model.onnx"


def test_the_cache_follows(model: Path, call: Call, tmp_path: Path) -> None:
    code, out, _ = call("fix", "model.onnx", "--calibration", "model.cache", "--target", "orin-trt8.6", "--format", "json")
    assert code == 0
    told = json.loads(out)["calibration"]
    old = parse((tmp_path / "model.cache").read_text(encoding="utf-8"))
    new = parse((tmp_path / "model.fixed.cache").read_text(encoding="utf-8"))
    fixed = onnx.load(tmp_path / "model.fixed.onnx")
    made = {name for node in fixed.graph.node for name in node.output} | {"x"}
    assert (new.version, new.algorithm) == (old.version, old.algorithm)
    assert set(told["dropped"]) == {name for name in NAMES if name not in made and not name.startswith("(")}
    assert told["unknown"] == ["(Unnamed Layer* 3) [Shuffle]_output"]
    # what is there in both models keeps its scale
    for name in set(old.scales) & set(new.scales):
        assert new.scales[name] == old.scales[name]
    # reflection is moved by convolutions that pick, masks, and convolutions that add what the masks left: they only move elements
    carried = {item["tensor"]: item for item in told["carried"]}
    assert carried
    for name, item in carried.items():
        assert new.scales[name] == item["scale"] == new.scales[item["source"]] == scale_of(3.0), name
    assert {item["op_type"] for item in carried.values()} == {"Conv", "Mul"}
    # what is computed anew has none, and is named
    assert told["missing"]
    assert all(name.startswith("d/hard-swish") for name in told["missing"])
    assert set(new.scales) | set(told["missing"]) >= {name for node in fixed.graph.node for name in node.output} - {"k"}
    assert not set(told["missing"]) & set(new.scales)


def test_text_and_places(model: Path, call: Call, tmp_path: Path) -> None:
    code, out, _ = call("fix", "model.onnx", "--calibration", "model.cache", "--calibration-output", "new.cache", "--target", "orin-trt8.6")
    assert code == 0
    assert "Cache  " in out
    assert " scales in new.cache (" in out
    assert "Calibrate them, or what touches them runs in FP16." in out
    assert (tmp_path / "new.cache").exists()
    assert not (tmp_path / "model.fixed.cache").exists()


def test_without_running_it(model: Path, call: Call) -> None:
    """What only a run shows to be a move needs calibration then."""
    code, out, _ = call("fix", "model.onnx", "--calibration", "model.cache", "--no-verify", "--target", "orin-trt8.6", "--format", "json")
    told = json.loads(out)["calibration"]
    assert code == 0
    assert [item["tensor"] for item in told["carried"]] == ["c/pad-modes_1"]
    assert "c/pad-modes_3" in told["missing"]


def test_nothing_is_written_for_a_look(model: Path, call: Call, tmp_path: Path) -> None:
    code, out, _ = call("fix", "model.onnx", "--calibration", "model.cache", "--diff", "--target", "orin-trt8.6")
    assert code == 0
    assert ", not written (" in out
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.cache"}


def test_a_table_without_header_gets_one(model: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "table").write_text("x 127.0\na 254\n", encoding="utf-8")
    code, _, _ = call("fix", "model.onnx", "--calibration", "table", "--target", "orin-trt8.6")
    assert code == 0
    found = parse((tmp_path / "model.fixed.cache").read_text(encoding="utf-8"))
    assert (found.version, found.algorithm) == ("8.6.0", ENTROPY)
    assert found.scales["x"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--calibration-output", "a.cache"), "--calibration-output: error[E522]: there is no cache to keep"),
        (("--calibration", "none.cache"), "none.cache: error[E543]: there is no such file"),
        (("--calibration", "model.onnx"), "model.onnx: error[E140]: line 1 is no entry of a calibration cache"),
        (("--calibration", "model.cache", "--calibration-output", "model.onnx"), "--calibration-output: error[E512]: the model is there"),
        (("--calibration", "model.cache", "--calibration-output", "none/a"), "none/a: error[E401]"),
    ],
)
def test_refused(options: tuple[str, ...], said: str, model: Path, call: Call, tmp_path: Path) -> None:
    code, _, err = call("fix", "model.onnx", *options, "--target", "orin-trt8.6")
    assert code == 2
    assert said in err
    assert not (tmp_path / "model.fixed.onnx").exists()


def test_moves_are_exact_in_int8(model: Path, call: Call, tmp_path: Path) -> None:
    """With every carried scale as a Q/DQ pair in the rewritten model, the moved tensor still has the elements of the original."""
    call("fix", "model.onnx", "--calibration", "model.cache", "--target", "orin-trt8.6", "--select", "pad-modes")
    fixed, scales = onnx.load(tmp_path / "model.fixed.onnx"), parse((tmp_path / "model.fixed.cache").read_text(encoding="utf-8")).scales
    moved = [name for name in scales if name.startswith("c/")]
    assert len(moved) > 1
    values = {}
    for proto, names in ((filled(BODY), ["b"]), (fixed, ["b", *moved])):
        nodes = []
        for node in proto.graph.node:
            nodes.append(node)
            if node.output[0] in names:
                made = node.output[0]
                node.output[0] = f"{made}#"
                nodes += [
                    onnx.helper.make_node("QuantizeLinear", [f"{made}#", f"{made}#s", "zero"], [f"{made}#q"]),
                    onnx.helper.make_node("DequantizeLinear", [f"{made}#q", f"{made}#s", "zero"], [made]),
                ]
                proto.graph.initializer.append(numpy_helper.from_array(np.float32(scales[made]), f"{made}#s"))
        proto.graph.initializer.append(numpy_helper.from_array(np.int8(0), "zero"))
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
        proto.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, None))
        feed = {"x": np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32)}
        values[len(names)] = ran(proto, feed)[0]
    one, other = values.values()
    np.testing.assert_array_equal(one, other)
    assert len(np.unique(one)) > 20
