"""The targets: their names, aliases and patch levels, and the releases that ship no DLA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dlalint.engine import store
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import names, parse
from dlalint.errors import UsageError
from dlalint.graph import Device
from dlalint.plan import Outcome
from dlalint.target import Target

Check = Callable[..., Outcome]
_XAVIER = ["5.0", "5.1", "6.0", "7.0", "7.1", "7.2", "8.0", "8.2", "8.4", "8.5", "8.6"]
_ORIN = ["8.4", "8.5", "8.6", *(f"10.{minor}" for minor in range(8)), "11.4"]
_GAP = [*(f"10.{minor}" for minor in range(8, 17)), *(f"11.{minor}" for minor in range(4))]
WITH_DLA = [*(f"xavier-trt{release}" for release in _XAVIER), *(f"orin-trt{release}" for release in _ORIN), "woa-trt11.4"]
WITHOUT_DLA = [*(f"orin-trt{release}" for release in [*_GAP, "11.4.0"]), *(f"thor-trt{release}" for release in [*_GAP, "11.4"])]
_INDEX = store.parse(f"{store.locate()}/index.toml")
RELU = "(float16[1,3,8,8] x) => (float16[1,3,8,8] y) { y = Relu(x) }"
# a layer that the DLA takes, one that needs Orin, one that no DLA takes, one that no release imports, and a free dimension
MIXED = "(float[1,3,h,8] x) => (float[n,c,h,w] y) { a = Relu(x) b = Softmax<axis=1>(a) c = Sin(b) y = Unique(c) }"


def test_names(book: RuleSet) -> None:
    assert names(book) == WITH_DLA + WITHOUT_DLA


@pytest.mark.parametrize("name", WITH_DLA + WITHOUT_DLA)
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_every_name_is_a_target(name: str, precision: str, book: RuleSet) -> None:
    soc, release = name.split("-trt")
    major, minor, *_ = release.split(".")
    target = parse(name, book, precision)
    assert target == Target(name, soc, (int(major), int(minor)), precision)
    assert target.release == release
    assert bool(book.for_target(target).limits) == (name in WITH_DLA)
    assert target.soc in book.socs


@pytest.mark.parametrize(("given", "name"), _INDEX["aliases"].items())
def test_aliases(given: str, name: str, book: RuleSet) -> None:
    assert parse(given, book) == parse(name, book)
    assert name in WITH_DLA


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("orin-trt10.3.0", "orin-trt10.3"),
        ("orin-trt10.3.0.30", "orin-trt10.3"),
        ("xavier-trt8.5.2", "xavier-trt8.5"),
        ("orin-trt10.16.1", "orin-trt10.16"),
        (" Orin-TRT8.6 ", "orin-trt8.6"),
        ("jetpack-4.6", "xavier-trt8.0"),
        ("jetpack-4.6.1", "xavier-trt8.2"),
        ("jetpack-5.1.3", "orin-trt8.5"),
        ("JetPack-6.2", "orin-trt10.3"),
        ("jetpack-6.2.1", "orin-trt10.3"),
        ("jetpack-4.6.4", "xavier-trt8.2"),
    ],
)
def test_patch_levels_and_spelling(given: str, name: str, book: RuleSet) -> None:
    assert parse(given, book).name == name


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("orin-trt10.33", "orin-trt10.3"),
        ("xavier-trt8.3", "xavier-trt8.4"),
        ("orin-trt8.2", "orin-trt8.5"),
        ("orin-8.6", "orin-trt8.6"),
        ("orin_trt10.3", "orin-trt10.3"),
        ("xaver-trt5.0", "xavier-trt5.0"),
        ("jetpack-6.3", "jetpack-6.2"),
        ("jetpack6.1", "jetpack-6.1"),
    ],
)
def test_wrong_names_get_the_nearest(given: str, near: str, book: RuleSet) -> None:
    with pytest.raises(UsageError) as raised:
        parse(given, book)
    assert raised.value.code == "E502"
    assert repr(given) in raised.value.what
    assert near in raised.value.cure.split("?")[0].removeprefix("Did you mean ").split(" or ")


@pytest.mark.parametrize(
    "given", ["", "tensorrt", "-", "orin-trt", "orin-trt10", "orin-trt10.3.0.30.1", "orin-trt10.3\n.0", "xavier-trt11.4"]
)
def test_what_is_no_name(given: str, book: RuleSet) -> None:
    with pytest.raises(UsageError, match="unknown target"):
        parse(given, book)


@pytest.mark.parametrize("name", WITHOUT_DLA)
def test_releases_without_dla(name: str, book: RuleSet, outcome: Check) -> None:
    """One finding says why, and everything is on the GPU."""
    found = outcome(MIXED, name)
    (gap,) = [gap for gap in book.index["without_dla"] if f"{gap['soc']}-trt" in name and name.split("-trt")[1] in gap["releases"]]
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.message, finding.sources) == ("DLA001", "error", gap["reason"], (gap["source"],))
    assert [node.device for node in found.nodes] == [Device.GPU] * 4
    assert (found.verdict, found.status, found.summary.loadables, found.summary.candidates) == ("none", "no-dla", 0, 0)


@pytest.mark.parametrize("name", WITH_DLA)
def test_every_dla_takes_a_relu(name: str, outcome: Check) -> None:
    found = outcome(RELU, name)
    assert [node.device for node in found.nodes] == [Device.DLA]
    assert found.verdict == ("unknown" if name.startswith("woa") else "full")
    assert ("DLA006" in {finding.code for finding in found.findings}) == name.startswith("woa")


@pytest.mark.parametrize("name", WITH_DLA)
def test_int8_is_warned_of_where_the_release_has_none(name: str, outcome: Check) -> None:
    codes = {finding.code for finding in outcome(RELU, name, precision="int8").findings if finding.severity != "note"}
    assert ("DLA802" in codes) == (name in ("xavier-trt5.0", "woa-trt11.4"))


def test_every_soc_file_is_a_soc_with_targets(book: RuleSet, rules_folder: Path) -> None:
    assert {path.stem for path in (rules_folder / "socs").glob("*.toml")} == {name.split("-trt")[0] for name in names(book)}
