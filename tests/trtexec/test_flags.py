"""The table of trtexec's flags, against what its sources say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dlalint.engine import store
from dlalint.engine.targets import parse as parse_target
from dlalint.errors import RuleDataError
from dlalint.pipeline import Session
from dlalint.trtexec.flags import Flags, parse

PURPOSES = (
    "fp16 calibration fallback inputs pools workspace shapes batch devices detail layers export separate save load skip standalone adjust"
)

# Read by eye from samples/common/sampleOptions.cpp (trtexec.cpp before 6.0) at the tags; "-" where there is none or none of use.
READ = {
    "5.0": "--fp16 --calib --allowGPUFallback - - --workspace - --batch - - - - - --engine - - - -",
    "5.1": "--fp16 --calib - - - --workspace - --batch - - - - - --saveEngine --loadEngine - - -",
    "6.0": "--fp16 --calib --allowGPUFallback --inputIOFormats - --workspace - --batch - - - - - --saveEngine --loadEngine"
    " --buildOnly --safe -",
    "7.1": "--fp16 --calib --allowGPUFallback --inputIOFormats - --workspace --shapes - - - - --exportProfile - --saveEngine --loadEngine"
    " --buildOnly --safe -",
    "8.2": "--fp16 --calib --allowGPUFallback --inputIOFormats - --workspace --shapes - - --profilingVerbosity --exportLayerInfo"
    " --exportProfile --separateProfileRun --saveEngine --loadEngine --buildOnly --safe -",
    "8.5": "--fp16 --calib --allowGPUFallback --inputIOFormats --memPoolSize - --shapes - - --profilingVerbosity --exportLayerInfo"
    " --exportProfile --separateProfileRun --saveEngine --loadEngine --buildOnly --safe -",
    "8.6": "--fp16 --calib --allowGPUFallback --inputIOFormats --memPoolSize - --shapes - --layerDeviceTypes --profilingVerbosity"
    " --exportLayerInfo --exportProfile --separateProfileRun --saveEngine --loadEngine --skipInference --buildDLAStandalone -",
    "10.7": "--fp16 --calib --allowGPUFallback --inputIOFormats --memPoolSize - --shapes - --layerDeviceTypes --profilingVerbosity"
    " --exportLayerInfo --exportProfile --separateProfileRun --saveEngine --loadEngine --skipInference --buildDLAStandalone -",
    "10.16": "--fp16 --calib --allowGPUFallback --inputIOFormats --memPoolSize - --shapes - --layerDeviceTypes --profilingVerbosity"
    " --exportLayerInfo --exportProfile --separateProfileRun --saveEngine --loadEngine --skipInference --buildDLAStandalone --adjustForDLA",
    "11.4": "- - --allowGPUFallback --inputIOFormats --memPoolSize - --shapes - --layerDeviceTypes --profilingVerbosity"
    " --exportLayerInfo --exportProfile - --saveEngine --loadEngine --skipInference --buildDLAStandalone --adjustForDLA",
}


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    return dict(store.read(store.locate()).tables)


def flags(tables: dict[str, Any], release: str) -> Flags:
    return Flags(tables["trtexec"], tables["sources"], parse(release))


@pytest.mark.parametrize("release", READ)
def test_flags_of_a_release(tables: dict[str, Any], release: str) -> None:
    known = flags(tables, release)
    found = {purpose: getattr(known.find(purpose), "flag", "-") for purpose in PURPOSES.split()}
    assert found == dict(zip(PURPOSES.split(), READ[release].split(), strict=True))


def test_every_target_has_its_flags(tables: dict[str, Any], session: Session) -> None:
    for soc, releases in session.rules.index["releases"].items():
        for release in releases:
            known = Flags(tables["trtexec"], tables["sources"], parse_target(f"{soc}-trt{release}", session.rules).trt)
            needed = [known.find(purpose) for purpose in ("model", "dla", "verbose", "save")]
            assert all(needed)
            assert known.source in session.rules.sources


@pytest.mark.parametrize(
    ("release", "source", "read"),
    [
        ("5.0", "trtexec-5-0", ""),
        ("7.2", "trtexec-7-2", ""),
        ("10.3", "trtexec-10", ""),
        ("11.1", "trtexec-11", ""),
        ("11.4", "trtexec-11", "11.1"),
    ],
)
def test_the_source_is_that_of_the_release(tables: dict[str, Any], release: str, source: str, read: str) -> None:
    known = flags(tables, release)
    assert (known.source, known.read) == (source, read)


@pytest.mark.parametrize(
    ("release", "name", "can"),
    [
        ("7.0", "a:b", False),
        ("7.1", "a:b", True),
        ("8.6", "a,b", False),
        ("8.6", "a'b", False),
        ("8.6", "a*b", True),
        ("10.0", "a*b", False),
        ("10.3", "/conv/Conv_1 x=$HOME", True),
        ("10.3", "", False),
        ("10.3", "a\x1b[31mb", False),
        ("10.3", "a\nb", False),
        ("10.3", "a\u202eb", False),
    ],
)
def test_names_that_a_specification_can_hold(tables: dict[str, Any], release: str, name: str, can: bool) -> None:
    assert flags(tables, release).nameable(name) is can


@pytest.mark.parametrize(
    ("release", "types", "hwc4", "standalone"),
    [
        ("7.2", ("fp32", "fp16", "int32", "int8"), False, {"chw16", "chw32"}),
        ("8.5", ("fp32", "fp16", "int32", "int8"), True, {"chw16", "chw32"}),
        (
            "10.0",
            ("fp32", "fp16", "bf16", "int32", "int64", "int8", "uint8", "bool", "fp8"),
            True,
            {"chw16", "chw32", "dla_linear", "dla_hwc4"},
        ),
        ("11.4", (), True, {"chw16", "chw32", "dla_linear", "dla_hwc4"}),
    ],
)
def test_formats_of_a_release(tables: dict[str, Any], release: str, types: tuple[str, ...], hwc4: bool, standalone: set[str]) -> None:
    known = flags(tables, release)
    assert (known.types, "dla_hwc4" in known.layouts, set(known.standalone)) == (types, hwc4, standalone)


def test_behaviour_changes_with_the_release(tables: dict[str, Any]) -> None:
    assert [flags(tables, release).does("direct_io") for release in ("8.0", "8.2", "11.4")] == [False, True, True]
    assert [flags(tables, release).does("outputs_counted") for release in ("8.6", "10.0")] == [False, True]


def _unknown_source(table: dict[str, Any]) -> None:
    table["read"]["7.0"] = "nowhere"


def _overlap(table: dict[str, Any]) -> None:
    table["flags"]["save"]["spelled"][0]["until"] = "5.1"


def _open_end(table: dict[str, Any]) -> None:
    del table["flags"]["save"]["spelled"][0]["until"]


def _backwards(table: dict[str, Any]) -> None:
    table["flags"]["fp16"]["spelled"][0]["until"] = "4.0"


def _no_reason(table: dict[str, Any]) -> None:
    table["flags"]["dla"]["why"] = ""


def _no_dashes(table: dict[str, Any]) -> None:
    table["flags"]["dla"]["spelled"][0]["flag"] = "useDLACore"


def _unknown_key(table: dict[str, Any]) -> None:
    table["colour"] = 1


def _no_release(table: dict[str, Any]) -> None:
    table["flags"]["dla"]["spelled"][0]["since"] = "five"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_unknown_source, "read"),
        (_overlap, "flags.save"),
        (_open_end, "flags.save"),
        (_backwards, "flags.fp16"),
        (_no_reason, "flags.dla"),
        (_no_dashes, "flags.dla"),
        (_unknown_key, "colour"),
        (_no_release, "rules/trtexec.toml"),
    ],
)
def test_contradictions_are_refused(tables: dict[str, Any], change: Any, where: str) -> None:
    table = copy.deepcopy(tables["trtexec"])
    change(table)
    with pytest.raises(RuleDataError) as raised:
        Flags(table, tables["sources"], (8, 6))
    assert raised.value.where.startswith("rules/trtexec.toml")
    assert where in raised.value.where
