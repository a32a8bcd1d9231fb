"""Whether the rule data agree with themselves: asked once, before they are cached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dlalint.engine.limits import fault
from dlalint.engine.predicates import NUMERIC
from dlalint.engine.registry import QUANTITIES
from dlalint.engine.store import Table
from dlalint.network import KINDS

if TYPE_CHECKING:
    from dlalint.engine.ruleset import Card, RuleSet

_PLACEHOLDER = re.compile(r"\{([a-z0-9_.]+)\}")
_WORDS = frozenset(
    "observed limit release soc target layer tensor kind_why kind_instead reason lost state converted amount room"
    " region value file scales largest nearest source".split()
)
_PAIRS = frozenset({"range", "outside"})


def check(book: RuleSet, tables: Mapping[str, Table]) -> None:
    """Raise :class:`RuleDataError` at the first contradiction, naming file and table."""
    _cards(book)
    _index(book)
    _sources(book)
    for name, table in tables.items():
        if name.startswith("limits/"):
            _limits(book, name, table)


def _cards(book: RuleSet) -> None:
    codes: dict[str, Card] = {}
    slugs: dict[str, Card] = {}
    known = book.files.names | {"layer.kinds"}
    used = {"layer.kinds"}
    for card in book.cards:
        where = f"cards/{card.area}, {card.slug}"
        for what, key, seen in (("code", card.code, codes), ("name", card.slug, slugs)):
            if key in seen:
                raise fault(where, f"{what} {key} is taken by {seen[key].slug} in cards/{seen[key].area}.toml")
            seen[key] = card
        needed = {test.limit for test in card.tests} | ({card.limit} if card.limit else set())
        mentioned = set(_PLACEHOLDER.findall(f"{card.message} {card.why} {card.instead}")) - _WORDS
        for name in sorted(needed - known):
            raise fault(where, f"no release states the limit {name}")
        for name in sorted(mentioned - known - set(QUANTITIES)):
            raise fault(where, f"nothing fills the placeholder {{{name}}}")
        for source in card.sources:
            if source not in book.sources:
                raise fault(where, f"unknown source {source}")
        for kind in sorted(card.kinds - KINDS):
            raise fault(where, f"there is no layer kind {kind}")
        for name in card.rewrites:
            if name not in book.rewrites:
                raise fault(where, f"there is no rewrite {name}")
        if card.unless and card.unless not in book.by_slug:
            raise fault(where, f"there is no card {card.unless}")
        used |= needed | mentioned
    for name in sorted(known - used):
        raise fault(book.files.file_of(name), f"no card uses the limit {name}")


def _index(book: RuleSet) -> None:
    from dlalint.engine.targets import names

    known = set(names(book))
    index = book.index
    for soc, releases in index["releases"].items():
        for release in releases:
            if release not in book.files.releases:
                raise fault("index, releases", f"no limit file states {soc} release {release}")
    socs = [("releases", soc) for soc in index["releases"]] + [("without_dla", gap["soc"]) for gap in index["without_dla"]]
    for key, soc in socs:
        if soc not in book.socs:
            raise fault(f"index, {key}", f"there is no file socs/{soc}.toml")
    wanted = [("default", index["default"]), *(("others", name) for name in index["others"])]
    for key, name in (*wanted, *(("aliases", name) for name in index["aliases"].values())):
        if name not in known:
            raise fault(f"index, {key}", f"{name} is no target")


def _sources(book: RuleSet) -> None:
    cited = [("index, without_dla", gap["source"]) for gap in book.index["without_dla"]]
    cited += [(f"socs/{name}", table["source"]) for name, table in book.socs.items()]
    cited += [("parser", book.parser["source"])]
    for where, source in cited:
        if source not in book.sources:
            raise fault(where, f"unknown source {source}")


def _limits(book: RuleSet, name: str, table: Table) -> None:
    for soc in table.get("soc", {}):
        if soc not in book.socs:
            raise fault(f"{name}, soc.{soc}", f"there is no file socs/{soc}.toml")
    predicates = {test.limit: test.predicate for card in book.cards for test in card.tests}
    for part in (table, *table.get("soc", {}).values()):
        for kind in (kind for kinds in part.get("kinds", {}).values() for kind in kinds):
            if kind not in KINDS:
                raise fault(f"{name}, kinds", f"there is no layer kind {kind}")
        for limit, value in _values(part):
            if not _fits(predicates.get(limit, ""), value):
                raise fault(name, f"{limit} = {value!r} does not fit its rule ({predicates[limit]})")


def _values(part: Table) -> Iterator[tuple[str, Any]]:
    for confidence in ("documented", "observed", "inferred"):
        for limits in part.get(confidence, {}).values():
            yield from limits.items()


def _fits(predicate: str, value: Any) -> bool:
    if predicate in _PAIRS:
        return (
            isinstance(value, list) and len(value) == 2 and all(isinstance(item, (int, float)) for item in value) and value[0] <= value[1]
        )
    if predicate in NUMERIC:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if predicate == "one_of":
        return isinstance(value, list)
    return predicate != "equals" or not isinstance(value, list)
