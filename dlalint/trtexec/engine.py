"""The files of one engine, joined; files of different engines are refused."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.names import nodes, pieces
from dlalint.trtexec.observed import BuildLog, DlaLayerTime, LayerInfo, LogError, Observed, Profile, Summary, Times

_MODEL = re.compile(r"--(?:onnx|deploy|uff|model|loadEngine|saveEngine)=(\S{1,4096})")
_GENERIC = frozenset("model module net network features backbone encoder decoder conv relu layer node graph main torch onnx".split())
_OVERLAP = 0.5


class Release(NamedTuple):
    """The TensorRT release of an engine: ``first`` to ``last`` (empty: and later). ``stated`` when a file names it, else by its form."""

    first: str
    last: str
    stated: bool


class Engine(NamedTuple):
    """What the files say on one engine. ``profile`` is ``None`` when no file has times of a run."""

    paths: tuple[str, ...]
    profile: Profile | None
    layers: LayerInfo | None
    build: BuildLog | None
    times: Times | None
    summary: Summary | None
    cudla: tuple[DlaLayerTime, ...]
    release: Release | None
    notes: tuple[str, ...]


def join(parts: Sequence[Observed], profile: Profile | None) -> Engine:
    """The engine that ``parts`` describe; of several of a kind the first counts. Raises :class:`LogError` (E134) if they differ."""
    layers = next((part.layers for part in parts if part.layers is not None), None)
    build = next((part.build for part in parts if part.build is not None), None)
    if layers is None or not layers.detailed:
        from_log = next((part.build.engine for part in parts if part.build is not None and part.build.engine), ())
        layers = LayerInfo(from_log, layers.bindings if layers else (), True) if from_log else layers
    _agree(parts, profile)
    return Engine(
        tuple(part.path for part in parts),
        profile,
        layers,
        build,
        next((part.times for part in parts if part.times is not None), None),
        next((part.summary for part in parts if part.summary is not None), None),
        next((part.cudla for part in parts if part.cudla), ()),
        _release(build, profile),
        tuple(f"{part.path}: {note}" if len(parts) > 1 else note for part in parts for note in part.notes),
    )


def _release(build: BuildLog | None, profile: Profile | None) -> Release | None:
    if build is not None and build.release:
        return Release(build.release, build.release, True)
    return Release(*profile.releases, False) if profile is not None else None


def belongs(part: Observed, profile: Profile) -> bool:
    """Whether a file without times can be of the engine of ``profile``; ``True`` where it names too little to tell."""
    known, asked = names_of(part), profile_names(profile)
    return _alike(known, asked)


def _agree(parts: Sequence[Observed], profile: Profile | None) -> None:
    known = [(part.path, names_of(part)) for part in parts]
    if profile is not None:
        known.append(("the profile", profile_names(profile)))
    for index, (path, own) in enumerate(known):
        for other_path, other in known[:index]:
            if not _alike(own, other):
                what = f"{path} and {other_path} are of different engines: hardly a layer of one is in the other"
                raise LogError(what, cure="Give the files of one engine, or two profiles to compare.", code="E134")


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two sets of layers can be of one network; ``True`` when one is too small to tell."""
    least = min(len(one), len(other))
    return least < 3 or len(one & other) >= least * _OVERLAP


def names_of(part: Observed) -> frozenset[str]:
    """The layers that a file names, profiles aside; of a build log those of its engine and lists, not of its warnings alone."""
    found: list[str] = []
    if part.layers is not None:
        found += [name for layer in part.layers.layers for name in pieces(layer.name)]
    if part.build is not None:
        placement = part.build.placement
        found += [name for layer in part.build.engine for name in pieces(layer.name)]
        found += [name for group in placement.dla for member in group.members for name in pieces(member)]
        found += [name for layer in placement.gpu for name in pieces(layer.name)]
    return frozenset(found)


def profile_names(profile: Profile) -> frozenset[str]:
    """The layers that the rows of a profile name, reformats and waiting rows aside."""
    return frozenset(name for row in profile.rows if not row.name.endswith((" finish", " nvm", " copy")) for name in nodes(row.name))


def network_name(names: Iterable[str], build: BuildLog | None) -> str:
    """What the network is called: by the model file of the command, else by what its layers' names begin with; empty when neither tells."""
    found = _MODEL.search(build.command) if build is not None else None
    if found:
        return re.split(r"[/\\]", found[1])[-1].rpartition(".")[0] or found[1]
    listed = [name.strip("/") for name in names]
    for separator, least in (("/", 0.6), ("_", 0.8)):
        starts = Counter(name.partition(separator)[0] for name in listed if separator in name)
        best, count = starts.most_common(1)[0] if starts else ("", 0)
        if len(listed) >= 3 and count >= len(listed) * least and best.lower().rstrip("0123456789.") not in _GENERIC:
            return best
    return ""
