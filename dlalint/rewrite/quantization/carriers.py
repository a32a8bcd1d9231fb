"""Which tensor stands for each pair once the Q/DQ nodes are gone, and what it is called.

It is the tensor that was quantized, under its own name or that of the graph output behind the pair. A pair that cuts off what is below
zero does the work of a Relu that was there before quantization; the Relu is put back, and its output stands for the pair.
"""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.quantization.pairs import Found, Pair
from dlalint.rewrite.quantization.signs import never_negative

SIX = 6.0  # where the range of a pair ends that does the work of a Relu6
_CLOSE = 1e-5  # of it


class Clamp(NamedTuple):
    """A Relu that comes back, a Clip when it has an ``upper`` bound: from ``source`` to ``made``, where node ``place`` was."""

    source: str
    made: str
    upper: float | None
    place: int


class Carriers(NamedTuple):
    """``tensors`` stand for the pairs, one each. ``names`` maps what the old model calls tensors to what the new one does, among them
    what DQ nodes made. ``copies`` are (tensor, graph output, pair) where an Identity has to join the two."""

    tensors: tuple[str, ...]
    names: dict[str, str]
    clamps: tuple[Clamp, ...]
    copies: tuple[tuple[str, str, int], ...]


def carriers(graph: Graph, found: Found) -> Carriers:
    """The carriers of all pairs of a model."""
    return _Choice(graph, found).chosen()


class _Choice:
    """``keys`` are old names; a tensor that a clamp makes has none, its key begins with a zero byte."""

    def __init__(self, graph: Graph, found: Found) -> None:
        self._graph = graph
        self._pairs = found.pairs
        self._sure = never_negative(graph, found)
        self._clamps: dict[str, Clamp] = {}
        self._keys: dict[str, str] = {}  # of what DQ nodes made
        self._names: dict[str, str] = {}
        self._taken = {*graph.producers, *graph.initializers, *graph.inputs, *graph.outputs}

    def chosen(self) -> Carriers:
        keys = []
        for pair in self._pairs:
            keys.append(self._key(pair))
            self._keys.update((self._graph.nodes[index].output[0], keys[-1]) for index in pair.dequantizers)
        copies = [(key, name, number) for number, key in enumerate(keys) for name in self._outputs(self._pairs[number], key)]
        for key, clamp in self._clamps.items():
            self._name_clamp(key, clamp)
        names = {**self._names, **{made: self._name(key) for made, key in self._keys.items()}}
        clamps = tuple(item._replace(source=self._name(item.source), made=self._name(key)) for key, item in self._clamps.items())
        return Carriers(tuple(map(self._name, keys)), names, clamps, tuple((self._name(key), name, number) for key, name, number in copies))

    def _name(self, key: str) -> str:
        return self._names.get(key, key)

    def _key(self, pair: Pair) -> str:
        """The key of the tensor that stands for a pair, which may need a clamp."""
        source = self._keys.get(pair.source, pair.source)
        low, high = pair.grid.range
        if pair.quantizer is None or low != 0 or pair.source in self._sure or source in self._graph.inputs:
            return source
        upper = SIX if abs(high - SIX) <= _CLOSE * SIX else None
        key = f"\0{upper}{source}"
        self._clamps.setdefault(key, Clamp(source, "", upper, pair.quantizer))
        return key

    def _outputs(self, pair: Pair, key: str) -> list[str]:
        """Have graph outputs behind a pair keep their names; returns those that have to be a copy of the tensor."""
        made = [self._graph.nodes[index].output[0] for index in pair.dequantizers]
        copies = []
        for name in (*made, pair.integers):
            if name in self._graph.outputs:
                if key in self._names or not (key in self._clamps or self._own(key)):
                    copies.append(name)
                else:
                    self._names[key] = name
        return copies

    def _own(self, name: str) -> bool:
        """Whether a tensor is one of nodes alone, so that it can be called something else."""
        return name in self._graph.producers and NOT_A_NODE not in self._graph.consumers(name) and not self._graph.is_constant(name)

    def _name_clamp(self, key: str, clamp: Clamp) -> None:
        if key in self._names:
            return
        source = clamp.source
        mine = {pair.quantizer for pair in self._pairs if self._keys_of(pair) == key}
        alone = self._own(source) and mine.issuperset(self._graph.consumers(source))
        if alone and source not in self._clamps and source not in self._names:
            self._names[key], self._names[source] = source, self._free(f"{source}_before_relu")
        else:
            self._names[key] = self._free(f"{source.lstrip(chr(0))}_relu")

    def _keys_of(self, pair: Pair) -> str:
        made = next((self._graph.nodes[index].output[0] for index in pair.dequantizers), "")
        return self._keys.get(made, "")

    def _free(self, name: str) -> str:
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found
