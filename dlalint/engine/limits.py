"""The limits of a target: the file of its release on top of those it inherits from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from dlalint.engine.store import Table
from dlalint.errors import RuleDataError
from dlalint.finding import Limit, LimitValue

CONFIDENCES = ("documented", "observed", "inferred")
INFERRED = "inferred"
_SHARED_KEYS = frozenset({"status", "kinds", "confirmed", "lifted", "notes", "beyond", *CONFIDENCES})
_KEYS = _SHARED_KEYS | {"releases", "inherits", "read", "placement", "soc"}


class Limits:
    """What holds for one target: limits by name, the source of each layer kind, how a value beyond a limit is judged, how groups form."""

    def __init__(self) -> None:
        self.values: dict[str, Limit] = {}
        self.kinds: dict[str, str] = {}
        self.beyond: dict[str, str] = {}
        self.placement: dict[str, Any] = {}

    def copy(self) -> Limits:
        """The same, to build on."""
        made = Limits()
        made.values, made.kinds, made.beyond, made.placement = dict(self.values), dict(self.kinds), dict(self.beyond), dict(self.placement)
        return made


class LimitFiles:
    """The files of limits/, checked once. Raises :class:`RuleDataError` at keys, sources, names or releases that do not exist."""

    def __init__(self, tables: Mapping[str, Table], *, checked: bool = False) -> None:
        self._tables = {name: table for name, table in tables.items() if name.startswith("limits/")}
        self._sources = tables.get("sources", {})
        self._file: dict[str, str] = {}
        for name, table in self._tables.items():
            for release in table.get("releases", ()):
                if release in self._file:
                    raise fault(name, f"release {release} is stated by {self._file[release]} too")
                self._file[release] = name
        self.names = frozenset(limit for table in self._tables.values() for part in _parts(table) for limit, *_ in _stated(part))
        self._meant: dict[str, tuple[str, ...]] = {}
        self._resolved: dict[tuple[str, str], Limits] = {}
        if not checked:
            for name, table in self._tables.items():
                self._check(name, table)

    @property
    def releases(self) -> frozenset[str]:
        """Every release with limits."""
        return frozenset(self._file)

    def file_of(self, limit: str) -> str:
        """The first file that states a limit."""
        return next(name for name, table in self._tables.items() for part in _parts(table) if limit in (item[0] for item in _stated(part)))

    def read(self, release: str) -> str:
        """What was read for a release, in words."""
        return str(self._tables[self._file[release]]["read"])

    def status(self, release: str, soc: str) -> str:
        """How well the limits are known: ``solid``, ``partial`` or ``unpublished``."""
        table = self._tables[self._file[release]]
        return str(table.get("soc", {}).get(soc, {}).get("status", table["status"]))

    def resolve(self, release: str, soc: str) -> Limits:
        """The limits of ``release`` on ``soc``."""
        found = Limits()
        for name in reversed(self._chain(release)):
            known = self._resolved.get((name, soc))
            if known is None:
                known = self._resolved[name, soc] = found.copy()
                self._apply(known, self._tables[name], soc)
            found = known
        return found

    def _chain(self, release: str) -> list[str]:
        chain: list[str] = []
        parent: str | None = release
        while parent is not None:
            name = self._file.get(parent)
            if name is None:
                raise fault(chain[-1] if chain else "limits", f"no file states release {parent}")
            if name in chain:
                raise fault(name, "the release inherits from itself")
            chain.append(name)
            parent = self._tables[name].get("inherits")
        return chain

    def _apply(self, found: Limits, table: Table, soc: str) -> None:
        for limit, old in found.values.items():
            found.values[limit] = old._replace(confidence=INFERRED)
        parts = [table, *([table["soc"][soc]] if soc in table.get("soc", {}) else [])]
        for part in parts:
            for limit in part.get("lifted", {}):
                found.values.pop(limit, None)
            for source, kinds in part.get("kinds", {}).items():
                found.kinds.update(dict.fromkeys(kinds, source))
            for limit, value, confidence, source in _stated(part):
                found.values[limit] = Limit(limit, _frozen(value), confidence, (source,))
            self._confirm(found, part)
        for part in parts:
            found.beyond.update(part.get("beyond", {}))
            for limit, note in part.get("notes", {}).items():
                if limit in found.values:
                    found.values[limit] = found.values[limit]._replace(note=note)
        found.placement.update(table.get("placement", {}))

    def _confirm(self, found: Limits, part: Table) -> None:
        """A source that repeats an inherited limit for this release documents it again (observes it, when the source is a build)."""
        for source, patterns in part.get("confirmed", {}).items():
            confidence = "observed" if self._sources[source]["kind"] == "build" else "documented"
            for limit in dict.fromkeys(name for pattern in patterns for name in self._names(pattern)):
                old = found.values.get(limit)
                if old is None:
                    continue
                if old.confidence == INFERRED:
                    found.values[limit] = old._replace(confidence=confidence, sources=(source,))
                else:
                    found.values[limit] = old._replace(sources=tuple(dict.fromkeys((*old.sources, source))))

    def _check(self, name: str, table: Table) -> None:
        _only(name, table, _KEYS)
        for release in table.get("releases", ()):
            self._chain(release)
        used = {table["placement"]["source"]} if "placement" in table else set()
        patterns: list[str] = []
        for part in _parts(table):
            confirmed = part.get("confirmed", {})
            used |= {source for *_, source in _stated(part)} | set(part.get("kinds", {})) | set(confirmed)
            patterns += [pattern for found in confirmed.values() for pattern in found]
            patterns += [*part.get("lifted", {}), *part.get("notes", {}), *part.get("beyond", {})]
        for soc, part in table.get("soc", {}).items():
            _only(f"{name}, soc.{soc}", part, _SHARED_KEYS)
        for source in sorted(used - set(self._sources)):
            raise fault(name, f"unknown source {source}")
        for pattern in patterns:
            if not self._names(pattern):
                raise fault(name, f"no release states {pattern}")

    def _names(self, pattern: str) -> tuple[str, ...]:
        """The limits that a name or pattern means."""
        if pattern not in self._meant:
            if "*" in pattern:
                self._meant[pattern] = tuple(sorted(name for name in self.names if fnmatchcase(name, pattern)))
            else:
                self._meant[pattern] = (pattern,) if pattern in self.names else ()
        return self._meant[pattern]


def _parts(table: Table) -> list[Table]:
    return [table, *table.get("soc", {}).values()]


def _stated(part: Table) -> Iterator[tuple[str, Any, str, str]]:
    for confidence in CONFIDENCES:
        for source, limits in part.get(confidence, {}).items():
            for limit, value in limits.items():
                yield limit, value, confidence, source


def _only(where: str, table: Table, known: frozenset[str]) -> None:
    for key in table:
        if key not in known:
            raise fault(where, f"unknown key {key}")


def fault(where: str, what: str) -> RuleDataError:
    """The error for a rule file (path without suffix, then a comma and the table, if any)."""
    file, _, table = where.partition(", ")
    return RuleDataError(what, where=f"rules/{file}.toml{f', {table}' if table else ''}", cure="Mend the rule data.", code="E603")


def _frozen(value: Any) -> LimitValue:
    return tuple(value) if isinstance(value, list) else value
