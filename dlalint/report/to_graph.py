"""The partition as a picture: SVG that needs nothing else, and DOT for graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import sqrt

from dlalint.plan import Outcome
from dlalint.report.drawing import LINE, Box, Line, device_mark, drawn, node_label
from dlalint.report.layout import size
from dlalint.report.picture import Part, label, picture

# blue, vermilion and yellow of Okabe and Ito, which people with any kind of colour blindness tell apart
_STYLE = """
svg{background:#fff}text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#111}.h{font-weight:bold}
rect{stroke-width:1.5;fill:#eee;stroke:#666}.dla{fill:#d6eaf8;stroke:#0072b2}.gpu{fill:#fbe3d4;stroke:#d55e00}
.dropped{fill:#fdf3d0;stroke:#b58900;stroke-dasharray:6 3}.folded,.end{fill:#f4f4f4}
path{fill:none;stroke:#555;stroke-width:1.3}.a,.r{fill:#555;stroke:none}.e{font-size:11px}
@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#eee}rect{fill:#333;stroke:#999}
.dla{fill:#0f3550;stroke:#56b4e9}.gpu{fill:#51270f;stroke:#f0915a}.dropped{fill:#4a3f10;stroke:#f0e442}
.folded,.end{fill:#26292e}path{stroke:#aaa}.a,.r{fill:#aaa}}
"""
_COLORS = {"dla": ("#d6eaf8", "#0072b2"), "gpu": ("#fbe3d4", "#d55e00"), "dropped": ("#fdf3d0", "#b58900")}
_GREY = ("#eeeeee", "#666666")
_WIDE = 8.0  # a bold character


def to_svg(outcome: Outcome, *, detail: bool = False) -> str:
    """One SVG document; ``detail`` shows every node in its segment."""
    found = drawn(outcome, detail=detail)
    head = f"{label(outcome.model.path)} on {outcome.target.name}, {outcome.target.precision.upper()}: {outcome.verdict}"
    width, height = max(found.width, 32 + _WIDE * len(head)), found.height + 2 * LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"',
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(head)}</title><style>{_STYLE}</style>",
        f'<text class="h" x="16" y="20">{escape(head)}</text><g transform="translate(0 {LINE * 1.5:.1f})">',
        *(_svg_box(box) for box in found.boxes),
        *(_svg_line(line) for line in found.lines),
        "</g></svg>\n",
    ]
    return "\n".join(parts)


def _svg_box(box: Box) -> str:
    x, y = box.x, box.y
    rows = [f'<rect class="{box.style}" x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5"/>']
    top = y + (16 if box.kind == "node" else 20)
    for index, text in enumerate(box.lines):
        bold = ' class="h"' if index == 0 else ""
        rows.append(f'<text{bold} x="{x + 10:.1f}" y="{top + LINE * index:.1f}">{escape(text)}</text>')
    return f"<g><title>{escape(box.title)}</title>{''.join(rows)}</g>"


def _svg_line(line: Line) -> str:
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in line.points)
    x, y = line.points[-1]
    found = [f'<path d="M{way}"/><path class="a" d="M{x:.1f} {y:.1f}l-4 -7h8z"/>']
    if line.reformat:
        found.append(f'<path class="r" d="M{x:.1f} {y - 22:.1f}l5 5l-5 5l-5 -5z"/>')
    if line.label:
        found.append(f'<text class="e" x="{x + 8:.1f}" y="{y - 13:.1f}">{escape(line.label)}</text>')
    return f"<g><title>{escape(line.title)}</title>{''.join(found)}</g>" if line.title else found[0]


def to_dot(outcome: Outcome, *, detail: bool = False) -> str:
    """A graph for ``dot``; with ``detail``, every node in a cluster of its segment."""
    found = picture(outcome)
    most = max((part.macs for part in found.parts), default=0)
    lines = [
        "digraph partition {",
        '  node [shape=box, style="filled", fontname="monospace"]; edge [fontname="monospace"];',
        "  compound=true;",
    ]
    if any(link.source < 0 for link in found.links):
        lines.append('  "in" [label="inputs", shape=oval];')
    if any(link.target < 0 for link in found.links):
        lines.append('  "out" [label="outputs", shape=oval];')
    for part in found.parts:
        lines += _cluster(part, outcome) if detail and part.nodes else [_dot_box(part, most)]
    for link in found.links:
        ends = [_end(found.parts, number, outside, detail) for number, outside in ((link.source, "in"), (link.target, "out"))]
        text = size(link.bytes) if link.bytes is not None else "? B"
        text += f" in {len(link.tensors)}" if len(link.tensors) > 1 else ""
        mark = ', style="dashed", arrowhead="diamond"' if link.reformat else ""
        where = "".join(f', {side}="{cluster}"' for side, (_, cluster) in zip(("ltail", "lhead"), ends, strict=True) if cluster)
        shown = _quoted(f"{text}\nreformatted" if link.reformat else text)
        lines.append(f"  {ends[0][0]} -> {ends[1][0]} [label={shown}{mark}{where}];")
    return "\n".join([*lines, "}"]) + "\n"


def _end(parts: tuple[Part, ...], number: int, outside: str, detail: bool) -> tuple[str, str]:
    """The DOT name of what a link ends at, and the cluster it stands for."""
    if number < 0:
        return f'"{outside}"', ""
    nodes = parts[number].nodes
    if detail and nodes:
        return f'"n{nodes[-1 if outside == "in" else 0]}"', f"cluster{number}"
    return f'"s{number}"', ""


def _named(part: Part) -> str:
    mark = device_mark(part.device) + (f", loadable {part.loadable}" if part.loadable else "")
    causes = [f"{code} × {count}" if count > 1 else code for code, count in part.causes]
    limit = [] if part.placed else ["over the limit of loadables"]
    return "\n".join([f"{mark}, segment {part.number}", f"{part.layers} layers, {part.macs} MACs", *limit, *causes])


def _colors(style: str) -> str:
    fill, stroke = _COLORS.get(style, _GREY)
    return f'fillcolor="{fill}", color="{stroke}"'


def _dot_box(part: Part, most: int) -> str:
    height = 0.8 + 1.6 * sqrt(part.macs / most) if most else 0.8
    style = part.device.value if part.placed else "dropped"
    return f'  "s{part.number}" [label={_quoted(_named(part))}, height={height:.2f}, {_colors(style)}];'


def _cluster(part: Part, outcome: Outcome) -> Iterator[str]:
    style = part.device.value if part.placed else "dropped"
    yield f'  subgraph "cluster{part.number}" {{ label={_quoted(_named(part))}; style="filled"; {_colors(style).replace(", ", "; ")};'
    for number in part.nodes:
        node = outcome.nodes[number]
        text = _quoted("\n".join([f"{device_mark(node.device)} {label(node.op_type)}", node_label(node), *node.codes]))
        yield f'    "n{number}" [label={text}, {_colors(node.device.value)}];'
    for source, target in part.wires:
        yield f'    "n{part.nodes[source]}" -> "n{part.nodes[target]}";'
    yield "  }"


def _quoted(text: str) -> str:
    """A DOT string: names cannot end it, and ``&`` and ``\\`` in them are no escapes."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;").replace("\n", "\\n")
    return f'"{safe}"'
