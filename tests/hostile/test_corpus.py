"""Some thousand malformed and hostile models: each is refused or reported, in time, and nothing else happens.

``DLALINT_SEEDS=2,3,4`` runs other corpora.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import driver
from tests.hostile.corpus import Case, corpus
from tests.hostile.corpus.case import ROOT, relu

SEEDS = [int(number) for number in os.environ.get("DLALINT_SEEDS", "1").split(",")]
SLOW = 5.0  # seconds for one model, on a busy machine
MEGABYTES = 512
CLI_SAMPLE = 23  # every so many cases through the real program
LONG_TEXT = " characters of text"
RAW_JSON = "json has a raw"


class Checked:
    """What the driver said of each case of a corpus."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        command = [sys.executable, "-m", "tests.hostile.driver", str(folder / "cases"), str(seed)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        self.code, self.err = done.returncode, done.stderr
        self.results: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module", params=SEEDS)
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    return Checked(request.param, tmp_path_factory.mktemp("corpus"))


def test_every_case_is_checked(checked: Checked) -> None:
    assert (checked.code, checked.err) == (0, "")
    assert len(checked.results) > 1000
    assert list(checked.temporary.iterdir()) == []


def test_refused_or_reported(checked: Checked) -> None:
    codes = {result["code"] for result in checked.results}
    assert [(result["name"], result["line"]) for result in checked.results if result["code"] == "E900"] == []
    assert codes >= {"", "E101", "E102", "E103", "E104", "E105", "E106", "E107", "E201", "E203"}


def test_what_must_be_refused_is(checked: Checked) -> None:
    wrong = [
        (result["name"], result["refused"], result["line"])
        for result in checked.results
        if result["refused"] is not None and result["refused"] != bool(result["code"])
    ]
    assert wrong == []
    assert sum(result["refused"] is True for result in checked.results) > 50
    assert sum(result["refused"] is False for result in checked.results) > 20


def test_limits(checked: Checked) -> None:
    assert [(result["name"], result["seconds"]) for result in checked.results if result["seconds"] > SLOW] == []
    assert checked.results[-1]["megabytes"] < MEGABYTES
    seconds = sorted(result["seconds"] for result in checked.results)
    assert seconds[len(seconds) // 2] < 0.1


def test_nothing_is_shown_forged_or_changed(checked: Checked) -> None:
    found = [(result["name"], said) for result in checked.results for said in result["problems"]]
    assert [item for item in found if LONG_TEXT not in item[1] and RAW_JSON not in item[1]] == []


def test_json_holds_nothing_that_a_terminal_obeys(checked: Checked) -> None:
    assert [result["name"] for result in checked.results if any(RAW_JSON in said for said in result["problems"])] == []


def test_text_is_bounded(checked: Checked) -> None:
    assert [result["name"] for result in checked.results if any(LONG_TEXT in said for said in result["problems"])] == []


def test_the_corpus_is_the_same_every_time() -> None:
    def some() -> list[tuple[str, bytes]]:
        return [(case.name, case.data) for case in islice(corpus(7), 400)]

    assert some() == some()


# the program itself


def _sample() -> Iterator[Case]:
    return (case for number, case in enumerate(corpus(SEEDS[0])) if number % CLI_SAMPLE == 0)


def test_the_program_goes_through_all_of_them(tmp_path: Path) -> None:
    """One run over a folder: 2, one error line for each refused model, a report on each of the others, nothing changed."""
    names = []
    for case in _sample():
        folder = tmp_path / "here" / case.name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(case.data)
        case.prepare(folder)
        names.append(f"here/{case.name}/model.onnx")
    (tmp_path / "here" / "zz.onnx").write_bytes(relu().SerializeToString())
    (tmp_path / "temporary").mkdir()
    before = driver.contents(tmp_path)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dlalint", "check", "here", "--format", "json", "--no-others"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert time.monotonic() - start < 40
    assert driver.contents(tmp_path) == before
    err = done.stderr.decode()
    assert done.returncode == 2
    assert "E900" not in err
    assert all(line.startswith("dlalint: here/") and ": error[E" in line and line.isprintable() for line in err.splitlines())
    documents = json.loads(done.stdout)["models"]
    assert {item["model"]["path"] for item in documents} == {*names, "here/zz.onnx"}
    assert len(err.splitlines()) == sum("error" in item for item in documents)
    assert next(item for item in documents if item["model"]["path"] == "here/zz.onnx")["verdict"] == "full"
