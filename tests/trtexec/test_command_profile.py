"""``dlalint profile``: what it prints, in text and JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlalint.cli import execute
from dlalint.report.bars import bar, can_show

SAMPLES = Path(__file__).parent / "samples"
FILES = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".txt", ".json") and path.name != "golden.json")
SSD, RN50 = SAMPLES / "profile_trt7_xavier_ssd.txt", SAMPLES / "trt10_rn50_fp16_excerpt.txt"


def _out(capfd: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    assert execute(["profile", *map(str, arguments)]) == code
    captured = capfd.readouterr()
    return captured.out if code == 0 else captured.err


def _json(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_out(capfd, *arguments, "--format", "json"))
    return found


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sample_is_told_in_its_width(
    path: Path, columns: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(SAMPLES)
    for options in ([], ["-v"]):
        lines = _out(capfd, path.name, *options).splitlines()
        assert lines
        for line in lines:
            assert len(line) <= columns or len(line.rpartition(" ")[0]) <= columns, line  # only the last word may stick out
    told = _json(capfd, path.name)
    assert told["schema"] == 1
    assert [item["path"] for item in told["files"]] == [path.name]


def test_text_of_the_ssd(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(SAMPLES)
    text = _out(capfd, SSD.name)
    assert text.startswith("ResNet18v2: 41.018 ms a run\n")
    for part in (
        "79 runs (total divided by average); TensorRT 7.0 to 7.1 (inferred from the form of the profile)",
        "(inferred: rows such as 'x to nvm' and 'x finish' are of releases up to 8.4)",
        "31.71 ms and 77.3 % for loadable 1 output",
        "The rows in the file add up to 96.4 % of 41.018 ms",
        "Loadables (2)",
        "1    32.345 ms  78.9 %  62 nodes, ResNet18v2/conv0/Conv2D ... ResNet18v2/Relu_13",
        "0.638 ms on its own row, 31.707 ms on the row that waits for it",
        "Rows that wait for the DLA  (no cost of reformatting)",
        "31.707 ms  loadable 1 output reformatter 1: waits for loadable 1",
        "7.001 ms  loadable 2 output reformatter 8: waits for loadable 2",
        "Reformats  (3, 0.127 ms in all)",
    ):
        assert part in text


def test_json_of_the_ssd(capfd: pytest.CaptureFixture[str]) -> None:
    told = _json(capfd, SSD)
    (engine,) = told["engines"]
    assert (engine["network"], engine["deferred"]) == ("ResNet18v2", True)
    assert engine["release"] == {"first": "7.0", "last": "7.1", "stated": False}
    assert [(item["waiting_row"], len(item["nodes"])) for item in engine["loadables"]] == [(3, 62), (7, 24)]
    row = engine["rows"][3]
    assert (row["average_ms"], row["percent"], row["kind"], row["repaired"]) == (31.71, 77.3, "wait", True)
    assert sum(share["percent"] for share in engine["shares"]) == pytest.approx(100)


def test_text_of_a_build_log_alone(capfd: pytest.CaptureFixture[str]) -> None:
    text = " ".join(_out(capfd, RN50).split())
    for part in (
        "resnet50_fp32: about 17.704 ms a run",
        "No run was timed",
        "do --inputIOFormats=fp16:chw16",
        "REDUCE: DLA cores do not support AVG Reduce operation",
        "17.405 ms FP16 CHW16 FP16 CHW16 in use",
        "0.074 ms FP32 linear FP16 CHW16 in use",
        "Layers by precision (128) computing in FP16 120, FP32 1",
        "loadables 2 of 2 candidates offloaded",
    ):
        assert part in text


def test_comparison(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    head = "[I] === Profile (10 iterations ) ===\n[I]    Time(ms)     Avg.(ms)   Median(ms)   Time(%)   Layer\n"
    one.write_text(head + "[I] 80.00 8.0000 8.0000 80.0   a\n[I] 20.00 2.0000 2.0000 20.0   b\n[I] 100.00 10.0000 10.0000 100.0   Total\n")
    two.write_text(head + "[I] 40.00 4.0000 4.0000 80.0   a\n[I] 10.00 1.0000 1.0000 20.0   c\n[I] 50.00 5.0000 5.0000 100.0   Total\n")
    text = _out(capfd, one, two)
    assert f"{one} -> {two}: 10.000 -> 5.000 ms, -5.000 ms (-50.0 %)" in text
    assert "8.000  4.000  -4.000 ms (-50.0 %)  a" in text
    assert "Appeared (1 row, 1.000 ms)" in text
    assert "Vanished (1 row, 2.000 ms)" in text
    change = _json(capfd, one, two)["comparison"]
    assert change["rows"] == [{"name": "a", "before_ms": 8.0, "after_ms": 4.0, "change_ms": -4.0, "change_percent": -50.0}]
    assert [item["name"] for item in (*change["appeared"], *change["vanished"])] == ["c", "b"]


def test_unknown_lines_are_said_and_shown_with_v(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("[I] [TRT] [GpuLayer] a\n[I] [TRT] never \x1b[31mseen\x07 before\n")
    assert "log: 1 line not understood (-v shows some)" in " ".join(_out(capfd, log).split())
    assert "  2: never seen\\x07 before" in _out(capfd, log, "-v")


def test_names_cannot_command_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.json"
    path.write_text('[{"count": 1}, {"name": "a\\u001b[2J\\u202eb", "timeMs": 1, "averageMs": 1, "percentage": 100}]')
    assert "\x1b" not in _out(capfd, path)
    assert "\u202e" not in _out(capfd, path)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["README.md"], "E130"),
        (["none.log"], "E131"),
        (["layer_info_detailed.json", "profile_trt7_xavier_ssd.txt"], "E134"),
        (["dumpProfile_trt7_xavier.txt", "dumpProfile_trt85_orin.txt"], "E137"),
    ],
)
def test_errors_are_one_line_and_code_2(names: list[str], code: str, capfd: pytest.CaptureFixture[str]) -> None:
    message = _out(capfd, *(SAMPLES / name for name in names), code=2)
    assert f"error[{code}]" in message
    assert message.count("\n") == 1


def test_a_log_that_says_nothing_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("&&&& RUNNING TensorRT.trtexec [TensorRT v8503] # trtexec --help\n")
    assert "error[E136]" in _out(capfd, log, code=2)


def test_report_goes_to_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report"
    assert _out(capfd, SSD, "-o", target) == ""
    assert "█" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(("encoding", "sign", "other"), [("ascii", "#", "█"), ("latin-1", "#", "█"), ("utf-8", "█", "#")])
def test_bars_are_of_what_the_output_can_show(encoding: str, sign: str, other: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-m", "dlalint", "profile", SSD], capture_output=True, env=environment, check=True)
    text = done.stdout.decode()
    assert sign * 10 in text
    assert other not in text


@pytest.mark.parametrize(
    ("part", "blocks", "drawn"),
    [
        (1.0, True, "████"),
        (0.5, True, "██"),
        (0.55, True, "██▎"),
        (0.0, True, ""),
        (0.001, True, "▏"),
        (2.0, True, "████"),
        (-1.0, True, ""),
        (1.0, False, "####"),
        (0.5, False, "##"),
        (0.001, False, "#"),
        (0.0, False, ""),
    ],
)
def test_bars(part: float, blocks: bool, drawn: str) -> None:
    assert bar(part, 4, blocks=blocks) == drawn


@pytest.mark.parametrize(("encoding", "can"), [("utf-8", True), ("ascii", False), ("cp1252", False), (None, False), ("nonsense", False)])
def test_encodings_that_show_blocks(encoding: str | None, can: bool) -> None:
    assert can_show(encoding) == can
