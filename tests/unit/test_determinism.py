"""Two runs give the same bytes: whatever the hash seed, whatever was checked before."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"
NAMES = ("mnist-7.onnx", "resnet18_dynamo.onnx", "shufflenet_v2_x0_5.onnx", "fcn_dynamic.onnx", "yolov8.onnx", "vit.onnx")
TARGETS = ("--target", "xavier-trt5.0", "--target", "orin-trt10.3")


@cache
def _report(seed: str, form: str, *names: str) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "COLUMNS": "100"}
    command = [sys.executable, "-m", "dlalint", "check", *names, *TARGETS, "--format", form, "--exit-zero", "--verbose"]
    done = subprocess.run(command, cwd=MODELS, env=environment, capture_output=True, check=True)
    assert re.fullmatch(rb"dlalint: \d+ of \d+ nodes were known .*\n", done.stderr)  # what it took is all that -v adds there
    return done.stdout


@pytest.mark.parametrize("seed", ["1", "4294967295"])
@pytest.mark.parametrize("form", ["json", "text"])
def test_the_hash_seed_changes_nothing(form: str, seed: str) -> None:
    report = _report("0", form, *NAMES)
    assert len(report) > 10_000
    assert _report(seed, form, *NAMES) == report


def test_what_was_checked_before_changes_nothing() -> None:
    together = json.loads(_report("0", "json", *NAMES))["models"]
    backwards = json.loads(_report("0", "json", *NAMES[::-1]))["models"]
    assert [item["model"]["path"] for item in together[::2]] == list(NAMES)
    assert [item["target"]["name"] for item in together[:2]] == list(TARGETS[1::2])
    for index, name in enumerate(NAMES):
        alone = json.loads(_report("0", "json", name))["models"]
        assert together[2 * index : 2 * index + 2] == alone
        assert backwards[len(backwards) - 2 * index - 2 : len(backwards) - 2 * index] == alone
