"""A model opened for lowering: its operator calls in order, with the types and values of tensors as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.graph import Model, Node, Scalar, Tensor, TensorType
from dlalint.named_tuple import NamedTuple

# operators whose output shape, or whose layers, depend on the values of float constants
SHAPED_BY_FLOATS = frozenset({"Resize", "Upsample", "Range", "OneHot", "RoiAlign"})
LOWERED_BY_FLOATS = frozenset({"Clip", "Pad", "Resize", "Upsample"})


class Value(NamedTuple):
    """A known tensor. ``items`` are in row-major order, as many as the product of ``shape``.

    They are Python ints, floats or bools as ``dtype`` says, already in the range and precision of ``dtype``.
    """

    dtype: str
    shape: tuple[int, ...]
    items: tuple[Scalar, ...]


class Call(NamedTuple):
    """One operator call of the opened model. ``origin`` is the index of the model's own node it comes from.

    Calls that share a ``kind`` are alike in all but names: what is found out about one holds for all. ``None`` stands alone.
    """

    node: Node
    origin: int
    captured: tuple[str, ...]
    folded: bool
    kind: object = None


class GraphView(NamedTuple):
    """The opened model.

    ``constants`` maps each tensor known at build time to its stored form, ``None`` when only its type is known. ``values`` holds the small
    ones that were computed. ``dynamic`` names the tensors whose shape depends on a free dimension; a tensor that is neither static nor
    there has a shape that could not be found out.
    """

    model: Model
    calls: tuple[Call, ...]
    types: Mapping[str, TensorType]
    constants: Mapping[str, Tensor | None]
    values: Mapping[str, Value]
    dynamic: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    crashes: tuple[str, ...]
    unopened: frozenset[tuple[str, str]]
