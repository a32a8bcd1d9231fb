"""Running `dlalint calibration` as a user does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import pytest
from onnx import ModelProto

from dlalint.calibration.cache import Cache, parse


class Ran(NamedTuple):
    """How a run ended, and what it left: the report as JSON, the written model and cache."""

    code: int
    err: str
    told: dict[str, Any]
    model: ModelProto
    cache: Cache

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph.node]

    @property
    def tensors(self) -> set[str]:
        graph = self.model.graph
        made = {name for node in graph.node for name in node.output}
        return made | {item.name for item in (*graph.input, *graph.initializer)}

    def remarks(self, kind: str) -> list[str]:
        return [item["name"] for item in self.told["remarks"] if item["kind"] == kind]


Translate = Callable[..., Ran]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Call) -> Call:
    """``call(argument, ...)``: exit code, stdout and stderr of a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return program


@pytest.fixture
def translate(call: Call, tmp_path: Path) -> Translate:
    """``translate(model, option, ...)``: the model without its Q/DQ nodes, with every check that is general."""

    def run(model: ModelProto | Path, *options: str, target: str = "orin-trt8.6") -> Ran:
        path = model if isinstance(model, Path) else tmp_path / "model.onnx"
        if not isinstance(model, Path):
            onnx.save(model, path)
        code, out, err = call(
            "calibration", str(path), "-o", "out.onnx", "--cache", "out.cache", "--target", target, "--format", "json", *options
        )
        if code == 2:
            assert not (tmp_path / "out.onnx").exists()
            return Ran(code, err, {}, ModelProto(), Cache("", "", {}))
        told = json.loads(out)
        if code:
            assert not (tmp_path / "out.onnx").exists()
            return Ran(code, err, told, ModelProto(), Cache("", "", {}))
        cache = tmp_path / "out.cache"
        assert cache.exists() == bool(told["scales"])
        scales = parse(cache.read_text(encoding="utf-8")) if cache.exists() else Cache("", "", {})
        found = Ran(code, err, told, onnx.load(tmp_path / "out.onnx"), scales)
        onnx.checker.check_model(found.model, full_check=True)
        assert not {"QuantizeLinear", "DequantizeLinear"} & set(found.operators)
        assert set(found.cache.scales) <= found.tensors
        assert found.cache.scales == {item["tensor"]: item["scale"] for item in told["scales"]}
        return found

    return run
