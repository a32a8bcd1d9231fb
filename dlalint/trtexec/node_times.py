"""Time and precision of each node of the model, as far as the engine's layers stand for nodes."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.joining import Names, Paths
from dlalint.trtexec.names import foreign, reformat
from dlalint.trtexec.precision import Computed
from dlalint.trtexec.rows import Kind
from dlalint.trtexec.story import Story


class Measured(NamedTuple):
    """What was measured of a node: ``ms`` when its layers stand for it alone, else ``layer_ms`` is the time of ``shared`` nodes together.

    The time of a loadable belongs to the loadable: its nodes have none.
    """

    precision: str
    layers: tuple[str, ...]
    ms: float | None
    layer_ms: float | None
    shared: int


class _Part(NamedTuple):
    nodes: tuple[int, ...]
    precision: str
    ms: float | None


def measured(story: Story, names: Names, paths: Paths) -> dict[int, Measured]:
    """Time and precision by node; nodes that nothing is known of are left out."""
    found: dict[int, list[tuple[str, _Part]]] = {}
    for layer, part in _parts(story, names, paths).items():
        for number in part.nodes:
            found.setdefault(number, []).append((layer, part))
    return {number: _joined(parts) for number, parts in found.items()}


def loadable_times(story: Story) -> dict[str, float]:
    """Milliseconds of each loadable by its name; waiting for it is part of its time."""
    return {loadable.name: loadable.ms for loadable in story.told.loadables} if story.told is not None else {}


def _parts(story: Story, names: Names, paths: Paths) -> dict[str, _Part]:
    """What is known by layer: those of the engine and inside of loadables, rows of a profile on the GPU, layers timed by cuDLA."""
    parts: dict[str, _Part] = {}
    inside = {layer.inside for layer in story.precisions if layer.inside}
    for layer in story.precisions:
        if layer.name in inside or layer.type == "Reformat" or reformat(layer.name) is not None:
            continue
        parts[layer.name] = _Part(_nodes(layer, names, paths), layer.precision, None if layer.device == "dla" else layer.ms)
    if not story.precisions and story.engine.build is not None:
        listed = (layer for layers in story.engine.build.placement.members.values() for layer in layers)
        parts.update((layer.name, _Part(names.nodes(layer.name), layer.precision, None)) for layer in listed)
    if story.told is not None:
        waiting = story.told.waiting
        for row in story.told.rows:
            name = row.row.name
            if row.kind is Kind.GPU and row.number not in waiting and (name not in parts or parts[name].ms is None):
                known = parts.get(name)
                parts[name] = _Part(known.nodes if known else names.nodes(name), known.precision if known else "", row.ms)
    for time in story.engine.cudla:
        parts[time.name] = _Part(tuple(dict.fromkeys(number for node in time.nodes for number in names.nodes(node))), "", time.busy_ms)
    return parts


def _nodes(layer: Computed, names: Names, paths: Paths) -> tuple[int, ...]:
    """The nodes of a layer, with those between the ends that the name of a range gives."""
    found = dict.fromkeys(number for name in layer.nodes or (layer.name,) for number in names.nodes(name))
    ends = foreign(layer.name)
    if ends is not None and ends[0] != ends[1]:
        found.update(dict.fromkeys(sorted(paths.between(names.nodes(ends[0]), names.nodes(ends[1])))))
    return tuple(found)


def _joined(parts: list[tuple[str, _Part]]) -> Measured:
    times = [part.ms for _, part in parts if part.ms is not None]
    shared = max(len(part.nodes) for _, part in parts)
    whole = sum(times) if times else None
    precision = next((part.precision for _, part in parts if part.precision), "")
    return Measured(precision, tuple(layer for layer, _ in parts), whole if shared == 1 else None, whole, shared)
