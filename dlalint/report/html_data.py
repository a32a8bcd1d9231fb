"""What the pictures of the page know: nodes, layers, segments, findings and coordinates, as JSON that is safe inside of a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlalint.engine.ruleset import RuleSet
from dlalint.finding import Finding
from dlalint.graph import TensorType, shape_in_words
from dlalint.network import Layer
from dlalint.plan import Outcome
from dlalint.report.drawing import Drawing, drawn, node_label
from dlalint.report.escape import for_terminal, shortened_name
from dlalint.report.grouping import roots
from dlalint.report.layout import size
from dlalint.report.picture import label
from dlalint.report.values import limit_in_words, observed_in_words

_TENSORS = 50  # tensors listed at an end of a segment
_TEXT = 600


def sentence(text: str) -> str:
    """A sentence that may hold names from a model, bounded and on one line."""
    return shortened_name(for_terminal(shortened_name(text, _TEXT)), _TEXT)


def link(source: str, sources: Mapping[str, Any]) -> tuple[str, str]:
    """Title and address of a source; the address is empty unless it is one of the web."""
    found = sources[source]
    url = str(found.get("url", ""))
    return sentence(str(found["title"])), url if url.startswith(("https://", "http://")) else ""


def as_json(outcome: Outcome, book: RuleSet) -> str:
    """The data of one picture. Texts that come often are listed once in ``texts`` and named by their place there."""
    texts = _Texts()
    nodes: list[list[int]] = [[] for _ in outcome.nodes]
    for index, layer in enumerate(outcome.network.layers):
        for number in layer.origin:
            nodes[number].append(index)
    limits = [sentence(limit_in_words(finding, outcome.target, book)) for finding in outcome.findings]
    findings = [
        _finding(finding, root, limit, texts, book.sources)
        for finding, root, limit in zip(outcome.findings, roots(outcome.findings), limits, strict=True)
    ]
    data = {
        "nodes": [
            [
                node_label(node),
                texts.at(label(node.op_type)),
                node.device.value,
                node.segment,
                node.macs,
                list(node.codes),
                nodes[node.number],
            ]
            for node in outcome.nodes
        ],
        "layers": [_layer(outcome, index, layer, texts) for index, layer in enumerate(outcome.network.layers)],
        "segments": [
            [_tensors(outcome, segment.inputs), _tensors(outcome, segment.outputs), list(segment.layers)]
            for segment in outcome.partition.segments
        ],
        "findings": findings,
        "overview": _drawing(drawn(outcome)),
        "detail": _drawing(drawn(outcome, detail=True)),
        "texts": texts.known,
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")  # nothing in it can end the element


class _Texts:
    """Texts in order of their first use."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}

    @property
    def known(self) -> list[str]:
        return list(self._place)

    def at(self, text: str) -> int:
        return self._place.setdefault(text, len(self._place))


def _finding(finding: Finding, root: int, limit: str, texts: _Texts, sources: Mapping[str, Any]) -> list[Any]:
    words = [
        finding.name,
        sentence(finding.message),
        sentence(finding.why),
        sentence(finding.fix),
        sentence(observed_in_words(finding.observed)),
        limit,
        finding.confidence,
    ]
    cites = [[texts.at(part) for part in link(source, sources)] for source in finding.sources]
    return [finding.code, finding.severity, finding.node_index, root, [texts.at(word) for word in words], label(finding.layer), cites]


def _layer(outcome: Outcome, index: int, layer: Layer, texts: _Texts) -> list[Any]:
    spec = layer.spec
    reads = ", ".join(_shape(operand.type) for operand in spec.inputs[:8] if not operand.constant)
    makes = ", ".join(_shape(kind) for kind in spec.outputs[:8])
    place = outcome.partition
    device, segment = place.devices[index].value, place.segment_of[index]
    return [label(layer.name), texts.at(spec.kind), device, segment, texts.at(label(reads)), texts.at(label(makes))]


def _shape(kind: TensorType | None) -> str:
    return "?" if kind is None or kind.shape is None else f"{kind.dtype} {shape_in_words(kind.shape)}"


def _tensors(outcome: Outcome, names: Sequence[str]) -> list[list[str]]:
    found = [[label(name), _crossing(outcome, name)] for name in names[:_TENSORS]]
    return [*found, [f"and {len(names) - _TENSORS} more", ""]] if len(names) > _TENSORS else found


def _crossing(outcome: Outcome, name: str) -> str:
    kind = outcome.boundaries[name]
    return f"{label(_shape(TensorType(kind.dtype, kind.shape)))}, {size(kind.bytes)}"


def _drawing(found: Drawing) -> dict[str, Any]:
    return {
        "width": round(found.width),
        "height": round(found.height),
        "boxes": [
            [box.kind, box.number, box.style, round(box.x), round(box.y), round(box.width), round(box.height), list(box.lines)]
            for box in found.boxes
        ],
        "lines": [
            [[round(value) for point in line.points for value in point], line.label, int(line.reformat), line.title] for line in found.lines
        ],
    }
