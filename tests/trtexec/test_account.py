"""Where the time goes: rows by kind, waiting rows, the network's border, names of networks, comparisons."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.trtexec.account import Account, account, measured
from dlalint.trtexec.difference import difference
from dlalint.trtexec.engine import join, network_name
from dlalint.trtexec.observed import EngineLayer, Format, LayerInfo, Observed, Profile, ProfileRow, Unknown, Use
from dlalint.trtexec.profile_table import RELEASES
from dlalint.trtexec.read import read
from dlalint.trtexec.reformats import flag, reformats
from dlalint.trtexec.rows import Kind


def _profile(*rows: tuple[str, float], form: str = "8.6", total: bool = True, types: dict[str, str] | None = None) -> Profile:
    whole = sum(ms for _, ms in rows)
    made = tuple(ProfileRow(name, ms * 10, ms, ms, ms / whole * 100, (types or {}).get(name, "")) for name, ms in rows)
    return Profile(made, 10, ProfileRow("Total", whole * 10, whole, whole, 100.0) if total else None, form, RELEASES[form])


def _observed(profile: Profile | None = None, layers: LayerInfo | None = None) -> Observed:
    return Observed("file", (), None, (profile,) if profile else (), layers, None, None, (), Unknown(0, ()), ())


def _told(profile: Profile, layers: LayerInfo | None = None) -> Account:
    return account(join([_observed(profile, layers)], profile), profile)


def _kinds(told: Account) -> list[str]:
    return [row.kind.value for row in told.rows]


def test_every_kind_of_row_of_10() -> None:
    told = _told(
        _profile(
            ("Reformatting CopyNode for Input Tensor 0 to {ForeignNode[a...b]}", 0.5),
            ("{ForeignNode[a...b]}", 8.0),
            ("Reformatting CopyNode for Input Tensor 0 to c", 0.2),
            ("c", 1.0),
            ("d copy", 0.1),
            ("e_copy_output", 0.1),
            ("f", 0.0),
            ("g", 0.5),
            ("Reformatting CopyNode for Output Tensor 0 to g", 0.1),
        )
    )
    assert _kinds(told) == ["io", "dla", "reformat", "gpu", "copy", "copy", "noop", "gpu", "reformat"]
    assert sum(share.percent for share in told.shares) == pytest.approx(100)


def test_bindings_do_not_hide_a_reformat_in_the_middle() -> None:
    profile = _profile(("a", 1.0), ("Reformatting CopyNode for Input Tensor 0 to b", 1.0), ("b", 1.0))
    assert _kinds(_told(profile, LayerInfo((), ("in", "out"), False))) == ["gpu", "reformat", "gpu"]


def test_first_waiting_row_behind_each_loadable_carries_its_time() -> None:
    told = _told(
        _profile(
            ("x to nvm", 0.1),
            ("{a,b}", 0.2),
            ("x copy finish", 0.1),
            ("{a,b} output reformatter 0", 5.0),
            ("{a,b} output reformatter 1", 0.1),
            ("relu", 1.0),
            ("relu to nvm", 0.1),
            ("{c}", 0.2),
            ("y from nvm", 3.0),
            ("y copy finish", 0.1),
            form="7.0",
        )
    )
    assert [(item.own_ms, item.waited_ms, item.wait) for item in told.loadables] == [(0.2, 5.0, 3), (0.2, 3.0, 8)]
    shares = {share.kind: share.ms for share in told.shares}
    assert shares["dla"] == pytest.approx(8.4)
    assert shares["reformat"] == pytest.approx(0.1)
    assert shares["gpu"] == pytest.approx(1.0)


def test_loadables_in_a_row_wait_together() -> None:
    told = _told(_profile(("{a}", 0.1), ("{b}", 0.1), ("t finish", 0.1), ("c input reformatter 0", 4.0), ("c", 1.0), form="7.0"))
    assert [(item.waited_ms, item.wait) for item in told.loadables] == [(0.0, -1), (4.0, 3)]


def test_releases_that_do_not_defer_have_no_waiting_rows() -> None:
    told = _told(_profile(("{ForeignNode[a...b]}", 5.0), ("Reformatting CopyNode for Input Tensor 0 to c", 4.0), ("c", 1.0)))
    assert (told.deferred, told.waiting) == (False, frozenset())


def test_layer_types_tell_myelin_from_the_dla() -> None:
    names = ("{ForeignNode[a...b]}", "{ForeignNode[c...d]}")
    profile = _profile((names[0], 1.0), (names[1], 1.0))
    layers = LayerInfo((EngineLayer(names[0], "Myelin"), EngineLayer(names[1], "DLA")), (), True)
    assert [(row.kind, row.sure) for row in _told(profile, layers).rows] == [(Kind.GPU, True), (Kind.DLA, True)]
    assert [(row.kind, row.sure) for row in _told(profile).rows] == [(Kind.DLA, False), (Kind.DLA, False)]


def test_total_that_is_not_printed_follows_from_the_percentages() -> None:
    rows = (ProfileRow("a", 2504.86, 31.71, None, 77.3), ProfileRow("b", 553.06, 7.0, None, 17.1))
    whole = measured(Profile(rows, None, None, "7.0", ("7.0", "7.1")))
    assert (whole.runs, whole.stated) == (79.0, False)
    assert whole.ms == pytest.approx(3240.4 / 79, abs=0.01)
    assert whole.covered == pytest.approx(0.9437, abs=0.001)


def test_total_without_percentages_is_the_sum() -> None:
    rows = (ProfileRow("a", 20.0, 2.0), ProfileRow("b", 10.0, 1.0))
    assert measured(Profile(rows, 10, None, "csv", ("8.4", ""))).ms == 3.0


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["ResNet18v2/conv0/Conv2D", "ResNet18v2/Relu", "ResNet18v2/stage1_maxpool"], "ResNet18v2"),
        (["resnetv15_conv0_fwd", "resnetv15_relu0_fwd", "resnetv15_pool0_fwd"], "resnetv15"),
        (["/model.0/conv/Conv", "/model.1/conv/Conv", "/model.2/act/Mul"], ""),
        (["/model/a", "/model/b", "/model/c"], ""),
        (["Conv_0", "Conv_1", "Conv_2", "Conv_3"], ""),
        ([], ""),
    ],
)
def test_name_of_the_network(names: list[str], name: str) -> None:
    assert network_name(names, None) == name


@pytest.mark.parametrize(
    ("form", "dla", "word"),
    [
        (Format("FP16", "CHW16"), True, "fp16:chw16"),
        (Format("INT8", "HWC4"), True, "int8:dla_hwc4"),
        (Format("INT8", "linear"), True, "int8:dla_linear"),
        (Format("INT8", "linear"), False, "int8:chw"),
        (Format("FP16", ""), True, ""),
        (Format("", "CHW16"), False, ""),
    ],
)
def test_formats_as_options(form: Format, dla: bool, word: str) -> None:
    assert flag(form, dla=dla) == word


def _use(name: str, layout: str = "CHW16", dtype: str = "FP16") -> Use:
    return Use(name, Format(dtype, layout), (1, 8, 4, 4))


def test_reformats_on_every_edge_of_the_layer_graph() -> None:
    copy = "Reformatting CopyNode for Input Tensor 0 to "
    one, two = "{ForeignNode[a...b]}", "{ForeignNode[d]}"
    layers = (
        EngineLayer(copy + one, "Reformat", (_use("x", "linear", "FP32"),), (_use("x1"),)),
        EngineLayer(one, "DLA", (_use("x1"),), (_use("y"), _use("y2"))),
        EngineLayer(copy + "c", "Reformat", (_use("y"),), (_use("y1", "linear"),)),
        EngineLayer("c", "CaskPooling", (_use("y1", "linear"),), (_use("z", "linear"),)),
        EngineLayer(copy + two, "Reformat", (_use("z", "linear"),), (_use("z1"),)),
        EngineLayer("direct", "Reformat", (_use("y2"),), (_use("z2", "linear"),)),
        EngineLayer(two, "DLA", (_use("z1"), _use("z2", "linear")), (_use("w"),)),
        EngineLayer(copy + "reshape", "Reformat", (_use("w"),), (_use("w1", "linear", "FP32"),)),
        EngineLayer("reshape", "NoOp", (_use("w1", "linear", "FP32"),), (_use("out", "linear", "FP32"),)),
    )
    costs = reformats(join([_observed(None, LayerInfo(layers, (), True))], None), None)
    assert [cost.edge.value for cost in costs] == ["network input", "DLA to GPU", "GPU to DLA", "DLA to DLA", "network output"]
    assert [(cost.producer, cost.consumer) for cost in costs] == [("", one), (one, "c"), ("c", two), (one, two), (two, "")]
    assert costs[0].cure.startswith("--inputIOFormats=fp16:chw16")
    assert costs[4].cure.startswith("let the network end before reshape, then --outputIOFormats=fp16:chw16")


def test_comparison_joins_rows_by_name_and_place() -> None:
    before = _told(_profile(("a", 1.0), ("a", 2.0), ("gone", 3.0)))
    after = _told(_profile(("a", 0.5), ("a", 3.0), ("new", 0.25)))
    found = difference(before, after)
    assert [(change.name, change.before, change.after) for change in found.rows] == [("a", 2.0, 3.0), ("a", 1.0, 0.5)]
    assert [(change.ms, change.percent) for change in found.rows] == [(1.0, 50.0), (-0.5, -50.0)]
    assert [(change.name, change.before, change.after) for change in found.vanished] == [("gone", 3.0, None)]
    assert [(change.name, change.ms, change.percent) for change in found.appeared] == [("new", 0.25, None)]
    assert (found.whole.before, found.whole.after) == (6.0, 3.75)


def test_samples_of_one_network_on_two_boards_compare() -> None:
    samples = Path(__file__).parent / "samples"
    (xavier, _), (orin,) = (read(str(samples / name)).profiles for name in ("dumpProfile_trt7_xavier.txt", "dumpProfile_trt85_orin.txt"))
    found = difference(_told(xavier), _told(orin))
    assert {change.name: round(change.ms, 3) for change in found.shares} == {
        "dla": -2.498,
        "gpu": 0.011,
        "io": -0.004,
        "sync": -0.036,
        "reformat": 0.017,
    }
