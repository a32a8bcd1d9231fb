"""The one way in: a file of a build, whatever kind it is, as what it says."""

from __future__ import annotations

import io
import re

from dlalint.errors import reason
from dlalint.trtexec.autotuning import Autotuning
from dlalint.trtexec.csv_lines import CsvLines
from dlalint.trtexec.engine_lines import EngineLines
from dlalint.trtexec.fallbacks import Fallbacks
from dlalint.trtexec.json_files import Document, document
from dlalint.trtexec.json_text import MAX_JSON
from dlalint.trtexec.noise import known
from dlalint.trtexec.observed import BuildLog, LayerInfo, LogError, Observed, Placement, Profile, Unknown
from dlalint.trtexec.placement import Lists, Memory
from dlalint.trtexec.profile_table import Tables
from dlalint.trtexec.run_lines import RunLines, SummaryLines
from dlalint.trtexec.section import MOST, Section
from dlalint.trtexec.text import PEEK, Line, encoding, lines, opened

_JSON = re.compile(r'\s{0,64}(?:\{\s{0,64}"|\[\s{0,64}[{"\]])')
_BLOCK_STARTS = ('{"Layers"', '{ "Layers"', '[{"', "[ {", '[{ "')
_KEPT = 5  # examples of unknown lines
_CURE = "Give a build log, a profile, layer information or times of trtexec, or a CSV of cuDLA."


def read(path: str) -> Observed:
    """What the file at ``path`` says. Raises :class:`LogError` when it is none of the known kinds, no text, or over a limit."""
    try:
        with opened(path) as stream:
            head = stream.peek(PEEK)[:PEEK]
            text = head.decode(encoding(head, path), "replace")
            found = _json(stream, path) if _JSON.match(text) else _Log().read(stream, path)
    except OSError as error:  # a folder opens and cannot be read
        raise LogError(f"the file cannot be read ({reason(error)})", where=path, cure="Check the path.", code="E131") from None
    except LogError as error:
        if error.where:
            raise
        raise LogError(error.what, where=path, cure=error.cure, code=error.code) from None
    if not found.kinds:
        raise LogError("the file is neither a log nor a profile of TensorRT", where=path, cure=_CURE)
    return found


def _json(stream: io.BufferedReader, path: str) -> Observed:
    raw = stream.read(MAX_JSON + 1)
    if len(raw) > MAX_JSON:
        raise LogError(f"the JSON is larger than {MAX_JSON >> 20} MiB", where=path, cure="Cut it down.", code="E132")
    text = raw.decode(encoding(raw[:PEEK], path), "surrogateescape" if raw[:1] not in b"\xff\xfe" else "replace")
    del raw
    found = document(text, path)
    if found is None or not any(found):
        raise LogError("the JSON is none of trtexec's files", where=path, cure=_CURE, code="E133")
    profiles = (found.profile,) if found.profile is not None else ()
    cut = "The file ends early; what is complete was read."
    whole = found.layers.complete if found.layers is not None else found.times.complete if found.times is not None else True
    return _observed(path, None, profiles, found.layers, found, Unknown(0, ()), () if whole else (cut,))


class _Block(Section):
    """JSON inside a text: collected until the bracket that closes it stands at the start of a line."""

    def __init__(self, path: str) -> None:
        self.found: list[Document] = []
        self.rejected = 0
        self._path = path
        self._parts: list[str] = []
        self._size = 0

    def take(self, line: Line) -> bool:
        """Whether the line is JSON."""
        if not self._parts:
            if line.tagged or not (line.text.startswith(_BLOCK_STARTS) or line.text == "["):
                return False
        elif line.tagged or line.text.startswith("#"):
            self.finish()
            return False
        self._size += len(line.text)
        if self._size > MAX_JSON:
            raise LogError(f"the JSON is larger than {MAX_JSON >> 20} MiB", cure="Cut it down.", code="E132")
        self._parts.append(line.text)
        if line.text in ("]", "]}") or (len(self._parts) == 1 and line.text.endswith(("]}", "}]"))):
            self.finish()
        return True

    def finish(self) -> None:
        """The block has ended."""
        text, count = "\n".join(self._parts), len(self._parts)
        self._parts, self._size = [], 0
        found = document(text, self._path) if text else None
        if found is not None and any(found):
            self.found.append(found)
        else:
            self.rejected += count


class _Log:
    """A text file, line by line."""

    def __init__(self) -> None:
        self.run = RunLines()
        self.lists = Lists()
        self.fallbacks = Fallbacks()
        self.memory = Memory()
        self.engine = EngineLines()
        self.autotuning = Autotuning()
        self.tables = Tables()
        self.summary = SummaryLines()
        self.csv = CsvLines()
        self.unknown = 0
        self.examples: list[tuple[int, str]] = []

    def read(self, stream: io.BufferedReader, path: str) -> Observed:
        """What the text says."""
        block = _Block(path)
        sections: tuple[Section, ...] = (
            block, self.autotuning, self.lists, self.engine, self.fallbacks, self.memory, self.run, self.tables, self.summary, self.csv,
        )  # fmt: skip
        last: Section | None = None
        for line in lines(stream, path):
            if line.text.startswith("#") and not line.tagged:
                continue  # a comment of whoever pasted the log
            if last is not None and not line.tagged and last.more(line):
                continue
            for section in sections:
                if section.take(line):
                    last = section
                    break
            else:
                last = None if line.text else last
                if line.severe:
                    self.run.fault(line.text)
                elif not known(line):
                    self._miss(line.number, line.text)
        block.finish()
        self.lists.finish()
        self.tables.finish()
        self.unknown += block.rejected + self.tables.rejected
        return self._observed(path, block.found)

    def _miss(self, number: int, text: str) -> None:
        self.unknown += 1
        if len(self.examples) < _KEPT:
            self.examples.append((number, text[:200]))

    def _observed(self, path: str, documents: list[Document]) -> Observed:
        merged = Document(
            next((found.profile for found in documents if found.profile is not None), None),
            next((found.layers for found in reversed(documents) if found.layers is not None), None),
            next((found.times for found in documents if found.times is not None), None),
        )
        profiles = (*self.tables.profiles, *self.csv.profiles(), *(found.profile for found in documents if found.profile is not None))
        build = self._build()
        layers = merged.layers
        notes = [] if layers is None or layers.complete else ["The layer information ends early; what is complete was read."]
        if self.autotuning.left_out:
            notes.append(f"{self.autotuning.left_out} measurements past the first {MOST} were left out.")
        return _observed(path, build, profiles, layers, merged, Unknown(self.unknown, tuple(self.examples)), tuple(notes), self)

    def _build(self) -> BuildLog | None:
        run, tuning = self.run, self.autotuning
        placement = self._placement()
        timings = tuning.all()
        told = (run.release, run.command, run.counts, self.engine.layers, timings)
        if not any(told) and not any(placement):
            return None
        return BuildLog(
            run.release,
            run.command,
            run.passed,
            run.precision,
            run.dla_core,
            placement,
            run.counts,
            run.registered,
            tuple(run.fusions),
            tuple(self.engine.layers),
            timings,
            tuning.fastest,
            tuple(tuning.added),
            tuple(run.errors),
            run.device,
        )

    def _placement(self) -> Placement:
        said, lists, memory = self.fallbacks, self.lists, self.memory
        return Placement(
            lists.listed,
            tuple(lists.dla),
            tuple(lists.gpu),
            said.all(),
            tuple(said.splits),
            said.segmentations,
            said.limit,
            tuple(said.over_limit),
            tuple(said.low_rank),
            tuple(memory.offloaded),
            memory.candidates,
            memory.pools,
            {name: tuple(layers) for name, layers in self.engine.members.items()},
            said.none_on_dla,
            lists.ended,
        )


def _observed(
    path: str,
    build: BuildLog | None,
    profiles: tuple[Profile, ...],
    layers: LayerInfo | None,
    found: Document,
    unknown: Unknown,
    notes: tuple[str, ...],
    log: _Log | None = None,
) -> Observed:
    summary = log.summary.summary() if log is not None else None
    cudla = tuple(log.csv.cudla) if log is not None else ()
    named = {
        "build log": build,
        "profile": profiles,
        "layer information": layers,
        "times": found.times,
        "performance summary": summary,
        "cuDLA times": cudla,
    }
    kinds = tuple(name for name, value in named.items() if value)
    return Observed(path, kinds, build, profiles, layers, found.times, summary, cudla, unknown, notes)
