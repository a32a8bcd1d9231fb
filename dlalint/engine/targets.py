"""Target names: ``<soc>-trt<major.minor>``, with aliases and patch levels."""

from __future__ import annotations

import re

from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.target import Target

PRECISIONS = ("fp16", "int8")
_NAME = re.compile(r"(?P<soc>[a-z]+)-trt(?P<major>\d{1,3})\.(?P<minor>\d{1,3})(\.\d{1,6}){0,2}")


def parse(name: str, book: RuleSet, precision: str = "fp16", option: str = "--target") -> Target:
    """The target that ``name``, given to ``option``, means. Raises :class:`UsageError` with the nearest names."""
    wanted = name.strip().lower()
    aliases = book.index["aliases"]
    alias = next((aliases[key] for key in (wanted, wanted.rsplit(".", 1)[0]) if key in aliases), wanted)
    known = names(book)
    found = _NAME.fullmatch(alias)
    if found is not None:
        plain = f"{found['soc']}-trt{int(found['major'])}.{int(found['minor'])}"
        if alias in known or plain in known:
            return Target(alias if alias in known else plain, found["soc"], (int(found["major"]), int(found["minor"])), precision)
    from difflib import get_close_matches

    near = get_close_matches(wanted, [*known, *aliases], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UsageError(f"unknown target {name!r}", where=option, cure=f"{hint}`dlalint targets` lists them all.", code="E502")


def names(book: RuleSet) -> list[str]:
    """All targets in order, those without DLA last."""
    found = [f"{soc}-trt{release}" for soc, releases in book.index["releases"].items() for release in releases]
    return found + [f"{gap['soc']}-trt{release}" for gap in book.index["without_dla"] for release in gap["releases"]]
