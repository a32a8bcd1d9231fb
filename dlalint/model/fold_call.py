"""One operator call as the folding functions see it: checked access to known inputs and well-formed attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dlalint.graph import Op, TensorType
from dlalint.graphview import Value
from dlalint.model.fold_value import MAX_RANK, OMITTED, FoldError
from dlalint.named_tuple import NamedTuple


class Call(NamedTuple):
    """An operator with what is known of its inputs. Every accessor raises ``FoldError`` for what is unknown or malformed."""

    op: Op
    inputs: Sequence[Value | None]
    types: Sequence[TensorType | None]
    opset: int
    outputs: int

    def known(self, index: int) -> Value:
        """The value of a required input."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None or value is OMITTED:
            raise FoldError
        return value

    def optional(self, index: int) -> Value | None:
        """The value of an optional input, ``None`` when the model leaves it out."""
        if index >= len(self.inputs) or self.inputs[index] is OMITTED:
            return None
        return self.known(index)

    def single(self, index: int) -> Value:
        """The value of a required input of one element."""
        value = self.known(index)
        if len(value.items) != 1:
            raise FoldError
        return value

    def everything(self) -> list[Value]:
        """All inputs of a variadic operator, of one element type."""
        values = [self.known(i) for i in range(max(1, len(self.inputs)))]
        if any(value.dtype != values[0].dtype for value in values):
            raise FoldError
        return values

    def dims(self, index: int) -> tuple[int, ...]:
        """A required input that holds a shape, of rank 1."""
        value = self.known(index)
        if len(value.shape) != 1:
            raise FoldError
        return integers_in(value)

    def integer(self, name: str, default: int) -> int:
        """The integer attribute ``name``, ``default`` when it is absent."""
        value = self.op.attributes.get(name, default)
        if not isinstance(value, int):
            raise FoldError
        return value

    def real(self, name: str) -> float | None:
        """The float attribute ``name``, ``None`` when it is absent."""
        if name not in self.op.attributes:
            return None
        value = self.op.attributes[name]
        if not isinstance(value, (int, float)):
            raise FoldError
        return float(value)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """The integer-list attribute ``name``, ``None`` when it is absent."""
        if name not in self.op.attributes:
            return None
        value = self.op.attributes[name]
        if type(value) is not tuple:
            raise FoldError
        out = tuple(item for item in value if isinstance(item, int))
        if len(out) != len(value):
            raise FoldError
        return out

    def moved(self, name: str, index: int, since: int) -> tuple[int, ...] | None:
        """Integers that were the attribute ``name`` before opset ``since`` and are the optional input ``index`` from then on."""
        if self.opset < since:
            if len(self.inputs) > index:
                raise FoldError
            return self.integers(name)
        if name in self.op.attributes:
            raise FoldError
        value = self.optional(index)
        return None if value is None else integers_in(value)


Folder = Callable[[Call], Value]


def integers_in(value: Value) -> tuple[int, ...]:
    """The elements of an index tensor of rank 0 or 1."""
    if value.dtype not in ("int64", "int32") or len(value.shape) > 1:
        raise FoldError
    return tuple(int(item) for item in value.items)


def axis_in(axis: int, rank: int) -> int:
    """``axis`` counted from the front."""
    if not -rank <= axis < rank:
        raise FoldError
    return axis % rank


def axes_in(axes: Sequence[int], rank: int) -> list[int]:
    """``axes`` counted from the front, in ascending order; each may be named once."""
    if len(axes) > MAX_RANK:
        raise FoldError
    out = sorted({axis_in(axis, rank) for axis in axes})
    if len(out) != len(axes):
        raise FoldError
    return out
