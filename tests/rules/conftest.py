"""One session for all tests of the rule data, and models written down as text."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from dlalint.engine import store
from dlalint.engine.check import Checker, Verdict
from dlalint.engine.ruleset import RuleSet, TargetRules
from dlalint.engine.targets import parse
from dlalint.measured import Measured, Range, Ranges, Scales
from dlalint.network import Layer, LayerSpec, Network
from dlalint.pipeline import Session
from dlalint.plan import Outcome

from ..conftest import example

HERE = Path(__file__).parent
Row = dict[str, str]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Rules that a test breaks must not push the user's own out of the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def rules_folder() -> Path:
    return Path(store.locate())


@pytest.fixture(scope="session")
def session(_own_cache: None) -> Iterator[Session]:
    with Session() as found:
        yield found


@pytest.fixture(scope="session")
def book(session: Session) -> RuleSet:
    return session.rules


@pytest.fixture(scope="session")
def checker() -> Checker:
    return Checker()


def reaching(largest: float) -> Range:
    """The range of a tensor of 100 elements from 0 on; one that is not finite holds nothing else."""
    return Range(0.0, largest, largest, largest, 0, 100) if isfinite(largest) else Range(0.0, 0.0, 0.0, 0.0, 100, 100)


@pytest.fixture(scope="session")
def outcome(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """``outcome(text, target, opset=13, precision="fp16")``: the predicted build of a model written as text."""
    path = tmp_path_factory.mktemp("models") / "model.onnx"

    def run(
        text: str,
        target: str,
        opset: int = 13,
        precision: str = "fp16",
        scales: Mapping[str, float] | None = None,
        ranges: Mapping[str, float] | None = None,
    ) -> Outcome:
        path.write_bytes(example(text, opset).SerializeToString())
        measured = Measured(
            Scales("calib.cache", "", "", scales) if scales is not None else None,
            Ranges("inputs.npz", 1, {name: reaching(largest) for name, largest in ranges.items()}) if ranges is not None else None,
        )
        return session.check(session.view(path), parse(target, session.rules, precision), measured=measured)

    return run


def judged(checker: Checker, spec: LayerSpec, rules: TargetRules) -> Verdict:
    """The verdict of a layer on its own."""
    (verdict,) = checker.judge(Network((Layer("layer", spec, (), (), ()),), (), (), {}, frozenset()), rules)
    return verdict


@pytest.fixture(scope="session")
def golden() -> list[Row]:
    """The rows of golden_limits.tsv."""
    with (HERE / "golden_limits.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="session")
def table() -> dict[str, Any]:
    """The functions of write_golden.py, which is a program and no module."""
    return runpy.run_path(str(HERE / "write_golden.py"))
