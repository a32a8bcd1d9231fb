"""Rule data that contradict themselves are refused when they are read, with the file and the table at fault."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from dlalint.engine.ruleset import RuleSet
from dlalint.errors import RuleDataError


class Break(NamedTuple):
    """A change of a rule file that must be refused: old text (the end of the file when empty), new text, what is said, which table."""

    file: str
    old: str
    new: str
    what: str
    table: str = ""


_WINDOW = 'check = { range = "pooling.window" }'
_POOLING, _86, _85 = "cards/pooling.toml", "limits/trt-8.6.toml", "limits/trt-8.5.toml"
_CARD = "pooling-window-too-large"
_NEW_CARD = '[new-card]\ncode = "DLA399"\nkinds = ["POOLING"]\nmessage = "m"\nwhy = "w"\ninstead = "i"\n'

REFUSED = {
    "quantity": Break(_POOLING, _WINDOW, 'check = { range = "pooling.window", of = "pooling.girth" }', "pooling.girth", _CARD),
    "quantity-by-limit": Break(_POOLING, _WINDOW, 'check = { range = "pooling.girth" }', "pooling.girth", _CARD),
    "predicate": Break(_POOLING, _WINDOW, 'check = { around = "pooling.window" }', "predicate", _CARD),
    "two-predicates": Break(_POOLING, _WINDOW, 'check = { range = "pooling.window", at_most = "pooling.window" }', "predicate", _CARD),
    "limit": Break(_POOLING, _WINDOW, 'check = { range = "pooling.girth", of = "pooling.window" }', "pooling.girth", _CARD),
    "limit-of-network-card": Break(
        "cards/partition.toml",
        'limit = "loadables.max"\nmessage = "{observed} groups',
        'limit = "loadables.most"\nmessage = "{observed} groups',
        "loadables.most",
        "too-many-loadables",
    ),
    "placeholder": Break(_POOLING, 'message = "window {observed}', 'message = "window {girth}', "girth", _CARD),
    "source-of-card": Break(_POOLING, _WINDOW, f'{_WINDOW}\nsources = ["nowhere"]', "nowhere", _CARD),
    "source-of-limit": Break(_86, "[documented.op-activation-8-6]", "[documented.nowhere]", "nowhere"),
    "source-of-confirmation": Break(_86, "op-lrn-8-6 = ", "nowhere = ", "nowhere"),
    "source-of-kind": Break(_85, 'guide-8-5 = ["SHUFFLE"]', 'nowhere = ["SHUFFLE"]', "nowhere"),
    "source-of-placement": Break(_85, 'source = "issue-ultralytics-23488"', 'source = "nowhere"', "nowhere"),
    "key-of-card": Break(_POOLING, _WINDOW, f"{_WINDOW}\ncolour = 1", "colour", _CARD),
    "key-of-release": Break(_86, 'inherits = "8.5"', 'inherits = "8.5"\ncolour = 1', "colour"),
    "key-of-soc": Break(_85, "[soc.orin.lifted]", "[soc.orin.colour]", "colour", "soc.orin"),
    "message-missing": Break(_POOLING, 'message = "window {observed}, the DLA takes {limit}"\n', "", "message", _CARD),
    "stage": Break(_POOLING, _WINDOW, f'{_WINDOW}\nstage = "late"', "late", _CARD),
    "severity": Break(_POOLING, _WINDOW, f'{_WINDOW}\nseverity = "fatal"', "fatal", _CARD),
    "unless": Break(_POOLING, _WINDOW, f'{_WINDOW}\nunless = "nothing"', "nothing", _CARD),
    "two-files": Break(_86, 'releases = ["8.6"]', 'releases = ["8.6", "8.5"]', "8.5"),
    "confirmed": Break(_86, '"activation.clip_high"]', '"activation.clip_height"]', "activation.clip_height"),
    "confirmed-pattern": Break(_86, '"memory.*"', '"memories.*"', "memories.*"),
    "lifted": Break(_85, '"loadables.guide" = "the', '"loadables.guides" = "the', "loadables.guides"),
    "notes": Break(_86, '"activation.clip_high" = "The', '"activation.clip_height" = "The', "activation.clip_height"),
    "beyond": Break("limits/trt-8.2.toml", '"deconv.stride_over_kernel" = "warning"', '"deconv.strides" = "warning"', "deconv.strides"),
    "toml": Break(_POOLING, "", "[[", "cannot be read"),
    "duplicate-code": Break(_POOLING, "", _NEW_CARD.replace("DLA399", "DLA302"), "code", "new-card"),
    "unused-limit": Break(_86, "", '\n[inferred.header-8-6]\n"pooling.girth" = 1\n', "pooling.girth"),
    "cycle": Break(_86, 'inherits = "8.5"', 'inherits = "8.6"', "inherits"),
    "inherits-nothing": Break(_86, 'inherits = "8.5"', 'inherits = "8.5.5"', "8.5.5"),
    "release-without-limits": Break("index.toml", 'woa = ["11.4"]', 'woa = ["11.4", "11.5"]', "11.5", "releases"),
    "alias": Break("index.toml", '"jetpack-6.1" = "orin-trt10.3"', '"jetpack-6.1" = "orin-trt10.33"', "orin-trt10.33", "aliases"),
    "default-target": Break("index.toml", 'default = "xavier-trt5.0"', 'default = "xavier-trt5.5"', "xavier-trt5.5"),
    "other-targets": Break("index.toml", '"orin-trt11.4"]\n', '"orin-trt11.5"]\n', "orin-trt11.5"),
    "source-of-gap": Break("index.toml", 'source = "dla-page-11-0"', 'source = "nowhere"', "nowhere", "without_dla"),
    "source-of-soc": Break("socs/orin.toml", 'source = "guide-8-5"', 'source = "nowhere"', "nowhere"),
    "source-of-parser": Break("parser.toml", 'source = "onnx-tensorrt"', 'source = "nowhere"', "nowhere"),
    "soc-without-file": Break("index.toml", 'woa = ["11.4"]', 'woa = ["11.4"]\nmars = ["8.6"]', "mars", "releases"),
    "soc-of-limits": Break(_85, "[soc.orin.lifted]", "[soc.oring.lifted]", "oring"),
    "kind-of-card": Break(
        "cards/convolution.toml",
        'code = "DLA241"\nkinds = ["FULLY_CONNECTED"]',
        'code = "DLA241"\nkinds = ["FULLY_CONNECTED_"]',
        "FULLY_CONNECTED_",
        "fc-too-many-maps",
    ),
    "kind-of-release": Break(_85, '["SHUFFLE"]', '["SHUFFEL"]', "SHUFFEL"),
    "value-of-limit": Break("limits/trt-7.1.toml", '"conv.kernel" = [1, 32]', '"conv.kernel" = 32', "conv.kernel"),
    "slug-in-two-files": Break("cards/model.toml", "", f"\n{_NEW_CARD.replace('new-card', _CARD)}", _CARD),
}


@pytest.fixture
def broken(tmp_path: Path, rules_folder: Path) -> Path:
    return Path(shutil.copytree(rules_folder, tmp_path / "rules"))


def _apply(folder: Path, change: Break) -> None:
    path = folder / change.file
    text = path.read_text(encoding="utf-8")
    assert text.count(change.old) == 1 or not change.old, f"{change.old!r} is no longer in {change.file}"
    path.write_text(text.replace(change.old, change.new) if change.old else f"{text}\n{change.new}", encoding="utf-8")


def test_an_unbroken_copy_is_read(broken: Path) -> None:
    assert RuleSet.load(str(broken)).cards


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in REFUSED.items()])
def test_refused(change: Break, broken: Path) -> None:
    _apply(broken, change)
    for _ in range(2):  # what was refused is not kept as sound
        with pytest.raises(RuleDataError) as raised:
            RuleSet.load(str(broken))
        assert change.what in str(raised.value)
        assert change.file.removesuffix(".toml") in raised.value.where
        assert change.table in raised.value.where
