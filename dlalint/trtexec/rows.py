"""What each row of a profile is: a loadable, GPU work, a reformat, a copy, the network's border, or the wait for the DLA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.engine import Engine
from dlalint.trtexec.names import braces, foreign, is_copy, pieces, reformat
from dlalint.trtexec.observed import Profile, ProfileRow

_KERNEL = re.compile(r"_myl\d{0,6}_\d{1,6}$|^__myl_")


class Kind(str, Enum):
    """What a row's time was spent on."""

    DLA = "dla"
    GPU = "gpu"
    REFORMAT = "reformat"
    COPY = "copy"
    BORDER = "io"
    SYNC = "sync"
    NONE = "noop"


class Known(NamedTuple):
    """What tells devices apart: layer types by name, loadables by name, and layers that fell to the GPU.

    ``kernels`` when the profile lists Myelin's kernels one by one, so that a ``{ForeignNode}`` among the names ``listed`` is a loadable.
    """

    types: Mapping[str, str]
    loadables: frozenset[str]
    gpu: frozenset[str]
    bindings: frozenset[str]
    kernels: bool
    listed: frozenset[str]


def known(engine: Engine, profile: Profile | None) -> Known:
    """What the files of ``engine`` say on devices."""
    types = {layer.name: layer.type for layer in engine.layers.layers if layer.type} if engine.layers is not None else {}
    if profile is not None:
        types.update((row.name, row.type) for row in profile.rows if row.type)
    listed = frozenset(profile.names if profile is not None else ())
    loadables = {name for name, kind in types.items() if kind == "DLA"}
    gpu: set[str] = set()
    if engine.build is not None:
        placement = engine.build.placement
        loadables |= {group.name for group in placement.dla if group.form != "layer"} | {offload.name for offload in placement.offloaded}
        gpu = {piece for layer in placement.gpu for piece in pieces(layer.name)}
        gpu |= {fallback.layer for fallback in placement.fallbacks if fallback.stage == "check"}
    bindings = frozenset(engine.layers.bindings if engine.layers is not None else ())
    kernels = any(_KERNEL.search(name) for name in listed)
    return Known(types, frozenset(loadables), frozenset(gpu), bindings, kernels, listed)


def on_dla(name: str, type_: str, facts: Known) -> bool | None:
    """Whether a layer is a loadable. ``None``: its name could be of the DLA or of Myelin, GPU code under the same kind of name."""
    kind = type_ or facts.types.get(name, "")
    if kind:
        return kind == "DLA"
    if braces(name) is not None or name in facts.loadables:
        return True
    ends = foreign(name)
    if ends is None:
        return False
    if facts.kernels:
        return name in facts.listed
    if facts.loadables or any(piece in facts.gpu for end in ends for piece in pieces(end)):
        return False
    return None


class Row(NamedTuple):
    """A row of a profile, understood. ``ms`` is per run. ``sure`` is ``False`` when it is only taken for a loadable by its name."""

    number: int
    row: ProfileRow
    ms: float
    kind: Kind
    sure: bool = True


def classified(profile: Profile, facts: Known, runs: float | None, *, complete: bool) -> tuple[Row, ...]:
    """The rows with their kinds; where none is missing (``complete``) the first and last tell the network's border."""
    found = []
    for number, row in enumerate(profile.rows):
        ms = row.total_ms / runs if runs else row.average_ms
        device = on_dla(row.name, row.type, facts)
        kind = Kind.DLA if device or device is None else _kind(row, ms, facts)
        found.append(Row(number, row, ms, kind, device is not None))
    return _bordered(found, facts, complete)


def _kind(row: ProfileRow, ms: float, facts: Known) -> Kind:
    name = row.name
    kind = row.type or facts.types.get(name, "")
    if kind in ("NoOp", "Constant"):
        return Kind.NONE
    if name.endswith((" finish", " copy finish")):
        return Kind.SYNC
    if name.endswith((" to nvm", " from nvm")):
        return Kind.COPY
    if is_copy(name):
        return Kind.COPY
    if reformat(name) is not None or kind == "Reformat":
        return Kind.REFORMAT
    return Kind.GPU if ms else Kind.NONE


def _bordered(rows: list[Row], facts: Known, complete: bool) -> tuple[Row, ...]:
    """Mark what only carries the network's inputs and outputs: by the bindings, else before the first and after the last work."""
    work = [row.number for row in rows if row.kind in (Kind.DLA, Kind.GPU)]
    first, last = (work[0], work[-1]) if work else (0, len(rows))
    found = []
    for row in rows:
        name = row.row.name
        tensor = name.removesuffix(" to nvm").removesuffix(" from nvm")
        outside = complete and (row.number < first or row.number > last)
        border = tensor in facts.bindings if facts.bindings and tensor != name else outside
        if row.kind in (Kind.COPY, Kind.REFORMAT) and border and (tensor != name or not _produced(name)):
            row = row._replace(kind=Kind.BORDER)
        found.append(row)
    return tuple(found)


def _produced(name: str) -> bool:
    """Whether a reformat is of the output of a layer that works, so that it cannot be the network's input."""
    found = reformat(name)
    return found is not None and found.side == "output" and braces(found.layer) is None and foreign(found.layer) is None


def deferred(profile: Profile) -> bool:
    """Whether the profile books the DLA's time on the rows that wait for it: the rows of data moving to the DLA and back say so.

    Releases up to 8.4 do: a fault of the reporting, says NVIDIA, gone since 8.5
    (github.com/NVIDIA/Deep-Learning-Accelerator-SW/discussions/5).
    """
    return any(row.name.endswith((" finish", " to nvm", " from nvm")) for row in profile.rows)


def waits(rows: tuple[Row, ...]) -> dict[int, int]:
    """In a deferred profile: the row that waits for each loadable, by the number of the loadable's row.

    It is the first that needs the loadable's output: a reformatter or a copy back, before the next loadable.
    """
    found: dict[int, int] = {}
    open_ = -1
    for row in rows:
        if row.kind is Kind.DLA:
            open_ = row.number
        elif open_ >= 0 and (row.kind in (Kind.REFORMAT, Kind.BORDER, Kind.COPY)) and not row.row.name.endswith(" to nvm"):
            target = reformat(row.row.name)
            if target is None or target.side == "output" or (braces(target.layer) is None and foreign(target.layer) is None):
                found[open_] = row.number
                open_ = -1
    return found
