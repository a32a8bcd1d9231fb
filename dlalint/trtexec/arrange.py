"""Which files belong together: one engine, or two profiles to compare, each with the files of its engine."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.engine import Engine, belongs, join, profile_names
from dlalint.trtexec.estimate import estimated
from dlalint.trtexec.observed import LogError, Observed, Profile

_COMPARABLE = 0.05  # two exports of one network may share few names


class Case(NamedTuple):
    """An engine and the times to report on, ``None`` when no file has any."""

    engine: Engine
    profile: Profile | None


class Arranged(NamedTuple):
    """What to report: one engine, several tables of one file, or with ``compared`` two engines side by side."""

    cases: tuple[Case, ...]
    compared: bool


def arranged(parts: Sequence[Observed]) -> Arranged:
    """The files in order. Raises :class:`LogError`: E134 for files of different engines, E137 for too many profiles."""
    timed = _distinct([part for part in parts if part.profiles])
    others = [part for part in parts if not part.profiles]
    if not timed:
        return _untimed(parts)
    if len(timed) == 1:
        return Arranged(tuple(Case(join([timed[0], *others], profile), profile) for profile in timed[0].profiles), False)
    if len(timed) > 2 or any(len(part.profiles) > 1 for part in timed):
        count = sum(len(part.profiles) for part in timed)
        raise LogError(f"{count} profiles are given", cure="Give one, or two files with one each to compare.", code="E137")
    cases = []
    for part in timed:
        profile = part.profiles[0]
        cases.append(Case(join([part, *(other for other in others if belongs(other, profile))], profile), profile))
    _comparable(cases)
    for other in others:
        if not any(belongs(other, case.profile) for case in cases if case.profile is not None):
            raise LogError("it is of another engine than both profiles", where=other.path, cure="Leave it out.", code="E134")
    return Arranged(tuple(cases), True)


def _untimed(parts: Sequence[Observed]) -> Arranged:
    """Files without a run: build logs stand for themselves by the times they measured, two of them side by side."""
    guesses = [(part, estimated(part.build) if part.build is not None else None) for part in parts]
    logs = [(part, guess) for part, guess in guesses if guess is not None]
    if len(logs) > 2:
        raise LogError(f"{len(logs)} build logs are given", cure="Give one, or two to compare.", code="E137")
    if len(logs) < 2:
        return Arranged((Case(join(parts, None), logs[0][1] if logs else None),), False)
    others = [part for part, guess in guesses if guess is None]
    cases = []
    for part, guess in logs:
        assert guess is not None
        cases.append(Case(join([part, *(other for other in others if belongs(other, guess))], guess), guess))
    _comparable(cases)
    return Arranged(tuple(cases), True)


def _comparable(cases: Sequence[Case]) -> None:
    """Raise :class:`LogError` when two profiles have hardly a layer in common."""
    first, second = (profile_names(case.profile) for case in cases if case.profile is not None)
    if len(first & second) < min(len(first), len(second)) * _COMPARABLE:
        what = f"{cases[0].engine.paths[0]} and {cases[1].engine.paths[0]} are of different networks: hardly a layer of one is in the other"
        raise LogError(what, cure="Compare two profiles of one network.", code="E134")


def _distinct(parts: Sequence[Observed]) -> list[Observed]:
    """The files with profiles, without one that repeats the run of another: a log often holds the table that is exported too."""
    kept: list[Observed] = []
    for part in parts:
        twin = next((index for index, other in enumerate(kept) if _same_run(part, other)), None)
        if twin is None:
            kept.append(part)
        else:
            finer, coarser = (part, kept[twin]) if part.profiles[0].form == "json" else (kept[twin], part)
            kept[twin] = _merged(finer, coarser)
    return kept


def _merged(finer: Observed, coarser: Observed) -> Observed:
    return finer._replace(
        build=finer.build or coarser.build,
        layers=finer.layers or coarser.layers,
        times=finer.times or coarser.times,
        summary=finer.summary or coarser.summary,
        cudla=finer.cudla or coarser.cudla,
        notes=(*finer.notes, *coarser.notes),
    )


def _same_run(one: Observed, other: Observed) -> bool:
    if len(one.profiles) != 1 or len(other.profiles) != 1 or one.profiles[0].form == other.profiles[0].form:
        return False
    first, second = one.profiles[0], other.profiles[0]
    times = [{row.name: row.total_ms for row in profile.rows if row.total_ms > 0.01} for profile in (first, second)]
    same_names = times[0].keys() == times[1].keys()
    return (
        first.iterations == second.iterations
        and same_names
        and all(abs(times[1][name] - ms) <= 0.01 * ms + 0.01 for name, ms in times[0].items())
    )
