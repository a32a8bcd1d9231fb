"""A configuration at work: `check` and `config` with a file, and waivers in the reports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
Dlalint = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Dlalint) -> Dlalint:
    """The command line in a folder with one model, ``a/mnist.onnx``."""
    (tmp_path / "a").mkdir()
    shutil.copy(ROOT / "models" / "mnist-7.onnx", tmp_path / "a" / "mnist.onnx")
    monkeypatch.chdir(tmp_path)
    return commands


def _configure(text: str) -> None:
    Path("dlalint.toml").write_text(text, encoding="utf-8")


def _check(dlalint: Dlalint, *arguments: str) -> tuple[int, dict[str, Any], str]:
    code, out, err = dlalint("check", "a/mnist.onnx", "--format", "json", *arguments)
    return code, json.loads(out), err


def test_the_file_says_what_the_command_line_does_not(dlalint: Dlalint) -> None:
    _configure('target = "orin-trt10.3"\nprecision = "int8"\nothers = ["xavier-trt7.1"]\nselect = "DLA7"\n')
    code, found, err = _check(dlalint)
    assert (code, err) == (0, "")
    assert (found["target"]["name"], found["target"]["precision"]) == ("orin-trt10.3", "int8")
    assert [line["name"] for line in found["targets"]] == ["xavier-trt7.1"]
    assert {finding["code"][:4] for finding in found["findings"]} == {"DLA7"}
    code, found, err = _check(dlalint, "--target", "xavier-trt5.0", "--precision", "fp16", "--no-others", "--select", "DLA412")
    assert (code, err) == (1, "")
    assert (found["target"]["name"], found["target"]["precision"], found["targets"]) == ("xavier-trt5.0", "fp16", [])
    assert {finding["code"] for finding in found["findings"]} == {"DLA412"}


def test_a_table_for_some_models(dlalint: Dlalint) -> None:
    shutil.copy("a/mnist.onnx", "other.onnx")
    _configure('target = "orin-trt10.3"\n[[model]]\nmatch = "a/*"\ntarget = ["xavier-trt5.0", "xavier-trt7.1"]\n')
    _, out, _ = dlalint("check", "a", "other.onnx", "-q")
    assert [line.split(",")[0] for line in out.splitlines() if " on " in line and line.endswith("FP16")] == [
        "a/mnist.onnx on xavier-trt5.0",
        "a/mnist.onnx on xavier-trt7.1",
        "other.onnx on orin-trt10.3",
    ]


def test_patterns_count_from_the_folder_of_the_file(dlalint: Dlalint, monkeypatch: pytest.MonkeyPatch) -> None:
    _configure('[[model]]\nmatch = "a/*"\nignore = ["DLA1", "DLA4"]\n')
    monkeypatch.chdir("a")
    assert dlalint("check", "mnist.onnx")[0] == 0
    assert dlalint("check", "mnist.onnx", "--config", "../dlalint.toml")[0] == 0


def test_severity_and_fail_on(dlalint: Dlalint) -> None:
    _configure('[severity]\nDLA1 = "note"\nelementwise-constant = "warning"\n')
    code, found, _ = _check(dlalint)
    assert code == 0
    assert {(item["code"], item["severity"]) for item in found["findings"] if item["code"] < "DLA5"} == {
        ("DLA101", "note"),
        ("DLA412", "warning"),
    }
    _configure('fail-on = "warning"\n[severity]\nDLA1 = "note"\nelementwise-constant = "warning"\n')
    assert _check(dlalint)[0] == 1
    assert _check(dlalint, "--fail-on", "error")[0] == 0


def test_a_fault_of_the_file_is_said_before_anything_is_checked(dlalint: Dlalint) -> None:
    _configure("precison = 'int8'")
    line = "dlalint: dlalint.toml: error[E545]: unknown key 'precison'. Did you mean precision? The README shows every key.\n"
    assert dlalint("check", "a") == (2, "", line)
    assert dlalint("config") == (2, "", line)
    assert dlalint("check", "a", "--config", "gone.toml")[1:] == (
        "",
        "dlalint: gone.toml: error[E543]: there is no such file. Check the path.\n",
    )


def test_a_shape_that_does_not_fit_names_the_file(dlalint: Dlalint) -> None:
    _configure('[[model]]\nmatch = "*"\nshapes = {y = "1x1"}\n')
    code, out, err = dlalint("check", "a/mnist.onnx")
    assert (code, out) == (2, "")
    assert err.startswith(
        "dlalint: a/mnist.onnx: dlalint.toml, model 1 (*): shape y: error[E501]: the model has no input 'y'. Its inputs: "
    )
    _configure('[[model]]\nmatch = "*"\nshapes = {Input3 = "1x1x28x28"}\n')
    assert dlalint("check", "a/mnist.onnx", "--shape", "z:1")[2].startswith("dlalint: a/mnist.onnx: --shape z: error[E501]: ")


WAIVED = """
[[waiver]]
rule = "DLA412"
node = "Plus*"
reason = "the next export folds them"
expires = 2999-12-31
[[waiver]]
rule = "layer-not-on-dla"
model = "a/*"
reason = "accepted"
"""


def test_waivers(dlalint: Dlalint) -> None:
    _, before, _ = _check(dlalint)
    _configure(WAIVED)
    code, found, err = _check(dlalint)
    assert (code, err) == (0, "")
    assert [(item["code"], item["node"], item["reason"], item["expires"]) for item in found["waived"]] == [
        ("DLA412", "Plus30", "the next export folds them", "2999-12-31"),
        ("DLA412", "Plus112", "the next export folds them", "2999-12-31"),
        ("DLA101", "Times212_reshape0", "accepted", None),
    ]
    codes = [item["code"] for item in found["findings"]]
    assert sorted(codes + [item["code"] for item in found["waived"]]) == sorted(item["code"] for item in before["findings"])
    assert found["nodes"] == before["nodes"]
    _, text, _ = dlalint("check", "a/mnist.onnx")
    assert "\nWaived\n  DLA412 elementwise-constant  Plus30, Plus112\n    reason  the next export folds them (until 2999-12-31)\n" in text
    assert "  Reshape       2    -    1  layer-not-on-dla, 1 folded\n" in text
    assert "  Reshape       2    -    1  layer-not-on-dla, 1 folded\n" in text
    assert [item["code"] for item in _check(dlalint, "--select", "DLA101")[1]["waived"]] == ["DLA101"]


def test_waivers_that_are_unused_or_over_are_reported(dlalint: Dlalint) -> None:
    _configure(WAIVED.replace("2999", "2001").replace('"Plus*"', '"Plus30"') + '[[waiver]]\nrule = "DLA2"\nreason = "x"\n')
    code, found, err = _check(dlalint)
    assert code == 1
    assert [item["code"] for item in found["waived"]] == ["DLA101"]
    assert err.splitlines() == [
        "dlalint: dlalint.toml: waiver 1 (DLA412, node Plus30) expired on 2001-12-31, its findings count again. Mend them or renew it.",
        "dlalint: dlalint.toml: waiver 3 (DLA2, node *) is unused, nothing it names was found. Remove it.",
    ]
    shutil.copy("a/mnist.onnx", "other.onnx")
    assert "waiver 2" not in dlalint("check", "other.onnx")[2]  # it is for models that were not checked


def test_what_follows_from_a_waived_finding_is_waived_with_it(dlalint: Dlalint) -> None:
    shutil.copy(ROOT / "models" / "mnist-7.onnx", "a/mnist.onnx")
    for path in sorted((ROOT / "models").glob("*.onnx")):
        _, out, _ = dlalint("check", str(path), "--format", "json", "--no-others", "--target", "xavier-trt5.0")
        findings = json.loads(out)["findings"]
        followers = [item for item in findings if item["cause"] is not None and item["code"] != findings[item["cause"]]["code"]]
        if followers:
            cause = findings[followers[0]["cause"]]["code"]
            _configure(f'[[waiver]]\nrule = "{cause}"\nreason = "x"\n')
            _, out, _ = dlalint("check", str(path), "--format", "json", "--no-others", "--target", "xavier-trt5.0")
            after = json.loads(out)
            assert followers[0]["code"] in {item["code"] for item in after["waived"]}
            return
    pytest.fail("no model with a finding that follows from another")


def test_config_shows_where_each_value_comes_from(dlalint: Dlalint) -> None:
    _configure(WAIVED.join(('batch = 2\nshapes = {x = "1x3"}\n', '\n[[model]]\nmatch = "a/*"\nprecision = "int8"\n')))
    code, out, err = dlalint("config", "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["file"], found["model"], found["models"]) == ("dlalint.toml", None, [["a/*"]])
    assert found["settings"]["batch"] == {"value": 2, "origin": ["dlalint.toml"]}
    assert found["settings"]["target"] == {"value": ["xavier-trt5.0"], "origin": ["default"]}
    assert found["settings"]["precision"] == {"value": "fp16", "origin": ["default"]}
    assert found["settings"]["shapes"]["value"] == {"x": [1, 3]}
    assert [waiver["rule"] for waiver in found["waivers"]] == ["DLA412", "layer-not-on-dla"]
    own = json.loads(dlalint("config", "a/mnist.onnx", "--format", "json")[1])
    assert own["settings"]["precision"] == {"value": "int8", "origin": ["dlalint.toml, model 1 (a/*)"]}
    text = dlalint("config")[1]
    assert "\n  batch      dlalint.toml  2\n" in text
    assert "\nTables for some models\n  a/*: precision int8\n" in text
    assert "\n  DLA412 at node Plus* in model * until 2999-12-31: the next export folds them\n" in text


def test_config_without_a_file(dlalint: Dlalint, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    code, out, _ = dlalint("config")
    assert code == 0
    assert out.startswith("Configuration\n  file    none found, the defaults hold\n")


def test_statistics(dlalint: Dlalint) -> None:
    shutil.copy("a/mnist.onnx", "other.onnx")
    code, out, _ = dlalint("check", "a", "other.onnx", "--statistics")
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == "2 models: 10 findings, 6 errors among them"
    assert lines[2].split() == ["DLA412", "error", "4", "2", "elementwise-constant"]
    code, out, _ = dlalint("check", "a", "other.onnx", "--statistics", "--format", "json", "--select", "DLA412")
    assert json.loads(out) == {
        "schema": 1,
        "models": 2,
        "statistics": [{"code": "DLA412", "name": "elementwise-constant", "severity": "error", "findings": 4, "models": 2}],
    }
    assert "error[E509]: statistics are text or JSON." in dlalint("check", "a", "--statistics", "--format", "csv")[2]


def test_one_line_a_model_that_fails(dlalint: Dlalint) -> None:
    shutil.copy(ROOT / "models" / "unet_k2s2.onnx", "clean.onnx")
    assert dlalint("check", "clean.onnx", "-qq", "--target", "orin-trt10.3") == (0, "", "")
    code, out, err = dlalint("check", "clean.onnx", "a", "-qq")
    assert (code, err) == (1, "")
    assert out.splitlines()[-1] == (
        "a/mnist.onnx: 8 of 11 nodes on the DLA of xavier-trt5.0; DLA412 elementwise-constant (2), DLA101 layer-not-on-dla"
    )
