"""Slices of one tensor joined on channels as one convolution; the Focus of YOLOv5 is the case of four slices with stride 2.

The order of the parts is read from the slices. A part may be cut in several steps (height, then width), and may take some channels only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.branches import branches
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.index_layers import kernel_of, one_hot
from dlalint.rewrite.picks import Pick, is_whole, then
from dlalint.rewrite.selection import computable, too_large
from dlalint.rewrite.weights import Array

_STEPS = 4  # slices behind one another that are followed
_OPERATORS = frozenset({"Slice", "Split"})


class _Part(NamedTuple):
    """``indices`` of ``source``, cut by ``nodes``."""

    source: str
    indices: Pick
    nodes: tuple[int, ...]


class _Window(NamedTuple):
    """A kernel size and stride, and for each part the place of its ones; all of height and width."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    places: tuple[Array, ...]


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    joined = _join(graph, index)
    if joined is None:
        return Miss("no Concat on channels joins its slices")
    parts = [_cut(graph, name) for name in graph.nodes[joined].input]
    source = parts[0].source
    if any(part.source != source or not part.nodes for part in parts):
        return Miss("the Concat joins more than slices of one tensor")
    cuts = {node for part in parts for node in part.nodes}
    readers = {reader for node in cuts for name in graph.nodes[node].output for reader in graph.consumers(name)}
    if not readers <= {*cuts, joined}:
        return Miss("another node reads one of the slices")
    dims = graph.dims(source) or ()
    window = computable(graph, source) or _window(dims, [part.indices for part in parts])
    if isinstance(window, Miss):
        return window
    channels = np.concatenate([part.indices[1] for part in parts])
    shape = (len(channels), dims[1], *window.kernel)
    refused = too_large(*shape)
    if refused:
        return refused
    build = Builder(graph, joined, REWRITE.name)
    weights = one_hot(shape, build.dtype(source), np.arange(len(channels)), channels, *window.places)
    build.conv(source, weights, output=graph.nodes[joined].output[0], strides=window.strides)
    return build.replacement(joined, *sorted(cuts))


def _join(graph: Graph, index: int) -> int | None:
    """The Concat on channels behind a slice, or behind the slices of a slice."""
    for _ in range(_STEPS):
        readers = [reader for name in graph.nodes[index].output for reader in graph.consumers(name) if reader != NOT_A_NODE]
        for reader in readers:
            if graph.nodes[reader].op_type == "Concat" and attribute(graph.nodes[reader], "axis", 1) in (1, -3):
                return reader
        index = next((reader for reader in readers if graph.nodes[reader].op_type in _OPERATORS), NOT_A_NODE)
        if index == NOT_A_NODE:
            break
    return None


def _cut(graph: Graph, name: str) -> _Part:
    """What slices made ``name`` of."""
    part = _Part(name, (), ())
    for _ in range(_STEPS):
        index = graph.producer(part.source)
        if index is None or graph.nodes[index].op_type not in _OPERATORS:
            break
        found = branches(graph, graph.nodes[index])
        if isinstance(found, Miss):
            break
        taken = dict(found)[part.source]
        part = _Part(graph.nodes[index].input[0], then(taken, part.indices) if part.nodes else taken, (*part.nodes, index))
    return part


def _window(dims: tuple[int, ...], parts: Sequence[Pick]) -> _Window | Miss:
    """The window that takes all parts at once."""
    if not all(is_whole(part[0], dims[0]) and all(map(len, part)) for part in parts):
        return Miss("its slices leave out some of the batch, or everything")
    found = []
    for axis in (2, 3):
        lines = [part[axis] for part in parts]
        if any(len(line) > 1 and line[1] <= line[0] for line in lines):
            return Miss("a slice runs backwards")
        kernels, steps, places = zip(*(kernel_of(line, dims[axis]) for line in lines), strict=True)
        if len(set(steps)) > 1 or max(kernels) > dims[axis] - (len(lines[0]) - 1) * steps[0]:
            return Miss("no window takes all of its slices at once")
        found.append((max(kernels), steps[0], np.repeat(places, [len(part[1]) for part in parts])))
    return _Window(*zip(*found, strict=True))


REWRITE = Rewrite("focus-to-conv", EXACT, "Slices joined on channels become one convolution.", _OPERATORS, _plan)
