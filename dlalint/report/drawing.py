"""A picture with coordinates: what the SVG and the page draw."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from math import sqrt

from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import NodePlacement, Outcome
from dlalint.report.layered import Point, layout
from dlalint.report.layout import counted, size
from dlalint.report.picture import Link, Part, Picture, label, picture

MARGIN = 16.0
LINE = 17.0  # from one line of text to the next
_WIDTH = 240.0
_STEP = 7.0  # between lines without labels
_PORT = 24.0  # between lines that leave a box
_MOST_WIDTH = 1600.0
_CHAR = 7.25  # a character of text
_LABEL_CHAR = 6.75  # one of a label, whose text is smaller
_LABEL_AT = 8.0  # from a line to its label
_LABEL_GAP = 8.0  # and from the label to what is next
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
    labels = _labels(found)
    rooms = [_LABEL_AT + _LABEL_CHAR * len(text) + _LABEL_GAP if text else _STEP for text in labels]
    sizes, outputs = _sizes(found, texts, insides, rooms)
    shift = int(first)
    whole = [*([_ENDS] if first else []), *sizes, *([outputs] if last else [])]
    edges = [
        (link.source + shift if link.source >= 0 else 0, link.target + shift if link.target >= 0 else len(whole) - 1)
        for link in found.links
    ]
    placed = layout(whole, edges, landing=34.0, rooms=rooms)
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
    for link, path, text in zip(found.links, placed.paths, labels, strict=True):
        lines.append(Line(_moved(path, MARGIN, MARGIN), text, link.reformat, _title(link, outcome)))
    return Drawing(tuple(boxes), tuple(lines), placed.width + 2 * MARGIN, placed.height + 2 * MARGIN)


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


def _sizes(
    found: Picture, texts: Sequence[Sequence[str]], insides: Sequence[_Inside | None], rooms: Sequence[float]
) -> tuple[list[Point], Point]:
    """The sizes of the segments, and that of the outputs: wide enough for the labels of the lines that enter."""
    most = max((part.macs for part in found.parts), default=0)
    entering: dict[int, list[float]] = {}
    leaving: dict[int, int] = {}
    for link, room in zip(found.links, rooms, strict=True):
        entering.setdefault(link.target, []).append(room)
        leaving[link.source] = leaving.get(link.source, 0) + 1

    def wide(number: int, least: float) -> float:
        labels = entering.get(number, [])
        room = 2 * labels[0] if len(labels) == 1 else sum(labels) + _PAD
        return min(max(least, room, (leaving.get(number, 0) + 1) * _PORT), _MOST_WIDTH)

    sizes = []
    for part, lines, inside in zip(found.parts, texts, insides, strict=True):
        width = wide(part.number, _WIDTH)
        if inside is not None:
            sizes.append((max(width, inside.width + 2 * _PAD), _head(lines) + inside.height + _PAD))
        else:
            sizes.append((width, _head(lines) + (_WORK * sqrt(part.macs / most) if most else 0.0)))
    return sizes, (wide(-1, _ENDS[0]), _ENDS[1])


def _labels(found: Picture) -> list[str]:
    """What stands at each line; nothing at those that enter a segment with more of them than there is room for."""
    labels = []
    for link in found.links:
        total = size(link.bytes) if link.bytes is not None else "? B"
        labels.append(total if len(link.tensors) == 1 else f"{total} in {len(link.tensors)}")
    wide: dict[int, float] = {}
    for link, text in zip(found.links, labels, strict=True):
        wide[link.target] = wide.get(link.target, 0.0) + _LABEL_AT + _LABEL_CHAR * len(text) + _LABEL_GAP
    return ["" if wide[link.target] > _MOST_WIDTH - _PAD else text for link, text in zip(found.links, labels, strict=True)]


def _title(link: Link, outcome: Outcome) -> str:
    names = [f"{label(name)}: {size(outcome.boundaries[name].bytes)}" for name in link.tensors[:20]]
    more = [f"and {len(link.tensors) - 20} more"] if len(link.tensors) > 20 else []
    return "\n".join([*names, *more, *(["reformatted"] if link.reformat else [])])


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
