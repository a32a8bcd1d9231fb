"""Small models, written as text, lowered for a release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import pytest

from dlalint.graphview import GraphView
from dlalint.lower import Lowerer
from dlalint.lower.simplify import simplify
from dlalint.network import Network, Param
from dlalint.pipeline import Session
from dlalint.target import Version

from ...conftest import example


class Lowered(NamedTuple):
    """A network, with short forms of what tests compare."""

    network: Network

    @property
    def wiring(self) -> list[str]:
        """A line a layer: kind, with its operation if it has one, inputs, outputs. Layers of helpers are in brackets."""
        lines = []
        for layer in self.network.layers:
            op = layer.spec.params.get("op")
            kind = f"{layer.spec.kind}.{op}" if op is not None else layer.spec.kind
            line = f"{kind} {' '.join(name or '-' for name in layer.inputs)} > {' '.join(layer.outputs)}"
            lines.append(f"[{line}]" if layer.spec.helper else line)
        return lines

    def params(self, kind: str, number: int = 0) -> dict[str, Param]:
        """The parameters of a layer of this kind: the first, or one by its number."""
        return dict([layer.spec.params for layer in self.network.layers if layer.spec.kind == kind][number])

    def shape(self, name: str) -> object:
        """The shape of a tensor that the network knows."""
        return self.network.types[name].shape


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    with Session() as found:
        yield found


@pytest.fixture(scope="session")
def lowerer(session: Session) -> Lowerer:
    return Lowerer(session.rules.since)


@pytest.fixture(scope="session")
def view(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., GraphView]:
    """``view(graph, opset=13)``: a graph in the syntax of ``onnx.parser``, opened.

    A tensor that is declared but neither made nor given a value is a weight, whose bytes lie in a side file that does not exist.
    """
    path = tmp_path_factory.mktemp("models") / "model.onnx"

    @cache
    def run(graph: str, opset: int = 13) -> GraphView:
        path.write_bytes(example(graph, opset).SerializeToString())
        return session.view(path)

    return run


@pytest.fixture(scope="session")
def lowered(view: Callable[..., GraphView], lowerer: Lowerer) -> Callable[..., Lowered]:
    """``lowered(graph, release, opset=13)``: what the parser of that release makes of a graph."""

    def run(graph: str, release: str, opset: int = 13) -> Lowered:
        return Lowered(lowerer.lower(view(graph, opset), _version(release)))

    return run


@pytest.fixture(scope="session")
def built(view: Callable[..., GraphView], lowerer: Lowerer) -> Callable[..., Lowered]:
    """``built(graph, release, opset=13)``: what the builder of that release has before it places layers."""

    def run(graph: str, release: str, opset: int = 13) -> Lowered:
        return Lowered(simplify(lowerer.lower(view(graph, opset), _version(release))))

    return run


def _version(release: str) -> Version:
    major, minor = release.split(".")
    return int(major), int(minor)
