"""What the tensors of a model hold over many inputs: ranges and histograms, counted beside onnxruntime so that no tensor is sent."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from operator import length_hint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.errors import UsageError
from dlalint.graph import NUMPY_FLOATS, Dim, Graph, TensorType, dtype_size
from dlalint.measured import Range as Range
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.inputs import fitted
from dlalint.numeric.pieces import Piece, Pieces
from dlalint.numeric.process import REFUSED, RunError
from dlalint.numeric.runner import Runner, sendable, tensor_type
from dlalint.ort_child import ELEMENTS

BUDGET = 256 << 20  # bytes of tensors that one run hands out
BINS = 4096  # of a histogram: at least 2048 of them hold elements, or lie below one that does
_UNKNOWN = 8  # tensors of unknown size to a run
_TOGETHER = 256  # histograms that are in memory here at once

Progress = Callable[[int, int], None]


class Histogram(NamedTuple):
    """How many absolute values lie in each bin: bin ``n`` holds those from ``n * width`` on, below ``(n + 1) * width``.

    There are ``BINS`` bins and ``width`` is a power of two, the least one with which the largest value has its bin.
    """

    counts: NDArray[np.int64]
    width: float


def ranges(
    runner: Runner,
    model: str | bytes,
    batches: Iterable[Mapping[str, NDArray[Any]]],
    *,
    tensors: Sequence[str] | None = None,
    progress: Progress | None = None,
    budget: int = BUDGET,
) -> dict[str, Range]:
    """The range of each of ``tensors`` over all ``batches``, in the model's order; of all floats that are no constants when ``None``.

    ``batches`` is gone through once and may be lazy. ``progress`` is told how many batches are done, and of how many (0 when nothing says
    so). Tensors of ``budget`` bytes are in memory at once, more where the model cannot be cut. Raises :class:`UsageError` for a tensor or a
    batch that does not fit the model, :class:`RunError` when onnxruntime refuses it, dies or takes too long.
    """
    with surveying(runner, model, tensors, bins=0, budget=budget) as survey:
        survey.run(batches, progress)
        return {name: found for name, found, _ in survey.found()}


@contextmanager
def surveying(
    runner: Runner, model: str | bytes, tensors: Sequence[str] | None = None, *, bins: int = BINS, budget: int = BUDGET
) -> Iterator[Survey]:
    """A :class:`Survey` of a model, see :func:`ranges`; with histograms unless ``bins`` is 0."""
    folder = os.path.join(runner.folder, f"pieces-{os.urandom(8).hex()}")
    os.mkdir(folder)
    try:
        survey = Survey(runner, model, tensors, folder, bins, budget)
        yield survey
        survey.forget()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Survey:
    """One gathering. The child keeps what it counts, and nothing else may be gathered with the same runner meanwhile."""

    def __init__(self, runner: Runner, model: str | bytes, tensors: Sequence[str] | None, folder: str, bins: int, budget: int) -> None:
        path, self._where = runner.located(model)
        self._runner = runner
        self._budget = budget
        self._batches = 0
        self._folder = folder
        self._files: dict[Piece, dict[str, Any]] = {}
        self._model = Pieces(path, self._folder)
        self._types = self._asked_types()
        self.wanted = self._chosen(tensors)
        self._sizes: dict[str, int] = {}  # bytes in the last batch
        self._pieces: tuple[Piece, ...] = ()
        self._guessed = True  # whether sizes are not those of a batch
        self._ask({"job": "tally", "feeds": [], "bins": bins})

    @property
    def inputs(self) -> dict[str, TensorType]:
        """The inputs that a batch has."""
        return {name: self._types[name] for name in self._model.flow.inputs}

    @property
    def graph(self) -> Graph:
        """The model's graph, its weights left out."""
        return self._model.model.graph

    def run(self, batches: Iterable[Mapping[str, NDArray[Any]]], progress: Progress | None = None) -> None:
        """Count every batch in."""
        total = length_hint(batches)
        for batch in batches:
            self._run(batch)
            if progress is not None:
                progress(self._batches, total)
        if not self._batches:
            raise UsageError("there is no batch to run", where=self._where, cure="Give inputs for one at least.", code="E521")

    def found(self) -> Iterator[tuple[str, Range, Histogram]]:
        """Each tensor with what it held, in the model's order."""
        for start in range(0, len(self.wanted), _TOGETHER):
            names = self.wanted[start : start + _TOGETHER]
            _, arrays = self._ask({"job": "tallied", "feeds": [], "names": names})
            try:
                rows = list(zip(names, arrays["numbers"].tolist(), arrays["counts"], arrays["exponents"].tolist(), strict=True))
                found = [(name, _range(row), Histogram(counts, math.ldexp(1 / BINS, top))) for name, row, counts, top in rows]
            except (KeyError, ValueError, TypeError, OverflowError):
                self._runner.nonsense()
            yield from found

    def forget(self) -> None:
        """Free what onnxruntime holds of the model."""
        for request in self._files.values():
            self._ask({**request, "job": "forget", "feeds": []})

    def _run(self, batch: Mapping[str, NDArray[Any]]) -> None:
        feeds = fitted(self.inputs, batch, self._where)
        described, arrays = sendable(feeds)
        if self._guessed:
            self._pieces = self._cut(feeds)
        self._batches += 1
        self._ask({"job": "feed", "feeds": described, "tally": [name for name in self.wanted if name in feeds]}, arrays)
        over = False
        for piece in self._pieces:
            counted = [name for name in piece.gives if name in self._is_wanted]
            names = {"takes": piece.takes, "gives": piece.gives, "keeps": sorted(piece.keeps), "tally": counted}
            header, _ = self._ask({**self._written(piece), **names, "job": "piece", "feeds": []})
            sizes = _whole_numbers(header.get("sizes"), len(counted))
            if sizes is None:
                self._runner.nonsense()
            self._sizes.update(zip(counted, sizes, strict=True))
            over = over or sum(sizes) > self._budget
        if over or self._guessed:
            self._guessed = False
            self._pieces = self._cut(feeds)

    def _cut(self, feeds: Mapping[str, NDArray[Any]]) -> tuple[Piece, ...]:
        symbols: dict[Dim, int] = {}
        for name, kind in self.inputs.items():
            symbols.update(pair for pair in zip(kind.shape or (), feeds[name].shape, strict=False) if isinstance(pair[0], str))

        def size(name: str) -> int:
            if name in self._sizes:
                return self._sizes[name]
            kind = self._types[name]
            dims = None if kind.shape is None else [dim if isinstance(dim, int) else symbols.get(dim) for dim in kind.shape]
            if dims is None or None in dims:
                return self._budget // _UNKNOWN
            return prod(dim for dim in dims if dim is not None) * int(dtype_size(kind.dtype))

        for movable in (ELEMENTS, NUMPY_FLOATS):
            held = frozenset(name for name, kind in self._types.items() if kind.dtype not in movable)
            pieces = self._model.flow.pieces(self._is_wanted, size, self._budget, held)
            if len(pieces) < 2 or self._open(pieces):
                return pieces
        return self._model.flow.pieces(self._is_wanted, size, self._budget, self._types)

    def _open(self, pieces: Sequence[Piece]) -> bool:
        """Whether onnxruntime takes all pieces: it infers shapes from integers, and misses those that come from another piece."""
        for piece in pieces:
            if piece not in self._files:
                try:
                    self._ask({**self._written(piece), "job": "interface", "feeds": []})
                except RunError as error:
                    if error.code != REFUSED:
                        raise
                    del self._files[piece]
                    return False
        return True

    def _asked_types(self) -> dict[str, TensorType]:
        request = self._file(self._model.whole(self._model.flow.made()))
        header, _ = self._ask({**request, "job": "interface", "feeds": []})
        self._ask({**request, "job": "forget", "feeds": []})
        declared = self._model.model.graph.declared
        try:
            sides = [*header["inputs"], *header["outputs"]]
            found = {str(name): tensor_type(kind, shape, declared.get(name)) for name, kind, shape in sides}
            return {name: found[name] for name in (*self._model.flow.inputs, *self._model.flow.made())}
        except (KeyError, TypeError, ValueError):
            self._runner.nonsense()

    def _chosen(self, tensors: Sequence[str] | None) -> list[str]:
        flow = self._model.flow
        known = [name for name in (*flow.inputs, *flow.made()) if self._types[name].dtype in NUMPY_FLOATS]
        asked = frozenset(known if tensors is None else tensors)
        odd = sorted(asked.difference(known))
        if odd:
            what = f"{quoted(odd[0])} is no tensor of floats that changes with its inputs"
            raise UsageError(what, where=self._where, cure="`dlalint mark-output --list` shows its tensors.", code="E510")
        self._is_wanted = asked
        return [name for name in known if name in asked]

    def _written(self, piece: Piece) -> dict[str, Any]:
        if piece not in self._files:
            self._files[piece] = self._file(self._model.part(piece, self._types.__getitem__))
        return self._files[piece]

    def _file(self, data: bytes) -> dict[str, Any]:
        """What a request says of the model ``data``."""
        path = os.path.join(self._folder, f"{len(os.listdir(self._folder))}.onnx")
        with open(path, "wb") as file:
            file.write(data)
        return {"model": path, "key": path, "home": self._model.home, "shared": True}

    def _ask(self, request: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        header, found = self._runner.exchange(request, arrays, self._where)
        if header.get("batches", self._batches) != self._batches:  # a child that was replaced has counted nothing
            raise RunError("onnxruntime died between two runs", where=self._where, cure="It was probably out of memory.", code="E304")
        return header, found


def _range(row: Sequence[float]) -> Range:
    low, high, smallest, nonfinite, count = row
    return Range(low + 0.0, high + 0.0, max(-low, high) + 0.0, smallest, int(nonfinite), int(count))  # without negative zeros


def _whole_numbers(found: object, count: int) -> list[int] | None:
    if not isinstance(found, list) or len(found) != count or not all(type(item) is int and item >= 0 for item in found):
        return None
    return found
