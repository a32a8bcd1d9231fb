"""The graph inputs of a model, with the dimensions the user fixed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dlalint.errors import UsageError
from dlalint.graph import Model, Shape, TensorType, shape_in_words
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple


class Overrides(NamedTuple):
    """What the user fixed: shapes by input name, and the batch (first dimension of every input whose first dimension is free)."""

    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    batch: int | None = None


def input_types(model: Model, names: tuple[str, ...], overrides: Overrides) -> dict[str, TensorType]:
    """The types of the graph inputs with the overrides applied; a symbol fixed at one input is fixed at all."""
    declared = {name: model.graph.declared.get(name) or TensorType("undefined", None) for name in names}
    for name in overrides.shapes:
        if name not in declared:
            cure = f"Its inputs: {', '.join(map(quoted, names))}." if names else "It has no inputs at all."
            raise UsageError(f"the model has no input {quoted(name)}", where=f"--shape {name}", cure=cure, code="E501")
    symbols: dict[str, int] = {}
    found = {name: _shaped(name, kind, overrides.shapes.get(name), symbols) for name, kind in declared.items()}
    if overrides.batch is not None:
        found.update(_batched({name: kind for name, kind in found.items() if name not in overrides.shapes}, overrides.batch, symbols))
    return {
        name: TensorType(kind.dtype, tuple(symbols.get(dim, dim) if isinstance(dim, str) else dim for dim in kind.shape))
        if kind.shape is not None
        else kind
        for name, kind in found.items()
    }


def _shaped(name: str, kind: TensorType, wanted: tuple[int, ...] | None, symbols: dict[str, int]) -> TensorType:
    if wanted is None:
        return kind
    if kind.shape is not None and len(kind.shape) != len(wanted):
        raise UsageError(
            f"input {quoted(name)} has {len(kind.shape)} dimensions, not {len(wanted)}",
            where=f"--shape {name}",
            cure=f"Its shape in the file: {shape_in_words(kind.shape)}.",
            code="E501",
        )
    for old, new in zip(kind.shape or (), wanted, strict=False):
        if isinstance(old, int) and old != new:
            raise _fixed(name, kind.shape or (), f"--shape {name}")
        if isinstance(old, str):
            symbols[old] = new
    return TensorType(kind.dtype, wanted)


def _batched(kinds: Mapping[str, TensorType], batch: int, symbols: dict[str, int]) -> dict[str, TensorType]:
    """The inputs of ``kinds`` that take the batch; refuses one that none can take."""
    found = {}
    fixed = [(name, kind.shape) for name, kind in kinds.items() if kind.shape]
    for name, shape in fixed:
        if not isinstance(shape[0], int):
            found[name] = TensorType(kinds[name].dtype, (batch, *shape[1:]))
        if isinstance(shape[0], str):
            symbols[shape[0]] = batch
    if fixed and not found and all(shape[0] != batch for _, shape in fixed):
        raise _fixed(*fixed[0], f"--batch {batch}")
    return found


def _fixed(name: str, shape: Shape, where: str) -> UsageError:
    return UsageError(
        f"input {quoted(name)} is fixed at {shape_in_words(shape)} in the file",
        where=where,
        cure="Export the model again with that size, or with a free dimension.",
        code="E501",
    )
