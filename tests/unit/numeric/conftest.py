"""A runner for all tests that do not break it, and models from ONNX's text form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx
import pytest

from dlalint.numeric import Runner

Make = Callable[..., bytes]


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    with Runner() as found:
        yield found


@pytest.fixture(scope="session")
def make() -> Make:
    """``make("(float[2] x) => (float[2] y) { y = Relu(x) }")``: the serialized model."""

    def model(graph: str, opset: int = 17, ir_version: int = 8) -> bytes:
        text = f'<ir_version: {ir_version}, opset_import: ["": {opset}]> g {graph}'
        data: bytes = onnx.parser.parse_model(text).SerializeToString()
        return data

    return model
