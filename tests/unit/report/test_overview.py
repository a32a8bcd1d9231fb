"""The table that ends the report on several models."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlalint.engine.targets import parse
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.formats import render
from dlalint.report.layout import plain
from dlalint.report.overview import rows

BROKEN = Failure("models/cut.onnx", "E101", "the file is truncated", "Download it again.")
ONE_TARGET = """\
4 models: 1 full, 1 partial, 1 none, 1 not checked
  Model             verdict  DLA  GPU  loadables  main reason
  mnist-7.onnx      partial   10    1          2  shuffle-rank
  unet_k2s2.onnx    full      49    -          1
  fcn_dynamic.onnx  none       -   13          -  shape-dynamic
  models/cut.onnx   E101       -    -          -  not checked
"""
TWO_TARGETS = """\
2 results: 1 partial, 1 unknown
  Model         target              verdict  DLA  GPU  loadables  main reason
  mnist-7.onnx  orin-trt10.3, INT8  partial   10    1          2  shuffle-rank
  mnist-7.onnx  woa-trt11.4         unknown   11    -          1
"""


def _outcome(session: Session, models: Path, name: str, target: str, precision: str = "fp16") -> Outcome:
    outcome = session.check(session.view(models / f"{name}.onnx"), parse(target, session.rules, precision))
    return outcome._replace(model=outcome.model._replace(path=f"{name}.onnx"))


def test_one_line_each(session: Session, models: Path) -> None:
    found = [_outcome(session, models, name, "orin-trt10.3") for name in ("mnist-7", "unet_k2s2", "fcn_dynamic")]
    assert plain(rows([*found, BROKEN], 100)) == ONE_TARGET


def test_targets_are_named_where_they_differ(session: Session, models: Path) -> None:
    found = [_outcome(session, models, "mnist-7", "orin-trt10.3", "int8"), _outcome(session, models, "mnist-7", "woa-trt11.4")]
    assert plain(rows(found, 100)) == TWO_TARGETS


@pytest.mark.parametrize("width", [60, 80, 140])
def test_it_keeps_to_the_width(width: int, session: Session, models: Path) -> None:
    found = [_outcome(session, models, name, "xavier-trt8.5") for name in ("shufflenet_v2_x0_5", "deeplabv3_mobilenet", "yolov5")]
    long = found[0]._replace(model=found[0].model._replace(path="a/long/folder/" * 20 + "model.onnx"))
    lines = plain(rows([*found, long, BROKEN], width)).splitlines()
    assert max(map(len, lines)) <= width
    assert ("main reason" in lines[1]) == (width >= 80)


def test_it_ends_the_report_of_several_and_not_of_one(session: Session, models: Path) -> None:
    found = [_outcome(session, models, name, "orin-trt10.3") for name in ("mnist-7", "unet_k2s2")]
    assert render("text", found, session.rules).endswith(plain(rows(found, 100)))
    assert "main reason" not in render("text", found[:1], session.rules)
