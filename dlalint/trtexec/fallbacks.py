"""Which layers TensorRT says are not for the DLA, and why: the messages of all releases, each with the reason beside it."""

from __future__ import annotations

import re

from dlalint.named_tuple import NamedTuple
from dlalint.trtexec.names import normalized
from dlalint.trtexec.observed import Fallback
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import Line

_DEFAULT = "Default DLA is enabled but layer "
_DEFAULT_ENDS = (" is not running on DLA,", " is not supported on DLA,", " is not supported on DLA and falling back")
_QUOTED = "Layer '"
_VALIDATION, _SPLIT, _LIMIT = "Validation failed for DLA layer: ", "Splitting DLA subgraph at: ", "DLA supports only "
_LOW_RANK = "Input tensor has less than 4 dimensions for "
_STARTS = (_DEFAULT, _QUOTED, _VALIDATION, _SPLIT, _LIMIT, _LOW_RANK)
_OPEN = tuple(start.rstrip() for start in _STARTS)  # where a paste may break them
_LIMIT_LINE = re.compile(r"DLA supports only (\d{1,6}) subgraphs per DLA core(?:\. Switching to GPU for layer (.+))?", re.DOTALL)
_KIND = re.compile(r"' \(([A-Z][A-Z0-9_]{0,40})\): Unsupported on DLA")
_NAMED_INSIDE = (  # reasons that have the layer in the middle
    (re.compile(r"DLA only supports FP16 and Int8 precision type\. Switching (.+) device type to GPU\.?", re.DOTALL), True),
    (re.compile(r"DLA [Ll]ayer (.+) does not support dynamic shapes in any dimension\.?", re.DOTALL), False),
    (re.compile(r"DLA LAYER: .{1,200}? for layer (.+) exceeds max .+", re.DOTALL), False),
    (re.compile(r"DLA does not support dynamic shape tensor: (.+)", re.DOTALL), False),
)
_REASON = re.compile(
    r"(?:not supported (?:on|for|by) DLA|[Uu]nsupported on DLA|on DLA requires|DLA (?:cores? )?(?:do|does|only|cannot|can) )"
)
_BARE = ("This version of DLA ", "Dimension: ", "DLA does not ", "DLA only ", "DLA cores ")


_NEAR = 3  # lines between a reason and what it is for
_UNNAMED_KIND = re.compile(r"\(Unnamed Layer\* \d+\) \[([A-Za-z ]{1,40})\]")


class Reason(NamedTuple):
    """Why, for ``layer``, which is empty when the message names none."""

    layer: str
    text: str
    line: int


def _same(named: str, kind: str) -> bool:
    """Whether a reason for ``named`` can be for the layer of kind ``kind`` behind it: it names none, or an unnamed one of that kind."""
    found = _UNNAMED_KIND.fullmatch(named)
    return not named or (found is not None and bool(kind) and found[1].replace(" ", "").upper() == kind.replace("_", ""))


class Fallbacks(Section):
    """Collects the messages; :meth:`all` joins each with its reason."""

    def __init__(self) -> None:
        self.splits: list[str] = []
        self.over_limit: list[str] = []
        self.low_rank: list[str] = []
        self.limit: int | None = None
        self.segmentations = 0
        self.none_on_dla = False
        self._found: list[Fallback] = []
        self._by_layer: dict[str, int] = {}
        self._waiting: dict[str, Reason] = {}
        self._loose: list[Reason] = []
        self._before: Reason | None = None
        self._open = ""
        self._pieces = 0

    def take(self, line: Line) -> bool:
        """Whether the line is about placement."""
        text = line.text
        if "DLA" not in text and not text.startswith(_OPEN):
            return False
        self._open = ""
        if self._placed(text, line.number) or self._reason(text, line.number) or self._counted(text):
            return True
        if text.startswith(_OPEN):
            self._open = (text + line.glue)[:4096]
            self._pieces = 0
            return True
        return False

    def more(self, line: Line) -> bool:
        """The rest of a message that a paste broke: first as if within a word, then as if between two."""
        if line.text.startswith(_STARTS) or not line.text:
            return False
        if not self._open:
            return self._longer(line)
        start, self._open = self._open, ""
        for joint in ("", " "):
            if self._placed(start + joint + line.rest, line.number):
                return True
        self._pieces += 1
        if self._pieces > 3:
            return False
        self._open = start + line.rest + line.glue
        return True

    def _longer(self, line: Line) -> bool:
        """The rest of a reason: one that has not come to its full stop."""
        before = self._before
        if before is None or before.text.endswith(".") or len(before.text) > 500 or line.number - before.line > 3:
            return False
        longer = before._replace(text=(before.text + line.rest).rstrip())
        self._before = longer
        if self._waiting.get(before.layer) is before:
            self._waiting[before.layer] = longer
        return True

    def _counted(self, text: str) -> bool:
        if text.startswith("Segmenting subgraph due to mismatched batch size"):
            self.segmentations += 1
        elif text.startswith("setDefaultDeviceType was called but no layer in the network can run on DLA"):
            self.none_on_dla = True
        else:
            return text.startswith("DLA Softmax optimization is enabled")
        return True

    def _placed(self, text: str, number: int) -> bool:
        """Read a message that moves a layer; ``False`` when it is none or its end is missing."""
        if text.startswith(_DEFAULT):
            end = next((text.find(mark) for mark in _DEFAULT_ENDS if mark in text), -1)
            return end > 0 and self._fall(text[len(_DEFAULT) : end], "", "check", number)
        if text.startswith(_QUOTED):
            kind = _KIND.search(text)
            return kind is not None and self._fall(text[len(_QUOTED) : kind.start()], kind[1], "check", number)
        if text.startswith(_VALIDATION):
            layer, mark, _ = text[len(_VALIDATION) :].partition(". Switching to GPU")
            return bool(mark) and self._fall(layer, "", "validation", number)
        return self._cut(text)

    def _cut(self, text: str) -> bool:
        if text.startswith(_SPLIT):
            layer, mark, _ = text[len(_SPLIT) :].partition(" because ")
            if mark:
                self.splits.append(normalized(layer))
            return bool(mark)
        if text.startswith(_LOW_RANK):
            layer, mark, _ = text[len(_LOW_RANK) :].partition(". At least one shuffle")
            if mark:
                bounded(len(self.low_rank))
                self.low_rank.append(normalized(layer))
            return bool(mark)
        found = _LIMIT_LINE.match(text) if text.startswith(_LIMIT) else None
        if found is None:
            return False
        self.limit = int(found[1])
        if found[2]:
            bounded(len(self.over_limit))
            self.over_limit.append(normalized(found[2]))
        return True

    def _fall(self, layer: str, kind: str, stage: str, number: int) -> bool:
        bounded(len(self._found))
        name = normalized(layer)
        reason = self._waiting.pop(name, None)
        before = self._before
        if reason is None and before is not None and number - before.line <= _NEAR and _same(before.layer, kind):
            reason = before
            self._waiting.pop(before.layer, None)
        if before is not None and (reason is before or before.layer):
            self._before = None
        known = self._by_layer.get(name)
        if known is not None and self._found[known].stage == "remark":
            self._found[known] = self._found[known]._replace(kind=kind, stage=stage)
            return True
        self._by_layer[name] = len(self._found)
        self._found.append(Fallback(name, kind, reason.text if reason else "", stage, number))
        return True

    def _reason(self, text: str, number: int) -> bool:
        for pattern, moves in _NAMED_INSIDE:
            found = pattern.match(text)
            if found:
                return self._inside(normalized(found[1]), text, moves, number)
        if text.startswith(_BARE):
            self._remember(Reason("", text, number))
            return True
        layer, mark, rest = text.partition(": ")
        if not mark or not (_REASON.search(rest) or rest.startswith("DLA ")):
            return False
        name = "" if layer.startswith(("Unary operation", "Layer ")) else normalized(layer)
        reason = Reason(name, rest if name else text, number)
        known = self._by_layer.get(name)
        if known is not None and not self._found[known].reason:
            self._found[known] = self._found[known]._replace(reason=reason.text)
            return True
        self._remember(reason)
        return True

    def _remember(self, reason: Reason) -> None:
        """Keep a reason for the line that follows; one that names no layer and was not followed is a remark on its own."""
        before = self._before
        if before is not None and not before.layer:
            self._loose.append(before)
        bounded(len(self._waiting) + len(self._loose))
        self._before = reason
        if reason.layer:
            self._waiting[reason.layer] = reason

    def _inside(self, name: str, text: str, moves: bool, number: int) -> bool:
        known = self._by_layer.get(name)
        if known is not None:
            if not self._found[known].reason:
                self._found[known] = self._found[known]._replace(reason=text)
        elif moves:
            self._by_layer[name] = len(self._found)
            self._found.append(Fallback(name, "", text, "check", number))
        else:
            self._remember(Reason("" if "tensor: " in text else name, text, number))
        return True

    def all(self) -> tuple[Fallback, ...]:
        """The layers in the order of the log, with the reasons that no message followed as remarks."""
        loose = [*self._loose, *([self._before] if self._before is not None and not self._before.layer else [])]
        left = [Fallback(reason.layer, "", reason.text, "remark", reason.line) for reason in (*self._waiting.values(), *loose)]
        return tuple(sorted([*self._found, *left], key=lambda fallback: fallback.line))
