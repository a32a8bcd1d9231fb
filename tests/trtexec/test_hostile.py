"""Broken and malicious files: an error of ours or an answer, in time that grows with the size."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dlalint.errors import DlalintError
from dlalint.report.profile_json import to_json
from dlalint.report.profile_text import to_text
from dlalint.trtexec import json_text
from dlalint.trtexec.arrange import arranged
from dlalint.trtexec.json_text import Array, value_at
from dlalint.trtexec.observed import LogError
from dlalint.trtexec.read import read
from dlalint.trtexec.story import story

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".txt", ".json") and path.name != "golden.json")
_JUNK = [
    "\x00",
    "\x1b[",
    "{",
    "}",
    "(",
    "[",
    "]",
    "...",
    "\r",
    "\ufeff",
    "\x1e",
    "nan",
    "1e999",
    "-",
    "99999999999999999999.99",
    "**",
    '"',
    "\\",
]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.randint(1, 40)):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def _truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _beheaded(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(len(data)) :]


def _spliced(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    at = rng.randrange(len(data))
    return data[:at] + data[start:end] + data[at:]


def _wrapped(data: bytes, rng: random.Random) -> bytes:
    width = rng.randint(20, 140)
    return b"\n".join(line[at : at + width] for line in data.split(b"\n") for at in range(0, max(len(line), 1), width))


def _sown(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(data))
        data = data[:at] + rng.choice(_JUNK).encode() * rng.randint(1, 5) + data[at:]
    return data


def _shuffled(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


def _ends(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b" \n", b"\n\n", b""]))


MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [
    _flipped,
    _truncated,
    _beheaded,
    _spliced,
    _wrapped,
    _sown,
    _shuffled,
    _ends,
]


def _everything(path: Path) -> str:
    """All that the command does with a file; the error's code when it refuses."""
    try:
        observed = read(str(path))
        stories = [story(case) for case in arranged([observed]).cases]
    except DlalintError as error:
        return error.code if "\n" not in str(error) else "more than a line"
    for item in stories:
        to_text(item, 80, verbose=False, blocks=True)
    to_json(stories, [observed], None)
    return ""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda found: found.__name__.strip("_"))
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_mutated_samples_are_read_or_refused(tmp_path: Path, path: Path, mutation: Callable[[bytes, random.Random], bytes]) -> None:
    data = path.read_bytes()[:40_000]
    rng = random.Random(f"{path.name} {mutation.__name__}")
    for number in range(3):
        broken = tmp_path / f"{number}"
        broken.write_bytes(mutation(data, rng))
        assert _everything(broken) in {"", "E130", "E132", "E133", "E134", "E135"}


def test_mixed_samples_are_read(tmp_path: Path) -> None:
    rng = random.Random(7)
    for number in range(20):
        mixed = tmp_path / f"{number}"
        mixed.write_bytes(b"\n".join(path.read_bytes() for path in rng.sample(FILES, 3)))
        assert _everything(mixed) in {"", "E133", "E134"}


# lines that are long or nested in the ways that cost a careless reader more than their length
NASTY: dict[str, Callable[[int], str]] = {
    "digits": lambda size: "[I] x " + "1" * size,
    "numbers": lambda size: "[I] x " + "1.11" * (size // 4),
    "blanks": lambda size: "[I] [GpuLayer] a" + " " * size + "b",
    "open brackets": lambda size: "[I] [GpuLayer] " + "(" * size,
    "open groups": lambda size: "[I] --------------- Layers running on DLA:\n[I] " + "{a," * (size // 3),
    "closed groups": lambda size: "[I] --------------- Layers running on DLA:\n[I] " + "{a}, " * (size // 5),
    "fused": lambda size: "[I] [GpuLayer] " + "a + " * (size // 4),
    "points": lambda size: "[I] [GpuLayer] " + "PWN(" * (size // 8) + ")" * (size // 2),
    "tactics": lambda size: "Layer(DLA): a" + ", Tactic: 0" * (size // 11),
    "arrows": lambda size: "Layer(DLA): a, Tactic: 0, " + "a (Half[1]) -> " * (size // 15),
    "kinds": lambda size: "[W] Layer 'a" + "' (AAAA" * (size // 7),
    "reasons": lambda size: "[W] " + "a: DLA cores do not " * (size // 20),
    "pairs": lambda size: (
        "[V] *************** Autotuning format combination: " + "Half(1,2), " * (size // 11) + " -> Half(1) ***************"
    ),
    "reformats": lambda size: "[V] Adding reformat layer: Reformatted Input Tensor 0 to " + "a (b) from c to d" * (size // 17),
    "cached": lambda size: "[V] " + "a [b] got cached result: c, tactic 0x0, 1 ms" * (size // 40),
    "unnamed": lambda size: "[I] [GpuLayer] " + "(Unnamed Layer* " * (size // 16),
    "pieces": lambda size: "[I] --------------- Layers running on DLA:\n[I] {a\n" + "b,\n" * (size // 3),
    "rows": lambda size: "[I] === Profile (9 iterations ) ===\n" + "[I] {a,b\nc,d\n" * (size // 13),
    "headless rows": lambda size: "[I] name 1.00 1.00 0.1\n" * (size // 23),
    "stuck rows": lambda size: "[I] === Profile (9 iterations ) ===\n" + "[I] x111111111.001.001.0\n" * (size // 25),
    "escapes": lambda size: "\x1b[0;" * (size // 4) + "[I] [GpuLayer] a",
    "prefixes": lambda size: "[I] " * (size // 4) + "[GpuLayer] a",
    "commas": lambda size: "layer_name,start_ms,end_ms\n" + "," * size,
    "reformat rows": lambda size: (
        "[I] === Profile (9 iterations ) ===\n[I] Layer   Time (ms)   Avg. Time (ms)   Time %\n"
        + "[I] a input reformatter 0 1.00 1.00 0.1\n" * (size // 39)
    ),
    "json arrays": lambda size: '{"Layers": [' + "[" * size,
    "json objects": lambda size: '[{"count": 1}' + ',{"name": "a", "averageMs": 1}' * (size // 30),
    "json names": lambda size: '{"Layers": ["' + "a + " * (size // 4) + '"]}',
    "json metadata": lambda size: '{"Layers": [{"Name": "a", "Metadata": "' + "[ONNX Layer: a]" * (size // 15) + '"}]}',
}


@pytest.mark.parametrize("kind", sorted(NASTY))
def test_time_grows_with_the_size(tmp_path: Path, kind: str) -> None:
    times = []
    for size in (50_000, 400_000):
        path = tmp_path / f"{size}"
        path.write_text(NASTY[kind](size))
        best = float("inf")
        for _ in range(2):
            start = time.perf_counter()
            _everything(path)
            best = min(best, time.perf_counter() - start)
        times.append(best)
    assert times[1] < 30 * times[0] + 0.2, times  # eight times the size; squares would be 64 times the time
    assert times[1] < 5


def test_json_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    monkeypatch.setattr(json_text, "MAX_VALUES", 10)
    path.write_text('[{"count": 1}' + ',{"name": "a", "averageMs": 1}' * 20 + "]")
    with pytest.raises(LogError) as caught:
        read(str(path))
    assert caught.value.code == "E132"


def test_deep_json_ends_an_array() -> None:
    deep = "[1, " + "[" * 100_000
    items = Array(deep, 0)
    assert list(items) == [1]
    assert not items.complete
    assert value_at("[" * 100_000, 0) is None


def test_numbers_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(
        '[ { "count" : 2 }\n, { "name" : "a", "timeMs" : 0, "averageMs" : 0, "percentage" : -nan }\n'
        ', { "name" : "b", "timeMs" : 1e999, "averageMs" : 2 }\n, { "name" : "c", "timeMs" : 4, "averageMs" : 2, "percentage" : inf }\n]'
    )
    (profile,) = read(str(path)).profiles
    assert [(row.name, row.total_ms, row.percent) for row in profile.rows] == [("a", 0.0, None), ("b", 4.0, None), ("c", 4.0, None)]


@pytest.mark.slow
def test_large_log_in_little_memory(tmp_path: Path) -> None:
    """A verbose log of 60 MB, the size of a large network's, streams in seconds and below 200 MB."""
    text = (SAMPLES / "trt10_rn50_fp16_excerpt.txt").read_text(encoding="utf-8")
    tactics = "[08/20/2026-18:38:38] [V] [TRT] Tactic: 0x00000000000003e8 Time: 0.0182903\n" * 400
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < 60_000_000:
            file.write(text.replace("/layer", f"/stage{number}/layer").replace("input ->", f"input{number} ->") + tactics)
            number += 1
    code = (
        "import re, sys, time; from dlalint.trtexec.read import read; start = time.perf_counter(); found = read(sys.argv[1]);"
        "print(time.perf_counter() - start, int(re.search('VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]) // 1024,"
        " len(found.build.timings))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    seconds, megabytes, timings = done.stdout.split()
    assert int(timings) > 9_000
    assert int(megabytes) < 200
    assert float(seconds) < 30
