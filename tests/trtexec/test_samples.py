"""Every published sample is read, with the results that were checked by hand once.

``python -m tests.trtexec.test_samples`` writes the results anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlalint.trtexec.arrange import arranged
from dlalint.trtexec.observed import BuildLog, Fallback, Format, LayerInfo, Observed, Profile
from dlalint.trtexec.read import read
from dlalint.trtexec.story import Story, story

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = SAMPLES / "golden.json"
FILES = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".txt", ".json") and path != GOLDEN)


def _summary(found: Observed) -> dict[str, Any]:
    return {
        "kinds": list(found.kinds),
        "unknown": found.unknown.lines,
        "notes": list(found.notes),
        "profiles": [_profile(profile) for profile in found.profiles],
        "layers": _layers(found.layers) if found.layers is not None else None,
        "build": _build(found.build) if found.build is not None else None,
        "summary": [found.summary.qps, *[list(metric) for metric in found.summary.metrics]] if found.summary is not None else None,
        "cudla": [[item.name, item.busy_ms] for item in found.cudla],
        "account": [_account(story(case)) for case in arranged([found]).cases],
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "form": profile.form,
        "releases": list(profile.releases),
        "iterations": profile.iterations,
        "total": profile.total.total_ms if profile.total is not None else None,
        "repaired": list(profile.repaired),
        "rows": [[row.name[-40:], row.total_ms, row.average_ms, row.median_ms, row.percent, row.type] for row in profile.rows],
    }


def _layers(info: LayerInfo) -> dict[str, Any]:
    types: dict[str, int] = {}
    for layer in info.layers:
        types[layer.type] = types.get(layer.type, 0) + 1
    nodes = {node for layer in info.layers for node in layer.nodes}
    return {"count": len(info.layers), "types": types, "nodes": len(nodes), "bindings": list(info.bindings), "detailed": info.detailed}


def _build(build: BuildLog) -> dict[str, Any]:
    placement = build.placement
    return {
        "release": build.release,
        "passed": build.passed,
        "dla_core": build.dla_core,
        "dla": [[group.form, group.name[:60], len(group.members), group.elided] for group in placement.dla[:12]],
        "dla_count": len(placement.dla),
        "gpu": [list(layer) for layer in placement.gpu[:30]],
        "fallbacks": [[item.layer, item.kind, item.reason[:60], item.stage] for item in placement.fallbacks],
        "splits": list(placement.splits),
        "segmentations": placement.segmentations,
        "limit": placement.limit,
        "over_limit": list(placement.over_limit),
        "low_rank": list(placement.low_rank),
        "offloaded": [[item.name[:60], list(item.memory) if item.memory is not None else None] for item in placement.offloaded],
        "candidates": list(placement.candidates) if placement.candidates is not None else None,
        "pools": list(placement.pools) if placement.pools is not None else None,
        "members": {name[:60]: len(layers) for name, layers in placement.members.items()},
        "counts": dict(build.counts),
        "engine": [[layer.type, layer.name[:60], layer.precision, layer.tactic] for layer in build.engine],
        "timings": len(build.timings),
        "fastest": dict(build.fastest),
        "added": [[item.tensor, item.source, item.target] for item in build.added],
        "errors": list(build.errors),
    }


def _account(told: Story) -> dict[str, Any] | None:
    if told.told is None:
        return None
    return {
        "network": told.told.network,
        "ms": round(told.told.whole.ms, 4),
        "covered": round(told.told.whole.covered, 4),
        "deferred": told.told.deferred,
        "shares": {share.kind: round(share.ms, 4) for share in told.told.shares},
        "loadables": [[len(item.nodes), round(item.ms, 4), item.wait, item.sure] for item in told.told.loadables],
        "reformats": [[cost.edge.value, round(cost.ms or 0.0, 4), cost.reason] for cost in told.reformats],
    }


def _all() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps({path.name: _summary(read(str(path))) for path in FILES}))
    return found


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_sample(path: Path, golden: dict[str, Any]) -> None:
    assert json.loads(json.dumps(_summary(read(str(path))))) == golden[path.name]


def test_golden_has_no_others(golden: dict[str, Any]) -> None:
    assert sorted(golden) == sorted(path.name for path in FILES)


def test_every_sample_has_its_origin() -> None:
    listed = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in FILES if f"`{path.name}`" not in listed] == []


def _read(name: str) -> Observed:
    return read(str(SAMPLES / name))


def _told(name: str, case: int = 0) -> Story:
    return story(arranged([_read(name)]).cases[case])


def test_ssd_profile_reads_columns_that_run_together() -> None:
    (profile,) = _read("profile_trt7_xavier_ssd.txt").profiles
    row = profile.rows[3]
    assert row.name.endswith("} output reformatter 1")
    assert (row.total_ms, row.average_ms, row.percent) == (2504.86, 31.71, 77.3)
    assert profile.repaired == (3,)
    bold = profile.rows[7]
    assert (bold.total_ms, bold.average_ms, bold.percent) == (553.06, 7.0, 17.1)


def test_ssd_profile_adds_up_to_its_total() -> None:
    (profile,) = _read("profile_trt7_xavier_ssd.txt").profiles
    told = _told("profile_trt7_xavier_ssd.txt").told
    assert told is not None
    assert told.whole.runs == 79
    assert told.whole.ms == pytest.approx(41.02, abs=0.005)  # 31.71 ms are 77.3 % of it
    assert sum(share.ms for share in told.shares) == pytest.approx(told.whole.ms)
    assert sum(share.percent for share in told.shares) == pytest.approx(100)
    assert sum(row.percent or 0 for row in profile.rows) == pytest.approx(told.whole.covered * 100, abs=0.2)


def test_ssd_profile_is_explained() -> None:
    told = _told("profile_trt7_xavier_ssd.txt").told
    assert told is not None
    assert told.network == "ResNet18v2"
    assert told.deferred
    assert [(item.row, len(item.nodes), item.complete, item.wait) for item in told.loadables] == [(1, 62, True, 3), (5, 24, True, 7)]
    assert [round(item.ms, 2) for item in told.loadables] == [32.35, 7.0]
    assert told.waiting == {3, 7}
    reformats = _told("profile_trt7_xavier_ssd.txt").reformats
    assert [cost.row for cost in reformats] == [0, 9, 11]  # the waiting rows are not among them
    assert sum(cost.ms or 0 for cost in reformats) < 0.13


def test_googlenet_on_xavier_waits_in_the_row_of_the_gpu_layer() -> None:
    told = _told("dumpProfile_trt7_xavier.txt").told
    assert told is not None
    assert [told.rows[number].row.name for number in told.waiting] == ["prob input reformatter 0"]
    assert told.loadables[0].ms / told.whole.ms == pytest.approx(0.976, abs=0.001)


def test_googlenet_on_orin_does_not_wait() -> None:
    told = _told("dumpProfile_trt85_orin.txt").told
    assert told is not None
    assert (told.deferred, told.waiting) == (False, frozenset())
    assert told.loadables[0].ms == pytest.approx(5089.98 / 4932)
    assert not told.loadables[0].sure  # nothing in the file tells it from Myelin


def test_myelin_is_told_from_the_dla() -> None:
    found = _told("dumpProfile_trt10_and_json.txt")
    assert found.told is not None
    assert [item.name for item in found.told.loadables] == ["{ForeignNode[/model.0/conv/Conv.../model.10/m/m.0/attn/Transpose]}"]
    assert [cost.edge.value for cost in found.reformats] == ["into the DLA", "DLA to GPU"]  # the second goes to a MatMul of Myelin


# BatchNorm, activation and elementwise nodes of ResNet-18 v1 without its flatten, which leaves nothing
_NODES = 68


def test_resnet18_layers_in_detail() -> None:
    info = _read("layer_info_detailed.json").layers
    assert info is not None
    assert (len(info.layers), info.detailed, info.bindings) == (25, True, ("data", "resnetv15_dense0_fwd"))
    assert all(layer.stated for layer in info.layers if layer.type != "Reformat" and not layer.name.startswith("Reformatting"))
    assert len({node for layer in info.layers for node in layer.nodes}) == _NODES
    assert [layer.precision for layer in info.layers].count("INT8") == 24
    assert [layer.type for layer in info.layers if layer.type in ("Reformat", "NoOp")] == ["Reformat", "NoOp", "NoOp"]
    first = info.layers[0]
    assert (first.inputs[0].format, first.outputs[0].format) == (Format("FP32", "linear"), Format("INT8", "linear"))
    assert info.layers[1].outputs[0].format == Format("INT8", "CHW32")
    assert info.layers[1].nodes[-1] == "resnetv15_pool0_fwd"


def test_resnet18_names_alone_give_the_same_nodes() -> None:
    names, detailed = _read("layer_info_default.json").layers, _read("layer_info_detailed.json").layers
    assert names is not None
    assert detailed is not None
    assert [layer.name for layer in names.layers] == [layer.name for layer in detailed.layers]
    assert {node for layer in names.layers for node in layer.nodes} == {node for layer in detailed.layers for node in layer.nodes}


def test_resnet18_reformats() -> None:
    found = story(arranged([_read("layer_info_detailed.json")]).cases[0]).reformats
    assert [(cost.edge.value, cost.free) for cost in found] == [("network input", False), ("GPU to GPU", True)]
    assert found[0].cure == "--inputIOFormats=int8:chw, and give the data in that format"


def test_reasons_stand_with_their_layers() -> None:
    build = _read("trt85_86_switching_warnings.txt").build
    assert build is not None
    by_layer = {item.layer: item for item in build.placement.fallbacks}
    assert by_layer["/model.23/Concat_4"] == Fallback(
        "/model.23/Concat_4", "CONCATENATION", "DLA only supports concatenation on the C dimension.", "check", 7
    )  # the reason names an unnamed layer of the same kind
    assert by_layer["/model.10/m/m.0/attn/Reshape"].stage == "validation"
    assert by_layer["/model.10/m/m.0/attn/Reshape"].reason.startswith("This version of DLA does not support reshape layers")
    assert by_layer["(Unnamed Layer* 332) [Constant]"].reason == ""
    assert by_layer["/model.23/Mod"].reason == "DLA does not support dynamic shape tensor: /model.23/TopK_1_output_1"


def test_yolo11n_as_its_authors_count_it() -> None:
    """Four loadables and 22 reformats, which take 4.7 % of the time; a second engine runs on the DLA alone."""
    observed = _read("trt10_yolo11n_profile.txt")
    whole, strict = (story(case).told for case in arranged([observed]).cases)
    assert whole is not None
    assert strict is not None
    shares = {share.kind: share for share in whole.shares}
    moves = [shares[kind] for kind in ("reformat", "io", "copy")]
    assert len(whole.loadables) == 4
    assert sum(share.rows for share in moves) == 22
    assert sum(share.percent for share in moves) == pytest.approx(4.72, abs=0.01)
    assert whole.whole.covered == pytest.approx(1.0, abs=1e-3)
    assert all(item.sure for item in whole.loadables)
    assert [share.kind for share in strict.shares] == ["dla"]


def test_full_log_is_an_estimate_of_the_run() -> None:
    found = _told("trt10_rn50_fp16_excerpt.txt")
    assert found.told is not None
    assert (found.told.network, found.told.estimated) == ("resnet50_fp32", True)
    assert [(len(item.nodes), item.complete, item.ms, item.precision) for item in found.told.loadables] == [
        (119, True, 17.405, "FP16"),
        (1, True, 0.149527, "FP16"),
    ]
    assert [(cost.edge.value, cost.ms) for cost in found.reformats] == [
        ("network input", 0.073856),
        ("DLA to GPU", 0.0271284),
        ("GPU to DLA", 0.0141935),
        ("network output", 0.0135576),
    ]
    assert found.reformats[1].reason == "REDUCE: DLA cores do not support AVG Reduce operation"
    assert found.reformats[0].cure == "--inputIOFormats=fp16:chw16, and give the data in that format"


def test_full_log_tells_the_fastest_formats() -> None:
    backbone, head = _told("trt10_rn50_fp16_excerpt.txt").tuned
    assert [(choice.ms, choice.taken) for choice in backbone.choices][:2] == [(17.405, True), (17.449, False)]
    assert str(backbone.choices[0].reads[0]) == "FP16 CHW16"
    assert [str(choice.reads[0]) for choice in head.choices] == ["FP16 DLA_LINEAR", "FP16 DLA_LINEAR", "FP16 CHW16", "FP16 CHW16"]
    crossings = _told("trt10_rn50_fp16_excerpt.txt").conversions
    assert [(str(item.target), item.ms, item.taken) for item in crossings if item.tensor == "input"] == [
        ("FP16 linear", 0.0182903, False),
        ("FP16 HWC4", 0.0305792, False),
        ("FP16 CHW16", 0.073856, True),
    ]


def test_autotuning_of_the_facts() -> None:
    (backbone,) = _told("trt10_verbose_autotuning.txt").tuned
    times = {(str(choice.reads[0]), str(choice.writes[0])): choice.ms for choice in backbone.choices}
    assert times["INT8 linear", "INT8 linear"] == 1.4196
    assert times["INT8 HWC4", "INT8 CHW32"] == 1.08323
    assert backbone.choices[0].ms == 1.08323


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_all(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
