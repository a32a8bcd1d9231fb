"""The times that a verbose build prints while it tries formats and kernels."""

from __future__ import annotations

import re
from sys import intern

from dlalint.trtexec.names import normalized, opening, split
from dlalint.trtexec.observed import Added, Timing
from dlalint.trtexec.section import MOST, Section, bounded
from dlalint.trtexec.text import Line

_STARS = "*************** Autotuning "
_RUNNER = re.compile(r"-{10,20} Timing Runner: (.+) \(([A-Za-z0-9_]{1,40})(?:\[0x[0-9a-f]{1,16}\])?\)", re.DOTALL)
_OLD_RUNNER = re.compile(r"-{10,20} Timing (.+)\((\d{1,6})\)", re.DOTALL)  # 5.x
_FASTEST = re.compile(r"Fastest Tactic: (?:-?\d{1,20}|0x[0-9a-f]{1,16}) Time: ([0-9.eE+-]{1,20}|inf)")
_CACHED = re.compile(r"([A-Za-z0-9_]{1,40}), tactic (?:-?\d{1,20}|0x[0-9a-f]{1,16}), ([0-9.eE+-]{1,20}) ms")
_REFORMAT = re.compile(r"Optimizer Reformat\((.+)\)", re.DOTALL)
_ADDED = re.compile(r"Adding reformat layer: Reformatted (Input|Output) Tensor (\d{1,6}) to ")
# what is known and of no use: the single measurements behind the fastest
_NOISE = ("Tactic: ", "Tactic ", "Tactic Name: ", ">>>>>>>>>>>>>>> Chose Runner", "Fast skip Tactic", "Skipping tactic", "Skipping ")


class Autotuning(Section):
    """Times of loadables and reformats for each pair of formats; of other layers the best."""

    def __init__(self) -> None:
        self.fastest: dict[str, float] = {}
        self.added: list[Added] = []
        self.left_out = 0
        self._times: dict[tuple[str, str, str, str], float] = {}
        self._pair = ("", "")
        self._name = self._runner = ""

    def take(self, line: Line) -> bool:
        """Whether the line is about timing."""
        text = line.text
        if text.startswith(_NOISE):
            return True
        first = text[:1]
        if first == "*" or first == "=" or first == "-":
            return self._head(text)
        if "Fastest Tactic: " in text:
            found = _FASTEST.search(text)
            if found and self._name:
                self._record(self._name, self._runner, self._pair, found[1])
            return True
        if "got cached result: " in text:
            return self._cached(text)
        if text.startswith("Adding reformat layer: "):
            return self._addition(text)
        return text.startswith(("Setting a default quantization params", "Subgraph compilation completed"))

    def _head(self, text: str) -> bool:
        """A line between rows of stars, equal signs or dashes."""
        if text.startswith(_STARS):
            pair = text[len(_STARS) :].rstrip("* ").partition(": " if "format combination: " in text else ":")[2]
            source, _, target = pair.strip().partition(" ->")
            self._pair = (intern(source), intern(target.strip()))
            self._name = ""
            return True
        if text.startswith("=============== Computing "):
            self._pair, self._name = ("", ""), ""
            return True
        found = _RUNNER.fullmatch(text)
        if found:
            self._name, self._runner = intern(normalized(found[1])), found[2]
            return True
        self._name = ""
        return _OLD_RUNNER.fullmatch(text) is not None

    def _cached(self, text: str) -> bool:
        head, _, tail = text.partition(" got cached result: ")
        found = _CACHED.fullmatch(tail)
        if not found or not head.endswith("]"):
            return False
        start = opening(head)
        source, _, target = head[start + 1 : -1].partition(" -> ")
        self._record(intern(normalized(head[:start])), found[1], (intern(source), intern(target)), found[2])
        return True

    def _record(self, name: str, runner: str, pair: tuple[str, str], text: str) -> None:
        ms = number(text)
        if ms is None:
            return
        reformat = _REFORMAT.fullmatch(name)
        if reformat:
            source, _, target = reformat[1].partition(" -> ")
            name, runner = intern(target if source == "<in>" else source), "Reformat"
        if runner not in ("DLA", "Reformat"):
            self.fastest[name] = min(ms, self.fastest.get(name, ms))
            bounded(len(self.fastest))
            return
        key = (name, runner, *pair)
        if key in self._times or len(self._times) < MOST:
            self._times[key] = min(ms, self._times.get(key, ms))
        else:
            self.left_out += 1

    def _addition(self, text: str) -> bool:
        found = _ADDED.match(text)
        if not found:
            return False
        rest, _, target = text[found.end() :].rpartition(" to ")
        place, _, source = rest.rpartition(" from ")
        if not place.endswith(")"):
            return False
        start = opening(place)
        bounded(len(self.added))
        self.added.append(Added(found[1].lower(), int(found[2]), normalized(place[:start]), place[start + 1 : -1], source, target))
        return True

    def all(self) -> tuple[Timing, ...]:
        """The times, in the order in which they were first measured."""
        return tuple(
            Timing(name, runner, tuple(split(source, ", ")) if source else (), tuple(split(target, ", ")) if target else (), ms)
            for (name, runner, source, target), ms in self._times.items()
        )


def number(text: str) -> float | None:
    """A finite number that is not negative, else ``None``."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None
