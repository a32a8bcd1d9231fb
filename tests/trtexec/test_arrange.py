"""Which files belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.trtexec.arrange import Arranged, arranged
from dlalint.trtexec.observed import LogError, ProfileRow
from dlalint.trtexec.read import read
from tests.trtexec import render

SAMPLES = Path(__file__).parent / "samples"
SSD, RESNET18 = SAMPLES / "profile_trt7_xavier_ssd.txt", SAMPLES / "layer_info_detailed.json"
XAVIER, ORIN = SAMPLES / "dumpProfile_trt7_xavier.txt", SAMPLES / "dumpProfile_trt85_orin.txt"
RN50 = SAMPLES / "trt10_rn50_fp16_excerpt.txt"


def _arranged(*paths: Path) -> Arranged:
    return arranged([read(str(path)) for path in paths])


def _profile_of(layers: Path, folder: Path, name: str, scale: float = 1.0) -> Path:
    """A profile with a row for each layer of a file of layer information."""
    info = read(str(layers)).layers
    assert info is not None
    rows = [ProfileRow(layer.name, scale * 10, scale, scale, 4.0) for layer in info.layers]
    path = folder / name
    path.write_text(render.export_profile(rows, 10))
    return path


def _code(*paths: Path) -> str:
    with pytest.raises(LogError) as caught:
        _arranged(*paths)
    assert "\n" not in str(caught.value)
    return caught.value.code


def test_profile_and_layer_information_of_one_engine(tmp_path: Path) -> None:
    found = _arranged(_profile_of(RESNET18, tmp_path, "profile.json"), RESNET18)
    (case,) = found.cases
    assert not found.compared
    assert case.engine.layers is not None
    assert len(case.engine.paths) == 2


def test_files_of_different_engines_are_refused() -> None:
    assert _code(SSD, RESNET18) == "E134"
    assert _code(RESNET18, RN50) == "E134"
    assert _code(SSD, ORIN) == "E134"  # two profiles, but of different networks


def test_two_profiles_are_compared_with_the_information_that_fits(tmp_path: Path) -> None:
    one, two = _profile_of(RESNET18, tmp_path, "one.json"), _profile_of(RESNET18, tmp_path, "two.json", 2.0)
    found = _arranged(one, two, RESNET18)
    assert found.compared
    assert [case.engine.layers is not None for case in found.cases] == [True, True]
    assert _code(one, two, RN50) == "E134"


def test_more_than_two_profiles_are_refused(tmp_path: Path) -> None:
    paths = [_profile_of(RESNET18, tmp_path, f"{number}.json", number + 1.0) for number in range(3)]
    assert _code(*paths) == "E137"
    assert _code(XAVIER, ORIN) == "E137"  # the first holds two tables


def test_several_tables_of_one_file_are_told_one_by_one() -> None:
    found = _arranged(XAVIER)
    assert (len(found.cases), found.compared) == (2, False)


def test_the_table_and_the_export_of_one_run_are_one(tmp_path: Path) -> None:
    rows = tuple(ProfileRow(name, ms * 10, ms, ms, ms * 10) for name, ms in (("a", 6.0), ("b", 4.0)))
    (tmp_path / "p.json").write_text(render.export_profile(rows, 10))
    table = read(str(tmp_path / "p.json")).profiles[0]._replace(form="8.6", total=ProfileRow("Total", 100.0, 10.0, 10.0, 100.0))
    (tmp_path / "log").write_text("&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # x\n" + render.table(table, render.PREFIXES["trt"]))
    for paths in ((tmp_path / "p.json", tmp_path / "log"), (tmp_path / "log", tmp_path / "p.json")):
        (case,) = _arranged(*paths).cases
        assert case.profile is not None
        assert case.profile.form == "json"
        assert case.engine.build is not None
        assert case.engine.build.release == "8.6.1"


def test_build_log_alone_is_estimated_and_two_are_compared(tmp_path: Path) -> None:
    (case,) = _arranged(RN50).cases
    assert case.profile is not None
    assert case.profile.form == "autotuning"
    other = tmp_path / "other"
    other.write_bytes(RN50.read_bytes())
    assert _arranged(RN50, other).compared


def test_release_is_stated_or_inferred() -> None:
    (stated,), (inferred,) = _arranged(RN50).cases, _arranged(SSD).cases
    assert stated.engine.release == ("10.3.0", "10.3.0", True)
    assert inferred.engine.release == ("7.0", "7.1", False)
