"""A Pad as the padding of the poolings behind it: zeros that an average counts, or values that a maximum never takes."""

from __future__ import annotations

import math

import numpy as np

from dlalint.graph import NUMPY_FLOATS
from dlalint.rewrite.base import EXACT, FOLD, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.padding import Padding, least, padding
from dlalint.rewrite.windows import Window, window

COUNTS_PADDING = (7, 0)  # the first release whose importer reads count_include_pad (onnx-tensorrt, averagePool)


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = padding(graph, index)
    if isinstance(found, Miss):
        return found
    if any((*found.begin[:2], *found.end[:2])) or min(*found.begin, *found.end) < 0:
        return Miss("it does more than add elements to height and width")
    readers = graph.consumers(graph.nodes[index].output[0])
    build = Builder(graph, index, REWRITE.name)
    for reader in readers:
        if reader == NOT_A_NODE or graph.nodes[reader].op_type not in ("AveragePool", "MaxPool"):
            return Miss("not every node behind is a pooling")
        node, view = graph.nodes[reader], window(graph, reader)
        if isinstance(view, Miss):
            return view
        pads = [old + more for old, more in zip((*view.begin, *view.end), (*found.begin[2:], *found.end[2:]), strict=True)]
        refused = _refusal(graph, reader, view, pads) or _wrong_value(graph, reader, view, found)
        if refused:
            return Miss(refused)
        counted = 1 if node.op_type == "AveragePool" else None
        build.keep(node, [found.source], pads=pads, auto_pad=None, ceil_mode=None, count_include_pad=counted)
    return build.replacement(index, *readers)


def _refusal(graph: Graph, index: int, view: Window, pads: list[int]) -> str:
    """Why the window cannot have this padding: it would see nothing else, or make another size."""
    if any(graph.nodes[index].output[1:]):
        return "a pooling behind gives indices"
    if any(pad >= size for pad, size in zip(pads, view.kernel * 2, strict=True)) or view.dilations != (1, 1):
        return "a window behind would see nothing but padding"
    lengths = zip(view.size, view.begin, view.end, view.kernel, view.strides, view.made, strict=True)
    if any((size + before + behind - kernel) // step + 1 != made for size, before, behind, kernel, step, made in lengths):
        return "a pooling behind rounds its size up"
    return ""


def _wrong_value(graph: Graph, index: int, view: Window, found: Padding) -> str:
    """Why what the Pad adds is not what the pooling takes its own padding for."""
    node = graph.nodes[index]
    if node.op_type == "MaxPool":
        below = found.value <= max(least(graph, found.source), _lowest(graph, found.source))
        return "" if below else f"its input may be below {found.value:g}"
    if graph.release < COUNTS_PADDING:
        return "the parser of this release counts no padding in an average, whatever the model says"
    if found.value:
        return f"an average counts zeros, not {found.value:g}"
    alone = any((*view.begin, *view.end)) and not attribute(node, "count_include_pad", 0)
    return "an average behind leaves out its own padding" if alone else ""


def _lowest(graph: Graph, name: str) -> float:
    """The least number of the element type."""
    kind = graph.type(name)
    return float(np.finfo(kind.dtype).min) if kind is not None and kind.dtype in NUMPY_FLOATS else -math.inf


REWRITE = Rewrite("pad-into-pool", EXACT, "A Pad becomes the padding of the poolings behind it.", frozenset({"Pad"}), _plan, FOLD)
