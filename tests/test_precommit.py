"""The hooks, run by the real pre-commit in a real git repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("pre_commit") is None, reason="pre-commit is not installed"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="the wrapper is a shell script"),
]
ROOT = Path(__file__).resolve().parents[1]
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
CLEAN, DIRTY = ROOT / "models" / "unet_k2s2.onnx", ROOT / "models" / "mnist-7.onnx"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d" * 32 + "\nsize 102400000\n"
CONFIG = '[tool.dlalint]\ntarget = "orin-trt10.3"\n'


class Hooked(NamedTuple):
    """Exit code, what pre-commit shows, and the arguments of each process of dlalint."""

    code: int
    shown: str
    calls: list[list[str]]


Hook = Callable[[str], Hooked]


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hook:
    """Runs a hook of the manifest on all files of the working folder, a git repository. `dlalint` is a wrapper that notes its calls."""
    repository, programs = tmp_path / "repository", tmp_path / "bin"
    repository.mkdir()
    programs.mkdir()
    log = tmp_path / "calls"
    wrapper = programs / "dlalint"
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{log}"\necho >>"{log}"\nexec "{sys.executable}" -m dlalint "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.chdir(repository)
    for name, value in {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["git", "init", "-q"], check=True)
    manifest = HOOKS.replace("language: python", "language: system")  # installing into an environment of its own is pre-commit's part
    body = "".join(f"    {line}\n" for line in manifest.splitlines())
    Path(".pre-commit-config.yaml").write_text(f"repos:\n- repo: local\n  hooks:\n{body}", encoding="utf-8")
    Path("pyproject.toml").write_text(CONFIG, encoding="utf-8")

    def run(name: str) -> Hooked:
        subprocess.run(["git", "add", "-A"], check=True)
        command = [sys.executable, "-m", "pre_commit", "run", name, "--all-files", "--color", "never"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        calls = [block.splitlines() for block in log.read_text().split("\n\n") if block] if log.exists() else []
        return Hooked(done.returncode, done.stdout + done.stderr, calls)

    return run


def test_the_manifest_is_valid() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")]
    subprocess.run(command, check=True, capture_output=True)
    assert re.findall(r"^- id: (\S+)$", HOOKS, re.MULTILINE) == ["dlalint", "dlalint-check", "dlalint-fix-check"]
    assert HOOKS.count("  files: \\.onnx$\n  require_serial: true\n") == 3


@pytest.mark.parametrize("name", ["dlalint-check", "dlalint-fix-check"])
def test_clean_models_pass_in_one_process_without_a_word(name: str, hook: Hook) -> None:
    for number in range(40):
        path = Path(f"part {number % 4}") / f"model{number}.onnx"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(CLEAN, path)
    found = hook(name)
    assert found.code == 0
    assert found.shown.splitlines()[-1].endswith("Passed")
    (arguments,) = found.calls
    assert sum(argument.endswith(".onnx") for argument in arguments) == 40
    assert subprocess.run(["dlalint", *arguments], capture_output=True, text=True, check=True).stdout == ""


def test_a_line_for_each_model_that_fails(hook: Hook) -> None:
    shutil.copy(CLEAN, "clean.onnx")
    shutil.copy(DIRTY, "dirty.onnx")
    Path("pointer.onnx").write_text(POINTER)
    found = hook("dlalint-check")
    assert found.code == 1
    assert len(found.calls) == 1
    lines = [line for line in found.shown.splitlines() if ".onnx" in line]
    what = 'a Git LFS pointer, not a model (102400000 bytes not fetched). Run: git lfs pull --include "pointer.onnx".'
    assert sorted(lines) == [
        "dirty.onnx: 10 of 11 nodes on the DLA of orin-trt10.3; DLA541 shuffle-rank",
        f"dlalint: pointer.onnx: error[E121]: {what}",
    ]


def test_models_that_can_be_fixed_are_named_with_the_command(hook: Hook) -> None:
    shutil.copy(CLEAN, "clean.onnx")
    shutil.copy(DIRTY, "dirty one.onnx")
    Path("pointer.onnx").write_text(POINTER)
    found = hook("dlalint-fix-check")
    assert found.code == 1
    lines = sorted(line for line in found.shown.splitlines() if ".onnx" in line)
    assert lines[0].startswith("dirty one.onnx: can be fixed (")
    assert lines[0].endswith("; run: dlalint fix 'dirty one.onnx' --target orin-trt10.3")
    assert lines[1].startswith("dlalint: pointer.onnx: error[E121]: ")
    assert len(lines) == 2
    assert Path("dirty one.onnx").read_bytes() == DIRTY.read_bytes()
    command = lines[0].split("run: ")[1]
    assert subprocess.run(command, shell=True, capture_output=True, check=False).returncode == 0
    assert Path("dirty one.fixed.onnx").exists()


def test_other_files_are_not_looked_at(hook: Hook) -> None:
    Path("model.txt").write_text("no model")
    found = hook("dlalint-check")
    assert (found.code, found.calls) == (0, [])
    assert "(no files to check)Skipped" in found.shown


@pytest.mark.slow
def test_pre_commit_installs_the_hook_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a repository of dlalint, into an environment that pre-commit makes; the packages come from the index."""
    source, use = tmp_path / "dlalint", tmp_path / "use"
    names = ("dlalint", "rules", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".pre-commit-hooks.yaml")
    source.mkdir()
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", *arguments], cwd=source, check=True)
    use.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=use, check=True)
    shutil.copy(DIRTY, use / "dirty.onnx")
    subprocess.run(["git", "add", "-A"], cwd=use, check=True)
    command = [sys.executable, "-m", "pre_commit", "try-repo", str(source), "dlalint-check", "--all-files", "--color", "never"]
    done = subprocess.run(command, cwd=use, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-2].startswith(
        "dirty.onnx: 8 of 11 nodes on the DLA of xavier-trt5.0; DLA412 elementwise-constant (2), "
    )
