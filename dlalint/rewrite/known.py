"""Readers of a tensor that are known before the model runs, such as the Shape in a size that an exporter computes."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import NOT_A_NODE, Graph


def workers(graph: Graph, name: str) -> list[int]:
    """The readers of a tensor that do something when the model runs."""
    return [reader for reader in graph.consumers(name) if not _known(graph, reader)]


def only_worker(graph: Graph, name: str) -> int | None:
    """The one reader that does something when the model runs, of a tensor that nothing else needs."""
    found = workers(graph, name)
    return found[0] if len(found) == 1 and found[0] != NOT_A_NODE else None


def settle(build: Builder, *names: str) -> list[int]:
    """The readers of tensors that are going, as far as they are known; constants are built in their place."""
    readers = list(dict.fromkeys(reader for name in names for reader in build.graph.consumers(name) if _known(build.graph, reader)))
    for output in (output for reader in readers for output in build.graph.nodes[reader].output if output):
        build.add("Constant", [], output, value=numpy_helper.from_array(np.asarray(constant(build.graph, output))))
    return readers


def _known(graph: Graph, reader: int) -> bool:
    if reader == NOT_A_NODE:
        return False
    return all(constant(graph, output) is not None for output in graph.nodes[reader].output if output)
