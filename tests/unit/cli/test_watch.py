"""`check --watch`: real processes on files that change, break, vanish and come back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from dlalint.cli import execute

ROOT = Path(__file__).resolve().parents[3]
MNIST = ROOT / "models" / "mnist-7.onnx"
ESPCN = ROOT / "models" / "espcn.onnx"
PARTIAL = "model.onnx on orin-trt10.3, FP16\nPARTIAL: 10 of 11 nodes"
OTHER = "model.onnx on orin-trt10.3, FP16\nPARTIAL: 5 of 6 nodes"


class Watch:
    """A watch in a folder of its own, and what it printed so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.out, self.err = folder / "out", folder / "err"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        command = [sys.executable, "-m", "dlalint", "check", "--watch", "--quiet", "--target", "orin-trt10.3", *arguments]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it is so."""
        end = time.monotonic() + 30
        while not holds():
            assert self.process.poll() is None, self.err.read_text()
            assert time.monotonic() < end, (self.out.read_text(), self.err.read_text())
            time.sleep(0.02)

    def waits(self, rounds: int) -> None:
        """Wait until it has checked ``rounds`` times and waits."""
        self.until(lambda: self.err.read_text().count("Ctrl-C ends") == rounds)

    def end(self, number: signal.Signals) -> int:
        """What it ends with."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        assert not children.exists() or children.read_text() == ""  # between two checks nothing runs
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    """Starts watches, and ends those that a failing test leaves."""
    running: list[Watch] = []

    def begin(*arguments: str) -> Watch:
        running.append(Watch(tmp_path, *arguments))
        return running[-1]

    yield begin
    for item in running:
        if item.process.poll() is None:
            item.process.kill()
            item.process.wait()


def test_it_checks_again_what_changes_and_survives_what_breaks(tmp_path: Path, start: Callable[..., Watch]) -> None:
    model = tmp_path / "model.onnx"
    shutil.copy(MNIST, model)
    watch = start("model.onnx")
    watch.waits(1)
    assert watch.out.read_text().startswith(PARTIAL)
    shutil.copy(ESPCN, tmp_path / "new")
    (tmp_path / "new").replace(model)  # at once, as careful programs write
    watch.waits(2)
    assert OTHER in watch.out.read_text()
    model.write_bytes(MNIST.read_bytes()[:9000])  # half of it
    watch.waits(3)
    assert "model.onnx: error[E102]: " in watch.err.read_text() or "model.onnx: error[E101]: " in watch.err.read_text()
    model.unlink()
    watch.waits(4)
    assert "there is no such file" in watch.err.read_text()
    shutil.copy(MNIST, model)
    watch.waits(5)
    assert watch.out.read_text().count(PARTIAL) == 2
    assert watch.err.read_text().count("dlalint: model.onnx changed\n") == 4
    before = watch.err.read_text()
    assert watch.end(signal.SIGINT) == 130
    assert watch.err.read_text() == before  # quietly


def test_a_file_that_is_being_written_is_checked_when_it_is_whole(tmp_path: Path, start: Callable[..., Watch]) -> None:
    model = tmp_path / "model.onnx"
    shutil.copy(ESPCN, model)
    watch = start("model.onnx")
    watch.waits(1)
    data = MNIST.read_bytes()
    times = [time.monotonic()]
    with model.open("wb") as file:
        for at in range(0, len(data), 2000):
            file.write(data[at : at + 2000])
            file.flush()
            time.sleep(0.1)  # 1.4 s in all, longer than two looks
            times.append(time.monotonic())
    if max(after - before for before, after in pairwise(times)) > 0.4:
        pytest.skip("this machine is too busy to write without a pause")  # pragma: no cover
    watch.waits(2)
    assert "error[" not in watch.err.read_text()
    assert watch.out.read_text().count(PARTIAL) == 1
    assert watch.end(signal.SIGTERM) == 143


def test_a_folder_gains_models_and_a_configuration(tmp_path: Path, start: Callable[..., Watch]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / ".git").mkdir()
    shutil.copy(MNIST, tmp_path / "models" / "model.onnx")
    watch = start("models")
    watch.waits(1)
    shutil.copy(ESPCN, tmp_path / "models" / "second.onnx")
    watch.waits(2)
    assert "dlalint: models/second.onnx changed\n" in watch.err.read_text()
    assert watch.out.read_text().count("models/model.onnx on") == 2
    (tmp_path / "dlalint.toml").write_text('precision = "int8"\n', encoding="utf-8")
    watch.waits(3)
    assert "models/second.onnx on orin-trt10.3, INT8\n" in watch.out.read_text()
    assert "dlalint: dlalint.toml changed\n" in watch.err.read_text()
    assert "watching 3 files, Ctrl-C ends" in watch.err.read_text()
    assert watch.end(signal.SIGINT) == 130


def test_it_ends_when_nobody_reads(tmp_path: Path) -> None:
    shutil.copy(MNIST, tmp_path / "model.onnx")
    command = [sys.executable, "-m", "dlalint", "check", "--watch", "model.onnx"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0


def test_a_baseline_is_not_written_again_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["check", str(MNIST), "--watch", "--write-baseline", "base.json"]) == 2
    assert capsys.readouterr().err.startswith("dlalint: --watch --write-baseline: error[E505]: ")
