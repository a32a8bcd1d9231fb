"""Every standard operator has a lowering, or a note that no parser imports it."""

from __future__ import annotations

from pathlib import Path

import onnx.defs
import pytest

from dlalint.engine.store import locate, parse
from dlalint.lower import FAMILIES, table
from dlalint.pipeline import Session

STANDARD = frozenset(schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == "")
SINCE = parse(f"{locate()}/parser.toml")["since"]
NEVER = frozenset(SINCE["never"])


@pytest.mark.parametrize("op", sorted(STANDARD))
def test_standard_operator_is_lowered_or_never_imported(op: str) -> None:
    assert (op in table()) != (op in NEVER)


def test_only_standard_operators_are_lowered() -> None:
    assert set(table()) <= STANDARD


def test_every_release_of_an_importer_names_lowered_operators() -> None:
    for release, operators in SINCE.items():
        if release != "never":
            assert set(operators) <= set(table()), release
            assert sorted(operators) == operators, release


def test_families_are_the_modules_with_lowerings() -> None:
    folder = Path(locate()).parent / "dlalint" / "lower"
    found = sorted(path.stem for path in folder.glob("*.py") if "\nLOWERINGS: " in path.read_text(encoding="utf-8"))
    assert found == sorted(FAMILIES)


def test_session_knows_since_when_operators_are_imported(session: Session) -> None:
    assert session.rules.since["HardSwish"] == (8, 4)
    assert session.rules.since["Bernoulli"] is None
    assert "Conv" not in session.rules.since
