"""The command line in its own words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dlalint import __version__
from dlalint.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
MNIST = str(ROOT / "models" / "mnist-7.onnx")
FULL = str(ROOT / "models" / "unet_k2s2.onnx")
CommandLine = Callable[..., tuple[int, str, str]]


def test_help_lists_the_commands(commands: CommandLine) -> None:
    code, out, _ = commands("--help")
    assert code == 0
    for name, what in COMMANDS.items():
        assert name in out
        assert what in out


def test_version(commands: CommandLine) -> None:
    assert commands("--version") == (0, f"dlalint, version {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(commands: CommandLine, command: str) -> None:
    code, out, err = commands(command, "-h")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: dlalint {command}")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((FULL, "--target", "orin-trt10.3"), 0),
        ((MNIST,), 1),
        ((MNIST, "--exit-zero"), 0),
        ((FULL, "--target", "orin-trt10.3", "--fail-on", "note"), 1),
        ((MNIST, "--select", "DLA7"), 0),
        ((MNIST, "--ignore", "DLA1", "--ignore", "elementwise-constant"), 0),
        ((FULL, "nowhere.onnx", "--target", "orin-trt10.3"), 2),
        ((FULL, MNIST, "--target", "orin-trt10.3"), 1),
    ],
)
def test_exit_codes(commands: CommandLine, arguments: tuple[str, ...], code: int) -> None:
    assert commands("check", "--no-others", *arguments)[0] == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "MODEL...: error[E505]: it is missing."),
        (("check", MNIST, "--target", "orin-trt9"), "error[E502]: unknown target 'orin-trt9'. Did you mean"),
        (("check", MNIST, "--select", "DLA999"), "error[E504]: no rule is called 'DLA999'."),
        (("check", MNIST, "--shape", "x"), "error[E503]: 'x' is no shape."),
        (("check", MNIST, "--shape", "y:1x1x28x28"), "the model has no input 'y'. Its inputs:"),
        (("check", MNIST, "--batch", "0"), "error[E503]: 0 is no batch."),
        (("explain", "conv-kernel-too-big"), "Did you mean conv-kernel-too-large"),
        (("check", MNIST, "-o", "/nowhere/at/all.txt"), "error[E401]: the report cannot be written"),
        (("nonsense",), "error[E505]: no such command 'nonsense'."),
    ],
)
def test_wrong_use_is_explained(commands: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = commands(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_selection_leaves_the_placement(commands: CommandLine) -> None:
    _, whole, _ = commands("check", MNIST, "--format", "json", "--no-others")
    _, part, _ = commands("check", MNIST, "--format", "json", "--no-others", "--select", "DLA412")
    before, after = json.loads(whole), json.loads(part)
    assert {finding["code"] for finding in after["findings"]} == {"DLA412"}
    assert before["nodes"] == after["nodes"]


def test_report_replaces_a_file(commands: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    code, out, err = commands("check", MNIST, "--format", "json", "-o", str(path))
    assert (code, out, err) == (1, "", "")
    assert json.loads(path.read_text())["verdict"] == "partial"
    assert list(tmp_path.iterdir()) == [path]


def test_several_targets(commands: CommandLine) -> None:
    _, out, _ = commands("check", MNIST, "--target", "xavier-trt5.0", "--target", "orin-trt10.3", "--format", "json")
    assert [model["target"]["name"] for model in json.loads(out)["models"]] == ["xavier-trt5.0", "orin-trt10.3"]


def test_others_can_be_chosen(commands: CommandLine) -> None:
    _, out, _ = commands("check", MNIST, "--others", "orin-trt8.4,xavier-trt7.1", "--format", "json")
    assert [line["name"] for line in json.loads(out)["targets"]] == ["orin-trt8.4", "xavier-trt7.1"]


def test_folders_and_patterns(commands: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/one.onnx", "a/b/two.onnx", "three.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(Path(MNIST).read_bytes())
    monkeypatch.chdir(tmp_path)
    _, out, _ = commands("check", "a", "*.onnx", "--quiet")
    assert [line.split()[0] for line in out.splitlines() if " on xavier" in line] == ["a/b/two.onnx", "a/one.onnx", "three.onnx"]


def test_rules_targets_and_explain_share_the_data(commands: CommandLine) -> None:
    rules = json.loads(commands("rules", "--format", "json", "--target", "orin-trt10.3")[1])
    kernel = next(rule for rule in rules["rules"] if rule["name"] == "conv-kernel-too-large")
    assert (kernel["limit"], kernel["sources"]) == ([1, 32], ["header-10-0"])
    targets = json.loads(commands("targets", "--format", "json")[1])
    assert targets["default"] == "xavier-trt5.0"
    assert {target["name"] for target in targets["targets"]} >= {"xavier-trt5.0", "orin-trt10.3", "woa-trt11.4", "thor-trt11.4"}
    said = commands("explain", "201")[1]
    assert "Orin 8.4 to 10.7" in said
    assert "1 to 32" in said
