"""The known tensors of an opened model; floats as stored are decoded when somebody asks for them, which is rare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dlalint.graph import FLOATING, Tensor
from dlalint.graphview import Value
from dlalint.model.fold_value import MAX_RANK, value_of


class Values(Mapping[str, Value]):
    """Values by tensor name."""

    def __init__(self) -> None:
        self._known: dict[str, Value] = {}
        self._stored: dict[str, Tensor] = {}

    def keep(self, name: str, value: Value) -> None:
        """Add a value."""
        self._known[name] = value

    def defer(self, name: str, tensor: Tensor) -> None:
        """Add a constant that is :func:`deferrable`."""
        self._stored[name] = tensor

    def __getitem__(self, name: str) -> Value:
        found = self._known.get(name)
        if found is None:
            found = value_of(self._stored[name])
            assert found is not None
            self._known[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self._stored})

    def __len__(self) -> int:
        return len(self._known.keys() | self._stored.keys())


def deferrable(tensor: Tensor) -> bool:
    """Whether a constant holds floats that can certainly be decoded later."""
    payload = tensor.payload
    certain = tensor.dtype in FLOATING and tensor.form == "raw" and payload is not None and 0 < len(payload) == tensor.nbytes
    return certain and len(tensor.dims) <= MAX_RANK
