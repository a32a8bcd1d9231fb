"""What TensorRT's builder does to a network before it asks which layers run on the DLA.

Identities vanish, neighbouring shuffles become one, shuffles that change nothing vanish, the sum behind a constant matrix product joins
it as a bias, and layers nobody reads are dropped. Source: verbose TensorRT 10.3 build logs (passes ShuffleShuffleFusion, ShuffleErasure,
ConvReshapeBiasAddFusion); the fused names of the 8.4 log in NVIDIA-AI-IOT/jetson_dla_tutorial show the same passes.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Union

from dlalint.lower.moves import changes_nothing, fused
from dlalint.network import Layer, LayerSpec, Network

Fusions = dict[tuple[LayerSpec, LayerSpec], Union[LayerSpec, None]]


def simplify(network: Network, known: Fusions | None = None) -> Network:
    """The network as the builder sees it when it places layers.

    ``known`` remembers what pairs of shuffles became, so that equal pairs become one spec, which rules judge once.
    """
    if any(map(_may_change, network.kinds())):
        work = _Work(network, {} if known is None else known)
        work.drop_identities()
        work.join_biases()
        work.fuse_shuffles()
        network = network._replace(layers=tuple(layer for layer in work.layers if layer is not None))
    return _without_dead(network)


def _may_change(spec: LayerSpec) -> bool:
    """Whether a rewrite starts from layers of this kind."""
    return spec.kind in ("IDENTITY", "SHUFFLE") or bool(spec.params.get("product"))


def _without_dead(network: Network) -> Network:
    """The network without layers that nobody reads."""
    kept = frozenset(network.outputs)
    unread = [layer for layer, readers in zip(network.layers, network.after(), strict=True) if not readers]
    if not any(kept.isdisjoint(layer.outputs) for layer in unread):
        return network
    reads = Counter(chain(network.outputs, chain.from_iterable(layer.inputs for layer in network.layers)))
    del reads[""]
    alive = []
    for layer in reversed(network.layers):
        if any(map(reads.__getitem__, layer.outputs)):
            alive.append(layer)
        else:
            reads.subtract(layer.inputs)
    return network._replace(layers=tuple(reversed(alive)))


class _Work:
    """The layers while they are rewritten: a removed layer leaves a hole, so that indices stay."""

    def __init__(self, network: Network, fusions: Fusions) -> None:
        self.network = network
        self.fusions = fusions
        self.layers: list[Layer | None] = list(network.layers)
        self.kept = frozenset(network.outputs)
        self.producer = dict(network.producers())
        self.consumers = {name: list(readers) for name, readers in network.consumers().items()}

    def drop_identities(self) -> None:
        for index, layer in enumerate(self.layers):
            if layer is None or layer.spec.kind != "IDENTITY" or layer.outputs[0] in self.kept or not layer.inputs:
                continue
            if _changes_type(layer.spec):
                continue
            self._bypass(index, layer)

    def join_biases(self) -> None:
        """A sum with a constant vector behind a converted matrix product is the product's bias."""
        for index, layer in enumerate(self.layers):
            if layer is None or not layer.spec.params.get("product"):
                continue
            reshape = self._only_consumer(layer.outputs[0])
            if reshape is None or self.layers[reshape] is None:
                continue
            after = self.layers[reshape]
            assert after is not None
            added = self._only_consumer(after.outputs[0])
            bias = self.layers[added] if added is not None else None
            if added is None or bias is None or not _is_bias(bias.spec, layer.spec) or bias.spec.outputs[0] != after.spec.outputs[0]:
                continue
            self.layers[index] = layer._replace(name=f"{layer.name} + {bias.name}", origin=layer.origin + bias.origin)
            self.layers[added] = None
            joined = after._replace(outputs=bias.outputs)
            self.layers[reshape] = joined
            self.producer[bias.outputs[0]] = reshape

    def fuse_shuffles(self) -> None:
        for index, layer in enumerate(self.layers):
            if layer is None or layer.spec.kind != "SHUFFLE":
                continue
            source = self.producer.get(layer.inputs[0])
            first = self.layers[source] if source is not None else None
            if first is not None and first.spec.kind == "SHUFFLE" and self._only_consumer(first.outputs[0]) == index:
                spec = self._fused(first.spec, layer.spec)
                if spec is not None:
                    layer = Layer(f"{first.name} + {layer.name}", spec, first.inputs, layer.outputs, _work_of(first, layer))
                    assert source is not None
                    self.layers[source] = None
                    self.layers[index] = layer
                    self._replace_consumer(first.inputs[0], source, index)
            if changes_nothing(layer.spec) and layer.outputs[0] not in self.kept:
                self._bypass(index, layer)

    def _fused(self, first: LayerSpec, second: LayerSpec) -> LayerSpec | None:
        if (first, second) not in self.fusions:
            self.fusions[first, second] = fused(first, second)
        return self.fusions[first, second]

    # the graph

    def _consumers(self, name: str) -> list[int]:
        return [index for index in self.consumers.get(name, ()) if self._reads(index, name)]

    def _reads(self, index: int, name: str) -> bool:
        layer = self.layers[index]
        return layer is not None and name in layer.inputs

    def _only_consumer(self, name: str) -> int | None:
        """The one layer that reads ``name``, if there is just one and the tensor is not an output of the network."""
        if name in self.kept:
            return None
        found = self._consumers(name)
        return found[0] if len(found) == 1 else None

    def _replace_consumer(self, name: str, old: int, new: int) -> None:
        found = self.consumers.setdefault(name, [])
        if old in found:
            found.remove(old)
        if new not in found:
            found.append(new)
            found.sort()

    def _bypass(self, index: int, layer: Layer) -> None:
        """Remove a layer: whoever read its output reads its input."""
        source, made = layer.inputs[0], layer.outputs[0]
        self.layers[index] = None
        for reader in self._consumers(made):
            other = self.layers[reader]
            assert other is not None
            self.layers[reader] = other._replace(inputs=tuple(source if name == made else name for name in other.inputs))
            self._replace_consumer(source, index, reader)


def _work_of(first: Layer, second: Layer) -> tuple[int, ...]:
    """The nodes that two fused layers come from; a helper is no node's work unless both are."""
    own = tuple(index for layer in (first, second) if not layer.spec.helper for index in layer.origin)
    return own or first.origin + second.origin


def _changes_type(spec: LayerSpec) -> bool:
    target, source = spec.params.get("to"), spec.inputs[0].type if spec.inputs else None
    return target is not None and (source is None or source.dtype != target)


def _is_bias(added: LayerSpec, product: LayerSpec) -> bool:
    """Whether ``added`` sums a vector as long as the product's rows, constant, to it."""
    if added.kind != "ELEMENTWISE" or added.params.get("op") != "SUM" or len(added.data) != 1:
        return False
    constant = next(operand for operand in added.inputs if operand.constant)
    dims = constant.dims
    return dims is not None and (not dims or (dims[-1] in (1, product.params.get("maps")) and all(dim == 1 for dim in dims[:-1])))
