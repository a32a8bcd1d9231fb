"""Each way that Q/DQ nodes stand in a model, and what becomes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.rewrite.conftest import ran, text, with_side_file

from .conftest import Translate

SCALES = "float s = {0.125}, float t = {0.25}, int8 z = {0}, uint8 m = {128}, uint8 u = {0}"
X = np.linspace(-3, 3, 32, dtype=np.float32).reshape(1, 2, 4, 4)


def built(
    body: str, opset: int = 17, io: str = "(float[1,2,4,4] x) => (float[1,2,4,4] y)", more: str = "", ir_version: int = 8
) -> ModelProto:
    """The model of a graph; the constants ``SCALES`` are there as far as it reads them."""
    model = text(f"g {io} <{SCALES}{more}> {{ {body} }}", opset, ir_version)
    read = {name for node in model.graph.node for name in node.input}
    for item in [item for item in model.graph.initializer if item.name not in read]:
        model.graph.initializer.remove(item)
    return model


def test_one_quantizer_and_several_dequantizers(translate: Translate) -> None:
    found = translate(
        built("a = Abs(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) e = DequantizeLinear(q, s, z) y = Mul(d, e)")
    )
    assert found.operators == ["Abs", "Mul"]
    assert list(found.model.graph.node[1].input) == ["a", "a"]
    assert found.cache.scales == {"a": 0.125}


def test_outputs_keep_their_names(translate: Translate) -> None:
    """The tensor behind the pair of an output is called like the output; what else reads it does too."""
    body = "a = Abs(x) q = QuantizeLinear(a, s, z) y = DequantizeLinear(q, s, z) w = Neg(a)"
    found = translate(built(body, io="(float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,4,4] w)"))
    assert [list(node.output) for node in found.model.graph.node] == [["y"], ["w"]]
    assert list(found.model.graph.node[1].input) == ["y"]
    assert found.cache.scales == {"y": 0.125}


def test_an_output_behind_an_input_is_a_copy(translate: Translate) -> None:
    found = translate(built("q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"))
    assert [(node.op_type, *node.input, *node.output) for node in found.model.graph.node] == [("Identity", "x", "y")]
    assert found.cache.scales == {"x": 0.125, "y": 0.125}


def test_two_outputs_behind_one_tensor(translate: Translate) -> None:
    body = "a = Abs(x) q = QuantizeLinear(a, s, z) y = DequantizeLinear(q, s, z) w = DequantizeLinear(q, s, z)"
    found = translate(built(body, io="(float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,4,4] w)"))
    assert [(node.op_type, *node.output) for node in found.model.graph.node] == [("Abs", "y"), ("Identity", "w")]
    assert found.cache.scales == {"y": 0.125, "w": 0.125}


@pytest.mark.parametrize(("kind", "zero"), [("int8", "z"), ("uint8", "m")])
def test_integer_inputs_and_outputs_become_floats(kind: str, zero: str, translate: Translate) -> None:
    body = f"d = DequantizeLinear(x, s, {zero}) e = DequantizeLinear(x, s, {zero}) a = Mul(d, e) y = QuantizeLinear(a, t, {zero})"
    found = translate(built(body, io=f"({kind}[1,2,4,4] x) => ({kind}[1,2,4,4] y)"))
    assert found.code == 0, found.told or found.err
    kinds = [item.type.tensor_type.elem_type for item in (*found.model.graph.input, *found.model.graph.output)]
    assert kinds == [TensorProto.FLOAT, TensorProto.FLOAT]
    assert found.cache.scales == {"x": 0.125, "y": 0.25}
    assert (found.remarks("float-input"), found.remarks("float-output")) == (["x"], ["y"])
    assert found.told["proof"]["exact"]


def test_a_missing_zero_point_is_uint8(translate: Translate) -> None:
    """QuantizeLinear without zero point makes uint8 from 0, so it cuts off what is negative."""
    found = translate(built("q = QuantizeLinear(x, s) d = DequantizeLinear(q, s) y = Neg(d)"))
    assert found.cache.scales["x"] == pytest.approx(0.125 * 255 / 127)
    assert found.remarks("asymmetric") == ["x"]
    assert found.operators == ["Neg"]  # an input is what the user feeds
    assert found.remarks("input") == ["x"]


def test_the_type_of_opset_21(translate: Translate) -> None:
    found = translate(built("q = QuantizeLinear<output_dtype=3>(x, s) d = DequantizeLinear(q, s) y = Neg(d)", 21, ir_version=10))
    assert found.cache.scales == {"x": 0.125}
    assert not found.remarks("asymmetric")


def test_pairs_in_a_row_and_side_by_side(translate: Translate) -> None:
    """Two grids on one tensor: the wider one counts, and each is put back for the proof."""
    row = "q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) r = QuantizeLinear(d, t, z) e = DequantizeLinear(r, t, z) y = Neg(e)"
    side = (
        "q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) r = QuantizeLinear(a, t, z) e = DequantizeLinear(r, t, z) y = Sub(d, e)"
    )
    for body in (row, side):
        found = translate(built(f"a = Abs(x) {body}"))
        assert found.cache.scales == {"a": 0.25}
        assert found.remarks("merged") == ["a"]
        assert found.told["remarks"][0]["cost"] == 1.0
        assert found.told["proof"]["exact"]
        assert found.told["proof"]["cached"] == 0


def test_what_nothing_reads_goes(translate: Translate) -> None:
    """A Q node, a DQ node, a constant behind both, and what reads a DQ node, none of it behind an output."""
    body = """a = Abs(x) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) [e] e = DequantizeLinear(q, s, z) y = Neg(d)
        [p] p = QuantizeLinear(a, t, z) [r] r = QuantizeLinear(t, s, z) [k] k = DequantizeLinear(r, s, z) [n] n = Sin(e)"""
    found = translate(built(body))
    assert found.operators == ["Abs", "Neg"]
    assert found.cache.scales == {"a": 0.125}
    assert found.remarks("unused") == ["e", "p", "r", "k", "n"]


def test_a_constant_as_output(translate: Translate) -> None:
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Neg(d) v = DequantizeLinear(w, s, z)"
    found = translate(built(body, io="(float[1,2,4,4] x) => (float[1,2,4,4] y, float[2] v)", more=", int8[2] w = {1, 2}"))
    assert found.operators == ["Neg", "Constant"]
    assert found.told["proof"]["exact"]


def test_scales_per_channel_on_an_activation(translate: Translate) -> None:
    more = ", float[2] c = {0.125, 0.5}, int8[2] o = {0, 0}"
    found = translate(built("a = Abs(x) q = QuantizeLinear<axis=1>(a, c, o) d = DequantizeLinear<axis=1>(q, c, o) y = Neg(d)", more=more))
    assert found.cache.scales == {"a": 0.5}
    assert found.remarks("per-channel") == ["a"]
    assert found.told["remarks"][0]["cost"] == 3.0
    assert found.told["proof"]["exact"]


def test_weights_on_any_axis(translate: Translate) -> None:
    """Integers become the floats that they stood for: per tensor, per channel on two axes, of three types."""
    more = (
        ", int8[2,2,1,1] w = {10, -20, 30, 127}, float[2] c = {0.125, 0.5}, int8[2] o = {0, 3}, uint8[2,2,1,1] v = {0, 128, 255, 1}"
        ", int32[2] b = {1000, -7}, float f = {0.001}"
    )
    body = """k = DequantizeLinear<axis=0>(w, c, o) l = DequantizeLinear(v, s, m) n = DequantizeLinear<axis=1>(w, c, o)
        i = DequantizeLinear(b, f) d = Conv(x, k, i) e = Conv(d, l) y = Conv(e, n)"""
    found = translate(built(body, more=more))
    arrays = {item.name: numpy_helper.to_array(item) for item in found.model.graph.initializer}
    integers = np.array([10, -20, 30, 127]).reshape(2, 2, 1, 1)
    scale, zero = np.array([0.125, 0.5], np.float32), np.array([0, 3])
    np.testing.assert_array_equal(arrays["k"], (integers - zero.reshape(2, 1, 1, 1)) * scale.reshape(2, 1, 1, 1))
    np.testing.assert_array_equal(arrays["n"], (integers - zero.reshape(2, 1, 1)) * scale.reshape(2, 1, 1))
    np.testing.assert_array_equal(arrays["l"].reshape(-1), np.array([-16, 0, 15.875, -15.875], np.float32))
    np.testing.assert_array_equal(arrays["i"], np.array([1000, -7], np.float32) * np.float32(0.001))
    assert set(arrays) == {"k", "l", "n", "i"}
    assert found.cache.scales == {}


def test_weights_in_blocks(translate: Translate) -> None:
    more = ", int8[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[2,2] c = {1.0, 2.0, 0.5, 0.25}, int8[2,2] o = {0, 0, 0, 0}"
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) k = DequantizeLinear<axis=0, block_size=2>(w, c, o) y = MatMul(d, k)"
    found = translate(built(body, 21, "(float[1,4] x) => (float[1,2] y)", more, 10))
    (weights,) = (numpy_helper.to_array(item) for item in found.model.graph.initializer if item.name == "k")
    np.testing.assert_array_equal(weights, [[1, 4], [3, 8], [2.5, 1.5], [3.5, 2]])


def test_weights_of_floats_are_rounded_to_their_grid(translate: Translate) -> None:
    """As torch and ModelOpt export them, and with a Transpose between."""
    more = ", float[2,2] w = {0.1, -0.2, 0.33, 100.0}"
    body = "p = QuantizeLinear(w, s, z) k = DequantizeLinear(p, s, z) v = Transpose<perm=[1,0]>(k) y = MatMul(x, v)"
    found = translate(built(body, io="(float[1,2] x) => (float[1,2] y)", more=more))
    arrays = {item.name: numpy_helper.to_array(item) for item in found.model.graph.initializer}
    np.testing.assert_array_equal(arrays["k"], [[0.125, -0.25], [0.375, 15.875]])
    assert set(arrays) == {"k"}


@pytest.mark.parametrize("steps", [1, 3, 2000])
def test_a_copy_of_a_weight_that_is_dequantized_already(steps: int, translate: Translate) -> None:
    """onnxruntime quantizes what an Identity makes of a shared weight once more, after the weight itself."""
    copies = " ".join(f"c{i + 1} = Identity(c{i})" for i in range(steps))
    body = f"""c0 = DequantizeLinear(w, v, z) {copies} p = QuantizeLinear(c{steps}, s, z) k = DequantizeLinear(p, s, z)
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) n = MatMul(d, c0) y = MatMul(n, k)"""
    more = ", int8[2,2] w = {1, -2, 3, 100}, float v = {0.0625}"
    found = translate(built(body, io="(float[1,2] x) => (float[1,2] y)", more=more))
    arrays = {item.name: numpy_helper.to_array(item) for item in found.model.graph.initializer}
    np.testing.assert_array_equal(arrays["c0"], [[0.0625, -0.125], [0.1875, 6.25]])
    np.testing.assert_array_equal(arrays["k"], [[0.0, -0.125], [0.25, 6.25]])
    assert found.operators == ["MatMul", "MatMul"]
    assert found.told["proof"]["exact"]


def test_a_part_of_a_constant_that_is_dequantized_already(translate: Translate) -> None:
    """The table of an attention bias, quantized before and after the rows are picked."""
    body = """c = DequantizeLinear(w, v, z) e = Gather(c, i) p = QuantizeLinear(e, s, z) k = DequantizeLinear(p, s, z)
        q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Add(d, k)"""
    more = ", int8[3,2] w = {1, -2, 3, 100, 5, 6}, float v = {0.0625}, int64[1] i = {1}"
    found = translate(built(body, io="(float[1,2] x) => (float[1,2] y)", more=more))
    (made,) = (numpy_helper.to_array(item) for item in found.model.graph.initializer)
    np.testing.assert_array_equal(made, [[0.25, 6.25]])
    assert found.operators == ["Add"]
    assert found.told["proof"]["exact"]


def test_scales_from_constant_nodes(translate: Translate) -> None:
    """As TensorFlow and torch export them: the nodes go with the pairs, shared ones stay while they are read."""
    body = """c = Constant<value_float=0.25>() o = Constant<value: tensor = int8 {0}>() b = Abs(c)
        q = QuantizeLinear(x, b, o) d = DequantizeLinear(q, b, o) y = Mul(d, c)"""
    found = translate(built(body))
    assert found.operators == ["Constant", "Mul"]
    assert found.cache.scales == {"x": 0.25}


@pytest.mark.parametrize(("opset", "domain"), [(10, ""), (13, ""), (19, ""), (21, ""), (22, ""), (17, "com.microsoft")])
def test_operator_sets(opset: int, domain: str, translate: Translate) -> None:
    model = built("q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d)", opset, ir_version=10 if opset > 20 else 8)
    for node in model.graph.node[:2]:
        node.domain = domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    found = translate(model)
    assert found.operators == ["Relu"]
    assert found.cache.scales == {"x": 0.125, "y": 0.125}
    assert found.told["proof"]["exact"]


def test_half_precision(translate: Translate) -> None:
    body = "a = Mul(x, x) q = QuantizeLinear(a, h, z) d = DequantizeLinear(q, h, z) y = Mul(d, d)"
    model = built(body, 19, "(float16[1,2,4,4] x) => (float16[1,2,4,4] y)", ir_version=9)
    model.graph.initializer.append(numpy_helper.from_array(np.float16(0.1), "h"))
    found = translate(model)
    assert found.cache.scales == {"a": float(np.float16(0.1))}
    assert found.told["proof"]["ok"]


def test_initializers_that_are_inputs_too(translate: Translate) -> None:
    """Before IR version 4 all of them are; those of scales go, and new ones are Constant nodes."""
    model = built(
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) k = DequantizeLinear(w, s, z) y = Mul(d, k)",
        10,
        more=", int8 w = {8}",
        ir_version=3,
    )
    for tensor in list(model.graph.initializer):
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    found = translate(model)
    assert found.operators == ["Constant", "Mul"]
    assert "s" not in [item.name for item in found.model.graph.input]
    assert "w" not in [item.name for item in found.model.graph.initializer]
    assert ran(found.model, {"x": X})[0] == pytest.approx(X * 1.0)


def test_weights_in_a_side_file(tmp_path: Path, translate: Translate) -> None:
    more = ", int8[2,2,1,1] w = {10, -20, 30, 127}, float[2,2,1,1] v = {1, 2, 3, 4}"
    model = built("k = DequantizeLinear(w, s, z) d = Conv(x, k) y = Conv(d, v)", more=more)
    with_side_file(model, tmp_path / "side.onnx", "side.bin")
    found = translate(tmp_path / "side.onnx")
    assert {item.name: item.data_location for item in found.model.graph.initializer} == {"k": 0, "v": 0}


def test_large_weights(translate: Translate) -> None:
    """Those of more than a megabyte never come into memory as a whole model."""
    model = built("k = DequantizeLinear(w, s, z) y = Conv(x, k)", io="(float[1,512,2,2] x) => (float[1,512,2,2] y)")
    weights = np.random.default_rng(0).integers(-128, 127, (512, 512, 1, 1)).astype(np.int8)
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    found = translate(model)
    (made,) = found.model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(made), weights * np.float32(0.125))


def test_in_a_row_with_batch_normalization(translate: Translate) -> None:
    """What lies between a convolution and its normalization has no scale: they become one, on a grid for each channel as before."""
    more = (
        ", float[2,2,1,1] w = {1.0, -0.5, 0.25, 127.0}, float[2] c = {0.0078740157, 1.0}, int8[2] o = {0, 0}"
        ", float[2] g = {2.0, 0.5}, float[2] b = {1.0, -1.0}, float[2] e = {0.1, 0.2}, float[2] v = {1.0, 4.0}"
    )
    body = """q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) p = QuantizeLinear<axis=0>(w, c, o)
        k = DequantizeLinear<axis=0>(p, c, o) [conv] a = Conv(d, k) [norm] n = BatchNormalization(a, g, b, e, v) r = Relu(n)
        f = QuantizeLinear(r, t, z) y = DequantizeLinear(f, t, z)"""
    found = translate(built(body, more=more))
    assert [(node.op_type, node.name) for node in found.model.graph.node] == [("Conv", "conv"), ("Relu", "")]
    assert found.cache.scales == {"x": 0.125, "y": 0.25, "n": 0.25}
    assert found.remarks("batch-norm") == ["n"]
    assert (found.remarks("weights"), found.told["fp16"]) == ([], [])
    assert 0 <= found.told["proof"]["folded"] < 1e-6
    onnx.checker.check_model(found.model)


def test_a_pair_between_keeps_normalization(translate: Translate) -> None:
    more = ", float[2,2,1,1] w = {1, 2, 3, 4}, float[2] g = {2, 1}, float[2] b = {1, 1}, float[2] e = {0, 0}, float[2] v = {1, 1}"
    body = "a = Conv(x, w) q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) y = BatchNormalization(d, g, b, e, v)"
    found = translate(built(body, more=more))
    assert found.operators == ["Conv", "BatchNormalization"]


def test_a_relu_comes_back_beside_what_reads_negative_values(translate: Translate) -> None:
    """Of a tensor with another reader the positive part gets a name of its own."""
    body = "a = Neg(x) q = QuantizeLinear(a, s, u) d = DequantizeLinear(q, s, u) b = Abs(d) y = Add(a, b)"
    found = translate(built(body))
    assert [(node.op_type, *node.input, *node.output) for node in found.model.graph.node] == [
        ("Neg", "x", "a"),
        ("Relu", "a", "a_relu"),
        ("Abs", "a_relu", "b"),
        ("Add", "a", "b", "y"),
    ]
    assert list(found.cache.scales) == ["a_relu"]  # Add reads values of a that a scale of the Relu would cut off
    assert found.told["proof"]["exact"]


def test_no_relu_where_nothing_is_negative(translate: Translate) -> None:
    body = "a = Sigmoid(x) b = MaxPool<kernel_shape=[1,1]>(a) q = QuantizeLinear(b, s, u) d = DequantizeLinear(q, s, u) y = Neg(d)"
    found = translate(built(body))
    assert found.operators == ["Sigmoid", "MaxPool", "Neg"]


def test_a_relu_comes_back_at_an_output(translate: Translate) -> None:
    found = translate(built("a = Neg(x) q = QuantizeLinear(a, s, u) y = DequantizeLinear(q, s, u)"))
    assert [(node.op_type, *node.input, *node.output) for node in found.model.graph.node] == [("Neg", "x", "a"), ("Relu", "a", "y")]
    assert found.cache.scales["a"] == found.cache.scales["y"]
