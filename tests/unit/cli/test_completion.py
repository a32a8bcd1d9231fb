"""Completion in shells, as the README tells to set it up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"`((?:eval \"\$\()?_DLALINT_COMPLETE=(\w+)_source dlalint[^`]*)`", README))
PROGRAM = "import sys; sys.argv = ['dlalint']; from dlalint.__main__ import main; main()"


def _run(instruction: str, words: str = "", at: int = 0) -> str:
    asked = {"_DLALINT_COMPLETE": instruction, "COMP_WORDS": words, "COMP_CWORD": str(at)}
    return subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={**os.environ, **asked}).stdout


@pytest.mark.parametrize(
    ("shell", "last"),
    [
        ("bash", "_dlalint_completion_setup;"),
        ("zsh", "compdef _dlalint_completion dlalint"),
        ("fish", "complete --no-files --command dlalint --arguments"),
    ],
)
def test_each_shell_gets_its_script(shell: str, last: str) -> None:
    assert shell in LINES.values()
    script = _run(f"{shell}_source")
    assert f"_DLALINT_COMPLETE={shell}_complete" in script
    assert last in script


def test_bash_takes_it(tmp_path: Path) -> None:
    program = tmp_path / "dlalint"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m dlalint "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    line = next(line for line, shell in LINES.items() if shell == "bash")
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ask = 'COMP_WORDS=(dlalint mark); COMP_CWORD=1; _dlalint_completion dlalint; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{line}; complete -p dlalint; {ask}"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "complete -o nosort -F _dlalint_completion dlalint\nmark-output\n"


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("dlalint comp", 1, ["plain,compare-outputs", "plain,compare"]),
        ("dlalint check --base", 2, ["plain,--baseline"]),
        ("dlalint check mod", 2, ["file,mod"]),
        ("dlalint graph mod", 2, ["file,mod"]),
        ("dlalint check m.onnx --config dla", 4, ["file,dla"]),
        ("dlalint check m.onnx --target thor-trt11", 4, [f"plain,thor-trt11.{minor}" for minor in range(5)]),
        ("dlalint fix m.onnx --target jetpack-6.2", 4, ["plain,jetpack-6.2"]),
        ("dlalint fix m.onnx --precision i", 4, ["plain,int8"]),
    ],
)
def test_what_is_proposed(words: str, at: int, found: list[str]) -> None:
    assert sorted(_run("bash_complete", words, at).split()) == sorted(found)
