"""Ranges and histograms of a model's tensors, against numpy on what onnxruntime gives here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlalint.errors import UsageError
from dlalint.numeric import RunError, Runner, feeds
from dlalint.numeric.ranges import BINS, BUDGET, Histogram, Range, ranges, surveying

from .conftest import Make

Feeds = Mapping[str, NDArray[Any]]
WHOLE, SMALL, SINGLE = 256 << 20, 1 << 16, 1  # budgets: one run, some, one for each node
BRANCHES = """(float[N, 4] x, bool c) => (float[N, 4] y) <float[4] w = {1, -2, 3, -4}> {
    a = Mul(x, w)
    b = If (c) <
        then_branch = t () => (float[N, 4] p) { p = Relu(a) },
        else_branch = e () => (float[N, 4] q) { q = Neg(a) }
    >
    k = Constant <value_floats = [2.0, 2.0, 2.0, 2.0]> ()
    l = Neg(k)
    s = Shape(b)
    d = Add(b, l)
    r = Reshape(d, s)
    y = Mul(r, l)
}"""
RESIZE = """(float[1, 2, H, W] x) => (float[1, 2, K, L] y, float[1, 4, H, W] b)
    <int64 two = {2}, int64 three = {3}, int64[1] front = {0}, int64[1] none = {0}, int64[1] half = {2}> {
    t = Shape(x)
    h = Gather(t, two)
    w = Gather(t, three)
    b = Concat <axis = 1> (x, x)
    a = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)
    hs = Unsqueeze(h, front)
    ws = Unsqueeze(w, front)
    m = Concat <axis = 0> (hs, ws)
    s = Shape(a)
    n = Slice(s, none, half)
    c = Concat <axis = 0> (n, m)
    y = Resize <mode = "nearest"> (a, , , c)
}"""
F16 = "(float16[N] x) => (double[N] y, float16[N] h) { h = Neg(x) y = Cast <to = 11> (h) }"


def _tensors(model: bytes, batches: Sequence[Feeds]) -> dict[str, NDArray[Any]]:
    """All elements of all floats, marked and run without dlalint."""
    marked = onnx.load_from_string(model)
    given = {value.name for value in marked.graph.output}
    marked.graph.output.extend(onnx.ValueInfoProto(name=name) for node in marked.graph.node for name in node.output if name not in given)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(marked.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: dict[str, list[NDArray[Any]]] = {}
    for batch in batches:
        run = zip((item.name for item in session.get_outputs()), session.run(None, dict(batch)), strict=True)
        for name, array in (*batch.items(), *run):
            if array.dtype.kind == "f":
                found.setdefault(name, []).append(array.reshape(-1).astype(np.float64))
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


def _range(elements: NDArray[Any]) -> Range:
    finite = elements[np.isfinite(elements)]
    if not finite.size:
        return Range(0.0, 0.0, 0.0, 0.0, elements.size, elements.size)
    absolute = np.abs(finite)
    smallest = float(min(absolute[absolute > 0], default=0.0))
    return Range(float(finite.min()), float(finite.max()), float(absolute.max()), smallest, elements.size - finite.size, elements.size)


def _normal(shape: Sequence[int], count: int, scale: float = 1.0) -> list[NDArray[np.float32]]:
    draw = np.random.default_rng(5)
    return [(draw.standard_normal(shape) * scale).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("budget", [WHOLE, SMALL, SINGLE])
def test_a_real_model_holds_what_numpy_finds(runner: Runner, models: Path, budget: int) -> None:
    path = models / "mnist-7.onnx"
    batches = [feed for _, feed in feeds(runner.inputs(str(path)), 3)]
    expected = {name: _range(array) for name, array in _tensors(path.read_bytes(), batches).items()}
    found = ranges(runner, str(path), batches, budget=budget)
    assert found == {name: expected[name] for name in found}
    assert expected.keys() - found.keys() == {"Parameter193_reshape1"}  # weights, moved
    assert next(iter(found)) == "Input3"
    assert list(found)[-1] == "Plus214_Output_0"
    assert ranges(runner, path.read_bytes(), batches, budget=budget) == found


@pytest.mark.parametrize("budget", [WHOLE, SINGLE])
def test_bodies_constants_and_shapes_cross_from_piece_to_piece(runner: Runner, make: Make, budget: int) -> None:
    model = make(BRANCHES)
    batches = [{"x": x, "c": np.array(number % 2 == 0)} for number, x in enumerate(_normal((3, 4), 4))]
    expected = _tensors(model, batches)
    found = ranges(runner, model, batches, budget=budget)
    assert list(found) == ["x", "a", "b", "d", "r", "y"]  # neither k and l, which are constants, nor s
    assert found == {name: _range(expected[name]) for name in found}


@st.composite
def _networks(draw: st.DrawFn) -> tuple[str, list[str], list[str]]:
    """A network of small nodes, the names of its tensors, and some of these."""
    names, nodes = ["x"], []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["Relu", "Neg", "Add", "Mul", "Shape"]))
        taken = [draw(st.sampled_from(names)) for _ in range(2 if kind in ("Add", "Mul") else 1)]
        if kind == "Shape":  # and back, so that integers cross as well
            nodes.append(f"s{number} = Shape({taken[0]}) f{number} = Cast <to = 1> (s{number}) t{number} = Add({taken[0]}, f{number})")
            names += [f"f{number}", f"t{number}"]
        else:
            nodes.append(f"t{number} = {kind}({', '.join(taken)})")
            names.append(f"t{number}")
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    return f"(float[1, 2] x) => (float[1, 2] {names[-1]}) {{ {' '.join(nodes)} }}", names, chosen


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_networks(), st.integers(1, 60))
def test_pieces_hold_what_the_whole_holds(runner: Runner, make: Make, network: tuple[str, list[str], list[str]], budget: int) -> None:
    text, names, chosen = network
    batches = [{"x": x} for x in _normal((1, 2), 2)]
    whole = ranges(runner, make(text), batches)
    assert list(whole) == names
    assert ranges(runner, make(text), batches, budget=budget) == whole
    assert ranges(runner, make(text), batches, tensors=chosen, budget=budget) == {name: whole[name] for name in names if name in chosen}


@pytest.mark.parametrize("budget", [WHOLE, SINGLE])
def test_chosen_tensors_alone(runner: Runner, make: Make, budget: int) -> None:
    batches = [{"x": x, "c": np.array(True)} for x in _normal((3, 4), 2)]
    everything = ranges(runner, make(BRANCHES), batches)
    assert ranges(runner, make(BRANCHES), batches, tensors=["d", "x"], budget=budget) == {name: everything[name] for name in ("x", "d")}
    for odd in ("s", "k", "w", "nowhere"):
        with pytest.raises(UsageError, match=f"'{odd}' is no tensor of floats"):
            ranges(runner, make(BRANCHES), batches, tensors=[odd])


def _histograms(
    runner: Runner, model: str | bytes, batches: Iterable[Mapping[str, Any]], budget: int = BUDGET
) -> list[tuple[str, Range, Histogram]]:
    with surveying(runner, model, budget=budget) as survey:
        survey.run(batches, None)
        return list(survey.found())


def test_infinities_and_nan_are_counted_and_left_out(runner: Runner, make: Make) -> None:
    model = make("(float[N] x) => (float[N] y) { y = Neg(x) }")
    batches = [{"x": np.array(items, np.float32)} for items in ([np.nan, 2, 0], [np.inf, -np.inf, -0.5, 1e-45])]
    found = ranges(runner, model, batches)
    assert found["x"] == Range(-0.5, 2.0, 2.0, float(np.float32(1e-45)), 3, 7)
    assert found["y"] == Range(-2.0, 0.5, 2.0, float(np.float32(1e-45)), 3, 7)
    batches = [{"x": np.full(3, np.nan, np.float32)}]
    assert ranges(runner, model, batches)["x"] == Range(0.0, 0.0, 0.0, 0.0, 3, 3)
    ((name, _, histogram), _) = _histograms(runner, model, batches)
    assert (name, int(histogram.counts.sum())) == ("x", 0)
    zeros = ranges(runner, model, [{"x": np.zeros(3, np.float32)}])
    assert repr(zeros["y"]) == "Range(low=0.0, high=0.0, largest=0.0, smallest=0.0, nonfinite=0, count=3)"  # of negative zeros


@pytest.mark.parametrize("values", [[65504.0, -6e-8], [3.0, 0.25], [-0.0, 0.0]])
def test_floats_of_every_width(runner: Runner, make: Make, values: list[float]) -> None:
    batches = [{"x": np.array(values, np.float16)}]
    expected = _tensors(make(F16), batches)
    found = ranges(runner, make(F16), batches)
    assert sorted(found) == ["h", "x", "y"]
    assert found == {name: _range(expected[name]) for name in found}


def test_integers_are_not_counted(runner: Runner, make: Make) -> None:
    model = make("(int64[N] i, float[N] x) => (float[N] y) { f = Cast <to = 1> (i) j = Neg(i) y = Mul(f, x) }")
    found = ranges(runner, model, [{"i": np.array([3, -4]), "x": np.array([1, 2], np.float64)}])  # x becomes what the input takes
    assert {name: (item.low, item.high) for name, item in found.items()} == {"x": (1.0, 2.0), "f": (-4.0, 3.0), "y": (-8.0, 3.0)}


@pytest.mark.parametrize("scale", [1e-40, 1e-3, 1.0, 1e30])
def test_histograms_are_those_of_all_elements_at_once(runner: Runner, make: Make, scale: float) -> None:
    model = make("(float[N, 7] x) => (float[N, 7] y) { y = Relu(x) }")
    whole = np.concatenate(_normal((40, 7), 1, scale))
    whole[::5] *= np.float32(30)  # batches of different ranges
    parts = [{"x": whole[:5]}, {"x": whole[5:6]}, {"x": whole[6:]}]
    for batches in (parts, parts[::-1], [{"x": whole}]):
        for name, found, histogram in _histograms(runner, model, batches, budget=SINGLE):
            elements = np.abs(whole if name == "x" else np.maximum(whole, 0)).astype(np.float64).reshape(-1)
            assert found == _range(whole.reshape(-1).astype(np.float64) if name == "x" else elements)
            assert np.log2(histogram.width) == round(np.log2(histogram.width))
            assert np.array_equal(histogram.counts, np.bincount((elements / histogram.width).astype(int), minlength=BINS))
            assert scale == 1e-40 or elements.max() >= histogram.width * BINS / 2


def test_a_size_that_is_free_and_an_unknown_one(runner: Runner, make: Make) -> None:
    model = make("(float[N] x) => (float[K] y) { a = Abs(x) n = Equal(x, a) b = Compress(a, n) c = Neg(b) d = Exp(c) y = Relu(d) }")
    batches = [{"x": x} for count in (5, 4000, 1) for x in _normal((count,), 1)]
    expected = _tensors(model, batches)
    for budget in (WHOLE, 9000, SINGLE):
        found = ranges(runner, model, batches, budget=budget)
        assert found == {name: _range(expected[name]) for name in ("x", "a", "b", "c", "d", "y")}


def test_shapes_that_onnxruntime_must_see_computed(runner: Runner, make: Make) -> None:
    model = make(RESIZE)
    batches = [{"x": x} for x in _normal((1, 2, 6, 8), 2)]
    expected = _tensors(model, batches)
    with surveying(runner, model, budget=768) as survey:
        survey.run(batches)
        assert {name: found for name, found, _ in survey.found()} == {name: _range(expected[name]) for name in ("x", "b", "a", "y")}


def test_the_same_twice(runner: Runner, models: Path) -> None:
    path = str(models / "mnist-7.onnx")
    batches = [feed for _, feed in feeds(runner.inputs(path), 9)]
    first, second = (
        [(name, item, hist.counts.tobytes(), hist.width) for name, item, hist in _histograms(runner, path, batches)] for _ in "ab"
    )
    assert first == second
    assert len(first) == 12


def test_progress_and_laziness(runner: Runner, make: Make) -> None:
    model = make("(float[N] x) => (float[N] y) { y = Neg(x) }")
    said: list[tuple[int, int]] = []
    started = []

    def lazy() -> Iterator[Feeds]:
        for number in range(3):
            started.append(number)
            assert len(said) == number
            yield {"x": np.ones(number + 1, np.float32)}

    assert ranges(runner, model, lazy(), progress=lambda done, total: said.append((done, total)))["y"].count == 6
    assert said == [(1, 0), (2, 0), (3, 0)]
    said.clear()
    ranges(runner, model, [{"x": np.ones(1, np.float32)}] * 2, progress=lambda done, total: said.append((done, total)))
    assert said == [(1, 2), (2, 2)]


def test_batches_that_do_not_fit(runner: Runner, make: Make) -> None:
    model = make("(float[N, 2] x) => (float[N, 2] y) { y = Neg(x) }")
    with pytest.raises(UsageError, match="the array for 'x' is 1x3, the input Nx2"):
        ranges(runner, model, [{"x": np.ones((1, 3), np.float32)}])
    with pytest.raises(UsageError, match="there is no batch to run"):
        ranges(runner, model, [])
    assert ranges(runner, model, [{"x": np.ones((1, 2), np.float32)}])["y"].low == -1.0


def test_nothing_stays_behind(make: Make) -> None:
    with Runner() as runner:
        ranges(runner, make(BRANCHES), [{"x": np.ones((1, 4), np.float32), "c": np.array(True)}], budget=SINGLE)
        with pytest.raises(RunError):
            ranges(runner, make("(float[N] x) => (float[N] y) { y = NoSuchOperator(x) }"), [])
        assert not [name for name in os.listdir(runner.folder) if name.startswith("pieces")]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process table of Linux")
def test_memory_stays_near_the_budget(make: Make) -> None:
    names = [f"t{number}" for number in range(40)]  # of 16 MB each
    nodes = " ".join(f"{name} = Neg({before})" for name, before in zip(names, ["x", *names], strict=False))
    model = make(f"(float[4, 1048576] x) => (float[4, 1048576] {names[-1]}) {{ {nodes} }}")
    with Runner() as runner:
        found = ranges(runner, model, [{"x": np.full((4, 1 << 20), 3, np.float32)}] * 2, budget=64 << 20)
        assert {item.largest for item in found.values()} == {3.0}
        child = runner._process._process
        assert child is not None
        status = Path(f"/proc/{child.pid}/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    assert peak < 250 << 10  # kB, onnxruntime itself among them


def test_a_killed_child_loses_no_batch_unsaid(make: Make) -> None:
    model = make("(float[N] x) => (float[N] y) { y = Neg(x) }")
    with Runner() as runner:

        def killing() -> Iterator[Feeds]:
            yield {"x": np.ones(2, np.float32)}
            child = runner._process._process
            assert child is not None
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            yield {"x": np.ones(2, np.float32)}

        with pytest.raises(RunError) as caught:
            ranges(runner, model, killing())
        assert (caught.value.code, caught.value.where) == ("E304", "the model")
        assert ranges(runner, model, [{"x": np.ones(2, np.float32)}])["y"].count == 2


class _Lying(Runner):
    """A runner whose child changes what it says in one kind of answer."""

    job = ""
    header: Mapping[str, Any] | None = None

    def exchange(self, request: Any, arrays: Any, where: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        header, found = super().exchange(request, arrays, where)
        if request["job"] != self.job:
            return header, found
        return ({**header, **self.header}, found) if self.header is not None else (header, {})


@pytest.mark.parametrize(
    ("job", "header"),
    [
        ("interface", {"outputs": []}),
        ("interface", {"inputs": [["x"]]}),
        ("piece", {"sizes": [4, 4]}),
        ("piece", {"sizes": [-1]}),
        ("piece", {"sizes": None}),
        ("tallied", None),
    ],
)
def test_answers_that_make_no_sense(make: Make, job: str, header: Mapping[str, Any] | None) -> None:
    with closing(_Lying()) as runner:
        runner.job, runner.header = job, header
        with pytest.raises(RunError, match="onnxruntime gave an answer that makes no sense"):
            ranges(runner, make("(float[N] x) => (float[N] y) { y = Neg(x) }"), [{"x": np.ones(2, np.float32)}])


def test_a_child_that_was_replaced_counts_no_batch(make: Make) -> None:
    with closing(_Lying()) as runner:
        runner.job, runner.header = "feed", {"batches": 7}
        with pytest.raises(RunError, match="onnxruntime died between two runs"):
            ranges(runner, make("(float[N] x) => (float[N] y) { y = Neg(x) }"), [{"x": np.ones(2, np.float32)}])


def test_integers_alone(runner: Runner, make: Make) -> None:
    model = make("(int64[N] x) => (int64[N] y) { y = Neg(x) }")
    assert ranges(runner, model, [{"x": np.ones(2, np.int64)}]) == {}
    model = make("(float[N] x) => (int64[K] y) { y = Shape(x) }")
    assert ranges(runner, model, [{"x": np.ones(2, np.float32)}])["x"].count == 2


def test_a_model_that_onnxruntime_refuses(runner: Runner, make: Make) -> None:
    with pytest.raises(RunError, match=r"onnxruntime cannot run it: .*NoSuchOperator"):
        ranges(runner, make("(float[N] x) => (float[N] y) { y = NoSuchOperator(x) }"), [{"x": np.ones(2, np.float32)}])
    reshape = make("(float[N] x, int64[1] s) => (float[M] y) { y = Reshape(x, s) }")
    with pytest.raises(RunError, match=r"onnxruntime cannot run it: .*cannot be reshaped"):
        ranges(runner, reshape, [{"x": np.ones(2, np.float32), "s": np.array([3])}])
