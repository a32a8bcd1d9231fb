"""The program run in this process, in a folder of its own that it must leave as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from dlalint.__main__ import main


class Run(NamedTuple):
    """What a run left: exit code, what it wrote."""

    code: int
    out: str
    err: str


Dlalint = Callable[..., Run]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def dlalint(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dlalint:
    """``dlalint("check", "a.onnx")``: the real command line; fails when it changes anything in the working folder."""

    def run(*arguments: str) -> Run:
        before = _contents(folder)
        monkeypatch.setattr(sys, "argv", ["dlalint", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert _contents(folder) == before
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, out, err)

    return run


def _contents(folder: Path) -> dict[str, tuple[int, int, int]]:
    states = ((str(path), path.lstat()) for path in sorted(folder.rglob("*")))
    return {name: (state.st_mode, state.st_size, state.st_mtime_ns) for name, state in states}
