"""Progress is told on terminals only, on stderr only, and not before it takes a while."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LIST = ("models/mnist-7.onnx", "models/gone.onnx", "models/espcn.onnx")
# without patience: no set of models of the tests takes long enough to be told about
PROGRAM = "import dlalint.cli.check as check; check._PATIENCE = {after}; from dlalint.cli import execute; import sys; execute(sys.argv[1:])"


def _run(after: float, *, terminal: bool) -> tuple[str, str]:
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-c", PROGRAM.format(after=after), "check", *LIST, "--quiet"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=slave if terminal else subprocess.PIPE, check=False
    )
    os.close(slave)
    seen = b""
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:  # the other end is closed
        pass
    os.close(master)
    return done.stdout.decode(), (seen if terminal else done.stderr).decode()


ERROR = "dlalint: models/gone.onnx: error[E111]: there is no such file. Check the path."


def test_a_terminal_hears_how_far_it_is() -> None:
    out, err = _run(0, terminal=True)
    assert "checking 3 of 3: models/espcn.onnx" in err
    assert ERROR in err
    assert "checking" not in out
    assert out.count(" on xavier-trt5.0, FP16\n") == 2


def test_what_is_quick_is_not_told() -> None:
    assert _run(60, terminal=True)[1] == f"{ERROR}\r\n"


def test_a_pipe_hears_nothing() -> None:
    assert _run(0, terminal=False)[1] == f"{ERROR}\n"


def test_slow_commands_tell_what_they_do(tmp_path: Path) -> None:
    model = str(ROOT / "models" / "mnist-7.onnx")
    for words, arguments in {
        "comparing ": ("verify", model, model),
        "running ": ("run", model),
        "splitting ": ("split", model, "-o", "parts", "--no-verify"),
    }.items():
        master, slave = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", "dlalint", *arguments], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=slave, check=True
        )
        os.close(slave)
        seen = os.read(master, 65536).decode()
        os.close(master)
        assert words + model[:20] in seen
        assert words + model[:20] not in done.stdout.decode()


def test_one_slow_model_is_told_about() -> None:
    """The line appears while it is being checked, not only before the next one."""
    program = """
import time, dlalint.cli.check as check
from dlalint.cli.progress import progress
with progress("checking", after=0.1) as tell:
    tell("checking 1 of 1: slow.onnx")
    time.sleep(1)
with progress("never shown", after=60):
    pass
"""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "200"}
    subprocess.run([sys.executable, "-c", program], env=environment, stderr=slave, check=True, timeout=30)
    os.close(slave)
    seen = os.read(master, 65536).decode()
    os.close(master)
    assert "checking 1 of 1: slow.onnx" in seen
    assert "never shown" not in seen
