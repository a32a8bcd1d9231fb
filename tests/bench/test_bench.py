"""A lint of a model costs at most half of loading it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("dlalint_bench_run", Path(__file__).with_name("run.py"))
assert SPEC is not None
assert SPEC.loader is not None
run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run)


@pytest.mark.slow
def test_check_is_cheaper_than_loading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = run.measure(run.whole_model(tmp_path), run.installed(tmp_path), runs=5)
    with capsys.disabled():
        print(f"\n{run.report(times)}")
    assert times["dlalint check"] <= 0.5 * times["onnx.load"]
