"""What cannot be made into scales is refused by the name of its node, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from tests.rewrite.conftest import text

from .conftest import Call, Translate

C = "float s = {0.125}, float t = {0.25}, int8 z = {0}, uint8 u = {0}"
IO = "(float[1,2,4,4] x) => (float[1,2,4,4] y)"


def pair(scale: str = "s", zero: str = "z", other: str = "") -> str:
    return f"q = QuantizeLinear(x, {scale}, {zero}) d = DequantizeLinear(q, {other or scale}, {zero}) y = Neg(d)"


APART = "its scale or zero point differs from that of DequantizeLinear 'd'"
CASES = [
    ("E151", "QuantizeLinear 'q'", "it quantizes to int16", pair(zero="w"), ", int16 w = {0}"),
    ("E151", "QuantizeLinear 'q'", "it quantizes to uint16", pair(zero="w"), ", uint16 w = {0}"),
    ("E151", "DequantizeLinear 'd'", "it dequantizes int16", "d = DequantizeLinear(w, s) y = Mul(x, d)", ", int16 w = {7}"),
    ("E151", "QuantizeLinear 'q'", "it quantizes to float8e4m3fn", pair(zero="").replace("(x", "<output_dtype=17>(x"), ""),
    ("E152", "QuantizeLinear 'q'", "the scale 'r' is computed when", "r = ReduceMax<keepdims=0>(x) " + pair("r"), ""),
    (
        "E153",
        "QuantizeLinear 'q'",
        "its integers are read by Cast 'r', which",
        pair() + " r = Cast<to=1>(q) v = Reshape(r, f)",
        ", int64[1] f = {-1}",
    ),
    ("E154", "DequantizeLinear 'd'", "it reads Cast 'c'", "c = Cast<to=3>(x) d = DequantizeLinear(c, s, z) y = Neg(d)", ""),
    ("E155", "QuantizeLinear 'q'", APART, pair(other="t"), ""),
    ("E155", "QuantizeLinear 'q'", APART, "q = QuantizeLinear(s, s, z) d = DequantizeLinear(q, t, z) y = Mul(x, d)", ""),
    ("E156", "MatMulInteger 'm'", "it computes with integers", "q = QuantizeLinear(x, s, z) m = MatMulInteger(q, q) y = Cast<to=1>(m)", ""),
    ("E158", "QuantizeLinear 'q'", "its scale is 0", pair("w"), ", float w = {0.0}"),
    ("E158", "QuantizeLinear 'q'", "its scale is no positive number", pair("w"), ", float w = {-1.0}"),
    ("E159", "model.onnx", "it has no Q/DQ nodes", "y = Neg(x)", ""),
]


@pytest.mark.parametrize(("code", "where", "what", "body", "more"), CASES, ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)])
def test_refused(code: str, where: str, what: str, body: str, more: str, translate: Translate) -> None:
    io = IO.replace("y)", "y, float[32] v)") if " v = " in body else IO
    found = translate(text(f"g {io} <{C}{more}> {{ {body} }}", 21, 10))
    assert found.code == 2
    assert f"{where}: error[{code}]: {what}" in found.err
    assert "model.onnx" in found.err
    assert found.err.count("\n") == 1


def test_more_than_one_is_counted(translate: Translate) -> None:
    body = "q = QuantizeLinear(x, s, w) d = DequantizeLinear(q, s, w) r = QuantizeLinear(d, s, w) e = DequantizeLinear(r, s, w) y = Neg(e)"
    found = translate(text(f"g {IO} <{C}, int16 w = {{0}}> {{ {body} }}", 21, 10))
    assert "QuantizeLinear 'q': error[E151]: it quantizes to int16 (1 more is refused too)." in found.err


@pytest.mark.parametrize("kind", ["INT4", "FLOAT8E4M3FN"])
def test_narrow_types(kind: str, translate: Translate) -> None:
    model = text(f"g {IO} <{C}> {{ d = DequantizeLinear(w, s) y = Mul(x, d) }}", 21, 10)
    model.graph.initializer.append(helper.make_tensor("w", getattr(onnx.TensorProto, kind), [1], [1]))
    found = translate(model)
    assert found.code == 2
    assert "DequantizeLinear 'd': error[E151]: it dequantizes" in found.err


def test_inside_a_body(translate: Translate) -> None:
    body = """if = If(c) <then_branch = b () => (float[1,2,4,4] o) { q = QuantizeLinear(x, s, z) o = DequantizeLinear(q, s, z) },
        else_branch = b () => (float[1,2,4,4] o) { o = Neg(x) }>"""
    model = text(f"g (float[1,2,4,4] x, bool c) => (float[1,2,4,4] y) <{C}> {{ {body.replace('if =', 'y =')} }}")
    found = translate(model)
    assert "If 'y': error[E157]: Q/DQ nodes lie inside of it" in found.err


def test_read_by_a_body(translate: Translate) -> None:
    body = """q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = If(c) <then_branch = b () => (float[1,2,4,4] o) { o = Neg(d) },
        else_branch = b () => (float[1,2,4,4] o) { o = Abs(d) }>"""
    found = translate(text(f"g (float[1,2,4,4] x, bool c) => (float[1,2,4,4] y) <{C}> {{ {body} }}"))
    assert "DequantizeLinear 'd': error[E157]: the body of a node reads it" in found.err


def test_inside_a_function(translate: Translate) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 21, "own": 1]> g (float[4] x) => (float[4] y) <float s = {0.5}, int8 z = {0}>
        { y = own.fake(x, s, z) }
        <domain: "own", opset_import: ["": 21]> fake (x, s, z) => (y) { q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z) }"""
    )
    assert "function 'fake': error[E157]: Q/DQ nodes lie inside of it" in translate(model).err


def test_other_quantizers(translate: Translate) -> None:
    model = text(f"g {IO} <{C}> {{ y = Neg(x) }}")
    model.graph.node[0].op_type, model.graph.node[0].domain = "TRT_FP8QuantizeLinear", "trt"
    model.opset_import.append(helper.make_opsetid("trt", 1))
    assert "error[E151]: trt.TRT_FP8QuantizeLinear is no quantization that the DLA has" in translate(model).err


def test_targets_without_caches(translate: Translate) -> None:
    model = text(f"g {IO} <{C}> {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Neg(d) }}")
    found = translate(model, target="orin-trt11.4")
    assert "--target: error[E532]: TensorRT 11.4 takes no calibration cache" in found.err


def test_another_network_is_not_written(translate: Translate, call: Call, tmp_path: Path) -> None:
    """Where another rounding of an input changes everything behind it, the scales of the cache are no form of the model."""
    body = """q = QuantizeLinear(x, i, o) d = DequantizeLinear(q, i, o) b = Mul(d, k) f = Sin(b) h = Mul(f, k)
        e = QuantizeLinear(h, k, z) y = DequantizeLinear(e, k, z)"""
    model = text(f"g {IO} <int8 z = {{0}}, int8 o = {{7}}, float i = {{1.0}}, float k = {{100.0}}> {{ {body} }}")
    model.graph.node[5].input[1] = model.graph.node[6].input[1] = "i"
    found = translate(model, "--layer-precisions", "list.txt")
    proof = found.told["proof"]
    assert found.code == 1
    assert (proof["ok"], proof["exact"], proof["first"]) == (False, True, "y")
    assert found.told["output"] is None
    assert found.told["cache"] is None
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}
    code, out, _ = call("calibration", "model.onnx", "--target", "orin-trt8.6")
    assert code == 1
    assert "FAILED on 5 sets of inputs" in out
    assert "with every activation rounded to the scale of the cache, half of y is off by" in " ".join(out.split())
    assert "Nothing was written." in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-o", "model.onnx"), ""),
        (("--cache", "model.onnx"), "--output: error[E512]: two files have one place"),
        (("-o", "a", "--cache", "a"), "--output: error[E512]: two files have one place"),
        (("--in-place", "-o", "a"), "--in-place: error[E512]: two places for one result"),
        (("--inputs", "x.npz"), "--inputs: error[E550]: the model has Q/DQ nodes"),
        (("--cache", "none/a"), "none/a: error[E401]: the calibration cache cannot be written"),
        (("-o", "none/a"), "error[E401]"),
    ],
)
def test_places(options: tuple[str, ...], said: str, call: Call, tmp_path: Path) -> None:
    model = text(f"g {IO} <{C}> {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Neg(d) }}")
    onnx.save(model, tmp_path / "model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()
    code, _, err = call("calibration", "model.onnx", *options)
    assert (code, said in err) == (2 if said else 0, True)
    assert (before == (tmp_path / "model.onnx").read_bytes()) == bool(said)
    assert bool(said) == (not list(tmp_path.glob("*.cache")))
