"""The precision of each layer and the formats around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.account import Account
from dlalint.trtexec.engine import Engine
from dlalint.trtexec.observed import EngineLayer, Format
from dlalint.trtexec.rows import Known, known, on_dla


class Computed(NamedTuple):
    """A layer of the engine: ``device`` is ``dla`` or ``gpu``, ``inside`` the loadable it is part of, empty for the engine's own layers."""

    name: str
    type: str
    device: str
    precision: str
    reads: tuple[Format, ...]
    writes: tuple[Format, ...]
    ms: float | None
    nodes: tuple[str, ...]
    inside: str = ""


def precisions(engine: Engine, told: Account | None) -> tuple[Computed, ...]:
    """The layers of the engine in order, those of a loadable behind it where a log lists them; empty without formats."""
    layers = engine.layers.layers if engine.layers is not None and engine.layers.detailed else ()
    facts = known(engine, told.profile if told is not None else None)
    times = {row.row.name: row.ms for row in told.rows} if told is not None else {}
    members = engine.build.placement.members if engine.build is not None else {}
    found = []
    for layer in layers:
        found.append(_computed(layer, facts, times.get(layer.name), ""))
        found += [_computed(part, facts, None, layer.name) for part in members.get(layer.name, ())]
    return tuple(found)


def _computed(layer: EngineLayer, facts: Known, ms: float | None, inside: str) -> Computed:
    device = "dla" if inside or on_dla(layer.name, layer.type, facts) is not False else "gpu"
    reads = tuple(use.format for use in layer.inputs)
    return Computed(
        layer.name, layer.type, device, layer.precision, reads, tuple(use.format for use in layer.outputs), ms, layer.nodes, inside
    )


def counted(layers: Sequence[Computed]) -> dict[str, int]:
    """How many layers compute in each precision: those of a loadable where they are listed, else the loadable as one; no reformats."""
    listed = {layer.inside for layer in layers if layer.inside}
    working = (layer for layer in layers if layer.name not in listed and layer.type not in ("Reformat", "NoOp", "Constant"))
    return dict(Counter(layer.precision or "unknown" for layer in working).most_common())
