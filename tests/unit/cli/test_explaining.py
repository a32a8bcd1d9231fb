"""`check --explain`: each cause with what its rule knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.cli import execute

MNIST = str(Path(__file__).resolve().parents[3] / "models" / "mnist-7.onnx")


def test_causes_and_notes_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["check", MNIST, "--target", "xavier-trt5.0", "--no-others", "--explain", "--exit-zero"])
    text = capsys.readouterr().out
    cause = text.split("elementwise-constant  2 nodes\n")[1].split("\n  DLA")[0]
    leads = [line[4:11].strip() for line in cause.splitlines()[1:] if line[4:5] != " "]
    assert leads == [
        "also",
        "why",
        "do",
        "fix",
        "fix",
        "limit",
        "source",
    ]
    assert "    fix     fold-constant-operand: Arithmetic with a constant becomes part" in cause
    assert "    limit   at most 0 on Xavier 5.0 to 5.1 (observed), Xavier 6.0 to 7.0 (inferred)\n" in cause
    note = text.split("\nNotes\n")[1]
    assert "  DLA711 io-precision  the model\n" in note
    assert "    limit   float16 on Xavier 5.0 (documented), Xavier 5.1 to 8.2 (inferred)\n" in note
    assert "    limit   float16 or int8 on Xavier 8.4 to 8.5 (documented)," in note


def test_without_it_nothing_of_this_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["check", MNIST, "--exit-zero"])
    text = capsys.readouterr().out
    assert "    limit  " not in text
    assert "    fix  " not in text


@pytest.mark.parametrize("others", [("--quiet",), ("--statistics",), ("--format", "json")])
def test_only_the_whole_text_explains(others: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["check", MNIST, "--explain", *others]) == 2
    assert capsys.readouterr().err.startswith("dlalint: --explain: error[E509]: only the whole text explains.")
