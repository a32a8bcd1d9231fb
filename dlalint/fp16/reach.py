"""How far the tensors that layers hand to each other reach into FP16, from what they held over some inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.graph import NUMPY_FLOATS, Device, Graph
from dlalint.measured import Range, Ranges, Reach
from dlalint.named_tuple import NamedTuple
from dlalint.network import Network
from dlalint.placement import Placement
from dlalint.trtexec.flags import Flags

_SHOWN = 3


class Bounds(NamedTuple):
    """Where FP16 ends, as the rule data of a target say it."""

    largest: float
    normal: float
    smallest: float
    margin: float
    lost_share: float


class Handed(NamedTuple):
    """A tensor that layers read: the layer that makes it (-1 for an input), those that read it, and what it held."""

    tensor: str
    maker: int
    readers: tuple[int, ...]
    range: Range


def bounds(placed: Placement) -> Bounds | None:
    """The bounds for a placed network, ``None`` when its target has none."""
    names = ("fp16.largest", "fp16.smallest_normal", "fp16.smallest", "fp16.margin", "fp16.lost_share")
    limits = [placed.rules.limits.get(name) for name in names]
    values = [limit.value for limit in limits if limit is not None and isinstance(limit.value, (int, float))]
    return Bounds(*map(float, values)) if len(values) == len(names) else None


def handed_on(network: Network, ranges: Ranges) -> Iterator[Handed]:
    """The inputs, and the tensors that one layer hands to others, in their order, as far as they were measured."""
    makers, readers = network.producers(), network.consumers()
    for name in (*network.inputs, *(name for layer in network.layers for name in layer.outputs)):
        found = ranges.tensors.get(name)
        if found is not None and not folded_away(network, name, makers.get(name, -1), readers.get(name, [])):
            yield Handed(name, makers.get(name, -1), tuple(readers.get(name, ())), found)


def folded_away(network: Network, name: str, maker: int, readers: list[int]) -> bool:
    """Whether a tensor lies between a convolution and the scale that the builder folds into its weights.

    Source: fusion catalog of the TensorRT documentation, "Convolution and Scale".
    """
    if maker < 0 or len(readers) != 1 or name in network.outputs:
        return False
    convolution, scale = network.layers[maker].spec, network.layers[readers[0]].spec
    return scale.kind == "SCALE" and convolution.kind in ("CONVOLUTION", "DECONVOLUTION") and bool(convolution.params["weights_constant"])


def on_dla(placed: Placement, item: Handed) -> bool:
    """Whether a layer on the DLA makes or reads a tensor."""
    touching = (item.maker, *item.readers) if item.maker >= 0 else item.readers
    return any(placed.partition.devices[index] is Device.DLA for index in touching)


def reach(placed: Placement, graph: Graph, ranges: Ranges, flags: Flags) -> Reach | None:
    """The sums of it; ``None`` when the target has no bounds. ``flags`` are those of the target's trtexec."""
    end = bounds(placed)
    if end is None:
        return None
    network = placed.network
    items = tuple(handed_on(network, ranges))
    over = [item for item in items if item.range.largest > end.largest]
    sizes = {item.tensor: item.range.largest for item in items}
    margins = sorted(((name, end.largest / largest) for name, largest in sizes.items() if largest), key=lambda pair: pair[1])
    floats = {name for name, kind in network.types.items() if kind.dtype in NUMPY_FLOATS}
    made = {name for node in graph.nodes for name in node.outputs}
    handed = {name for layer in network.layers for name in layer.outputs if name in floats and name in made}
    layers = tuple(dict.fromkeys(name for item in over for name in _touching(network, graph, item)))
    return Reach(
        ranges,
        tuple(item.tensor for item in items),
        tuple(item.tensor for item in over),
        tuple(item.tensor for item in items if end.largest / end.margin < item.range.largest <= end.largest),
        tuple(item.tensor for item in items if 0 < item.range.largest < end.normal),
        len(handed.difference(ranges.tensors)),
        tuple(margins[:_SHOWN]),
        layers,
        _in_fp32(layers, flags),
    )


def _in_fp32(layers: Sequence[str], flags: Flags) -> str:
    """How a build keeps ``layers`` in FP32: with flags where the release has them, else with what the builder or the model can say."""
    if flags.find("precisions") is not None and all(map(flags.nameable, layers)):
        return " ".join(flags.spelled([("constraints", "obey"), ("precisions", ",".join(f"{name}:fp32" for name in layers))]))
    typed = flags.find("fp16") is None
    way = "Cast them to FP32 in the model" if typed else "ILayer::setPrecision(DataType::kFLOAT)"
    return f"{way}: the DLA has no FP32, so that they go to the GPU."


def _touching(network: Network, graph: Graph, item: Handed) -> Iterator[str]:
    """The layers that make or read a tensor, by the names of their nodes, which TensorRT's layers have."""
    for index in (item.maker, *item.readers):
        layer = network.layers[index]
        if index >= 0 and not layer.spec.helper:
            yield from (graph.nodes[number].layer_name for number in layer.origin)
