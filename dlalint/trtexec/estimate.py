"""What a verbose build log alone tells on time: the builder measures every loadable, reformat and kernel before it chooses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.formats import strided
from dlalint.trtexec.names import Reformat, reformat
from dlalint.trtexec.observed import Added, BuildLog, EngineLayer, Format, Profile, ProfileRow, Timing, Use


class Choice(NamedTuple):
    """One combination of formats that a loadable was timed with. ``taken`` when the engine uses it."""

    reads: tuple[Format, ...]
    writes: tuple[Format, ...]
    ms: float
    taken: bool


class Tuned(NamedTuple):
    """A loadable with its times, fastest first."""

    name: str
    choices: tuple[Choice, ...]


class Conversion(NamedTuple):
    """A conversion of a tensor that was timed. ``taken`` when the engine does it."""

    tensor: str
    source: Format
    target: Format
    ms: float
    taken: bool


def _key(form: Format) -> tuple[str, str]:
    """What the lists of engine layers tell of a format: type and lanes, not whether rows or pixels lie together."""
    return form.dtype, "".join(char for char in form.layout if char.isdigit())


def _strided(texts: Sequence[str], uses: Sequence[Use]) -> tuple[Format, ...]:
    """Formats from strides, with the sizes of the engine's tensors where they are known."""
    dims = [use.dims for use in uses] if len(uses) == len(texts) else [None] * len(texts)
    return tuple(strided(text, size) for text, size in zip(texts, dims, strict=True))


def _keys(forms: Sequence[Format]) -> tuple[tuple[str, str], ...]:
    return tuple(_key(form) for form in forms)


def tuned(build: BuildLog) -> tuple[Tuned, ...]:
    """The loadables with all formats that were tried."""
    used = {layer.name: layer for layer in build.engine if layer.type == "DLA"}
    found: dict[str, list[tuple[Timing, tuple[Format, ...], tuple[Format, ...]]]] = defaultdict(list)
    for timing in build.timings:
        if timing.runner == "DLA":
            layer = used.get(timing.name)
            reads = _strided(timing.inputs, layer.inputs if layer is not None else ())
            found[timing.name].append((timing, reads, _strided(timing.outputs, layer.outputs if layer is not None else ())))
    made = []
    for name, tried in found.items():
        layer = used.get(name)
        wanted = (_keys(_formats(layer.inputs)), _keys(_formats(layer.outputs))) if layer is not None else None
        choices = [Choice(reads, writes, timing.ms, (_keys(reads), _keys(writes)) == wanted) for timing, reads, writes in tried]
        made.append(Tuned(name, tuple(sorted(choices, key=lambda choice: choice.ms))))
    return tuple(made)


def _formats(uses: Sequence[Use]) -> tuple[Format, ...]:
    return tuple(use.format for use in uses)


def conversions(build: BuildLog) -> tuple[Conversion, ...]:
    """The conversions of the tensors that reformats were put in for, as timed; those without work at run time left out."""
    free = {reformat(layer.name) for layer in build.engine if layer.type == "NoOp"}
    real = [added for added in build.added if Reformat(added.side, added.number, added.layer) not in free]
    taken = {(added.tensor, added.source, added.target) for added in real}
    tensors = {added.tensor for added in real}
    dims = {use.name: use.dims for layer in build.engine for use in (*layer.inputs, *layer.outputs)}
    return tuple(
        Conversion(
            timing.name,
            strided(timing.inputs[0], dims.get(timing.name)),
            strided(timing.outputs[0], dims.get(timing.name)),
            timing.ms,
            key in taken,
        )
        for timing in build.timings
        if timing.runner == "Reformat" and timing.name in tensors and timing.inputs and timing.outputs
        if (key := (timing.name, ", ".join(timing.inputs), ", ".join(timing.outputs)))
    )


def estimated(build: BuildLog) -> Profile | None:
    """A profile from the times measured while building, layer by layer; ``None`` when the log lacks the layers or the times.

    Loadables and reformats at the formats that the engine uses, other layers at their best; a layer that was not timed has no row.
    """
    if not build.engine or not build.timings:
        return None
    loadables = {item.name: item for item in tuned(build)}
    costs = {(timing.name, ", ".join(timing.inputs), ", ".join(timing.outputs)): timing.ms for timing in build.timings}
    added = {(item.side, item.number, item.layer): item for item in build.added}
    rows = []
    for layer in build.engine:
        ms = _cost(layer, loadables, costs, added, build.fastest)
        if ms is not None:
            rows.append(ProfileRow(layer.name, ms, ms, None, None, layer.type))
    return Profile(tuple(rows), 1, None, "autotuning", (build.release, build.release)) if rows else None


def _cost(
    layer: EngineLayer,
    loadables: Mapping[str, Tuned],
    costs: Mapping[tuple[str, str, str], float],
    added: Mapping[tuple[str, int, str], Added],
    fastest: Mapping[str, float],
) -> float | None:
    if layer.type in ("NoOp", "Constant"):
        return 0.0
    if layer.type == "DLA":
        choices = loadables[layer.name].choices if layer.name in loadables else ()
        return next((choice.ms for choice in choices if choice.taken), choices[0].ms if choices else None)
    move = reformat(layer.name)
    item = added.get((move.side, move.number, move.layer)) if move is not None else None
    if item is not None:
        return costs.get((item.tensor, item.source, item.target))
    return fastest.get(layer.name)
