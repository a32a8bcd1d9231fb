"""Baselines: only new findings count, fixed ones are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
Dlalint = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dlalint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Dlalint) -> Dlalint:
    """The command line in a folder with one model."""
    shutil.copy(ROOT / "models" / "mnist-7.onnx", tmp_path / "m.onnx")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return commands


def test_nothing_new(dlalint: Dlalint) -> None:
    code, report, err = dlalint("check", "m.onnx", "-q", "--write-baseline", "base.json")
    assert (code, err) == (0, "")
    assert report.startswith("m.onnx on xavier-trt5.0, FP16\n")
    whole = json.loads(dlalint("check", "m.onnx", "--format", "json")[1])
    code, out, _ = dlalint("check", "m.onnx", "--baseline", "base.json", "--format", "json", "--fail-on", "note")
    found = json.loads(out)
    assert (code, found["findings"]) == (0, [])
    assert found["baseline"] == {"known": len(whole["findings"]), "new": 0, "fixed": []}
    assert found["nodes"] == whole["nodes"]


def test_the_file_is_sorted_and_stable(dlalint: Dlalint) -> None:
    shutil.copy("m.onnx", "a.onnx")
    dlalint("check", "m.onnx", "a.onnx", "--write-baseline", "one.json")
    dlalint("check", "a.onnx", "m.onnx", "--write-baseline", "two.json")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    found = json.loads(Path("one.json").read_text())
    assert list(found) == ["schema", "findings"]
    assert [item["path"] for item in found["findings"]] == ["a.onnx"] * 5 + ["m.onnx"] * 5
    assert set(found["findings"][0]) == {"path", "target", "code", "name", "node", "print"}


def test_new_and_fixed(dlalint: Dlalint) -> None:
    dlalint("check", "m.onnx", "--write-baseline", "base.json")
    entries = json.loads(Path("base.json").read_text())
    gone = entries["findings"].pop([item["node"] for item in entries["findings"]].index("Plus30"))
    entries["findings"].append({**gone, "node": "Conv9", "print": "0" * 40})
    entries["findings"].append({**gone, "path": "other.onnx", "print": "1" * 40})
    Path("base.json").write_text(json.dumps(entries))
    code, out, _ = dlalint("check", "m.onnx", "--baseline", "base.json")
    assert code == 1
    assert "\nAgainst the baseline\n  1 new finding, 4 known and left out, 1 fixed.\n  fixed   DLA412 elementwise-constant (Conv9)\n" in out
    assert "Plus30: an operand is a constant" in out
    assert "Plus112: an operand" not in out
    found = json.loads(dlalint("check", "m.onnx", "--baseline", "base.json", "--format", "json")[1])
    assert [item["node"] for item in found["findings"]] == ["Plus30"]
    assert found["baseline"] == {"known": 4, "new": 1, "fixed": [{"code": "DLA412", "name": "elementwise-constant", "node": "Conv9"}]}


def test_what_is_ignored_or_waived_is_neither_known_nor_fixed(dlalint: Dlalint) -> None:
    dlalint("check", "m.onnx", "--write-baseline", "base.json")
    Path("dlalint.toml").write_text('ignore = "DLA7"\n[[waiver]]\nrule = "DLA412"\nreason = "x"\n')
    found = json.loads(dlalint("check", "m.onnx", "--baseline", "base.json", "--format", "json")[1])
    assert found["baseline"] == {"known": 1, "new": 0, "fixed": []}
    assert len(found["waived"]) == 2
    dlalint("check", "m.onnx", "--write-baseline", "less.json")
    assert [item["code"] for item in json.loads(Path("less.json").read_text())["findings"]] == ["DLA101"]


def test_clean_models_make_an_empty_baseline(dlalint: Dlalint) -> None:
    dlalint("check", "m.onnx", "--select", "DLA2", "--write-baseline", "base.json")
    assert Path("base.json").read_text() == '{"schema": 1, "findings": []}\n'
    assert dlalint("check", "m.onnx", "--baseline", "base.json", "-qq")[0] == 1


def test_a_model_that_cannot_be_checked_leaves_the_baseline(dlalint: Dlalint) -> None:
    Path("base.json").write_text("old")
    code, _, err = dlalint("check", "m.onnx", "gone.onnx", "--write-baseline", "base.json")
    assert code == 2
    assert err.splitlines()[-1] == "dlalint: base.json is not written: not every model could be checked"
    assert Path("base.json").read_text() == "old"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "findings": []}',
        '{"schema": 1}',
        '{"schema": 1, "findings": 3}',
        '{"schema": 1, "findings": [3]}',
        '{"schema": 1, "findings": [{"path": "m.onnx"}]}',
        '{"schema": 1, "findings": [{"path": 1, "target": "", "code": "", "name": "", "node": "", "print": ""}]}',
        "[" * 100_000,
        "\x00\x1b",
        '{"schema": 1, "findings": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_no_baseline(text: str, dlalint: Dlalint) -> None:
    Path("base.json").write_text(text)
    line = "dlalint: base.json: error[E547]: it is no baseline of this version. Write it anew: dlalint check --write-baseline FILE.\n"
    assert dlalint("check", "m.onnx", "--baseline", "base.json") == (2, "", line)


def test_a_baseline_that_is_not_there(dlalint: Dlalint) -> None:
    line = "dlalint: base.json: error[E543]: there is no such file. Check the path.\n"
    assert dlalint("check", "m.onnx", "--baseline", "base.json") == (2, "", line)


def test_names_in_a_baseline_are_shown_and_not_obeyed(dlalint: Dlalint) -> None:
    entry = {"path": "m.onnx", "target": "xavier-trt5.0", "code": "DLA1\x1b[31m", "name": "n\nm", "node": "\u202ex", "print": "0"}
    Path("base.json").write_text(json.dumps({"schema": 1, "findings": [entry]}))
    _, out, _ = dlalint("check", "m.onnx", "--baseline", "base.json")
    assert "  fixed   DLA1\\x1b[31m n\\x0am (\\u202ex)\n" in out
