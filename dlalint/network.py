"""A network of TensorRT layers: what the ONNX parser of a release makes of a model, before and after the builder's own simplifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Union

from dlalint.graph import Scalar, TensorType
from dlalint.named_tuple import NamedTuple

# TensorRT's LayerType names, as lowered; MISSING is an operator that the parser cannot import, UNKNOWN one that nobody here knows
KINDS = frozenset(
    "ACTIVATION CAST CONCATENATION CONDITION CONSTANT CONVOLUTION DECONVOLUTION DEQUANTIZE EINSUM ELEMENTWISE FILL FULLY_CONNECTED GATHER"
    " GRID_SAMPLE IDENTITY LOOP LRN MATRIX_MULTIPLY NMS NON_ZERO NORMALIZATION ONE_HOT PADDING PARAMETRIC_RELU PLUGIN POOLING QUANTIZE"
    " REDUCE RESIZE RNN SCALE SCATTER SELECT SHAPE SHUFFLE SLICE SOFTMAX TOPK UNARY MISSING UNKNOWN".split()
)
Param = Union[int, float, str, bool, None, tuple[int, ...], tuple[float, ...], tuple[str, ...]]


class Operand(NamedTuple):
    """An input of a layer: its type, whether it is known at build time, its elements when they are few and known.

    ``free`` says that a dimension is left to the time of building or running; a shape that is neither static nor free is not known.
    """

    type: TensorType | None
    constant: bool = False
    items: tuple[Scalar, ...] | None = None
    free: bool = False

    @property
    def dims(self) -> tuple[int, ...] | None:
        """The shape when static."""
        return self.type.dims if self.type is not None else None

    @property
    def rank(self) -> int | None:
        """The number of dimensions, when known."""
        return None if self.type is None or self.type.shape is None else len(self.type.shape)


class LayerSpec:
    """Everything about a layer but its names: shared by all layers that are alike, so that rules judge each kind of layer once.

    ``kind`` is TensorRT's LayerType in upper case. ``params`` are the layer's parameters in TensorRT's terms. ``helper`` marks a
    layer that only moves or relabels data for its neighbours (a broadcast, the reshapes around a fully connected layer): it counts
    as no node's work. Compared and hashed by identity; never changed.
    """

    __slots__ = ("helper", "inputs", "kind", "note", "outputs", "params")

    def __init__(
        self,
        kind: str,
        params: Mapping[str, Param],
        inputs: tuple[Operand, ...],
        outputs: tuple[TensorType | None, ...],
        helper: bool = False,
        note: str = "",
    ) -> None:
        self.kind = kind
        self.params = params
        self.inputs = inputs
        self.outputs = outputs
        self.helper = helper
        self.note = note

    @property
    def data(self) -> tuple[Operand, ...]:
        """The inputs that are not constants."""
        return tuple(operand for operand in self.inputs if not operand.constant)


class Layer(NamedTuple):
    """One layer: ``inputs`` and ``outputs`` are tensor names, ``origin`` the indices of the model's nodes it comes from."""

    name: str
    spec: LayerSpec
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: tuple[int, ...]


class _Parts(NamedTuple):
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: Mapping[str, TensorType]
    dynamic: frozenset[str]


class Network(_Parts):
    """The layers in the parser's order, with the network's inputs and outputs by tensor name.

    Who makes and who reads what is found out when it is first asked for; nobody may change the answers.
    """

    def specs(self) -> tuple[LayerSpec, ...]:
        """What each layer is but for its names."""
        return self._specs

    def kinds(self) -> frozenset[LayerSpec]:
        """What layers there are but for their names."""
        return self._kinds

    def producers(self) -> dict[str, int]:
        """The index of the layer that makes each tensor."""
        return self._producers

    def consumers(self) -> dict[str, list[int]]:
        """The indices of the layers that read each tensor, in order, each once."""
        return self._consumers

    def before(self) -> Sequence[Sequence[int]]:
        """For each layer the layers that it reads, in order."""
        return self._before

    def after(self) -> Sequence[Sequence[int]]:
        """For each layer the layers that read it, in order."""
        return self._after

    @cached_property
    def _specs(self) -> tuple[LayerSpec, ...]:
        return tuple([layer.spec for layer in self.layers])

    @cached_property
    def _kinds(self) -> frozenset[LayerSpec]:
        return frozenset(self._specs)

    @cached_property
    def _producers(self) -> dict[str, int]:
        found = {name: index for index, layer in enumerate(self.layers) for name in layer.outputs}
        found.pop("", None)
        return found

    @cached_property
    def _consumers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, layer in enumerate(self.layers):
            for name in layer.inputs:
                known = found.get(name)
                if known is None:
                    found[name] = [index]
                elif known[-1] != index:
                    known.append(index)
        found.pop("", None)
        return found

    @cached_property
    def _before(self) -> list[tuple[int, ...]]:
        makes = self._producers.get
        found: list[tuple[int, ...]] = []
        for index, layer in enumerate(self.layers):
            sources = {*map(makes, layer.inputs)}
            sources.discard(None)
            sources.discard(index)
            found.append(tuple(sources) if len(sources) < 2 else tuple(sorted(sources)))  # type: ignore[arg-type]
        return found

    @cached_property
    def _after(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self.layers]
        for index, sources in enumerate(self._before):
            for source in sources:
                found[source].append(index)
        return found
