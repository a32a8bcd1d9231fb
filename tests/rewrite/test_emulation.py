"""FP16 beside FP32, layer by layer: held against FP16 as numpy computes it, and against networks that overflow at a known layer."""

from __future__ import annotations

import itertools
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dlalint.engine.targets import parse
from dlalint.errors import UsageError
from dlalint.numeric import RunError, Runner, Tolerance
from dlalint.pipeline import Session
from dlalint.rewrite.emulation import Emulation, _Side, emulate
from dlalint.rewrite.rounding import rounded

Array = NDArray[Any]
TARGET = "orin-trt8.6"
WITHIN = Tolerance(0.0, 0.01)


def saved(path: Path, graph: str, weights: Mapping[str, Array] | None = None, opset: int = 17, side: str = "") -> str:
    """A model from ONNX's text form, with ``weights`` as initializers, in a side file when one is named."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}, "local": 1]> {graph}')
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in (weights or {}).items())
    if side:
        onnx.save(model, path, save_as_external_data=True, location=side, size_threshold=0)
    else:
        onnx.save(model, path)
    return str(path)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as found:
        yield found


@pytest.fixture
def emulated(session: Session, runner: Runner) -> Any:
    def run(model: str, feed: Mapping[str, Array], other: str = "", target: str = TARGET, **given: Any) -> Emulation:
        chosen = parse(target, session.rules)
        return emulate(runner, session, model, other or model, chosen, [("given", feed)], tolerance=WITHIN, **given)

    return run


@pytest.fixture
def computed(session: Session, runner: Runner) -> Any:
    """``computed(path, feed)``: what the rounding model makes, by tensor."""

    def run(path: str, feed: Mapping[str, Array], target: str = TARGET) -> dict[str, Array]:
        view = session.view(path)
        side = _Side(runner, path)
        made = rounded(side.proto, view, session.check(view, parse(target, session.rules)), path)
        side.proto = made.model
        wanted = [point.tensor for point in made.points]
        part = side.opened(wanted)
        halves = {name: half(array) for name, array in feed.items()}
        found = part.run(halves, wanted, "given")
        part.close()
        return found

    return run


def half(array: Array) -> Array:
    """FP16 values as numpy rounds to them, in FP32."""
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32).astype(np.float16).astype(np.float32)


def draw(*shape: int, seed: int = 1, scale: float = 1.0) -> Array:
    return np.asarray(np.random.RandomState(seed).standard_normal(shape) * scale, np.float32)


def equal(found: Array, wanted: Array) -> bool:
    return bool(np.array_equal(found, wanted, equal_nan=True)) and found.dtype == wanted.dtype


def of(found: Emulation, index: int | None) -> str | None:
    return None if index is None else found.points[index].tensor


# what numpy's float16 computes


def test_elementwise_layers_are_those_of_numpy_in_float16(tmp_path: Path, computed: Any) -> None:
    graph = (
        "g (float[2,3,4,5] x) => (float[2,3,4,5] y) { a = Mul(x, w) b = Add(a, v) c = Sub(b, x) d = Div(c, w) e = Max(d, a) y = Neg(e) }"
    )
    weights = {"w": draw(1, 3, 1, 1, seed=2, scale=30), "v": draw(2, 3, 4, 5, seed=3, scale=1e-6)}
    x = draw(2, 3, 4, 5, scale=200)
    found = computed(saved(tmp_path / "m.onnx", graph, weights), {"x": x})
    h = x.astype(np.float16)
    w, v = (weights[name].astype(np.float16) for name in "wv")
    a = h * w
    b = a + v
    c = b - h
    d = c / w
    e = np.maximum(d, a)
    for name, wanted in {"a": a, "b": b, "c": c, "d": d, "e": e, "y": -e}.items():
        assert equal(found[name], wanted.astype(np.float32)), name


def test_a_value_rounds_to_the_nearest_and_beyond_the_last_to_infinity(tmp_path: Path, computed: Any) -> None:
    path = saved(tmp_path / "m.onnx", "g (float[8] x) => (float[8] y) { y = Abs(x) }")
    x = np.array([65504, 65519.99, 65520, -1e30, 2**-25, 2**-24 * 1.5, np.nan, -np.inf], np.float32)
    assert equal(computed(path, {"x": x})["y"], np.array([65504, 65504, np.inf, np.inf, 0, 2**-23, np.nan, np.inf], np.float32))


def test_a_convolution_rounds_its_weights_and_once_what_it_makes(tmp_path: Path, computed: Any) -> None:
    weights = {"w": draw(4, 3, 1, 1, seed=2), "b": draw(4, seed=3)}
    x = draw(1, 3, 5, 5)
    path = saved(tmp_path / "m.onnx", "g (float[1,3,5,5] x) => (float[1,4,5,5] y) { y = Conv(x, w, b) }", weights)
    exact = np.einsum("nchw,oc->nohw", half(x), half(weights["w"])[:, :, 0, 0]) + half(weights["b"])[None, :, None, None]
    found = computed(path, {"x": x})["y"]
    assert equal(found, half(found))
    np.testing.assert_allclose(found, exact, rtol=2**-10, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
def test_a_batch_normalization_is_folded_before_it_is_rounded(tmp_path: Path, computed: Any, bias: bool, transposed: bool) -> None:
    """The weights alone would overflow the tensor between the two, which the build does not have."""
    w, b = draw(3, 3, 1, 1, seed=2, scale=1e5), draw(3, seed=3, scale=1e5)
    gain, shift, mean, variance = np.full(3, 1e-5, np.float32), draw(3, seed=4), draw(3, seed=5), np.full(3, 1.5, np.float32)
    weights = {"w": w, "g": gain, "s": shift, "m": mean, "v": variance, **({"b": b} if bias else {})}
    operator = f"{'ConvTranspose' if transposed else 'Conv'}(x, w{', b' if bias else ''})"
    graph = f"g (float[1,3,4,4] x) => (float[1,3,4,4] y) {{ c = {operator} y = BatchNormalization<epsilon=0.001>(c, g, s, m, v) }}"
    x = draw(1, 3, 4, 4)
    found = computed(saved(tmp_path / "m.onnx", graph, weights), {"x": x})
    assert list(found) == ["y"]
    scale = gain / np.sqrt(variance + np.float32(0.001))
    taken = w[:, :, 0, 0].T if transposed else w[:, :, 0, 0]
    folded, offset = half(taken * scale[:, None]), half(shift - (mean - (b if bias else np.float32(0))) * scale)
    exact = np.einsum("nchw,oc->nohw", half(x), folded) + offset[None, :, None, None]
    assert equal(found["y"], half(found["y"]))
    np.testing.assert_allclose(found["y"], exact, rtol=2**-10, atol=2e-3)


def test_a_batch_normalization_alone_is_a_product_and_a_sum(tmp_path: Path, computed: Any) -> None:
    names = dict(zip("gsmv", (draw(3, seed=seed, scale=3) for seed in (2, 3, 4, 5)), strict=True))
    names["v"] = np.abs(names["v"]) + np.float32(0.5)
    path = saved(tmp_path / "m.onnx", "g (float[1,3,4,4] x) => (float[1,3,4,4] y) { y = BatchNormalization(x, g, s, m, v) }", names)
    x = draw(1, 3, 4, 4)
    scale = names["g"] / np.sqrt(names["v"] + np.float32(1e-5))
    offset = half(names["s"] - names["m"] * scale)
    exact = half(half(x) * half(scale)[None, :, None, None] + offset[None, :, None, None])
    assert equal(computed(path, {"x": x})["y"], exact)


def test_constants_are_folded_in_fp32_and_rounded_once(tmp_path: Path, computed: Any) -> None:
    graph = "g (float[4] x) => (float[4] y) { big = Mul(w, w) small = Div(big, w) y = Mul(x, small) }"
    w = np.array([1e3, 2e4, 3.3333, 1e-6], np.float32)
    found = computed(saved(tmp_path / "m.onnx", graph, {"w": w}), {"x": np.ones(4, np.float32)})
    assert equal(found["y"], half(w * w / w))
    assert list(found) == ["y"]


def test_a_bias_that_joins_its_product_is_rounded_with_it(tmp_path: Path, computed: Any) -> None:
    weights = {"w": draw(6, 4, seed=2, scale=100), "b": draw(4, seed=3)}
    path = saved(tmp_path / "m.onnx", "g (float[2,6] x) => (float[2,4] y) { p = MatMul(x, w) y = Add(p, b) }", weights)
    assert list(computed(path, {"x": draw(2, 6)})) == ["y"]


def test_constants_that_are_parameters_stay(tmp_path: Path, computed: Any) -> None:
    graph = 'g (float[1,1,2,2] x) => (float[1,1,6,6] y) { c = Clip(x, l, h) y = Resize<mode="nearest">(c, , s) }'
    weights = {"l": np.array(-3e38, np.float32), "h": np.array(3e38, np.float32), "s": np.array([1, 1, 3.0001, 3.0001], np.float32)}
    x = draw(1, 1, 2, 2)
    found = computed(saved(tmp_path / "m.onnx", graph, weights), {"x": x})
    assert equal(found["c"], half(x))


# networks that overflow


OVERFLOWING = {
    "weights": ("c", "{ a = Relu(x) c = Conv(a, w) y = Relu(c) }", {"w": np.full((3, 3, 1, 1), 4e4, np.float32)}),
    "product": ("m", "{ a = Relu(x) m = Mul(a, w) y = Sigmoid(m) }", {"w": np.full((1, 3, 1, 1), 4e4, np.float32)}),
    "sums": ("d", "{ a = Mul(x, w) b = Add(a, a) c = Add(b, b) d = Add(c, c) y = Tanh(d) }", {"w": np.full((1, 3, 1, 1), 5e3, np.float32)}),
    "exponential": ("e", "{ a = Mul(x, w) e = Exp(a) y = Neg(e) }", {"w": np.full((1, 3, 1, 1), 6.0, np.float32)}),
    "square": ("s", "{ a = Mul(x, w) s = Mul(a, a) y = Sqrt(s) }", {"w": np.full((1, 3, 1, 1), 200.0, np.float32)}),
    "sum": ("r", "{ a = Mul(x, w) r = ReduceSum<keepdims=1>(a, axes) y = Mul(r, x) }", {"w": np.full((1, 3, 1, 1), 2e3, np.float32)}),
}


@pytest.mark.parametrize("kind", OVERFLOWING)
def test_the_layer_that_overflows_is_named(tmp_path: Path, emulated: Any, kind: str) -> None:
    tensor, nodes, weights = OVERFLOWING[kind]
    axes = {"axes": np.array([2, 3], np.int64)} if kind == "sum" else {}
    path = saved(tmp_path / "m.onnx", f"g (float[1,3,8,8] x) => (float[1,3,8,8] y) {nodes}", {**weights, **axes})
    x = np.full((1, 3, 8, 8), 2, np.float32)
    found = emulated(path, {"x": x})
    assert of(found, found.overflow) == of(found, found.first) == tensor
    item = found.sets[0][1][found.overflow]
    assert (item.inf, item.nan) == (item.elements, 0)
    assert item.scale > 65504
    safe = emulated(path, {"x": x / 1024})
    assert (safe.overflow, safe.first) == (None, None)


def test_an_error_above_the_tolerance_names_its_layer(tmp_path: Path, emulated: Any) -> None:
    path = saved(
        tmp_path / "m.onnx",
        "g (float[4] x) => (float[4] y) { a = Add(x, w) b = Sub(a, w) y = Relu(b) }",
        {"w": np.full(4, 2048, np.float32)},
    )
    found = emulated(path, {"x": np.array([0.3, 0.6, 0.9, 1.2], np.float32)})
    assert (found.overflow, of(found, found.first)) == (None, "b")


def test_what_is_infinite_in_fp32_is_no_overflow_of_fp16(tmp_path: Path, emulated: Any) -> None:
    path = saved(tmp_path / "m.onnx", "g (float[2] x) => (float[2] y) { a = Log(x) y = Neg(a) }")
    found = emulated(path, {"x": np.array([0.0, 1.0], np.float32)})
    assert (found.overflow, found.first) == (None, None)
    assert [item.finite for item in found.sets[0][1]] == [1, 1]


# what is compared, and how


def test_layers_stand_in_their_order_with_their_nodes(tmp_path: Path, emulated: Any) -> None:
    graph = "g (float[1,3,4,4] x) => (float[1,3,4,4] y) { [first] a = Relu(x) [second] y = Erf(a) }"
    found = emulated(saved(tmp_path / "m.onnx", graph), {"x": draw(1, 3, 4, 4)})
    assert [(point.tensor, point.node, point.op_type, point.device.value) for point in found.points] == [
        ("a", "first", "Relu", "dla"),
        ("y", "second", "Erf", "gpu"),
    ]


def test_groups_make_no_difference(tmp_path: Path, emulated: Any) -> None:
    path = saved(tmp_path / "m.onnx", "g (float[4,9] x) => (float[4,9] y) { a = Exp(x) b = Neg(a) c = Add(a, b) y = Add(c, x) }")
    feed = {"x": draw(4, 9)}
    assert emulated(path, feed, budget=1) == emulated(path, feed)


def test_another_model_is_rounded_and_held_against_the_first(tmp_path: Path, emulated: Any) -> None:
    graph = "g (float[4] x) => (float[4] y) { a = Mul(x, w) y = Add(a, a) }"
    one = saved(tmp_path / "one.onnx", graph, {"w": np.full(4, 3, np.float32)})
    two = saved(
        tmp_path / "two.onnx",
        graph.replace("y = Add", "b = Neg(a) y = Sub").replace("(a, a)", "(a, b)"),
        {"w": np.full(4, 3, np.float32)},
        13,
    )
    found = emulated(one, {"x": draw(4)}, two)
    assert [point.tensor for point in found.points] == ["a", "y"]
    assert found.first is None


def test_a_half_model_is_held_against_its_original(tmp_path: Path, emulated: Any) -> None:
    one = saved(tmp_path / "one.onnx", "g (float[4] x) => (float[4] y) { a = Mul(x, w) y = Exp(a) }", {"w": np.full(4, 3, np.float32)})
    two = saved(tmp_path / "two.onnx", "g (float16[4] x) => (float16[4] y) { a = Mul(x, w) y = Exp(a) }", {"w": np.full(4, 3, np.float16)})
    feed = {"x": np.array([1, 2, 3.5, 4], np.float32)}
    found = emulated(one, feed, two)
    assert (of(found, found.overflow), found.already) == ("y", False)
    assert emulated(two, {"x": feed["x"].astype(np.float16)}).already


@pytest.mark.parametrize("side", ["", "m.weights"])
def test_weights_stay_in_their_files(tmp_path: Path, emulated: Any, side: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = saved(folder / "m.onnx", "g (float[2,64] x) => (float[2,64] y) { y = MatMul(x, w) }", {"w": draw(64, 64)}, side=side)
    before = sorted(item.name for item in folder.iterdir())
    assert emulated(path, {"x": draw(2, 64)}).first is None
    assert sorted(item.name for item in folder.iterdir()) == before


def test_bodies_are_closed(tmp_path: Path, emulated: Any) -> None:
    body = "then_branch = t () => (float[4] p) { p = Mul(a, a) }, else_branch = e () => (float[4] q) { q = Neg(a) }"
    graph = f"g (float[4] x, bool c) => (float[4] y) {{ a = Relu(x) y = If<{body}>(c) }}"
    found = emulated(saved(tmp_path / "m.onnx", graph), {"x": draw(4), "c": np.array(True)})
    assert ([point.tensor for point in found.points], found.closed) == (["a", "y"], 1)


def test_hostile_names(tmp_path: Path, emulated: Any) -> None:
    """Names that look like those the casts get, and names with anything in them."""
    names = ["w/fp16-0", "w/fp16-0/fp16-0", "a/fp16-0", "a\n\x1b[31m", "../../y", "日本"]
    nodes = [helper.make_node("Mul", ["x", "w"], ["w/fp16-0"])]
    nodes += [helper.make_node("Neg", [one], [two]) for one, two in itertools.pairwise(names)]
    inputs, outputs = (
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("日本", TensorProto.FLOAT, [4])],
    )
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(np.full(4, 7, np.float32), "w")]))
    model.ir_version = 8
    model.opset_import[0].version = 17
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    found = emulated(str(path), {"x": np.array([1, 2, 3, 1e4], np.float32)})
    assert [point.tensor for point in found.points] == names
    assert of(found, found.overflow) == names[0]


def test_only_some_tensors(tmp_path: Path, emulated: Any) -> None:
    path = saved(tmp_path / "m.onnx", "g (float[4] x) => (float[4] y) { a = Exp(x) y = Neg(a) }")
    assert [point.tensor for point in emulated(path, {"x": draw(4)}, names=("a",)).points] == ["a"]
    with pytest.raises(UsageError, match="'x' is no float that one layer hands to the next"):
        emulated(path, {"x": draw(4)}, names=("x",))


def test_models_with_nothing_in_common(tmp_path: Path, emulated: Any) -> None:
    one = saved(tmp_path / "one.onnx", "g (float[4] x) => (float[4] y) { y = Neg(x) }")
    two = saved(tmp_path / "two.onnx", "g (float[4] x) => (float[4] z) { z = Neg(x) }")
    with pytest.raises(UsageError, match="there is no tensor of floats that both compute"):
        emulated(one, {"x": draw(4)}, two)


def test_a_set_that_fails_is_named(tmp_path: Path, emulated: Any) -> None:
    path = saved(tmp_path / "m.onnx", "g (float[N,4] x, int64[2] s) => (float[a,b] y) { a = Neg(x) y = Reshape(a, s) }")
    with pytest.raises(RunError) as caught:
        emulated(path, {"x": draw(2, 4), "s": np.array([3, 3], np.int64)})
    assert caught.value.where == f'{path} (inputs "given")'


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process table of Linux")
def test_memory_is_bounded(tmp_path: Path, session: Session) -> None:
    """Sixty-four tensors of 16 MB would be a gigabyte on each side; the budget is two of them."""
    size = 1 << 22
    chain = " ".join(f"t{number} = Neg(t{number - 1})" for number in range(1, 64))
    path = saved(tmp_path / "m.onnx", f"g (float[1,{size}] x) => (float[1,{size}] y) {{ t0 = Abs(x) {chain} y = Neg(t63) }}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Runner() as runner:
        feed = {"x": np.ones((1, size), np.float32)}
        found = emulate(runner, session, path, path, parse(TARGET, session.rules), [("ones", feed)], tolerance=WITHIN, budget=2 * 4 * size)
        child = runner._process._process
        assert child is not None
        status = Path(f"/proc/{child.pid}/status").read_text()  # what getrusage tells of children may be the parent's peak
    assert len(found.points) == 65
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own < 400 << 10
    assert int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) < 600 << 10  # kB
