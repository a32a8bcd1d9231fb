"""Writes rules/rewrites.toml from the catalogue: ``python tests/rewrite/write_table.py``."""

from __future__ import annotations

from pathlib import Path

from dlalint.rewrite.base import table

PATH = Path(__file__).resolve().parents[2] / "rules" / "rewrites.toml"

if __name__ == "__main__":
    PATH.write_text(table(), encoding="utf-8")
