"""One rewrite on one model, held against onnxruntime on the whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto

from dlalint.changes import Rewritten
from dlalint.engine.targets import parse
from dlalint.graphview import GraphView
from dlalint.pipeline import Session
from dlalint.plan import Outcome
from dlalint.rewrite.base import APPROXIMATE, EXACT, Replacement, Rewrite, catalogue
from dlalint.rewrite.driver import Driver, Limits
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

Feeds = Mapping[str, NDArray[Any]]
ORIN = "orin-trt10.3"


class Trial(NamedTuple):
    """A model and what became of it. ``errors`` are relative to the largest output, one a data set and output."""

    model: ModelProto
    found: Rewritten
    errors: tuple[float, ...]

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph.node]

    @property
    def reasons(self) -> list[str]:
        return [item.reason for item in self.found.attempts]


Apply = Callable[..., Trial]


def named(name: str) -> Rewrite:
    return next(item for item in catalogue() if item.name == name)


def ran(model: ModelProto, feeds: Feeds) -> list[NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return list(onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, dict(feeds)))


def data(model: ModelProto) -> list[dict[str, NDArray[Any]]]:
    """Normal, zero, large, negative and per-channel data for the inputs of ``model``."""
    source = np.random.default_rng(7)
    known = {tensor.name for tensor in model.graph.initializer}
    sets: list[dict[str, NDArray[Any]]] = [{}, {}, {}, {}, {}]
    for item in model.graph.input:
        if item.name in known:
            continue
        kind = item.type.tensor_type
        dims = [dim.dim_value or 1 for dim in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        normal = source.standard_normal(dims)
        steps = np.arange(dims[1]).reshape([1, -1] + [1] * (len(dims) - 2)) if len(dims) > 1 else np.arange(1)
        for found, values in zip(sets, (normal, normal * 0, normal * 100, -np.abs(normal), normal * 0.01 + steps), strict=True):
            found[item.name] = (np.abs(values).astype(dtype) if dtype.kind in "iub" else values.astype(dtype)).reshape(dims)
    return sets


def _error(first: NDArray[Any], second: NDArray[Any]) -> float:
    assert (first.shape, first.dtype) == (second.shape, second.dtype)
    if first.dtype.kind != "f":
        return float(np.count_nonzero(first != second))
    assert np.array_equal(np.isnan(first), np.isnan(second))
    whole = np.nan_to_num(first.astype(np.float64))
    return float(
        np.max(np.abs(whole - np.nan_to_num(second.astype(np.float64))), initial=0) / max(float(np.max(np.abs(whole), initial=0)), 1e-30)
    )


@pytest.fixture(scope="session")
def rewrite(session: Session) -> Apply:
    """``rewrite(model, name)``: the trial of one rewrite, or of all with ``name=""``, with every check that is general."""

    def apply(
        model: ModelProto, name: str, target: str = ORIN, *, precision: str = "fp16", extra_macs: float = 1e9, limit: float = 1e-5
    ) -> Trial:
        wanted = parse(target, session.rules, precision)

        def check(proto: ModelProto) -> tuple[GraphView, Outcome]:
            view = session.view_bytes(proto.SerializeToString(), "model.onnx")
            return view, session.check(view, wanted)

        def prove(graph: Graph, item: Rewrite, replacement: Replacement) -> tuple[float | None, str]:
            return None, ""

        onnx.checker.check_model(model, full_check=True)
        rewrites = [named(name)] if name else [item for item in catalogue() if item.exactness != APPROXIMATE]
        made, found = Driver(rewrites, check, prove, Limits(extra_macs)).run(model, Weights("model.onnx"))
        onnx.checker.check_model(made, full_check=True)
        assert [list(side) for side in (made.graph.input, made.graph.output)] == [
            list(side) for side in (model.graph.input, model.graph.output)
        ]
        assert (made.ir_version, list(made.opset_import)) == (model.ir_version, list(model.opset_import))
        errors = [_error(first, second) for feeds in data(model) for first, second in zip(ran(model, feeds), ran(made, feeds), strict=True)]
        exactness = {change.exactness for change in found.changes}
        assert max(errors, default=0) <= (0 if exactness <= {EXACT} else limit)
        again = Driver(rewrites, check, prove, Limits(extra_macs)).run(made, Weights("model.onnx"))
        assert again[0] == made
        assert not again[1].changes
        return Trial(made, found, tuple(errors))

    return apply


def text(body: str, opset: int = 17, ir_version: int = 8) -> ModelProto:
    """A model in ONNX's text form."""
    return onnx.parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["": {opset}]> {body}')


def with_side_file(model: ModelProto, path: Path, location: str) -> None:
    """Save ``model`` with all its weights in a file beside it."""
    for tensor in model.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, path, save_as_external_data=True, location=location, size_threshold=0)


@pytest.fixture(scope="session")
def light() -> Path:
    """The light models of the onnx wheel."""
    return Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
