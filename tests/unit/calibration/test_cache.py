"""Calibration caches: every known form is read, what is written is read back, anything else is refused with its line."""

from __future__ import annotations

import math
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.calibration.cache import ENTROPY, Cache, CacheError, parse, scale_of, to_text


@pytest.mark.parametrize(
    ("header", "version", "algorithm"),
    [
        ("TRT-8203-EntropyCalibration2", "8.2.3", "EntropyCalibration2"),
        ("TRT-8510-EntropyCalibration2", "8.5.10", "EntropyCalibration2"),
        ("TRT-7103-MinMaxCalibration", "7.1.3", "MinMaxCalibration"),
        ("TRT-5105-EntropyCalibration", "5.1.5", "EntropyCalibration"),
        ("TRT-100300-EntropyCalibration2", "10.3.0", "EntropyCalibration2"),
        ("TRT-101401-EntropyCalibration2", "10.14.1", "EntropyCalibration2"),
        ("1", "", ""),
    ],
)
def test_headers(header: str, version: str, algorithm: str) -> None:
    cache = parse(f"{header}\ninput: 3c010204\n")
    assert cache == Cache(version, algorithm, {"input": scale_of(1.0)})


def test_entries_as_tensorrt_writes_them() -> None:
    lines = [
        "TRT-8401-EntropyCalibration2",
        "input: 3caa54fc",
        "(Unnamed Layer* 64) [Shuffle]_output: 0",
        "a:b: c: 40000000",
        "/x: 0x3F800000",
    ]
    assert parse("\r\n".join(lines) + "\r\n").scales == {
        "input": pytest.approx(2.64 / 127, rel=1e-3),
        "(Unnamed Layer* 64) [Shuffle]_output": 0.0,
        "a:b: c": 2.0,
        "/x": 1.0,
    }


def test_broken_scales_are_read_as_they_are() -> None:
    found = parse("TRT-8510-EntropyCalibration2\na: 7f800000\nb: 7fc00000\nc: ff800000\nd: bf800000\ne: 1\n").scales
    assert (found["a"], found["c"], found["d"]) == (math.inf, -math.inf, -1.0)
    assert math.isnan(found["b"])
    assert 0 < found["e"] < 1e-44


def test_decimal_ranges_of_onnxruntime() -> None:
    assert parse("data_0 2.54\nconv 1 12.7\n") == Cache("", "", {"data_0": scale_of(2.54), "conv 1": scale_of(12.7)})


def test_a_name_that_comes_twice() -> None:
    assert parse("TRT-8510-EntropyCalibration2\na: 3f800000\na: 40000000\n").scales == {"a": 2.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TRT-8510-EntropyCalibration2\na: 3f800000\nb 3f\n", "line 3 is no entry of a calibration cache: 'b 3f'"),
        ("TRT-8510-EntropyCalibration2\na: 3f8000001\n", "line 2 is no entry of a calibration cache: 'a: 3f8000001'"),
        ("TRT-8510-EntropyCalibration2\n: 3f80\n", "line 2 is no entry of a calibration cache: ': 3f80'"),
        ("TRT-8510-EntropyCalibration2\n", "the file holds no scale"),
        ("", "the file holds no scale"),
        ('{"a": 1}', "line 1 is no entry of a calibration cache: '{\"a\": 1}'"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(CacheError) as raised:
        parse(text, "calib.cache")
    assert (raised.value.code, raised.value.where, raised.value.what) == ("E140", "calib.cache", said)


def test_ranges_beyond_float32() -> None:
    assert parse("a 1e300\nb -1e300\nc nan\n").scales == {"a": math.inf, "b": -math.inf, "c": pytest.approx(math.nan, nan_ok=True)}


@pytest.mark.parametrize("line", ["a" * 5_000_000, " " * 5_000_000 + ":", "1" * 5_000_000, ": " * 2_500_000, "\x1b[31m\u202e" * 500_000])
def test_long_lines_cost_no_time(line: str) -> None:
    start = time.perf_counter()
    with pytest.raises(CacheError) as raised:
        parse(f"TRT-8510-EntropyCalibration2\n{line}x\n")
    assert time.perf_counter() - start < 2
    assert len(raised.value.what) < 400


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb"])
def test_names_that_no_cache_can_hold(name: str) -> None:
    with pytest.raises(CacheError) as raised:
        to_text(Cache("8.6.0", ENTROPY, {name: 1.0}))
    assert raised.value.code == "E143"


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=12)
SCALES = st.floats(width=32, allow_nan=False)


@settings(derandomize=True, max_examples=200, database=None)
@given(st.dictionaries(NAMES, SCALES, min_size=1), st.sampled_from(["8.2.3", "8.6.0", "8.5.10", "10.3.0", "10.14.1"]))
def test_round_trip(scales: dict[str, float], version: str) -> None:
    cache = Cache(version, ENTROPY, scales)
    again = parse(to_text(cache))
    assert (again.version, again.algorithm, list(again.scales)) == (version, ENTROPY, list(scales))
    assert [struct.pack("f", value) for value in again.scales.values()] == [struct.pack("f", value) for value in scales.values()]
