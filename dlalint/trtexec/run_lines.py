"""What trtexec itself prints: release, command, options, layer counts, the ONNX parser's names, errors, and the performance at the end."""

from __future__ import annotations

import re

from dlalint.target import release_of
from dlalint.trtexec.autotuning import number
from dlalint.trtexec.names import normalized
from dlalint.trtexec.observed import Metric, Summary
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import Line

_BANNER = re.compile(
    r"&&&& (RUNNING|PASSED|FAILED|WAIVED) TensorRT\.[A-Za-z_]{1,40}(?: \[TensorRT v(\d{3,7})\])?(?: \[b\d{1,6}\])?(?: # ?(.*))?"
)
_VERSION = re.compile(r"TensorRT version: (\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")
_COUNT = re.compile(r"(Original|After [A-Za-z -]{1,60}): (\d{1,9}) layers")
_CORE = re.compile(r"(?:DLACore: |useDLACore: |DLA Enabled - Running on DLA core: )(\d{1,2})")
_OPTIONS = re.compile(r"=== [A-Za-z ]{4,40} Options ===|=== Device Information ===")

_STARTS = (
    "Registering layer: ",
    "&&&&",
    "===",
    "Original: ",
    "After ",
    "TensorRT version: ",
    "Precision: ",
    "DLACore: ",
    "useDLACore: ",
    "DLA Enabled",
    "Selected Device: ",
)


class RunLines(Section):
    """Banner, options, counts, names, errors."""

    def __init__(self) -> None:
        self.release = self.command = self.device = ""
        self.passed: bool | None = None
        self.precision: tuple[str, ...] = ()
        self.dla_core: int | None = None
        self.counts: dict[str, int] = {}
        self.registered: dict[str, str] = {}
        self.fusions: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self._options = False

    def take(self, line: Line) -> bool:
        """Whether the line is trtexec's own."""
        text = line.text
        if text.startswith(_STARTS):
            return self._known(text)
        if ": Fusing " in text:
            return self._fusion(text)
        self._options = self._options and bool(text) and not line.severe
        return self._options and (": " in text or ":" in text[-1:])

    def _known(self, text: str) -> bool:
        """A line by its first word."""
        if text.startswith("Registering layer: "):
            return self._name(text)
        if text.startswith("&&&&"):
            return self._banner(text)
        if text.startswith("==="):
            self._options = _OPTIONS.match(text) is not None
            return self._options
        if text.startswith(("Original: ", "After ")):
            found = _COUNT.match(text)
            if found:
                self.counts[found[1]] = int(found[2])
                bounded(len(self.counts))
            return found is not None
        return self._setting(text)

    def _setting(self, text: str) -> bool:
        if text.startswith("TensorRT version: "):
            version = _VERSION.match(text)
            if version:
                self.release = ".".join(part for part in version.groups() if part)
            return True
        if text.startswith("Precision: "):
            self.precision = tuple(part.split(" ")[0] for part in text[11:].split("+"))
            return True
        if text.startswith("Selected Device: "):
            self.device = text[17:].strip()
            return True
        core = _CORE.match(text)
        if core:
            self.dla_core = int(core[1])
        return core is not None

    def _banner(self, text: str) -> bool:
        found = _BANNER.match(text)
        if not found:
            return False
        if found[2]:
            self.release = release_of(found[2])
        if found[1] == "RUNNING":
            self.command = found[3] or self.command
        else:
            self.passed = found[1] == "PASSED"
        self._options = False
        return True

    def _name(self, text: str) -> bool:
        layer, mark, node = text[19:].rpartition(" for ONNX node: ")
        if mark:
            self.registered[normalized(layer)] = node
            bounded(len(self.registered))
        return bool(mark) or text.endswith(" required by ONNX-TRT")

    def _fusion(self, text: str) -> bool:
        rule, _, both = text.partition(": Fusing ")
        first, mark, second = both.rpartition(" with ")
        if mark and rule.isalnum():
            self.fusions.append((normalized(first), normalized(second)))
            bounded(len(self.fusions))
        return bool(mark)

    def fault(self, text: str) -> None:
        """Keep a message of severity error."""
        if len(self.errors) < 50:
            self.errors.append(text)


_VALUE = r"([0-9.eE+-]{1,20})"
_METRIC = re.compile(r"(Latency|End-to-End Host Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): (min = .*)")
_FIELD = re.compile(rf"(min|max|mean|median|percentile\(([0-9.]{{1,10}})%\)) = {_VALUE} ms")
_THROUGHPUT = re.compile(rf"(?:T|t)hroughput: {_VALUE} qps")
_OLD_HEAD = re.compile(r"(Host [Ll]atency|Enqueue Time|GPU Compute)")
_OLD_FIELD = re.compile(rf"(min|max|mean|median|percentile): {_VALUE} ms(?: at ([0-9.]{{1,10}})%| \(([0-9.]{{1,10}})%\))?")
_RUNS = re.compile(rf"Average over \d{{1,9}} runs is {_VALUE} ms")
_TRACE = re.compile(rf"Average on \d{{1,9}} runs - GPU latency: {_VALUE} ms - Host latency: {_VALUE} ms")
_NOISE = ("Warmup completed ", "Timing trace has ", "Trace averages of ", "walltime: ", "Total Host Walltime: ", "Total GPU Compute Time: ")


class SummaryLines(Section):
    """Latencies and throughput in all forms since TensorRT 5."""

    def __init__(self) -> None:
        self.qps: float | None = None
        self._metrics: dict[str, dict[str, float]] = {}
        self._head = ""
        self._sums: dict[str, list[float]] = {}

    def take(self, line: Line) -> bool:
        """Whether the line is a measurement."""
        text = line.text
        first = text[:1]
        if first not in "LEHGDTtAmpW*w=":
            return False
        if text.startswith(("=== Performance summary", "=== Trace details", "=== Explanations of the performance")):
            return True
        found = _METRIC.match(text)
        if found:
            self._metrics[found[1]] = {part[1]: value for part in _FIELD.finditer(found[2]) if (value := number(part[3])) is not None}
            return True
        found = _THROUGHPUT.match(text)
        if found:
            self.qps = self.qps if self.qps is not None and text[0] == "t" else number(found[1])
            return True
        return self._old(text) or text.startswith(_NOISE)

    def _old(self, text: str) -> bool:
        if _OLD_HEAD.fullmatch(text):
            self._head = text
            return True
        found = _OLD_FIELD.match(text) if self._head else None
        if found:
            value = number(found[2])
            name = f"percentile({found[3] or found[4]}%)" if found[1] == "percentile" else found[1]
            if value is not None:
                self._metrics.setdefault(self._head, {})[name] = value
            return True
        for pattern, names in ((_RUNS, ("Average",)), (_TRACE, ("GPU latency", "Host latency"))):
            found = pattern.match(text)
            if found:
                for index, name in enumerate(names, 1):
                    total = self._sums.setdefault(name, [0, 0.0])
                    total[0] += 1
                    total[1] += number(found[index]) or 0.0
                return True
        return False

    def summary(self) -> Summary | None:
        """What was measured, ``None`` when nothing was."""
        metrics = [_metric(name, fields) for name, fields in self._metrics.items()]
        count = 0
        for name, (lines, total) in self._sums.items():
            count = max(count, int(lines))
            metrics.append(Metric(name, total / lines, None, None, None))
        return Summary(self.qps, tuple(metrics), count) if metrics or self.qps is not None else None


def _metric(name: str, fields: dict[str, float]) -> Metric:
    percentiles = tuple((float(key[11:-2]), value) for key, value in fields.items() if key.startswith("percentile(") and number(key[11:-2]))
    return Metric(name, fields.get("mean"), fields.get("median"), fields.get("min"), fields.get("max"), percentiles)
