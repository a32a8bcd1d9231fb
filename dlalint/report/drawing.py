"""A picture with coordinates: what the SVG and the page draw."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from dlalint.graph import Device
from dlalint.plan import NodePlacement, Outcome
from dlalint.report.layered import Point, layout
from dlalint.report.layout import counted, size
from dlalint.report.picture import Link, Part, Picture, label, picture

MARGIN = 16.0
LINE = 17.0  # from one line of text to the next
_WIDTH = 240.0
_PORT = 100.0  # room for the label of a line that enters a box
_MOST_WIDTH = 1600.0
_CHAR = 7.25  # a character of text
_PAD = 10.0
_WORK = 110.0  # what the segment with the most work is taller than one with none
_NODE = (230.0, 42.0)
_ENDS = (120.0, 30.0)
_CAUSES = 3  # rules named on a box


class Box(NamedTuple):
    """A rectangle with lines of text. ``kind`` is ``segment``, ``node`` or ``end``; ``number`` that of the segment or node, -1 for an end.

    ``style`` is a device, ``dropped`` for a candidate that the limit sent to the GPU, or ``end``. ``title`` is the whole text.
    """

    kind: str
    number: int
    style: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    title: str


class Line(NamedTuple):
    """A line from box to box, with a label where it ends, and whether the tensors are reformatted on the way."""

    points: tuple[Point, ...]
    label: str
    reformat: bool
    title: str


class Drawing(NamedTuple):
    """Everything to draw, what is below first."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


class _Inside(NamedTuple):
    """The nodes of a segment laid out, relative to the top left of the room for them."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def drawn(outcome: Outcome, *, detail: bool = False) -> Drawing:
    """The partition: a box for each segment as tall as its share of the work; with ``detail``, its nodes in it instead."""
    found = picture(outcome)
    texts = [_lines(part, found, outcome) for part in found.parts]
    insides = [_inside(part, outcome) if detail else None for part in found.parts]
    first, last = any(link.source < 0 for link in found.links), any(link.target < 0 for link in found.links)
    sizes = _sizes(found, texts, insides)
    shift = int(first)
    whole = [*([_ENDS] if first else []), *sizes, *([_ENDS] if last else [])]
    edges = [
        (link.source + shift if link.source >= 0 else 0, link.target + shift if link.target >= 0 else len(whole) - 1)
        for link in found.links
    ]
    placed = layout(whole, edges, landing=34.0)
    boxes: list[Box] = []
    lines: list[Line] = []
    for number, ((x, y), (width, height)) in enumerate(zip(placed.corners, whole, strict=True)):
        x, y, at = x + MARGIN, y + MARGIN, number - shift
        if not 0 <= at < len(found.parts):
            name = "inputs" if number == 0 and first else "outputs"
            boxes.append(Box("end", -1, "end", x, y, width, height, (name,), name))
            continue
        part, inside = found.parts[at], insides[at]
        title = "\n".join(texts[at])
        boxes.append(Box("segment", at, _style(part), x, y, width, height, tuple(_fit(text, width) for text in texts[at]), title))
        if inside is not None:
            left, top = x + (width - inside.width) / 2, y + _head(texts[at])
            boxes += [box._replace(x=box.x + left, y=box.y + top) for box in inside.boxes]
            lines += [line._replace(points=_moved(line.points, left, top)) for line in inside.lines]
    crowd = _crowded(found)
    for link, path in zip(found.links, placed.paths, strict=True):
        lines.append(_line(link, _moved(path, MARGIN, MARGIN), outcome, crowded=link.target in crowd))
    return Drawing(tuple(boxes), tuple(lines), placed.width + 2 * MARGIN + _PORT, placed.height + 2 * MARGIN)


def _style(part: Part) -> str:
    return part.device.value if part.placed else "dropped"


def _lines(part: Part, whole: Picture, outcome: Outcome) -> list[str]:
    """The text of a segment."""
    total = sum(other.macs for other in whole.parts)
    mark = device_mark(part.device) + (f" · loadable {part.loadable}" if part.loadable else "")
    work = f" · {100 * part.macs / total:.0f} % of the work" if total else ""
    found = [f"{mark} · segment {part.number}", f"{counted(part.layers, 'layer')}{work}"]
    layers = outcome.partition.segments[part.number].layers
    names = [label(outcome.network.layers[index].name) for index in (layers[0], layers[-1])] if layers else []
    found += list(dict.fromkeys(names))[:1] if len(layers) < 2 else [names[0], f"… {names[1]}"]
    if not part.placed:
        found.append("over the limit of loadables")
    found += [f"{code} × {count}" if count > 1 else code for code, count in part.causes[:_CAUSES]]
    if len(part.causes) > _CAUSES:
        found.append(f"and {len(part.causes) - _CAUSES} more rules".replace("1 more rules", "1 more rule"))
    return found


def device_mark(device: Device) -> str:
    """What stands on a box besides its colour."""
    return device.value.upper() if device in (Device.DLA, Device.GPU) else "not known"


def _head(lines: Sequence[str]) -> float:
    return 2 * _PAD + LINE * len(lines)


def _sizes(found: Picture, texts: Sequence[Sequence[str]], insides: Sequence[_Inside | None]) -> list[Point]:
    most = max((part.macs for part in found.parts), default=0)
    entering: dict[int, int] = {}
    leaving: dict[int, int] = {}
    for link in found.links:
        entering[link.target] = entering.get(link.target, 0) + 1
        leaving[link.source] = leaving.get(link.source, 0) + 1
    sizes = []
    for part, lines, inside in zip(found.parts, texts, insides, strict=True):
        ports = max(entering.get(part.number, 0), leaving.get(part.number, 0))
        width = min(max(_WIDTH, ports * _PORT), _MOST_WIDTH)
        if inside is not None:
            sizes.append((max(width, inside.width + 2 * _PAD), _head(lines) + inside.height + _PAD))
        else:
            sizes.append((width, _head(lines) + (_WORK * sqrt(part.macs / most) if most else 0.0)))
    return sizes


def _crowded(found: Picture) -> frozenset[int]:
    """The segments with more entering lines than there is room for labels."""
    count: dict[int, int] = {}
    for link in found.links:
        count[link.target] = count.get(link.target, 0) + 1
    return frozenset(number for number, lines in count.items() if lines * _PORT > (_MOST_WIDTH if number >= 0 else 2 * _ENDS[0]))


def _line(link: Link, points: tuple[Point, ...], outcome: Outcome, *, crowded: bool) -> Line:
    count = "" if len(link.tensors) == 1 else f" in {len(link.tensors)}"
    names = [f"{label(name)}: {size(outcome.boundaries[name].bytes)}" for name in link.tensors[:20]]
    more = [f"and {len(link.tensors) - 20} more"] if len(link.tensors) > 20 else []
    title = "\n".join([*names, *more, *(["reformatted"] if link.reformat else [])])
    total = size(link.bytes) if link.bytes is not None else "? B"
    return Line(points, "" if crowded else f"{total}{count}", link.reformat, title)


def _inside(part: Part, outcome: Outcome) -> _Inside:
    placed = layout([_NODE] * len(part.nodes), part.wires)
    boxes = []
    for number, (x, y) in zip(part.nodes, placed.corners, strict=True):
        node = outcome.nodes[number]
        boxes.append(Box("node", number, node.device.value, x, y, *_NODE, _node_lines(node), f"{node_label(node)} {label(node.op_type)}"))
    lines = tuple(Line(path, "", False, "") for path in placed.paths)
    return _Inside(tuple(boxes), lines, placed.width, placed.height)


def _node_lines(node: NodePlacement) -> tuple[str, ...]:
    codes = f" · {', '.join(node.codes[:2])}{'…' if len(node.codes) > 2 else ''}" if node.codes else ""
    return (_fit(f"{device_mark(node.device)} {label(node.op_type, 40)}{codes}", _NODE[0]), _fit(node_label(node), _NODE[0], head=False))


def node_label(node: NodePlacement) -> str:
    """What a node is called in a picture."""
    return label(node.id)


def _moved(points: Sequence[Point], x: float, y: float) -> tuple[Point, ...]:
    return tuple((px + x, py + y) for px, py in points)


def _fit(text: str, width: float, *, head: bool = True) -> str:
    """As much of the beginning or of the end of ``text`` as a box of ``width`` has room for."""
    room = int((width - 2 * _PAD) / _CHAR)
    columns = [2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text]
    if sum(columns) <= room:
        return text
    kept, used = 0, 1
    for count in columns if head else reversed(columns):
        if used + count > room:
            break
        used += count
        kept += 1
    return f"{text[:kept]}…" if head else f"…{text[len(text) - kept :]}"
