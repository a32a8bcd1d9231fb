"""The README shows what the program prints, and its set-up commands set up."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (dlalint [^\n]*)\n(.*?)```", README, re.DOTALL)
CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SETUP = re.findall(r"```sh\n(python3 [^\n]*)\n```", README)


def _run(command: str) -> str:
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-m", *shlex.split(command)], capture_output=True, text=True, cwd=ROOT, env=plain, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_shown_output_is_real(command: str, output: str) -> None:
    """`python tests/test_readme.py` renews what the README shows."""
    assert _rounded(_run(command)) == _rounded(output)


def _rounded(text: str) -> str:
    """Without the errors of a proof, which differ from machine to machine."""
    return re.sub(r"\d\.\de-\d\d", "#", text.strip())


def test_two_commands_set_up() -> None:
    assert len(SETUP) == 2
    assert SETUP[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.slow
def test_first_command_on_a_fresh_machine(tmp_path: Path) -> None:
    """It installs and prints what the README shows, from a copy of what is under version control."""
    copy = tmp_path / "dlalint"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "tests", "*.onnx.data", "*.egg-info", "__pycache__"))
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(SETUP[0], shell=True, capture_output=True, text=True, cwd=copy, env={**bare, "COLUMNS": "100"}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == SHOWN[0][1].strip()


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.splitlines()[-1])
def test_python_prints_what_its_comments_say(code: str, tmp_path: Path) -> None:
    """Lines that begin with "# " stand for what is printed; it runs in a folder that has the model it names."""
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "models" / "mnist-7.onnx", tmp_path / "models")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [line[2:] for line in code.splitlines() if line.startswith("# ")]


def test_python_is_shown() -> None:
    assert len(CODE) == 1


def test_json_keys_are_those_of_the_report() -> None:
    import dlalint

    found = dlalint.check(ROOT / "models" / "mnist-7.onnx").to_dict()
    said = README.split("## JSON")[1].split("## How")[0]
    keys = {key for row in re.findall(r"^\| ([^|]*) \|", said, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert keys - {"error"} == set(found) - {"schema", "tool"}


def _renew() -> None:
    text = README
    for command, output in SHOWN:
        text = text.replace(f"$ {command}\n{output}```", f"$ {command}\n{_run(command).strip()}\n```")
    (ROOT / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _renew()
