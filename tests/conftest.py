"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlalint.pipeline import Session

os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The rule cache of the tests, so that they neither read nor write that of the user."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    """One session for all: what it found out about equal nodes is shared."""
    with Session(digest=True) as running:
        yield running


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of the models."""
    return Path(__file__).resolve().parents[1] / "models"
