"""What a file says about its tensors, held against what can be: sizes, bytes, places; and how names stand in messages."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.errors import ModelError
from dlalint.graph import Location, dtype_size, volume

MAX_RANK = 64
MAX_ELEMENTS = 1 << 62
SHOWN_NAME = 200  # characters of a name in a message
_AGAIN = "Export the model again."


def quoted(name: str) -> str:
    """A name from a model as it stands in a message: on one line, without control characters, cut when it is long."""
    return repr(name) if len(name) <= SHOWN_NAME else f"{name[:SHOWN_NAME]!r}... ({len(name)} characters)"


def possible_shape(dims: list[int], name: str) -> tuple[int, ...]:
    """The sizes of the tensor ``name``. Raises :class:`ModelError` when no tensor can have them."""
    if len(dims) > MAX_RANK:
        raise ModelError(f"tensor {quoted(name)} has {len(dims)} dimensions", cure=_AGAIN, code="E104")
    shape = tuple(dims)
    if any(not 0 <= dim < 1 << 31 for dim in shape) or volume(shape) >= MAX_ELEMENTS:
        raise ModelError(f"tensor {quoted(name)} has the impossible shape {shape}", cure=_AGAIN, code="E104")
    return shape


def stored_bytes(dtype: str, dims: tuple[int, ...]) -> int:
    """Bytes of the elements, the narrow types packed; 0 for a type of unknown width."""
    return -(-volume(dims) * int(dtype_size(dtype) * 8) // 8)


def fit(name: str, dtype: str, dims: tuple[int, ...], held: int, unit: str, needed: int) -> None:
    """Refuse a tensor that holds more or less than its shape says. Raises :class:`ModelError`."""
    if held != needed and (dtype == "string" or dtype_size(dtype)):
        raise ModelError(f"tensor {quoted(name)} holds {held} {unit}, its shape {dims} of {dtype} needs {needed}", cure=_AGAIN, code="E104")


def external_location(entries: Mapping[str, str], name: str, dtype: str, dims: tuple[int, ...]) -> Location:
    """Where external data of the tensor ``name`` lies. Raises :class:`ModelError` when its entries say nothing that can be."""
    numbers = {}
    for key in ("offset", "length"):
        text = entries.get(key, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 20):
            raise ModelError(f"external data of tensor {quoted(name)} has an impossible {key} {quoted(text)}", cure=_AGAIN, code="E105")
        numbers[key] = int(text) if text else None
    if not entries.get("location"):
        raise ModelError(f"external data of tensor {quoted(name)} names no file", cure=_AGAIN, code="E105")
    if numbers["length"] is not None:
        fit(name, dtype, dims, numbers["length"], "bytes", stored_bytes(dtype, dims))
    return Location(entries["location"], numbers["offset"] or 0, numbers["length"])
