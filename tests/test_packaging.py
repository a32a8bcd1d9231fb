"""The wheel carries the rules and the templates of the page, and the rule book is the one that the rules make."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from dlalint.engine.ruleset import RuleSet
from dlalint.report.rule_book import rule_book

ROOT = Path(__file__).resolve().parents[1]


def test_wheel_carries_rules_and_templates(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        others = {name: archive.read(name) for name in names if not name.startswith("dlalint/_rules/")}
        packed = {name.removeprefix("dlalint/_rules/"): archive.read(name) for name in names if name.startswith("dlalint/_rules/")}
    kept = {path.relative_to(ROOT / "rules").as_posix(): path.read_bytes() for path in (ROOT / "rules").rglob("*") if path.is_file()}
    assert packed == kept
    templates = ROOT / "dlalint" / "report" / "templates"
    found = {name: text for name, text in others.items() if name.startswith("dlalint/report/templates/")}
    assert found == {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in templates.rglob("*") if path.is_file()}
    assert {"report.html", "report.css", "report.js"} <= {name.rpartition("/")[2] for name in found}
    assert "dlalint/py.typed" in names
    assert not [name for name in names if name.endswith((".onnx", ".data")) or "tests/" in name]


def test_rule_book_is_fresh() -> None:
    """`dlalint rules --format markdown -o rules/RULES.md` renews it."""
    assert (ROOT / "rules" / "RULES.md").read_text(encoding="utf-8") == rule_book(RuleSet.load())
