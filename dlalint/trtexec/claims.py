"""What the files of a build say on the device of each layer, by the layers' own names: the evidence a prediction is held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.account import account
from dlalint.trtexec.engine import Engine
from dlalint.trtexec.names import braces, foreign, reformat
from dlalint.trtexec.observed import BuildLog, EngineLayer, Placement, Profile
from dlalint.trtexec.rows import Kind, Known, known, on_dla

DLA, GPU = "dla", "gpu"
MOVING = frozenset({"SHUFFLE", "CONSTANT", "IDENTITY"})  # layers of the network that only move data
IDLE = MOVING | {"NoOp", "Shuffle", "Constant"}  # and of the engine
_COPIES = (" copy", "_copy_output", "_copy_input")  # what the builder puts in to bring tensors together


class Basis(str, Enum):
    """Where a device is known from, the surest first."""

    ENGINE = "the engine's layers"
    LIST = "the lists of layers"
    LIMIT = "the limit on loadables"
    PROFILE = "the profile"
    RANGE = "between the ends of a loadable"
    WARNING = "a warning"
    REST = "named nowhere on the GPU"


class Claim(NamedTuple):
    """What one entry of a file says: ``names`` are the layers in it, fused ones in one, ``nodes`` ONNX nodes that its metadata states.

    ``device`` is ``dla``, ``gpu``, or empty when the entry fits both. ``kind`` is TensorRT's word for the layer, ``loadable`` an index or
    -1, ``writes`` are the tensors that it makes.
    """

    layer: str
    names: tuple[str, ...]
    device: str
    basis: Basis
    kind: str = ""
    loadable: int = -1
    nodes: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


class Held(NamedTuple):
    """A loadable of the engine: all its ``members`` when ``exact``, else the two that its name gives. ``sides`` are its first and last."""

    name: str
    members: tuple[str, ...]
    exact: bool
    sides: tuple[str, str]


class Told(NamedTuple):
    """The evidence. ``ranges`` are GPU layers named by their two ends only. ``rest`` is the device of what no file names, empty if unknown.

    ``loaded`` is the number of loadables, ``candidates`` that before the limit; ``None`` when the files do not tell. ``asked`` says that
    the DLA was asked for. ``notes`` say what keeps the files from telling more.
    """

    claims: tuple[Claim, ...]
    loadables: tuple[Held, ...]
    ranges: tuple[tuple[str, str], ...]
    rest: str
    loaded: int | None
    candidates: int | None
    asked: bool
    notes: tuple[str, ...]


def told(engine: Engine, profile: Profile | None) -> Told:
    """What the files of ``engine`` say; ``profile`` is one of a run, or ``None``."""
    facts = known(engine, profile)
    placement = engine.build.placement if engine.build is not None else None
    loadables = _loadables(engine, profile, facts)
    claims = [*_inside(loadables, _basis(engine, placement)), *_engine(engine, facts)]
    if placement is not None:
        claims += [*_listed(placement, loadables), *_warned(placement)]
    claims += _timed(engine, profile)
    ranges = _gpu_ranges(claims)
    asked = _asked(engine.build, claims)
    unsure = any(not claim.device for claim in claims)
    rest = _rest(engine, profile, loadables, asked) if not unsure else ""
    candidates = placement.candidates[1] if placement is not None and placement.candidates else None
    loaded = _loaded(engine, placement, loadables, facts)
    return Told(
        tuple(claims), loadables, ranges, rest, loaded, candidates, asked, tuple(_notes(engine, placement, unsure, rest, loadables))
    )


def _loadables(engine: Engine, profile: Profile | None, facts: Known) -> tuple[Held, ...]:
    """The loadables that stayed: as the engine has them, else as the DLA compiler accepted them, else as listed or timed."""
    layers = engine.layers.layers if engine.layers is not None else ()
    names = [layer.name for layer in layers if on_dla(layer.name, layer.type, facts)]
    placement = engine.build.placement if engine.build is not None else None
    if not names and placement is not None:
        names = [offload.name for offload in placement.offloaded] or [group.name for group in placement.dla if group.form != "layer"]
    if not names and profile is not None:
        names = [row.name for row in profile.rows if on_dla(row.name, row.type, facts)]
    members = placement.members if placement is not None else {}
    stated = {layer.name: layer.nodes for layer in layers if layer.stated and layer.type == "DLA"}
    return tuple(_held(name, members, stated) for name in dict.fromkeys(names))


def _held(name: str, members: Mapping[str, Sequence[EngineLayer]], stated: Mapping[str, tuple[str, ...]]) -> Held:
    ends = foreign(name)
    listed = braces(name)
    if members.get(name):
        inside, exact = tuple(layer.name for layer in members[name]), True
    elif stated.get(name):
        inside, exact = stated[name], True
    elif listed is not None:
        inside, exact = listed[0], not listed[1]
    elif ends is not None:
        inside, exact = tuple(dict.fromkeys(ends)), ends[0] == ends[1] and name.endswith("}")
    else:
        inside, exact = (name,), True
    sides = ends or (inside[0], inside[-1]) if inside else (name, name)
    return Held(name, inside, exact, sides)


def _basis(engine: Engine, placement: Placement | None) -> Basis:
    if engine.layers is not None and engine.layers.detailed:
        return Basis.ENGINE
    return Basis.LIST if placement is not None and (placement.dla or placement.offloaded) else Basis.PROFILE


def _inside(loadables: Sequence[Held], basis: Basis) -> Iterator[Claim]:
    for number, held in enumerate(loadables):
        yield Claim(held.name, held.members, DLA, basis, "", number)


def _engine(engine: Engine, facts: Known) -> Iterator[Claim]:
    """The layers of the engine that are no loadables."""
    for layer in engine.layers.layers if engine.layers is not None else ():
        device = on_dla(layer.name, layer.type, facts)
        if not device and layer.type != "Reformat" and reformat(layer.name) is None and not layer.name.endswith(_COPIES):
            stated = layer.nodes if layer.stated else ()
            made = tuple(use.name for use in layer.outputs)
            yield Claim(layer.name, (layer.name,), "" if device is None else GPU, Basis.ENGINE, layer.type, -1, stated, made)


def _listed(placement: Placement, loadables: Sequence[Held]) -> Iterator[Claim]:
    """The lists of layers; the one of TensorRT 10 names the DLA's layer by layer, and from before the limit."""
    exact = bool(loadables) and all(held.exact for held in loadables)
    inside = {member for held in loadables for member in held.members}
    dropped = frozenset(placement.over_limit)
    lost = bool(dropped) or (placement.candidates is not None and placement.candidates[0] < placement.candidates[1])
    for group in placement.dla:
        name = group.members[0] if group.members else group.name
        if group.form == "layer" and name not in inside:
            over = exact or name in dropped
            device = GPU if over else "" if lost else DLA
            yield Claim(name, (name,), device, Basis.LIMIT if over else Basis.LIST)
    for layer in placement.gpu:
        yield Claim(layer.name, (layer.name,), GPU, Basis.LIST, layer.kind)


def _warned(placement: Placement) -> Iterator[Claim]:
    """Layers that a warning sends to the GPU; with lists of layers it only gives the reason."""
    if placement.listed:
        return
    for name in placement.over_limit:
        yield Claim(name, (name,), GPU, Basis.LIMIT)
    for fallback in placement.fallbacks:
        if fallback.stage != "remark" and fallback.layer:
            yield Claim(fallback.layer, (fallback.layer,), GPU, Basis.WARNING, fallback.kind)


def _timed(engine: Engine, profile: Profile | None) -> Iterator[Claim]:
    """The rows of a profile that work on the GPU, and the layers that cuDLA times."""
    for layer in engine.cudla:
        yield Claim(layer.name, layer.nodes, DLA, Basis.PROFILE)
    if profile is None:
        return
    for row in account(engine, profile).rows:
        name = row.row.name
        if row.kind is Kind.DLA and not row.sure:
            yield Claim(name, (name,), "", Basis.PROFILE, row.row.type)
        elif row.kind in (Kind.GPU, Kind.NONE) and reformat(name) is None and not name.endswith(_COPIES):
            yield Claim(name, (name,), GPU, Basis.PROFILE, row.row.type or ("" if row.kind is Kind.GPU else "NoOp"))


def _gpu_ranges(claims: Sequence[Claim]) -> tuple[tuple[str, str], ...]:
    found = (foreign(claim.layer) for claim in claims if claim.device == GPU)
    return tuple(dict.fromkeys(ends for ends in found if ends is not None and ends[0] != ends[1]))


def _asked(build: BuildLog | None, claims: Sequence[Claim]) -> bool:
    """Whether a file shows that the build was for the DLA."""
    if any(claim.device == DLA for claim in claims):
        return True
    if build is None:
        return False
    placement = build.placement
    said = (placement.listed, placement.fallbacks, placement.over_limit, placement.none_on_dla, placement.pools, placement.candidates)
    return build.dla_core is not None or "--useDLACore" in build.command or any(said)


def finished(engine: Engine, profile: Profile | None) -> bool:
    """Whether the files go on behind the lists of layers, so that those are whole."""
    build = engine.build
    if build is None:
        return False
    behind = (build.passed is not None, build.engine, build.timings, build.counts, engine.summary, engine.times, profile)
    return build.placement.ended or any(behind)


def _rest(engine: Engine, profile: Profile | None, loadables: Sequence[Held], asked: bool) -> str:
    """The device of the layers that nothing names: those of a finished log that lists only the others, or warns only of the others."""
    build = engine.build
    if build is None or not asked or not finished(engine, profile):
        return ""
    placement = build.placement
    if placement.none_on_dla:
        return GPU
    if placement.listed:
        whole = all(held.exact for held in loadables) or any(group.form == "layer" for group in placement.dla)
        cut = any(group.elided for group in placement.dla)
        return DLA if loadables and not whole and not cut else ""
    silent = not placement.over_limit and engine.layers is None and profile is None
    return DLA if silent and build.dla_core is not None else ""


def _loaded(engine: Engine, placement: Placement | None, loadables: Sequence[Held], facts: Known) -> int | None:
    """How many loadables there are: by the number that the log states, else as many as are named; none where they would be named."""
    if placement is not None and placement.candidates:
        return placement.candidates[0]
    if loadables:
        return len(loadables)
    whole = engine.layers is not None and engine.layers.detailed and engine.layers.complete
    empty = placement is not None and (placement.none_on_dla or (placement.listed and not placement.dla and bool(placement.gpu)))
    return 0 if (whole or empty) and not facts.loadables else None


def _notes(engine: Engine, placement: Placement | None, unsure: bool, rest: str, loadables: Sequence[Held]) -> Iterator[str]:
    if unsure and any(held.name.startswith("{ForeignNode") for held in loadables) is False:
        yield (
            "A name such as {ForeignNode[a...b]} can be a loadable or GPU code of Myelin; the build log, or layer information with "
            "--profilingVerbosity=detailed, tells which."
        )
    if placement is not None and placement.over_limit and any(group.form == "layer" for group in placement.dla) and unsure:
        yield "The list of layers is from before the limit on loadables, and nothing says which candidates stayed: --verbose does."
    if rest == DLA:
        how = "in the list of GPU layers" if placement is not None and placement.listed else "in a warning"
        yield f"The log is whole, so what it does not name {how} is taken to be on the DLA."
    if engine.layers is not None and not engine.layers.complete:
        yield "The layer information ends early."
