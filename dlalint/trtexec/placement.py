"""The lists of layers on DLA and GPU, in the three forms of TensorRT 7, 8 and 10; memory pools and accepted loadables."""

from __future__ import annotations

import re

from dlalint.trtexec.names import braces, foreign, normalized, split
from dlalint.trtexec.observed import GpuLayer, Group, Offload, Pools
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import MAX_LINE, Line

_HEADER = re.compile(r"-{5,40} ?Layers [Rr]unning on (DLA|GPU)\b")
_TYPED = re.compile(r"([A-Z][A-Z0-9_]{1,40}): (.+)", re.DOTALL)
_ELISIONS = frozenset({"...", "…"})
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_POOL = r"(\d{1,12}(?:\.\d{1,6})?) (B|KiB|MiB|GiB)"
_POOLS = re.compile(rf"Managed SRAM = {_POOL},\s{{1,8}}Local DRAM = {_POOL},\s{{1,8}}Global DRAM = {_POOL}")
_OFFLOADED = re.compile(r"Number of DLA node candidates offloaded : (\d{1,9}) out of (\d{1,9})")
_ACCEPTED = " successfully offloaded to DLA."


class Lists(Section):
    """The two lists. In TensorRT 7 each is one long line, which pastes break; later each layer has its line."""

    def __init__(self) -> None:
        self.listed = self.ended = False
        self.dla: list[Group] = []
        self.gpu: list[GpuLayer] = []
        self._side = ""
        self._both = False
        self._parts: list[str] = []
        self._size = 0

    def take(self, line: Line) -> bool:
        """Whether the line is a header, an entry, or the list itself behind its header."""
        text = line.text
        if text.startswith("[DlaLayer]"):
            self._close()
            self._entry(text[10:].strip().rstrip(","), "DLA")
            return True
        if text.startswith("[GpuLayer]"):
            self._close()
            self._entry(text[10:].strip(), "GPU")
            return True
        header = _HEADER.match(text) if text.startswith("-----") else None
        if header:
            self._close()
            self.listed = True
            self._side = header[1]
            self._both = self._both or header[1] == "GPU"
            return True
        taken = bool(self._side) and self._inside(line)
        self.ended = self.ended or (self._both and not taken and bool(text))
        return taken

    def _inside(self, line: Line) -> bool:
        """A line after a header that is no entry: the list of TensorRT 7, once, or nothing."""
        text = line.text
        if text.startswith("No layer is running on "):
            self._side = ""
            return True
        if not text or text in _ELISIONS:
            return True
        if self._parts or (self._side == "DLA" and not text.startswith("{")) or (self._side == "GPU" and "," not in text):
            self._close()
            return False
        self._parts.append(text + line.glue)
        self._size = len(text)
        return True

    def more(self, line: Line) -> bool:
        """The rest of a broken list."""
        text = line.text
        if not self._parts or not text or text.startswith(("#", "[", "&&&&")) or _HEADER.match(text) or self._size > MAX_LINE:
            return False
        self._parts.append(line.rest + line.glue)
        self._size += len(text)
        return True

    def _close(self) -> None:
        """Read the one long line that was collected."""
        text, side = "".join(self._parts), self._side
        self._side = ""
        self._parts = []
        for part in split(text, ","):
            if part.strip() and part.strip() not in _ELISIONS:
                self._entry(part.strip(), side)

    def _entry(self, name: str, side: str) -> None:
        if not name:
            return
        bounded(len(self.dla) + len(self.gpu))
        if side == "DLA":
            self.dla.append(group(name))
            return
        typed = _TYPED.fullmatch(name)
        self.gpu.append(GpuLayer(normalized(typed[2]), typed[1]) if typed else GpuLayer(normalized(name)))

    def finish(self) -> None:
        """The log has ended."""
        self._close()


def group(name: str) -> Group:
    """What an entry of the list names."""
    ends = foreign(name)
    if ends is not None:
        members = tuple(normalized(end) for end in dict.fromkeys(ends))
        return Group(name, "range", members, not name.endswith("}"))
    members_and_gap = braces(name)
    if members_and_gap is not None:
        return Group(name, "braces", *members_and_gap)
    return Group(normalized(name), "layer", (normalized(name),))


class Memory(Section):
    """Memory pools and the loadables that the DLA compiler accepted."""

    def __init__(self) -> None:
        self.pools: Pools | None = None
        self.offloaded: list[Offload] = []
        self.candidates: tuple[int, int] | None = None
        self._last = False

    def take(self, line: Line) -> bool:
        """Whether the line is about loadables' memory."""
        text = line.text
        if text.endswith(_ACCEPTED):
            bounded(len(self.offloaded))
            self.offloaded.append(Offload(normalized(text[: -len(_ACCEPTED)]), None))
            self._last = True
            return True
        if "DRAM = " not in text and "DLA node candidates" not in text:
            return text.startswith("DLA Memory Consumption Summary")
        found = _POOLS.search(text)
        if found:
            self._sizes(text, Pools(*(int(float(found[at]) * _UNITS[found[at + 1]]) for at in (1, 3, 5))))
            return True
        counted = _OFFLOADED.search(text)
        if counted:
            self.candidates = (int(counted[1]), int(counted[2]))
        return counted is not None

    def _sizes(self, text: str, pools: Pools) -> None:
        if "DLA Memory Pool Sizes" in text:
            self.pools = pools
        elif "Memory consumption" in text and self._last:
            self.offloaded[-1] = self.offloaded[-1]._replace(memory=pools)
        self._last = False
