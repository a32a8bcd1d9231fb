"""Inputs of a model from files: batches, one after the other, of which one file at a time is in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from dlalint.errors import LimitError, UsageError
from dlalint.graph import TensorType, shape_in_words
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.dumps import DumpError, read_arrays, read_headers
from dlalint.numeric.inputs import fitted, matches
from dlalint.numeric.runner import Interface

ENDINGS = (".npz", ".npy")
MAX_FILES = 1_000_000
_IMAGE_RANK = 4  # a free first dimension of inputs with as many is that of independent samples


class Way(NamedTuple):
    """How an array falls into batches: how many, and the rows of each.

    ``None`` rows: the array is the batch. 0 rows: a batch is what lies at an index of the first dimension.
    """

    batches: int
    rows: int | None

    def batch(self, array: NDArray[Any], number: int) -> NDArray[Any]:
        """The batch ``number`` of the array."""
        if self.rows is None:
            return array
        return (
            array[number : number + 1].reshape(array.shape[1:]) if self.rows == 0 else array[number * self.rows : (number + 1) * self.rows]
        )


Ways = Mapping[str, Way]


class Batches:
    """The batches of some files, as many times as they are asked for. ``samples`` is their number together."""

    def __init__(self, types: Mapping[str, TensorType], files: Sequence[str], ways: Sequence[Ways], samples: int) -> None:
        self.files = tuple(files)
        self.samples = samples
        self._types = types
        self._ways = tuple(ways)

    def __len__(self) -> int:
        return sum(_count(ways) for ways in self._ways)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for file, ways in zip(self.files, self._ways, strict=True):
            arrays = _named(self._types, read_arrays(file))
            if _ways(self._types, {name: array.shape for name, array in arrays.items()}, file) != ways:
                raise DumpError("it was changed meanwhile", where=file, cure="Start again.")
            for number in range(_count(ways)):
                yield fitted(self._types, {name: way.batch(arrays[name], number) for name, way in ways.items()}, file)


def batches(path: str, interface: Interface) -> Batches:
    """The batches in the file ``path``, or in the ``.npz`` and ``.npy`` files of that folder in the order of their names.

    An ``.npz`` file has an array for each input by its name, others are passed over; an ``.npy`` file is for a model with one input. Arrays
    of the shape of their input are one batch. Arrays with more samples along the first dimension, or with a dimension more in front, are
    batches one after the other. Where all inputs have a free first dimension, one of them being an image or more (four dimensions), samples
    are run one by one. Headers are read and held against the model now, elements when their turn comes.

    Raises :class:`DlalintError` that names the file: one that cannot be read, or does not fit the model.
    """
    files = _files(path)
    found = []
    samples = 0
    for file in files:
        shapes = {name: header.shape for name, header in _named(interface.inputs, read_headers(file)).items()}
        ways = _ways(interface.inputs, shapes, file)
        found.append(ways)
        samples += _samples(interface.inputs, shapes, ways)
    return Batches(interface.inputs, files, found, samples)


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    try:
        found = sorted(entry.path for entry in os.scandir(path) if entry.name.endswith(ENDINGS) and entry.is_file())
    except OSError as error:
        raise DumpError(f"it cannot be listed ({error.strerror})", where=path, cure="Check the path.", code="E112") from None
    if not found:
        raise DumpError("the folder has no .npz and no .npy file", where=path, cure="Give a folder of inputs.", code="E111")
    if len(found) > MAX_FILES:
        raise LimitError(f"the folder has more than {MAX_FILES} files", where=path, cure="Give fewer inputs.", code="E206")
    return found


def _named(types: Mapping[str, TensorType], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays by the names of the inputs: the one of an ``.npy`` file has none."""
    if list(arrays) == [""] and len(types) == 1:
        return dict(zip(types, arrays.values(), strict=True))
    return dict(arrays)


def _ways(types: Mapping[str, TensorType], shapes: Mapping[str, tuple[int, ...]], file: str) -> Ways:
    missing = next((name for name in types if name not in shapes), None)
    if missing is not None:
        has = ", ".join(quoted(name) for name in list(shapes)[:6] if name)
        cure = f"It has {has}." if has else "An .npy file is for a model with one input; use .npz."
        raise UsageError(f"no array for the input {quoted(missing)}", where=file, cure=cure, code="E521")
    found = {name: _way(name, kind, shapes[name], file) for name, kind in types.items()}
    if _are_samples(types, shapes) and all(way.rows is None for way in found.values()):
        found = {name: Way(shapes[name][0], 1) for name in types}
    for name, way in found.items():
        first, other = next(iter(found.items()))
        if way.batches != other.batches:
            what = f"its arrays make {other.batches} batches of {quoted(first)} and {way.batches} of {quoted(name)}"
            raise UsageError(what, where=file, cure="Give as many of each.", code="E521")
    return found


def _way(name: str, kind: TensorType, shape: tuple[int, ...], file: str) -> Way:
    wanted = kind.shape
    if 0 in shape and (wanted is None or 0 not in wanted):
        raise UsageError(f"the array for {quoted(name)} is empty", where=file, cure="Give one sample at least.", code="E521")
    if wanted is None or matches(shape, wanted):
        return Way(1, None)
    if matches(shape[1:], wanted) and len(shape) == len(wanted) + 1:
        return Way(shape[0], 0)
    size = wanted[0] if wanted and len(shape) == len(wanted) else None
    if isinstance(size, int) and size > 0 and matches(shape[1:], wanted[1:]):
        if shape[0] % size == 0:
            return Way(shape[0] // size, size)
        what = f"the {shape[0]} samples for {quoted(name)} make no whole batches of {size}"
        raise UsageError(what, where=file, cure=f"Give a multiple of {size}.", code="E521")
    what = f"the array for {quoted(name)} is {shape_in_words(shape)}, the input {shape_in_words(wanted)}"
    raise UsageError(what, where=file, cure="Give arrays of that shape, or many of them along a dimension in front.", code="E521")


def _are_samples(types: Mapping[str, TensorType], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the arrays are samples along a first dimension that the model leaves free."""
    wanted = [kind.shape for kind in types.values() if kind.shape]
    free = {shape[0] for shape in wanted}
    return (
        len(wanted) == len(types)
        and any(len(shape) >= _IMAGE_RANK for shape in wanted)
        and len(free) == 1
        and not any(isinstance(dim, int) for dim in free)
        and len({shapes[name][0] for name in types}) == 1
    )


def _count(ways: Ways) -> int:
    return next((way.batches for way in ways.values()), 1)


def _samples(types: Mapping[str, TensorType], shapes: Mapping[str, tuple[int, ...]], ways: Ways) -> int:
    """How many samples the arrays of a file are: the first dimension of images and vectors says so, that of sequences may be time."""
    name = next((name for name, kind in types.items() if kind.shape and len(kind.shape) not in (1, 3)), None)
    if name is None:
        return _count(ways)
    way = ways[name]
    return shapes[name][0] * (shapes[name][1] if way.rows == 0 else 1)
