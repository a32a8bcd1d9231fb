"""A run that is ended from outside, at any time: the old file or the new one, no child and no temporary file left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest

from dlalint.model.load import load
from tests.hostile.corpus.case import MODELS, ROOT

OLD = b"what was there"
POINTS = int(os.environ.get("DLALINT_POINTS", "4"))  # moments for each command and signal; 50 takes minutes
COMMANDS = {
    "mark-output": ("mark-output", "model.onnx", "--all", "-o", "result.onnx"),
    "fix": ("fix", "model.onnx", "--target", "orin-trt10.3", "--no-verify", "-o", "result.onnx"),
}


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "TMPDIR": str(folder / "temporary"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "dlalint", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()] if path.exists() else []


def _running(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def _gone(processes: Sequence[int]) -> bool:
    end = time.monotonic() + 10
    while any(map(_running, processes)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(_running, processes))


def _prepared(folder: Path) -> None:
    (folder / "temporary").mkdir()
    (folder / "model.onnx").write_bytes((MODELS / "yolov5_focus.onnx").read_bytes())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("command", COMMANDS)
def test_old_or_new(command: str, number: signal.Signals, tmp_path: Path) -> None:
    _prepared(tmp_path)
    result = tmp_path / "result.onnx"
    start = time.monotonic()
    with _start(tmp_path, *COMMANDS[command]) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1), (out, err)
    whole = time.monotonic() - start
    new = result.read_bytes()
    assert load(str(result)).graph.nodes
    names = {path.name for path in tmp_path.iterdir()}
    for point in range(POINTS):
        result.write_bytes(OLD)
        with _start(tmp_path, *COMMANDS[command]) as process:
            time.sleep(whole * (point + 0.5) / POINTS)
            children = _children(process)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1, 130, 143, -number), (process.returncode, err)
        assert _gone(children)
        assert result.read_bytes() in (OLD, new)
        left = {path.name for path in tmp_path.iterdir()} - names
        if number == signal.SIGKILL:  # nobody could clean up: what is left has a name that tells it from a result
            assert all(name.startswith(".dlalint-") for name in left)
        elif process.returncode in (130, 143):
            assert left == set()
            assert list((tmp_path / "temporary").iterdir()) == []
            assert err.strip() in ((b"interrupted",) if number == signal.SIGINT else (b"",))


def test_terminated_while_onnx_is_stuck(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (y) { y = Einsum<equation: string = "i2->i">(x) }'
    (tmp_path / "model.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    with _start(tmp_path, "check", "model.onnx") as process:
        try:
            process.wait(1.5)
        except subprocess.TimeoutExpired:
            children = _children(process)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=10)
            assert (process.returncode, out, err) == (143, b"", b"")
            assert len(children) == 1
            assert _gone(children)
            return
    pytest.skip(f"onnx {onnx.__version__} comes to an end")  # pragma: no cover


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_before_the_command_runs(number: signal.Signals, tmp_path: Path) -> None:
    script = f"import os, dlalint.cli, dlalint.__main__ as program; dlalint.cli.execute = lambda *given: os.kill(os.getpid(), {number})"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; program.main()", "check"], cwd=ROOT, capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stdout) == (128 + number, b"")
    assert done.stderr == (b"interrupted\n" if number == signal.SIGINT else b"")


def test_its_own_time_limit(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (y) { y = Einsum<equation: string = "i2->i">(x) }'
    (tmp_path / "model.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    with _start(tmp_path, "check", "model.onnx", "--timeout", "0.3", "--memory", "1024") as process:
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (2, b"")
    assert b"onnx took more than 0.3 s in shape inference of Einsum" in out
