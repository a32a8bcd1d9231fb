"""All that can be told of one engine from its files: times, reformats, formats tried, precisions."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.account import Account, account
from dlalint.trtexec.arrange import Case
from dlalint.trtexec.engine import Engine
from dlalint.trtexec.estimate import Conversion, Tuned, conversions, tuned
from dlalint.trtexec.precision import Computed, precisions
from dlalint.trtexec.reformats import Cost, reformats


class Story(NamedTuple):
    """What there is to report on an engine. ``told`` is ``None`` when no file has times of layers."""

    engine: Engine
    told: Account | None
    reformats: tuple[Cost, ...]
    tuned: tuple[Tuned, ...]
    conversions: tuple[Conversion, ...]
    precisions: tuple[Computed, ...]


def story(case: Case) -> Story:
    """What the files of ``case`` tell."""
    engine, profile = case
    told = account(engine, profile) if profile is not None else None
    build = engine.build
    return Story(
        engine,
        told,
        reformats(engine, told),
        tuned(build) if build is not None else (),
        conversions(build) if build is not None else (),
        precisions(engine, told),
    )
