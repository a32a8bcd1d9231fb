"""Which flags trtexec has in a release, and how it takes them: rules/trtexec.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Any

from dlalint.errors import RuleDataError
from dlalint.named_tuple import NamedTuple
from dlalint.target import Version

_KEYS = frozenset({"newest_read", "read", "unnameable", "io", "behaviour", "flags"})
_FLAG_KEYS = frozenset({"spelled", "why", "missing"})
_SPELLED_KEYS = frozenset({"flag", "since", "until"})


class Flag(NamedTuple):
    """A flag in one release, with its dashes. ``why`` says what it is for, with words to fill in; ``until`` is empty while it exists."""

    purpose: str
    flag: str
    why: str
    since: str
    until: str


class Flags:
    """The flags of one release. Raises :class:`RuleDataError` when the table contradicts itself."""

    def __init__(self, table: Mapping[str, Any], sources: Mapping[str, Any], version: Version) -> None:
        """``table`` is rules/trtexec.toml, ``sources`` rules/sources.toml, ``version`` the TensorRT release (major, minor)."""
        _check(table, sources)
        self._flags = table["flags"]
        self._behaviour = table["behaviour"]
        self._version = version
        newest = parse(table["newest_read"])
        self.source: str = _newest(table["read"], version, "read")
        """The source of the flags: an id of rules/sources.toml."""
        self.read: str = "" if version <= newest else table["newest_read"]
        """The release whose flags these are, when that of the target was not public; else empty."""
        self.unnameable = frozenset(_newest(table["unnameable"], version, "unnameable"))
        """Characters that a name in a specification cannot have."""
        first = max(version, (6, 0))  # before there were no formats
        self.types = tuple(_newest(table["io"]["types"], first, "io.types"))
        """The element types of an I/O format; none when a format has no type."""
        self.layouts = frozenset(_newest(table["io"]["formats"], first, "io.formats"))
        """The layouts of an I/O format."""
        self.standalone = frozenset(_newest(table["io"]["standalone"], first, "io.standalone"))
        """The layouts that a build of one DLA loadable accepts."""

    def find(self, purpose: str) -> Flag | None:
        """The flag for ``purpose``, ``None`` when the release has none."""
        entry = self._flags[purpose]
        for spelled in entry["spelled"]:
            since, until = spelled["since"], spelled.get("until", "")
            if parse(since) <= self._version and (not until or self._version <= parse(until)):
                return Flag(purpose, spelled["flag"], entry["why"], since, until)
        return None

    def can_send_to_gpu(self, soc: Mapping[str, Any]) -> bool:
        """Whether trtexec can be told which layers go to the GPU, and ``soc``, a table of rules/socs/, has one to take them."""
        return self.find("devices") is not None and soc.get("fallback") is not False

    def spelled(self, wanted: Iterable[tuple[str, str]]) -> list[str]:
        """The flags for ``wanted``, purposes and values (empty for none), quoted for a POSIX shell; what the release lacks is left out."""
        known = ((self.find(purpose), value) for purpose, value in wanted)
        return [quote(f"{flag.flag}={value}" if value else flag.flag) for flag, value in known if flag is not None]

    def missing(self, purpose: str) -> tuple[str, str]:
        """The flag that the release lacks for ``purpose``, and what there is to say about that (may be empty)."""
        entry = self._flags[purpose]
        return entry["spelled"][-1]["flag"], entry.get("missing", "")

    def does(self, behaviour: str) -> bool:
        """Whether trtexec of this release behaves so; the names are in the table."""
        return self._version >= parse(self._behaviour[behaviour])

    def nameable(self, name: str) -> bool:
        """Whether a specification of this release can hold ``name``, and a terminal show it."""
        return bool(name) and name.isprintable() and not self.unnameable.intersection(name)


def calibrated(model: str, cache: str) -> list[tuple[str, str]]:
    """What a build of ``model`` in INT8 on the DLA asks of trtexec, with the scales of ``cache``: for :meth:`Flags.spelled`."""
    return [("model", model), ("int8", ""), ("fp16", ""), ("dla", "0"), ("calibration", cache)]


def parse(release: str) -> Version:
    """``"10.3"`` as a pair of numbers. Raises :class:`RuleDataError`."""
    parts = release.split(".")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise _fault("", f"{release!r} is no release")
    return int(parts[0]), int(parts[1])


def _newest(table: Mapping[str, Any], version: Version, where: str) -> Any:
    """The entry of the newest release that is not later than ``version``."""
    known = [release for release in table if parse(release) <= version]
    if not known:
        raise _fault(where, f"nothing is said of releases up to {version[0]}.{version[1]}")
    return table[max(known, key=parse)]


def _check(table: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    for key in sorted(_KEYS ^ set(table)):
        raise _fault(key, "the key is missing or unknown")
    for source in table["read"].values():
        if source not in sources:
            raise _fault("read", f"unknown source {source}")
    for purpose, entry in table["flags"].items():
        where = f"flags.{purpose}"
        if set(entry) - _FLAG_KEYS or not entry.get("why") or not entry.get("spelled"):
            raise _fault(where, "it has spelled, why and perhaps missing")
        last: Version = (0, 0)
        for spelled in entry["spelled"]:
            if set(spelled) - _SPELLED_KEYS or not spelled["flag"].startswith("--"):
                raise _fault(where, "a spelling has flag, since and perhaps until")
            if parse(spelled["since"]) <= last or parse(spelled.get("until", spelled["since"])) < parse(spelled["since"]):
                raise _fault(where, "the spellings overlap")
            last = parse(spelled.get("until", "9999.0"))


def _fault(where: str, what: str) -> RuleDataError:
    place = f"rules/trtexec.toml, {where}" if where else "rules/trtexec.toml"
    return RuleDataError(what, where=place, cure="Mend the rule data.", code="E603")
