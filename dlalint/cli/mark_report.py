"""What ``mark-output`` says: in text what was marked, its cost, the placement, the map and the command; the same as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from dlalint import __version__
from dlalint.graph import shape_in_words
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.report.layout import Row, Span, counted, listed, size, spans, table, wrapped
from dlalint.rewrite.mark_output import Marked, described
from dlalint.rewrite.marks import CONSTANT, Candidate
from dlalint.target import Target

_SHOWN = 6
_ROWS = 20
_STRONGLY_TYPED = (11, 0)
_NUMBERS = ("dla_nodes", "gpu_nodes", "loadables", "transitions", "reformats", "boundary_bytes")


class Listing(NamedTuple):
    """What the nodes of a model make."""

    model: str
    target: Target
    items: Sequence[Candidate]
    outputs: Sequence[str]


def listing_text(found: Listing, width: int) -> list[Row]:
    """A row for each tensor."""
    title = f"{found.model} on {found.target.name}, {found.target.precision.upper()}: {counted(len(found.items), 'tensor')}"
    body = [_columns(item, item.tensor in found.outputs) for item in found.items]
    header = ["index", "Tensor", "operator", "shape", "dtype", "bytes", "device"]
    return [spans(Span(title, "title")), *(table(header, body, width, frozenset({0, 5})) if body else [])]


def _columns(item: Candidate, is_output: bool) -> list[str]:
    shape = item.kind.shape if item.kind is not None else None
    return [
        str(item.number),
        item.tensor,
        item.op_type,
        "?" if shape is None else shape_in_words(shape),
        item.kind.dtype if item.kind is not None else "?",
        "?" if item.bytes is None else str(item.bytes),
        item.device.value + (", output" if is_output else ""),
    ]


def listing_json(found: Listing) -> str:
    """One object; ``obstacle`` says why patterns pass over a tensor, ``null`` when they do not."""
    tensors = [
        {
            "tensor": item.tensor,
            **described(item),
            "device": item.device.value,
            "output": item.tensor in found.outputs,
            "obstacle": item.obstacle or None,
        }
        for item in found.items
    ]
    return _dumped({**_heading(found.model, found.target), "tensors": tensors})


def to_text(found: Marked, width: int, *, verbose: bool = False) -> list[Row]:
    """The report as lines for a terminal of ``width`` columns; ``verbose`` cuts no list."""
    writer = _Writer(found, min(max(width, 60), 140), verbose)
    rows: list[Row] = []
    for section in (writer.marks(), writer.cost(), writer.placement(), writer.files(), writer.command()):
        body = list(section)
        if body:
            rows += [(), *body] if rows else body
    return rows


class _Writer:
    def __init__(self, found: Marked, width: int, verbose: bool) -> None:
        self.found = found
        self.width = width
        self.shown, self.rows = (1_000_000, 1_000_000) if verbose else (_SHOWN, _ROWS)

    def marks(self) -> Iterator[Row]:
        found = self.found
        new, already = found.chosen.new, found.chosen.already
        place = f" in {found.output}" if found.written else f": {found.output} stays as it is"
        yield spans(Span(f"{counted(len(new), 'tensor')} of {found.source} marked{place}", "title"))
        if new:
            body = [_columns(item, False)[:-1] for item in new[: self.rows]]
            body = [[row[1], row[0], *row[2:]] for row in body]
            yield from table(["Tensor", "node", "operator", "shape", "dtype", "bytes"], body, self.width, frozenset({1}))
            if len(new) > self.rows:
                yield spans(Span(f"  and {len(new) - self.rows} more (-v shows all)", "dim"))
        if already:
            yield from self._said("already", f"{self._names([item.tensor for item in already])}: an output as it is, nothing to do")
        if found.shapeless:
            yield from self._said("no shape", f"{self._names(found.shapeless)}: its shape is not known, the output states only its type")
        left = [f"{count} {reason}" for reason, count in found.chosen.left_out.items()]
        if left:
            hint = "; --tensor marks what is known at build time too" if CONSTANT in found.chosen.left_out else ""
            yield from self._said("left out", ", ".join(left) + hint)
        if found.dropped:
            yield from self._said("dropped", f"{counted(found.dropped, 'node')} that only other outputs needed")

    def cost(self) -> Iterator[Row]:
        found = self.found
        new = found.chosen.new
        if not new:
            return
        yield spans(Span("What it costs", "title"))
        known = sum(item.bytes or 0 for item in new)
        unknown = sum(item.bytes is None for item in new)
        rest = f", and {counted(unknown, 'output')} of unknown size" if unknown else ""
        yield from self._said("buffers", f"{size(known)} more to allocate and to write at each run{rest}")
        if found.inside:
            said = (
                f"{counted(found.inside, 'output')} inside of a loadable: the DLA writes out what it would have kept, and it is reformatted"
            )
            yield from self._said("loadables", said)
        if found.fusions:
            chains = [" + ".join(chain) for chain in found.fusions]
            yield from self._said(
                "fusions", f"{_listed(chains, self.shown)}: may be one layer now, and cannot be with an output in between"
            )
        yield from self._said("precision", _precision(found.before.target))
        yield from self._said("timing", "the time of a marked model is not the time of the model")

    def placement(self) -> Iterator[Row]:
        found = self.found
        target = found.before.target
        yield spans(Span(f"Placement on {target.name}, {target.precision.upper()}", "title"))
        header = ["", "DLA nodes", "GPU nodes", "loadables", "device changes", "reformats", "crossing", "verdict"]
        body = [[word, *_numbers(outcome), outcome.verdict] for word, outcome in (("before", found.before), ("after", found.after))]
        yield from table(header, body, self.width, frozenset(range(1, 7)))
        if found.moved:
            yield from self._said("moved", f"{self._names(found.moved)}: on another device than before")
        elif found.written:
            same = all(getattr(found.before.summary, name) == getattr(found.after.summary, name) for name in ("dla_nodes", "loadables"))
            word = "no node changes its device" + (", and the loadables are as many" if same else "")
            yield from self._said("so", word)

    def files(self) -> Iterator[Row]:
        found = self.found
        if found.names is not None:
            yield from wrapped("Name map  ", f"{found.names}: tensor, node, operator, type, and a file name for each output", self.width)
        if found.beside:
            names = self._names(found.beside)
            if found.copied:
                yield from wrapped("External data  ", f"{names}: copied to its folder", self.width)
            else:
                yield from wrapped("External data  ", f"{names}: needed beside the result, --copy-data copies them", self.width, "warn")

    def command(self) -> Iterator[Row]:
        target = self.found.before.target
        yield spans(Span("To dump the outputs on the device", "title"))
        yield spans("  ", Span(self.found.command, "code"))
        if target.trt < (5, 1):
            said = "trtexec of this release has no option that prints outputs: read their bindings in a program of your own."
        elif target.trt < (7, 0):
            said = "--dumpOutput prints them; trtexec writes them to a file from 7.0 on (--exportOutput)."
        else:
            said = "--loadInputs=NAME:FILE feeds your own data."
        more = " The outputs that the graph states are enough: --output=NAME is for Caffe and UFF." if target.trt < (8, 0) else ""
        yield from wrapped("  ", said + more, self.width)

    def _said(self, word: str, text: str) -> Iterator[Row]:
        yield from wrapped(f"  {word:<10}", text, self.width)

    def _names(self, names: Sequence[str]) -> str:
        return listed(names, self.shown)


def _listed(items: Sequence[str], most: int) -> str:
    shown = "; ".join(items[:most])
    return shown if len(items) <= most else f"{shown}; and {len(items) - most} more"


def _precision(target: Target) -> str:
    if target.trt >= _STRONGLY_TYPED:
        return "networks of this release are strongly typed: an output has the type that the file gives its tensor"
    return (
        "the ONNX parser gives an output the type that the file states, and NVIDIA's debugging notes say that output layers always ran in "
        "FP32, whatever the build was set to <https://elinux.org/TensorRT/How2Debug>. So a marked layer may compute in another precision "
        "than in the model as it is"
    )


def _numbers(outcome: Outcome) -> list[str]:
    summary = outcome.summary
    return [*(str(getattr(summary, name)) for name in _NUMBERS[:-1]), size(summary.boundary_bytes)]


def to_json(found: Marked) -> str:
    """The report as one object. Its form is public."""
    known = [item.bytes for item in found.chosen.new]
    return _dumped(
        {
            **_heading(found.source, found.before.target),
            "output": found.output,
            "written": found.written,
            "marked": [{"tensor": item.tensor, **described(item), "device": item.device.value} for item in found.chosen.new],
            "already": [item.tensor for item in found.chosen.already],
            "outputs": [item.tensor for item in found.outputs],
            "shapeless": list(found.shapeless),
            "left_out": dict(found.chosen.left_out),
            "dropped_nodes": found.dropped,
            "cost": {
                "bytes": None if None in known else sum(count for count in known if count is not None),
                "inside_loadables": found.inside,
                "fusions": [list(chain) for chain in found.fusions],
                "precision": _precision(found.before.target),
            },
            "placement": {"before": _placed(found.before), "after": _placed(found.after), "moved": list(found.moved)},
            "external_data": {"files": list(found.beside), "copied": found.copied},
            "map": found.names,
            "command": found.command,
        }
    )


def _placed(outcome: Outcome) -> dict[str, Any]:
    return {"verdict": outcome.verdict, **{name: getattr(outcome.summary, name) for name in _NUMBERS}}


def _heading(model: str, target: Target) -> dict[str, Any]:
    return {
        "schema": 1,
        "tool": {"name": "dlalint", "version": __version__},
        "model": model,
        "target": {"name": target.name, "precision": target.precision},
    }


def _dumped(document: dict[str, Any]) -> str:
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"  # bytes of a name that were not UTF-8
