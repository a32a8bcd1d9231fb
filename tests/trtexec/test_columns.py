"""Numbers that run together, and what decides between readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.trtexec.columns import Sums, candidates, error, resolved
from dlalint.trtexec.observed import Profile
from dlalint.trtexec.read import read


def _profiles(folder: Path, text: str) -> tuple[Profile, ...]:
    path = folder / "profile"
    path.write_text(text)
    return read(str(path)).profiles


@pytest.mark.parametrize(
    ("text", "form", "numbers"),
    [
        ("conv 2504.86 31.71 77.3", "7.0", (2504.86, 31.71, 77.3)),
        ("conv 2504.86 31.7177.3", "7.0", (2504.86, 31.71, 77.3)),
        ("conv 2504.8631.7177.3", "7.0", (2504.86, 31.71, 77.3)),
        ("conv 553.06 7.00 **17.1**", "7.0", (553.06, 7.0, 17.1)),
        ("conv 5089.98 1.0320 93.1", "7.2", (5089.98, 1.032, 93.1)),
        ("conv 5089.981.032093.1", "7.2", (5089.98, 1.032, 93.1)),
        ("conv 5089.98 1.0320 1.0321 93.1", "8.4", (5089.98, 1.032, 93.1)),
        ("conv 5089.981.03201.032193.1", "8.4", (5089.98, 1.032, 93.1)),
        ("5089.98 1.0320 1.0321 93.1   conv", "8.6", (5089.98, 1.032, 93.1)),
        ("5089.981.03201.032193.1   conv", "8.6", (5089.98, 1.032, 93.1)),
        ("conv 0.00 0.00 -nan", "7.0", (0.0, 0.0, None)),
    ],
)
def test_numbers_of_a_row(text: str, form: str, numbers: tuple[float, float, float | None]) -> None:
    (cells,) = candidates(text, form)
    assert (cells.name, cells.total, cells.average, cells.percent) == ("conv", *numbers)


@pytest.mark.parametrize("text", ["conv", "conv 1.5", "conv 1 2 3", "conv 2504.86 31.717 77.3", "2504.86 31.71 77.3", "", "..", "x" * 999])
def test_text_that_is_no_row(text: str) -> None:
    assert candidates(text, "7.0") == []


def test_total_stuck_to_the_name_is_told_by_the_sums() -> None:
    found = candidates("conv12504.86 31.71 77.3", "7.0")
    assert [(cells.name, cells.total) for cells in found] == [
        ("conv", 12504.86),
        ("conv1", 2504.86),
        ("conv12", 504.86),
        ("conv125", 4.86),
        ("conv1250", 4.86),
    ]
    (picked,) = resolved([found], 79, 3240.4)
    assert (picked.name, picked.total) == ("conv1", 2504.86)


def test_stuck_rows_are_told_without_any_total(tmp_path: Path) -> None:
    (profile,) = _profiles(
        tmp_path,
        "[I] === Profile (100 iterations ) ===\n[I] Layer   Time (ms)   Avg. Time (ms)   Time %\n"
        "[I] conv1100.00 1.00 50.0\n[I] conv2 60.00 0.60 30.0\n[I] conv340.00 0.40 20.0\n",
    )
    assert [(row.name, row.total_ms) for row in profile.rows] == [("conv1", 100.0), ("conv2", 60.0), ("conv3", 40.0)]
    assert profile.repaired == (0, 2)


def test_error_is_small_for_what_rounding_explains() -> None:
    (cells,) = candidates("conv 2504.86 31.71 77.3", "7.0")
    assert error(cells, Sums(79.0, 3240.4)) < 0.1
    assert error(cells, Sums(40.0, 3240.4)) > 1
    assert error(cells, Sums(79.0, 9000.0)) > 1


_ROWS = "[I] conv1 output reformatter 0 9.14 0.12 0.3\n[I] {a,b,c} 2504.86 31.71 77.3\n[I] relu 725.90 9.19 22.4\n"


def test_rows_without_a_head_count_when_they_agree(tmp_path: Path) -> None:
    (profile,) = _profiles(tmp_path, _ROWS)
    assert (profile.iterations, profile.form, len(profile.rows)) == (None, "7.0", 3)


def test_rows_that_contradict_each_other_are_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("[I] [TRT] [GpuLayer] a\n[I] x 9.14 3.00 0.3\n[I] y 2504.86 31.71 77.3\n[I] z 1.00 1.00 99.0\n")
    found = read(str(path))
    assert (found.profiles, found.unknown.lines) == ((), 3)


@pytest.mark.parametrize("width", [40, 60, 79, 100])
def test_rows_survive_hard_wraps(tmp_path: Path, width: int) -> None:
    members = ",".join(f"network/stage{number}/Conv2D" for number in range(40))
    text = (
        f"[I] === Profile (79 iterations ) ===\n[I] Layer   Time (ms)   Avg. Time (ms)   Time %\n[I] {{{members}}} 50.41 0.64 1.6\n"
        f"[I] {{{members}}} output reformatter 1 2504.86 31.71 77.3\n[I] rest 685.13 8.67 21.1\n[I] Total 3240.40 41.02 100.0\n"
    )
    lines = text.splitlines()
    broken = "\n".join(line[at : at + width] for line in lines for at in range(0, len(line), width)) + "\n"
    whole, wrapped = _profiles(tmp_path, text), _profiles(tmp_path, broken)
    assert len(whole[0].rows) == 3
    assert [row[:3] for row in wrapped[0].rows] == [row[:3] for row in whole[0].rows]
    assert wrapped[0].total is not None


def test_blank_lines_between_rows_do_not_end_a_table(tmp_path: Path) -> None:
    head = "[I] === Profile (79 iterations ) ===\n\n[I] Layer   Time (ms)   Avg. Time (ms)   Time %\n\n"
    (profile,) = _profiles(tmp_path, head + _ROWS.replace("\n", "\n\n") + "[I] Total 3240.40 41.02 100.0\n")
    assert (len(profile.rows), profile.total is not None) == (3, True)


def test_table_that_loses_its_end_lets_the_log_go_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        "[I] === Profile (79 iterations ) ===\n[I] Layer   Time (ms)   Avg. Time (ms)   Time %\n"
        + _ROWS
        + "".join(f"[I] something else {number}\n" for number in range(9))
        + "[I] [TRT] [GpuLayer] a\n"
    )
    found = read(str(path))
    assert [len(profile.rows) for profile in found.profiles] == [3]
    assert found.build is not None
    assert [layer.name for layer in found.build.placement.gpu] == ["a"]
    assert found.unknown.lines == 9
