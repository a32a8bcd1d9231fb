"""The GitHub action: its check step, run by bash in a real git repository as the runner would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
ACTION = (ROOT / "action.yml").read_text(encoding="utf-8")
CLEAN, DIRTY = ROOT / "models" / "unet_k2s2.onnx", ROOT / "models" / "mnist-7.onnx"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None or shutil.which("git") is None, reason="bash and git are needed")


class Ran(NamedTuple):
    """What the step left: exit code, log, outputs, summary."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


Step = Callable[..., Ran]


def _script() -> str:
    """The text of the check step."""
    yaml: Any = pytest.importorskip("yaml", reason="PyYAML is not installed")
    (step,) = [step for step in yaml.safe_load(ACTION)["runs"]["steps"] if step.get("id") == "check"]
    return str(step["run"])


def _git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Runs the step in a repository with one commit that holds ``old.onnx``."""
    repository, runner = tmp_path / "repository", tmp_path / "runner"
    repository.mkdir()
    (runner / "dlalint" / "bin").mkdir(parents=True)
    program = runner / "dlalint" / "bin" / "dlalint"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dlalint "$@"\n')
    program.chmod(0o755)
    (program.parent / "python").symlink_to(sys.executable)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    _git("init", "-q")
    shutil.copy(DIRTY, "old.onnx")
    _git("add", ".")
    _git("commit", "-qm", "one")

    def run(**inputs: str) -> Ran:
        given = {**dict.fromkeys(("MODELS", "BASE", "TARGET", "PRECISION", "FAIL_ON"), ""), "TARGET": "orin-trt10.3", **inputs}
        files = {name: runner / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        variables = {**os.environ, **given, **{name: str(path) for name, path in files.items()}, "RUNNER_TEMP": str(runner)}
        done = subprocess.run(["bash", "-e", "-c", _script()], capture_output=True, text=True, env=variables, check=False)
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        return Ran(done.returncode, done.stdout + done.stderr, outputs, files["GITHUB_STEP_SUMMARY"].read_text())

    return run


def _sarif_paths(found: Ran) -> set[str]:
    (run,) = json.loads(Path(found.outputs["sarif"]).read_text())["runs"]
    return {item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for item in run["results"]}


def test_only_what_changed_is_checked(step: Step) -> None:
    base = _git("rev-parse", "HEAD")
    for name in ("new.onnx", "with space.onnx", "-q.onnx", "$(touch gone).onnx"):
        shutil.copy(DIRTY, name)
    _git("add", ".")
    _git("commit", "-qm", "two")
    found = step(BASE=base)
    assert (found.code, found.outputs["code"]) == (0, "1")
    assert _sarif_paths(found) == {"new.onnx", "with%20space.onnx", "-q.onnx", "%24%28touch%20gone%29.onnx"}
    assert "::error file=new.onnx,title=DLA541" in found.log
    assert "new.onnx" in found.summary
    assert "old.onnx" not in found.summary
    assert not Path("gone").exists()


def test_nothing_changed(step: Step) -> None:
    found = step(BASE=_git("rev-parse", "HEAD"))
    assert (found.code, found.outputs, found.summary) == (0, {"code": "0"}, "No model changed.\n")


@pytest.mark.parametrize("base", ["", "0" * 40])
def test_a_first_push_checks_all(base: str, step: Step) -> None:
    assert _sarif_paths(step(BASE=base)) == {"old.onnx"}


def test_models_can_be_named(step: Step) -> None:
    shutil.copy(CLEAN, "clean.onnx")
    found = step(MODELS="clean.onnx\n\n", FAIL_ON="error", PRECISION="fp16")
    assert (found.code, found.outputs["code"]) == (0, "0")
    assert step(MODELS="gone.onnx").outputs["code"] == "2"


@pytest.mark.parametrize("base", ["main", "--output=x", "$(touch x)", "0123"])
def test_a_base_that_is_no_commit(base: str, step: Step) -> None:
    found = step(BASE=base)
    assert (found.code, found.outputs) == (2, {})
    assert "base is no full commit hash" in found.log
    assert not Path("x").exists()


def test_what_is_waived_raises_no_alert(step: Step) -> None:
    """Code scanning opens one for every result of the report, suppressed or not."""
    Path("dlalint.toml").write_text('[[waiver]]\nrule = "DLA5"\nreason = "x"\n', encoding="utf-8")
    found = step(MODELS="old.onnx")
    assert (found.code, found.outputs["code"]) == (0, "0")
    (run,) = json.loads(Path(found.outputs["sarif"]).read_text())["runs"]
    assert "DLA541" not in {item["ruleId"] for item in run["results"]}
    assert len(run["results"]) == 3


def test_values_never_become_part_of_a_script() -> None:
    scripts = re.findall(r"^      run: (?:\|\n((?:        .*\n|\n)+)|(.*))", ACTION, re.MULTILINE)
    assert len(scripts) == 3
    assert "${{" not in "".join(block + line for block, line in scripts)
