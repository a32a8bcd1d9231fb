"""The commands that read or write models, on a sample of the corpus: done or refused in one line, nothing left over, nothing leaked.

``DLALINT_STEP=7`` takes every seventh model instead of some twenty.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from dlalint.cli import execute
from tests.hostile.corpus import Case, corpus
from tests.hostile.corpus.case import relu
from tests.hostile.corpus.external import CANARY
from tests.hostile.driver import RAW, contents

STEP = int(os.environ.get("DLALINT_STEP", "61"))
START = 5  # the first one
LONG = ("doubling_30", "doubling_60", "fan_out", "fan_in", "fan_in_twice", "chain")
COMMANDS: dict[str, Sequence[str]] = {
    "mark-output": ("model.onnx", "--all", "-o", "out.onnx"),
    "fix": ("model.onnx", "--target", "orin-trt10.3", "-o", "out.onnx"),
    "split": ("model.onnx", "-o", "parts"),
    "calibration": ("model.onnx", "-o", "out.onnx", "--cache", "out.cache"),
    "verify": ("model.onnx", "model.onnx", "--timeout", "5"),
    "run": ("model.onnx", "--timeout", "5", "-o", "dump.npz"),
    "trtexec": ("model.onnx",),
}
# internal errors of fix and split: nesting that protobuf refuses, indices of another rank than the data, steps of 0, only constants
INTERNAL = ("types", "bodies_64", "GatherElements_1", "Slice_4", "Constant_value_float")
CASES = [case for case in islice(corpus(1), START, None, STEP) if not case.name.endswith((*LONG, *INTERNAL))]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_commands(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for command, arguments in COMMANDS.items():
        folder = tmp_path / command / "here"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(case.data)
        case.prepare(folder)
        before = _files(folder)
        monkeypatch.chdir(folder)
        code, out, err = _run(command, *arguments)
        assert code in (0, 1, 2), (command, err)
        assert "E900" not in err, (command, err)
        assert RAW.search(out + err) is None, (command, out, err)
        assert code != 2 or err.count("\n") == 1, (command, err)
        after = _files(folder)
        assert before.items() <= after.items(), command
        assert code != 2 or before == after, command
        new = (Path(name) for name in after.keys() - before.keys())
        assert not any(CANARY[:20] in path.read_bytes() for path in new if path.is_file()), command
        assert CANARY[:20].decode() not in out + err, command
        assert list(temporary.iterdir()) == [], command


@pytest.mark.parametrize("kind", INTERNAL)
def test_internal_errors(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for case in (case for case in corpus(2 if kind.startswith("Gather") else 1) if case.name.endswith(kind)):
        Path("model.onnx").write_bytes(case.data)
        for command in ("fix", "split"):
            assert "E900" not in _run(command, *COMMANDS[command])[2]


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """All but the folder itself, whose time changes, and the one that split was given."""
    return {name: state for name, state in contents(folder.parent).items() if Path(name) not in (folder, folder / "parts")}


def test_split_keeps_what_it_may_not_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(relu().SerializeToString())
    assert _run("split", "model.onnx", "-o", "parts")[0] == 0
    (part,) = Path("parts").glob("*.onnx")
    part.write_bytes(b"kept")
    part.chmod(0o444)
    code, _, err = _run("split", "model.onnx", "-o", "parts")
    assert (code, "error[E402]: the file is write-protected" in err) == (2, True)
    assert part.exists() and part.read_bytes() == b"kept"


def _run(*arguments: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape") for _ in range(2)]
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        code = execute(arguments)
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in streams)
    return code, out, err
