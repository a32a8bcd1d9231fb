"""A model as FP16 computes it, layer by layer beside itself in FP32."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import prod

import numpy as np
from onnx import ModelProto

from dlalint.errors import UsageError
from dlalint.graph import TensorType, dtype_size
from dlalint.model.inputs import Overrides
from dlalint.model.skeleton import excise
from dlalint.model.stored import quoted
from dlalint.model.tensors import KEEP_INTEGER_BYTES
from dlalint.named_tuple import NamedTuple
from dlalint.numeric import Difference, Runner, Tolerance, difference, fitted
from dlalint.numeric.portions import portions
from dlalint.numeric.runner import sendable
from dlalint.pipeline import Session
from dlalint.rewrite.graph import Array, captured, parsed
from dlalint.rewrite.rounding import Point, Rounded, rounded
from dlalint.target import Target

BUDGET = 128 << 20  # bytes of tensors that one run hands out
_UNKNOWN = 8  # tensors of unknown size to a run

Feeds = Mapping[str, Array]


class Emulation(NamedTuple):
    """The layers' outputs in their order, and for each set of inputs how far FP16 is off.

    ``overflow`` is the first tensor that is not finite where FP32 is, ``first`` the first that is not within the tolerance. ``closed``
    counts nodes with bodies or a function, inside of which nothing is rounded; ``already`` says that the reference is in FP16 itself.
    """

    points: tuple[Point, ...]
    sets: tuple[tuple[str, tuple[Difference, ...]], ...]
    closed: int
    already: bool

    @property
    def overflow(self) -> int | None:
        """The index of the first tensor with values that are finite in FP32 only."""
        return self._first(lambda item: bool(item.nan or item.inf))

    @property
    def first(self) -> int | None:
        """The index of the first tensor that is further off than tolerated."""
        return self._first(lambda item: not item.within)

    @property
    def small(self) -> int:
        """How many tensors lie below the normal numbers of FP16 as a whole, on each set that is not 0."""
        normal = float(np.finfo(np.float16).smallest_normal)
        columns = zip(*(items for _, items in self.sets), strict=True)
        return sum(0 < max(item.scale for item in column) < normal for column in columns)

    def _first(self, bad: Callable[[Difference], bool]) -> int | None:
        return next((index for index in range(len(self.points)) if any(bad(items[index]) for _, items in self.sets)), None)


def emulate(
    runner: Runner,
    session: Session,
    reference: str,
    other: str,
    target: Target,
    inputs: Iterable[tuple[str, Feeds]],
    *,
    tolerance: Tolerance,
    names: Sequence[str] = (),
    budget: int = BUDGET,
    progress: Callable[[str], None] = lambda _: None,
) -> Emulation:
    """Run ``reference`` as it is and ``other`` rounded to FP16 between the layers of ``target``, and compare what both make.

    ``inputs`` are labelled sets, gone through more than once; each float of them is rounded to FP16 for ``other``, as the engine's input
    is. ``names`` are the tensors to compare, all when empty. Of each side tensors of ``budget`` bytes are in memory at once, one tensor at
    least. Raises :class:`DlalintError` when a model cannot be read or run, or when both have no tensor in common.
    """
    ours, theirs = (_Side(runner, path) for path in (reference, other))
    fixed = Overrides({name: array.shape for name, array in next(iter(inputs))[1].items()})
    view = session.view(other, fixed)
    made = rounded(theirs.proto, view, session.check(view, target), other)
    theirs.proto = made.model
    points = _chosen(ours, made, names, f"{reference} and {other}")
    taken = {name: kind for name, kind in view.types.items() if name in view.inputs}
    found: dict[str, list[Difference]] = {}
    for group in portions(points, partial(_bytes, view.types, budget), budget):
        progress(f"{max(map(len, found.values()), default=0)} of {len(points)} tensors compared")
        wanted = [point.tensor for point in group]
        with_ours, with_theirs = ours.opened(wanted), theirs.opened(wanted)
        for label, feed in inputs:
            left = with_ours.run(feed, wanted, label)
            right = with_theirs.run(_halved(fitted(taken, feed, f"inputs {label!r}")), wanted, label)
            items = found.setdefault(label, [])
            items += [difference(name, left[name], _alike(left.pop(name), right.pop(name)), tolerance) for name in wanted]
        with_ours.close()
        with_theirs.close()
    sets = tuple((label, tuple(items)) for label, items in found.items())
    return Emulation(points, sets, made.closed, ours.computes_in_halves())


def _chosen(ours: _Side, made: Rounded, names: Sequence[str], where: str) -> tuple[Point, ...]:
    unknown = next((name for name in names if name not in {point.tensor for point in made.points}), None)
    if unknown is not None:
        what = f"{quoted(unknown)} is no float that one layer hands to the next"
        raise UsageError(what, where="--tensor", cure="`dlalint mark-output --list` shows the tensors.", code="E510")
    points = tuple(point for point in made.points if point.tensor in ours.makes and (not names or point.tensor in names))
    if not points:
        cure = "Compare models that name their tensors alike."
        raise UsageError("there is no tensor of floats that both compute", where=where, cure=cure, code="E524")
    return points


class _Side:
    """One of the two models."""

    def __init__(self, runner: Runner, path: str) -> None:
        self._runner = runner
        real, self._where = runner.located(path)
        real = os.path.realpath(real)
        self._home = os.path.dirname(real)
        self.proto = parsed(excise(real, KEEP_INTEGER_BYTES), real)
        self.makes = frozenset(name for node in self.proto.graph.node for name in node.output if name)

    def computes_in_halves(self) -> bool:
        """Whether an input or weight of the model is FP16."""
        graph = self.proto.graph
        halves = 10  # onnx.proto, TensorProto.DataType
        return any(item.type.tensor_type.elem_type == halves for item in graph.input) or any(
            tensor.data_type == halves for tensor in graph.initializer
        )

    def opened(self, wanted: Sequence[str]) -> _Open:
        """The part of the model that makes ``wanted``."""
        path = os.path.join(self._runner.folder, f"rounding-{os.urandom(8).hex()}.onnx")
        with open(path, "wb") as file:
            file.write(_part(self.proto, wanted).SerializeToString())
        return _Open(self._runner, {"model": path, "key": path, "home": self._home}, self._where)


class _Open(NamedTuple):
    runner: Runner
    request: Mapping[str, str]
    where: str

    def run(self, feeds: Feeds, wanted: Sequence[str], label: str) -> dict[str, Array]:
        described, arrays = sendable(feeds)
        read = {"job": "run", "feeds": described, "wanted": list(wanted)}
        _, found = self.runner.exchange({**self.request, **read}, arrays, f'{self.where} (inputs "{label}")')
        if set(found) != set(wanted):
            self.runner.nonsense()
        return found

    def close(self) -> None:
        self.runner.exchange({**self.request, "job": "forget", "feeds": []}, (), self.where)
        os.unlink(self.request["model"])


def _part(proto: ModelProto, wanted: Sequence[str]) -> ModelProto:
    """The nodes that ``wanted`` depend on, which are its outputs; every input stays, as it is fed."""
    producers = {name: index for index, node in enumerate(proto.graph.node) for name in node.output if name}
    needed: set[int] = set()
    pending = list(wanted)
    while pending:
        index = producers.get(pending.pop())
        if index is not None and index not in needed:
            needed.add(index)
            pending += [*proto.graph.node[index].input, *captured(proto.graph.node[index])]
    part = ModelProto()
    part.CopyFrom(proto)
    del part.graph.node[:], part.graph.output[:]
    part.graph.node.extend(proto.graph.node[index] for index in sorted(needed))
    for name in wanted:
        part.graph.output.add(name=name)
    return part


def _bytes(types: Mapping[str, TensorType], budget: int, point: Point) -> int:
    kind = types[point.tensor]
    return budget // _UNKNOWN if kind.dims is None else prod(kind.dims) * int(dtype_size(kind.dtype))


def _halved(feed: Feeds) -> Feeds:
    """The inputs rounded to FP16, in the types they have."""
    with np.errstate(over="ignore"):
        return {name: array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array for name, array in feed.items()}


def _alike(reference: Array, found: Array) -> Array:
    """``found`` with the element type of the reference, when both are floats."""
    return found.astype(reference.dtype) if found.dtype.kind == reference.dtype.kind == "f" else found
