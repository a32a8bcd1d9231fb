"""The prediction against published builds."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dlalint.pipeline import Session

HERE = Path(__file__).resolve().parent
tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dlalint_case_score", HERE / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


score = _load()
BUILDS: dict[str, dict[str, Any]] = dict(score.builds())
KNOWN: dict[str, dict[str, Any]] = tomllib.loads((HERE / "disagreements.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", BUILDS)
def test_build(session: Session, name: str) -> None:
    """Every node where the build has it, and as many loadables, but for the disagreements that are explained."""
    found = score.judge(session, name, BUILDS[name])
    said = KNOWN.get(name, {})
    assert [node for node, _, _ in found.wrong] == said.get("nodes", [])
    real, predicted = found.loadables
    expected = said.get("loadables", {"real": real, "predicted": real})
    if real is not None:
        assert {"real": real, "predicted": predicted} == expected
    if found.candidates[0] is not None:
        assert found.candidates[0] == found.candidates[1]


@pytest.mark.parametrize("name", [name for name, build in BUILDS.items() if "loadable_ends" in build])
def test_loadables_are_those_of_the_build(session: Session, name: str) -> None:
    found = score.judge(session, name, BUILDS[name])
    assert sorted(found.ends) == sorted((first, last) for first, last in BUILDS[name]["loadable_ends"])


@pytest.mark.parametrize("fact", score.operators(), ids=lambda fact: f"{fact['id']}-{fact['target']}")
def test_operator(session: Session, fact: dict[str, Any]) -> None:
    found = score.judge(session, fact["id"], fact)
    assert found.wrong == ()
    assert found.loadables[0] in (None, found.loadables[1])


def test_table_is_the_kept_one(session: Session) -> None:
    """`python tests/cases/score.py > tests/cases/golden.txt` renews it."""
    assert score.table(session) == (HERE / "golden.txt").read_text(encoding="utf-8")


def test_every_disagreement_is_real_and_explained() -> None:
    for name, said in KNOWN.items():
        assert name in BUILDS
        assert said["reason"]


def test_nothing_is_unknown(session: Session) -> None:
    """These networks are static and made of standard operators."""
    for name, build in BUILDS.items():
        assert score.judge(session, name, build).outcome.summary.unknown_nodes == 0
