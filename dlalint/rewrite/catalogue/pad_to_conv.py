"""A Pad with a constant as a convolution that copies its input, padded with zeros, and the constant added to the border."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.padding import Padding, padding


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = padding(graph, index)
    if isinstance(found, Miss):
        return found
    kind = graph.type(found.source)
    if found.begin[0] or found.end[0] or kind is None or not kind.dtype.startswith("float"):
        return Miss("it pads the batch" if found.begin[0] or found.end[0] else "its elements are not floats")
    build = Builder(graph, index, REWRITE.name)
    made = graph.nodes[index].output[0]
    copied = _copy(build, found, "" if found.value else made)
    if found.value:
        build.add("Add", [copied, build.tensor(_border(found).astype(build.dtype(made)))], made)
    return build.replacement(index)


def _copy(build: Builder, found: Padding, output: str) -> str:
    """The convolution. Its kernel is larger than its padding, which releases from 7.1 on ask for."""
    first = [max(0, end, -begin) for begin, end in zip(found.begin[2:], found.end[2:], strict=True)]
    last = [max(0, begin, -end) for begin, end in zip(found.begin[2:], found.end[2:], strict=True)]
    pads = [begin + more for begin, more in zip((*found.begin[2:], *found.end[2:]), (*first, *last), strict=True)]
    kernel = [before + 1 + behind for before, behind in zip(first, last, strict=True)]
    channels = found.dims[1]
    dtype = build.dtype(found.source)
    if not found.begin[1] and not found.end[1]:
        weights = np.zeros((channels, 1, *kernel), dtype)
        weights[:, 0, first[0], first[1]] = 1
        return build.conv(found.source, weights, output=output, pads=pads, group=channels)
    made = channels + found.begin[1] + found.end[1]
    weights = np.zeros((made, channels, *kernel), dtype)
    weights[:, :, first[0], first[1]] = np.eye(made, channels, -found.begin[1])
    return build.conv(found.source, weights, output=output, pads=pads)


def _border(found: Padding) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Zero where the input is, the value around it; whole in its channels, along which the DLA repeats no constant."""
    sides = [(max(begin, 0), max(end, 0)) for begin, end in zip(found.begin, found.end, strict=True)]
    inner = [dim + min(begin, 0) + min(end, 0) for dim, begin, end in zip(found.dims, found.begin, found.end, strict=True)]
    return np.pad(np.zeros((1, *inner[1:])), sides, constant_values=found.value)


REWRITE = Rewrite("pad-to-conv", EXACT, "A Pad with a constant becomes a convolution that copies its input.", frozenset({"Pad"}), _plan)
