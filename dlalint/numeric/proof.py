"""Whether two models compute the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from dlalint.errors import DlalintError
from dlalint.graph import Dim, TensorType, shape_in_words
from dlalint.model.inputs import Overrides, input_types
from dlalint.model.load import load
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.difference import Difference, Tolerance, difference
from dlalint.numeric.inputs import feeds, fitted, nudged
from dlalint.numeric.runner import Interface, Runner

UNREST = 4  # how many times its own movement the outputs of a model may be off: rewrites round in many places, inputs in one
TELLING = 0.05  # of its largest element: an output that moves by more at the rounding of the inputs would hide any fault
_SHOWN = 6  # names of a list in a message


class InterfaceError(DlalintError):
    """Two models do not take or do not give the same tensors."""

    default_code = "E307"


Sets = tuple[tuple[str, tuple[Difference, ...]], ...]  # the differences of the outputs on each set of inputs


class Verification(NamedTuple):
    """The differences of each set of inputs, tensors in the order in which the reference makes them.

    ``first`` is the first tensor of that order that differs on any set. ``blind`` names the sets on which every output of the reference
    holds NaN and infinities only, and which say little: with no other set, ``ok`` is false. ``extra`` are outputs of the other model that
    were not compared because the reference has none of that name.
    """

    sets: Sets
    ok: bool
    first: str | None
    blind: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def fixed_types(runner: Runner, model: str, fixed: Overrides) -> dict[str, TensorType] | None:
    """The types of the inputs with what the user fixed, ``None`` when that is nothing. Raises :class:`UsageError`."""
    if not fixed.shapes and fixed.batch is None:
        return None
    return input_types(load(model), tuple(runner.inputs(model)), fixed)


def verify(
    runner: Runner,
    reference: str | bytes,
    other: str | bytes,
    *,
    tolerance: Tolerance | None = None,
    exact: bool = False,
    inputs: Sequence[Mapping[str, NDArray[Any]]] = (),
    seed: int = 0,
    names: Sequence[str] | None = None,
    types: Mapping[str, TensorType] | None = None,
    seeded: bool = True,
) -> Verification:
    """Run both models on the five seeded sets (unless ``seeded`` is false) and on ``inputs``, and compare the outputs ``names``.

    Without ``names`` these are all outputs of ``reference``, which ``other`` must have too. ``types`` are the shapes to make inputs for,
    where those of the models are free. ``exact`` asks for equal elements (NaN equals NaN, -0.0 equals 0.0). Raises
    :class:`InterfaceError` when the models do not take and give the same tensors, another :class:`DlalintError` when one does not run.
    """
    theirs = runner.interface(other)
    runner.forget(other)  # of two large models only one at a time is in memory
    ours = runner.interface(reference)
    try:
        wanted = _compared(ours, theirs, names)
        taken = _shared(ours.inputs, theirs.inputs, types)
    except InterfaceError as error:
        error.where = " and ".join(model if isinstance(model, str) else "a model" for model in (reference, other))
        raise
    given = list(_feeds(taken, inputs, seed, seeded))
    before = [(label, _ran(runner, reference, label, feed, wanted)) for label, feed in given]
    runner.forget(reference)
    sets = []
    for (label, feed), (_, left) in zip(given, before, strict=True):
        right = _ran(runner, other, label, feed, wanted)
        sets.append((label, tuple(difference(name, left.pop(name), right[name], tolerance) for name in wanted)))
    extra = tuple(name for name in theirs.outputs if name not in ours.outputs) if names is None else ()
    return _judged(tuple(sets), wanted, exact, extra)


def unrest(
    runner: Runner,
    model: str | bytes,
    tolerance: Tolerance,
    *,
    inputs: Sequence[Mapping[str, NDArray[Any]]] = (),
    seed: int = 0,
) -> Sets:
    """How far the outputs of ``model`` move when its float inputs move by their rounding, on the sets that :func:`verify` uses.

    A model that sorts or picks may well answer a change in the last bit with another order. Raises :class:`DlalintError` when it does
    not run.
    """
    sets = []
    for label, feed in _feeds(runner.inputs(model), inputs, seed, True):
        still = runner.outputs(model, feed)
        moved = runner.outputs(model, {name: nudged(values) for name, values in feed.items()})
        sets.append((label, tuple(difference(name, values, moved[name], tolerance) for name, values in still.items())))
    return tuple(sets)


def explains(own: Difference, found: Difference) -> bool:
    """Whether ``found`` is no more than what the model does by itself when its inputs move by their rounding, which must be little too."""
    if found.max_rel is None or own.max_rel is None or own.max_rel > TELLING or found.nan > own.nan or found.inf > own.inf:
        return False
    return found.max_rel <= UNREST * own.max_rel and found.mismatches <= UNREST * own.mismatches


def _ran(
    runner: Runner, model: str | bytes, label: str, feed: Mapping[str, NDArray[Any]], wanted: Sequence[str]
) -> dict[str, NDArray[Any]]:
    try:
        return runner.outputs(model, feed, wanted)
    except DlalintError as error:
        error.what = f'{error.what} (inputs "{label}")'
        raise


def _judged(sets: Sets, wanted: Sequence[str], exact: bool, extra: tuple[str, ...]) -> Verification:
    apart = {found.tensor for _, differences in sets for found in differences if not (found.bit_equal if exact else found.within)}
    blind = tuple(label for label, differences in sets if _is_blind(differences))
    first = next((name for name in wanted if name in apart), None)
    return Verification(sets, not apart and len(blind) < len(sets), first, blind, extra)


def _is_blind(differences: Sequence[Difference]) -> bool:
    filled = [found for found in differences if found.elements]
    return bool(filled) and not any(found.finite for found in filled)


def _feeds(
    types: Mapping[str, TensorType], inputs: Sequence[Mapping[str, NDArray[Any]]], seed: int, seeded: bool
) -> Iterator[tuple[str, Mapping[str, NDArray[Any]]]]:
    if seeded:
        yield from feeds(types, seed)
    for number, given in enumerate(inputs, 1):
        label = "given" if len(inputs) == 1 else f"given {number}"
        yield label, fitted(types, given, f"inputs {label!r}")


def _compared(ours: Interface, theirs: Interface, names: Sequence[str] | None) -> list[str]:
    """The outputs to compare, in the order in which the reference makes them."""
    if names is None:
        absent = [name for name in ours.outputs if name not in theirs.outputs]
        if absent:
            raise InterfaceError(
                f"the second model lacks {_listed(absent)} of the first one's outputs",
                cure="Name the outputs to compare with --tensor.",
            )
        return list(ours.outputs)
    for side, interface in (("first", ours), ("second", theirs)):
        absent = [name for name in names if name not in interface.outputs]
        if absent:
            raise InterfaceError(f"the {side} model has no output {_listed(absent)}", cure=f"It has {_listed(list(interface.outputs))}.")
    return [name for name in ours.outputs if name in names]


def _shared(
    ours: Mapping[str, TensorType], theirs: Mapping[str, TensorType], fixed: Mapping[str, TensorType] | None
) -> dict[str, TensorType]:
    """The inputs of both models, each dimension as the one that fixes it says."""
    for side, has, lacks in (("second", ours, theirs), ("first", theirs, ours)):
        absent = [name for name in has if name not in lacks]
        if absent:
            raise InterfaceError(f"the {side} model has no input {_listed(absent)}", cure="Compare models that take the same inputs.")
    merged = {name: _merged(name, kind, theirs[name]) for name, kind in ours.items()}
    return {name: _merged(name, kind, (fixed or {}).get(name, kind)) for name, kind in merged.items()}


def _merged(name: str, one: TensorType, two: TensorType) -> TensorType:
    if one.shape is None or two.shape is None:
        shape = two.shape if one.shape is None else one.shape
    elif len(one.shape) == len(two.shape):
        shape = tuple(map(_fixed, one.shape, two.shape))
    else:
        shape = None
    clash = any(
        isinstance(dim, int) and dim != size for side in (one.shape, two.shape) for dim, size in zip(side or (), shape or (), strict=False)
    )
    if one.dtype != two.dtype or clash or (shape is None and one.shape is not None):
        words = " and ".join(f"{kind.dtype} {shape_in_words(kind.shape or ())}" for kind in (one, two))
        raise InterfaceError(f"input {quoted(name)} is {words}", cure="Compare models that take the same inputs.")
    return TensorType(one.dtype, shape)


def _fixed(one: Dim, two: Dim) -> Dim:
    return two if isinstance(two, int) and not isinstance(one, int) else one


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(quoted, names[:_SHOWN])) or "nothing"
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
