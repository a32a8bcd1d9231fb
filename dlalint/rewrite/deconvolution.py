"""Transposed convolutions in one form: which rows and columns of the full result are kept, whatever attributes say so.

Source: the operator page of ONNX for ConvTranspose; where it leaves the halves of an odd padding open, onnxruntime's implementation.
"""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.windows import Pair, pair


class Deconvolution(NamedTuple):
    """A transposed convolution over maps of ``size`` that gives maps of ``made``, each field for height and width.

    ``weights`` are (channels, maps / groups, height, width). ``cut`` rows and columns of the full result are left out in front, ``behind``
    of them at the end; where ``behind`` is negative, that many are added which hold the bias alone.
    """

    weights: Array
    bias: Array | None
    size: Pair
    made: Pair
    strides: Pair
    dilations: Pair
    groups: int
    cut: Pair

    @property
    def full(self) -> Pair:
        """The size of the result before anything is left out."""
        axes = zip(self.size, self.strides, self.dilations, self.weights.shape[2:], strict=True)
        return pair((size - 1) * step + spread * (kernel - 1) + 1 for size, step, spread, kernel in axes)

    @property
    def behind(self) -> Pair:
        """What is left out at the end."""
        return pair(full - cut - made for full, cut, made in zip(self.full, self.cut, self.made, strict=True))

    @property
    def plain(self) -> bool:
        """Whether it has neither groups nor dilation."""
        return self.groups == 1 and self.dilations == (1, 1)


def deconvolution(graph: Graph, index: int) -> Deconvolution | Miss:
    """The transposed convolution of a node; a :class:`Miss` unless its weights are constants and its maps of static size."""
    node = graph.nodes[index]
    dims, made = graph.dims(node.input[0]), graph.dims(node.output[0])
    if dims is None or made is None or len(dims) != 4 or 0 in dims or 0 in made:
        return Miss("its input has not four static dimensions")
    weights = graph.constant(node.input[1])
    third = node.input[2] if len(node.input) > 2 else ""
    bias = graph.constant(third) if third else None
    if weights is None or (third and bias is None):
        return Miss("its weights are computed")
    strides, dilations = pair(attribute(node, "strides", (1, 1))), pair(attribute(node, "dilations", (1, 1)))
    groups = int(attribute(node, "group", 1))
    found = Deconvolution(weights, bias, pair(dims[2:]), pair(made[2:]), strides, dilations, groups, (0, 0))
    auto = attribute(node, "auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") or attribute(node, "output_shape"):
        extra = pair(attribute(node, "output_padding", (0, 0)))
        total = pair(max(rest + more, 0) for rest, more in zip(found.behind, extra, strict=True))
        return found._replace(cut=pair(pad // 2 if auto == "SAME_UPPER" else (pad + 1) // 2 for pad in total))
    pads = (0, 0, 0, 0) if auto == "VALID" else attribute(node, "pads", (0, 0, 0, 0))
    return found._replace(cut=pair(pads[:2])) if min(pads) >= 0 else Miss("its padding is negative")


def dense(found: Deconvolution) -> Deconvolution:
    """The same without groups and dilation: zeros between the groups and between the rows and columns of the kernel."""
    channels, maps, *kernel = found.weights.shape
    wide = [spread * (size - 1) + 1 for spread, size in zip(found.dilations, kernel, strict=True)]
    weights = np.zeros((channels, maps * found.groups, *wide), found.weights.dtype)
    per_group = channels // found.groups
    for group in range(found.groups):
        rows, columns = slice(group * per_group, (group + 1) * per_group), slice(group * maps, (group + 1) * maps)
        weights[rows, columns, :: found.dilations[0], :: found.dilations[1]] = found.weights[rows]
    return found._replace(weights=weights, dilations=(1, 1), groups=1)


def grown(found: Deconvolution) -> Deconvolution:
    """The same with a kernel that is zero where the result reaches beyond the full one, so that ``behind`` is not negative."""
    more = [max(-(rest // spread), 0) for rest, spread in zip(found.behind, found.dilations, strict=True)]
    if not any(more):
        return found
    return found._replace(weights=np.pad(found.weights, ((0, 0), (0, 0), (0, more[0]), (0, more[1]))))


def add_full(build: Builder, found: Deconvolution, source: str, output: str = "") -> str:
    """Add the transposed convolution with nothing left out."""
    options = {"strides": found.strides, "dilations": found.dilations}
    return build.conv(source, found.weights, found.bias, output, group=found.groups, transposed=True, **options)


def add_crop(build: Builder, source: str, maps: int, front: Pair, behind: Pair, output: str, like: str) -> None:
    """Add a convolution with one weight of 1 a map, which leaves out rows and columns; ``like`` names a tensor of the same element type."""
    kernel = [first + last + 1 for first, last in zip(front, behind, strict=True)]
    weights = np.zeros((maps, 1, *kernel), build.dtype(like))
    weights[:, :, front[0], front[1]] = 1
    build.conv(source, weights, output=output, group=maps)


def add_cropped(build: Builder, found: Deconvolution, source: str, output: str) -> None:
    """Add the transposed convolution and, where it is needed, a slice behind it."""
    if not any((*found.cut, *found.behind)):
        add_full(build, found, source, output)
        return
    ends = [cut + made for cut, made in zip(found.cut, found.made, strict=True)]
    build.slice(add_full(build, found, source), found.cut, ends, (2, 3), output)
