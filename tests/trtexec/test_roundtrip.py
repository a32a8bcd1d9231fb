"""What is written as TensorRT writes it is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlalint.trtexec.names import nodes
from dlalint.trtexec.observed import EngineLayer, Fallback, Format, GpuLayer, Observed, Profile, ProfileRow, Timing, Use
from dlalint.trtexec.placement import group
from dlalint.trtexec.profile_table import RELEASES
from dlalint.trtexec.read import read
from tests.trtexec import render

_SETTINGS = settings(
    derandomize=True, max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
_WORD = st.from_regex(r"[A-Za-z_/][A-Za-z0-9_./:-]{0,14}[A-Za-z]", fullmatch=True)
_UNNAMED = st.builds(
    lambda number, kind: f"(Unnamed Layer* {number}) [{kind}]", st.integers(0, 999), st.sampled_from(["Shuffle", "ElementWise", "Slice"])
)
_PART = st.one_of(_WORD, _WORD, _UNNAMED)
_FUSED = st.lists(_PART, min_size=1, max_size=3, unique=True).map(" + ".join)
_RANGE = st.builds(lambda first, last: f"{{ForeignNode[{first}...{last}]}}", _WORD, _WORD)
_BRACES = st.lists(_WORD, min_size=1, max_size=4, unique=True).map(lambda names: f"{{{','.join(names)}}}")
_REFORMAT = st.builds(
    lambda side, number, layer: f"Reformatting CopyNode for {side} Tensor {number} to {layer}",
    st.sampled_from(["Input", "Output"]),
    st.integers(0, 30),
    _FUSED,
)
_OLD_REFORMAT = st.builds(
    lambda layer, side, number: f"{layer} {side} reformatter {number}", _FUSED, st.sampled_from(["input", "output"]), st.integers(0, 30)
)
_LAYER = st.one_of(_FUSED, _FUSED, _RANGE, _BRACES, _REFORMAT, _OLD_REFORMAT).filter(lambda name: name != "Total")
_PREFIX = st.sampled_from(sorted(render.PREFIXES))
_LOGGED = st.sampled_from(sorted(set(render.PREFIXES) - {"none"}))


def _read(folder: Path, text: str) -> Observed:
    path = folder / "file"
    path.write_bytes(text.encode())
    return read(str(path))


@st.composite
def _profiles(draw: st.DrawFn, form: str) -> Profile:
    names = draw(st.lists(_LAYER, min_size=2, max_size=8))
    runs = draw(st.integers(1, 5000))
    averages = draw(st.lists(st.integers(1, 400_000), min_size=len(names), max_size=len(names)))
    whole = sum(averages)
    decimals = 2 if form == "7.0" else 4
    median = form in ("8.4", "8.6")

    def row(name: str, tenths: int) -> ProfileRow:
        average = tenths / 10_000
        return ProfileRow(
            name,
            float(f"{average * runs:.2f}"),
            float(f"{average:.{decimals}f}"),
            float(f"{average:.4f}") if median else None,
            float(f"{tenths / whole * 100:.1f}"),
        )

    total = row("Total", whole)
    return Profile(tuple(row(name, average) for name, average in zip(names, averages, strict=True)), runs, total, form, RELEASES[form])


@pytest.mark.parametrize("form", ["7.2", "8.4", "8.6"])
@_SETTINGS
@given(data=st.data(), prefix=_PREFIX)
def test_tables(tmp_path: Path, form: str, data: st.DataObject, prefix: str) -> None:
    profile = data.draw(_profiles(form))
    assert _read(tmp_path, render.table(profile, render.PREFIXES[prefix])).profiles == (profile,)


@_SETTINGS
@given(profile=_profiles("7.0"), prefix=_PREFIX)
def test_tables_of_two_decimals(tmp_path: Path, profile: Profile, prefix: str) -> None:
    assert _read(tmp_path, render.table(profile, render.PREFIXES[prefix])).profiles == (profile,)


@_SETTINGS
@given(names=st.lists(_LAYER, min_size=1, max_size=5), runs=st.integers(1, 900), cents=st.integers(1, 99_999), prefix=_PREFIX)
def test_tables_of_tensorrt_5(tmp_path: Path, names: list[str], runs: int, cents: int, prefix: str) -> None:
    rows = tuple(ProfileRow(name, cents / 100, cents / 100 / runs, None, 12.5) for name in names)
    profile = Profile(rows, runs, None, "5.1", RELEASES["5.1"])
    assert _read(tmp_path, render.old_table(profile, render.PREFIXES[prefix])).profiles == (profile,)


@_SETTINGS
@given(profile=_profiles("8.6"), median=st.booleans())
def test_exported_profiles(tmp_path: Path, profile: Profile, median: bool) -> None:
    rows = tuple(row if median else row._replace(median_ms=None) for row in profile.rows)
    found = _read(tmp_path, render.export_profile(rows, profile.iterations or 1)).profiles
    assert found == (Profile(rows, profile.iterations, None, "json", ("8.4", "") if median else ("7.0", "8.2")),)


_DTYPE = st.sampled_from(["FP32", "FP16", "INT8"])
_DIMS = st.lists(st.integers(1, 4096), min_size=4, max_size=4).map(tuple)


def _uses(layouts: list[str], least: int = 0) -> st.SearchStrategy[tuple[Use, ...]]:
    use = st.builds(Use, _WORD, st.builds(Format, _DTYPE, st.sampled_from(layouts)), _DIMS)
    return st.lists(use, min_size=least, max_size=3).map(tuple)


@st.composite
def _engine(draw: st.DrawFn, layouts: list[str], *, stated: bool, old: bool) -> EngineLayer:
    name = draw(_LAYER)
    inputs, outputs = draw(_uses(layouts)), draw(_uses(layouts, 1))
    onnx = tuple(draw(st.lists(_WORD, max_size=3, unique=True))) if stated else ()
    tactic = draw(st.sampled_from(["0", "-4208188808979933945"] if old else ["0x0000000000000003", "0x1340e8758429064c"]))
    kind = draw(st.sampled_from(["CaskConvolution", "DLA", "Shuffle", "Reformat", "NoOp"]))
    moves = kind in ("Reformat", "NoOp", "Shuffle")
    first = next(iter(outputs if moves else (*inputs, *outputs)))
    return EngineLayer(name, kind, inputs, outputs, first.format.dtype, tactic, onnx or nodes(name), bool(onnx))


@_SETTINGS
@given(
    layers=st.lists(_engine(sorted(render._WORDS), stated=True, old=False), min_size=1, max_size=6),
    bindings=st.lists(_WORD, max_size=3),
    indented=st.booleans(),
)
def test_layer_information(tmp_path: Path, layers: list[EngineLayer], bindings: list[str], indented: bool) -> None:
    info = _read(tmp_path, render.layer_info(layers, bindings, detailed=True)).layers
    assert info is not None
    assert info == (tuple(layers), tuple(bindings), True, True)


@_SETTINGS
@given(names=st.lists(_LAYER, min_size=1, max_size=6), bindings=st.lists(_WORD, max_size=3))
def test_names_of_layers(tmp_path: Path, names: list[str], bindings: list[str]) -> None:
    layers = tuple(EngineLayer(name, nodes=nodes(name)) for name in names)
    info = _read(tmp_path, render.layer_info(layers, bindings, detailed=False)).layers
    assert info == (layers, tuple(bindings), False, True)


@pytest.mark.parametrize("dialect", ["7", "8", "10"])
@_SETTINGS
@given(data=st.data(), prefix=_LOGGED)
def test_engine_layers_in_a_log(tmp_path: Path, dialect: str, data: st.DataObject, prefix: str) -> None:
    layouts = ["linear", "CHW16", "CHW32", "HWC8"] if dialect == "10" else ["linear"]
    layers = data.draw(st.lists(_engine(layouts, stated=False, old=dialect != "10"), min_size=1, max_size=5))
    build = _read(tmp_path, render.engine_lines(layers, dialect, render.PREFIXES[prefix])).build
    assert build is not None
    assert build.engine == tuple(layers)


@pytest.mark.parametrize("dialect", ["7", "8", "10"])
@_SETTINGS
@given(data=st.data(), prefix=_LOGGED)
def test_lists_of_devices(tmp_path: Path, dialect: str, data: st.DataObject, prefix: str) -> None:
    kind = {"7": _BRACES, "8": _RANGE, "10": _FUSED}[dialect]
    dla = tuple(group(name) for name in data.draw(st.lists(kind, min_size=1, max_size=5)))
    kinds = st.sampled_from(["SHUFFLE", "PLUGIN_V2", "MATRIX_MULTIPLY"]) if dialect == "10" else st.just("")
    gpu = tuple(data.draw(st.lists(st.builds(GpuLayer, _FUSED, kinds), min_size=1, max_size=5)))
    build = _read(tmp_path, render.lists(dla, gpu, dialect, render.PREFIXES[prefix])).build
    assert build is not None
    assert (build.placement.listed, build.placement.dla, build.placement.gpu) == (True, dla, gpu)


_REASONS = [
    "",
    "DLA only supports slicing 4 dimensional tensors.",
    "DLA cores do not support DIV ElementWise operation.",
    "MatMul is unsupported on DLA, relax constraints or use Convolution layer instead.",
    "Concatenation on DLA requires at least two inputs.",
    "Unary operation: ISNAN is not supported on DLA.",
]


@pytest.mark.parametrize("dialect", ["5", "7", "10"])
@_SETTINGS
@given(data=st.data(), prefix=_PREFIX)
def test_fallbacks_and_their_reasons(tmp_path: Path, dialect: str, data: st.DataObject, prefix: str) -> None:
    names = data.draw(st.lists(_WORD, min_size=1, max_size=6, unique=True))
    found, line = [], 0
    for name in names:
        reason = data.draw(st.sampled_from(_REASONS))
        stage = data.draw(st.sampled_from(["check", "validation"])) if dialect == "10" else "check"
        kind = "ELEMENTWISE" if dialect == "10" and stage == "check" else ""
        line += 2 if reason else 1
        found.append(Fallback(name, kind, reason, stage, line))
    build = _read(tmp_path, render.fallbacks(found, dialect, render.PREFIXES[prefix])).build
    assert build is not None
    assert build.placement.fallbacks == tuple(found)


_STRIDES = st.lists(st.integers(1, 99_999), min_size=1, max_size=4).map(lambda found: f"Half({','.join(map(str, found))})")


@pytest.mark.parametrize("dialect", ["7", "10"])
@_SETTINGS
@given(data=st.data(), prefix=_LOGGED)
def test_measurements_of_a_build(tmp_path: Path, dialect: str, data: st.DataObject, prefix: str) -> None:
    ms = st.integers(1, 10**7).map(lambda number: number / 10_000)
    loadable = st.builds(
        Timing, _RANGE, st.just("DLA"), st.lists(_STRIDES, min_size=1, max_size=3).map(tuple), st.lists(_STRIDES, max_size=2).map(tuple), ms
    )
    reformat = st.builds(Timing, _WORD, st.just("Reformat"), st.tuples(_STRIDES), st.tuples(_STRIDES), ms)
    timings = data.draw(st.lists(st.one_of(loadable, reformat), min_size=1, max_size=6, unique_by=lambda item: item[:4]))
    build = _read(tmp_path, render.autotuning(timings, dialect, render.PREFIXES[prefix])).build
    assert build is not None
    assert build.timings == tuple(timings)


@_SETTINGS
@given(rows=st.lists(st.tuples(_FUSED, st.integers(0, 9999), st.integers(1, 9999)), min_size=1, max_size=6))
def test_layers_inside_a_loadable(tmp_path: Path, rows: list[tuple[str, int, int]]) -> None:
    timed = [(name, start / 1000, (start + length) / 1000) for name, start, length in rows]
    found = _read(tmp_path, render.cudla(timed)).cudla
    assert [(item.name, item.start_ms, item.end_ms) for item in found] == timed


@_SETTINGS
@given(eighths=st.lists(st.integers(1, 9999), min_size=1, max_size=20))
def test_exported_times(tmp_path: Path, eighths: list[int]) -> None:
    latencies = sorted(number / 8 for number in eighths)
    times = _read(tmp_path, render.export_times(latencies)).times
    assert times is not None
    found = {metric.name: metric for metric in times.metrics}
    assert times.runs == len(latencies)
    assert (found["GPU Compute Time"].least, found["GPU Compute Time"].most) == (latencies[0], latencies[-1])
    assert found["GPU Compute Time"].mean == pytest.approx(sum(latencies) / len(latencies))
    assert found["Latency"].least == latencies[0] + 0.625
    assert found["Enqueue Time"].mean == 0.25
