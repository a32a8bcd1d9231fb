"""Which tensors of a placed network need an INT8 scale, and which layers leave INT8 because one is missing.

A layer computes in INT8 when each tensor that it reads or writes has a scale; else the builder takes FP16 where it may, and the GPU
where it may not. Source: the builder's warning, which names a tensor and "any layer consuming or producing" it (issue-trt-2462).
"""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.calibration.cache import usable
from dlalint.calibration.layer_precisions import ALL
from dlalint.engine.memory import macs
from dlalint.graph import FLOATING, Device, Graph
from dlalint.int8.forms import runs_in_fp16
from dlalint.measured import Coverage, Scales
from dlalint.named_tuple import NamedTuple
from dlalint.network import Layer, Network
from dlalint.placement import Placement


class Needs(NamedTuple):
    """The layers that would run in INT8, and for each tensor that needs a scale those of them that touch it."""

    layers: frozenset[int]
    tensors: Mapping[str, tuple[int, ...]]
    constants: int


def names(layer: Layer, graph: Graph) -> tuple[str, ...]:
    """What a list of layer precisions may call a layer: its own name, and those of the nodes that it comes from."""
    return (layer.name, *(graph.nodes[number].layer_name for number in layer.origin))


def asked(layer: Layer, graph: Graph, scales: Scales) -> str:
    """The type that the list of layer precisions asks of a layer, empty when it says nothing."""
    return next((scales.kinds[name] for name in names(layer, graph) if name in scales.kinds), scales.kinds.get(ALL, ""))


def barred_by(network: Network, graph: Graph, scales: Scales) -> frozenset[int]:
    """The layers that the list of layer precisions sends to the GPU: those asked for a type that the DLA does not have."""
    return frozenset(index for index, layer in enumerate(network.layers) if asked(layer, graph, scales) == "fp32")


def needs(placed: Placement, graph: Graph, scales: Scales) -> Needs:
    """What needs a scale on the DLA. A tensor that only the builder names is taken for the tensor of the model that it is a view of."""
    network = placed.network
    views = _Names(network, graph)
    layers: set[int] = set()
    tensors: dict[str, dict[int, None]] = {}
    constants = 0
    for index, layer in enumerate(network.layers):
        if layer.spec.helper or placed.partition.devices[index] is not Device.DLA:
            continue
        if runs_in_fp16(layer, placed) or asked(layer, graph, scales) == "fp16":
            continue
        layers.add(index)
        operands = zip(layer.inputs, layer.spec.inputs, strict=False)
        constants += layer.spec.kind == "ELEMENTWISE" and any(operand.constant for operand in layer.spec.inputs)
        for name in (*(name for name, operand in operands if not operand.constant), *layer.outputs):
            kind = network.types.get(name)
            found = views.of_model(name)
            if found and (kind is None or kind.dtype in FLOATING):
                tensors.setdefault(found, {})[index] = None
    return Needs(frozenset(layers), {name: tuple(touching) for name, touching in tensors.items()}, constants)


def coverage(placed: Placement, found: Needs, scales: Scales) -> Coverage:
    """The sums of it."""
    layers = placed.network.layers
    without = [name for name in found.tensors if name not in scales.values or not usable(scales.values[name])]
    lost = sorted({index for name in without for index in found.tensors[name]})
    return Coverage(
        scales.path,
        len(found.tensors),
        len(found.tensors) - len(without),
        len(found.layers),
        tuple(layers[index].name for index in lost),
        sum(macs(layers[index].spec) for index in found.layers),
        sum(macs(layers[index].spec) for index in lost),
    )


class _Names:
    """From tensors of the network to those of the model."""

    def __init__(self, network: Network, graph: Graph) -> None:
        self._layers = network.layers
        self._producers, self._consumers = network.producers(), network.consumers()
        self._known = {*graph.inputs, *(name for node in graph.nodes for name in node.outputs)}

    def of_model(self, name: str) -> str:
        """``name``, or the tensor of the model that it is reshaped from or to; empty when there is none."""
        for _ in range(len(self._layers)):
            if name in self._known:
                return name
            reader = self._consumers.get(name, ())
            maker = self._producers.get(name, -1)
            if maker >= 0 and self._layers[maker].spec.kind == "SHUFFLE":
                name = self._layers[maker].inputs[0]
            elif len(reader) == 1 and self._layers[reader[0]].spec.kind == "SHUFFLE":
                name = self._layers[reader[0]].outputs[0]
            else:
                break
        return ""
