"""The graph inputs of a model, with the dimensions the user fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dlalint.errors import UsageError
from dlalint.graph import Dim, Model, TensorType


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user fixed: shapes by input name, and the batch (first dimension of every input whose first dimension is free)."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    batch: int | None = None


def input_types(model: Model, names: tuple[str, ...], overrides: Overrides) -> dict[str, TensorType]:
    """The types of the graph inputs with the overrides applied; a symbol fixed at one input is fixed at all."""
    for name in overrides.shapes:
        if name not in names:
            raise UsageError(
                f"the model has no input {name!r}", where=f"--shape {name}", cure=f"Its inputs: {', '.join(names)}.", code="E501"
            )
    symbols: dict[str, int] = {}
    found = {name: _overridden(name, model.graph.declared.get(name), overrides, symbols) for name in names}
    return {
        name: TensorType(kind.dtype, tuple(symbols.get(dim, dim) if isinstance(dim, str) else dim for dim in kind.shape))
        if kind.shape is not None
        else kind
        for name, kind in found.items()
    }


def _overridden(name: str, declared: TensorType | None, overrides: Overrides, symbols: dict[str, int]) -> TensorType:
    kind = declared or TensorType("undefined", None)
    wanted = overrides.shapes.get(name)
    if wanted is None:
        if overrides.batch is None or not kind.shape:
            return kind
        wanted_dims: tuple[Dim, ...] = (overrides.batch, *kind.shape[1:])
        where = f"--batch {overrides.batch}"
    else:
        wanted_dims, where = wanted, f"--shape {name}"
    if kind.shape is not None and len(kind.shape) != len(wanted_dims):
        raise UsageError(f"input {name!r} has {len(kind.shape)} dimensions {_show(kind.shape)}", where=where, code="E501")
    for old, new in zip(kind.shape or (), wanted_dims, strict=False):
        if isinstance(old, int) and isinstance(new, int) and old != new:
            raise UsageError(
                f"input {name!r} is fixed at {_show(kind.shape or ())} in the file",
                where=where,
                cure="Export the model again with that size, or with a free dimension.",
                code="E501",
            )
        if isinstance(old, str) and isinstance(new, int):
            symbols[old] = new
    return TensorType(kind.dtype, wanted_dims)


def _show(shape: tuple[Dim, ...]) -> str:
    return "x".join("?" if dim is None else str(dim) for dim in shape)
