"""Where the time of an engine went, as bars: an SVG, or a page that holds it with the report in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from dlalint.named_tuple import NamedTuple
from dlalint.report.escape import for_xml, shortened_name
from dlalint.report.layout import shortened
from dlalint.report.profile_text import LABELS
from dlalint.trtexec.account import Account
from dlalint.trtexec.names import spoken
from dlalint.trtexec.story import Story

WIDTH, LABEL, ROW = 960, 400, 22  # pixels
SLOWEST = 15
# told apart by people who see few colours too; every bar has its words beside it
COLOURS = {"dla": "#117733", "gpu": "#4477aa", "reformat": "#ddaa33", "copy": "#cc6677", "io": "#aa4499", "sync": "#888888"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1a1a1a}.t{font-weight:600;font-size:15px}.d{fill:#666}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.d{fill:#aaa}}"
)
_PAGE = (
    "body{margin:2rem auto;max-width:62rem;font:15px system-ui,sans-serif;background:#fff;color:#1a1a1a}"
    "pre{overflow-x:auto;line-height:1.35}@media(prefers-color-scheme:dark){body{background:#16181c;color:#eee}}"
)


class Bar(NamedTuple):
    """A labelled bar: milliseconds, and the kind of work it stands for."""

    label: str
    ms: float
    kind: str


def to_svg(stories: Sequence[Story]) -> str:
    """A picture of every engine that has times, one below the other."""
    return f"{tostring(_svg(stories), encoding='unicode')}\n"


def to_html(stories: Sequence[Story], words: str) -> str:
    """A page of its own with the picture and the report in ``words``; it loads nothing."""
    page = Element("html", lang="en")
    head = SubElement(page, "head")
    SubElement(head, "meta", charset="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": policy})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    SubElement(head, "title").text = "Where the time went"
    SubElement(head, "style").text = _PAGE
    body = SubElement(page, "body")
    body.append(_svg(stories))
    SubElement(body, "pre").text = "".join(f"{for_xml(line)}\n" for line in words.split("\n"))
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _svg(stories: Sequence[Story]) -> Element:
    blocks = [block for story in stories if story.told is not None for block in _blocks(story.told)]
    height = sum(ROW * (len(bars) + 2) for _, bars in blocks) + ROW
    svg = Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", width="100%", role="img")
    SubElement(svg, "title").text = "Where the time went"
    SubElement(svg, "style").text = _STYLE
    top = ROW
    for title, bars in blocks:
        _text(svg, 0, top, title, "t")
        longest = max((bar.ms for bar in bars), default=0.0) or 1.0
        for number, bar in enumerate(bars, 1):
            _bar(svg, top + ROW * number, bar, longest)
        top += ROW * (len(bars) + 2)
    return svg


def _blocks(told: Account) -> Iterator[tuple[str, list[Bar]]]:
    estimated = ", estimated from the build" if told.estimated else ""
    yield (
        f"{shortened_name(told.network, 60) or 'Engine'}: {told.whole.ms:.3f} ms a run{estimated}",
        [Bar(LABELS[share.kind], share.ms, share.kind) for share in sorted(told.shares, key=lambda share: -share.ms) if share.ms > 0],
    )
    if told.loadables:
        yield "Loadables", [Bar(f"{item.number}: {spoken(item.name)}", item.ms, "dla") for item in told.loadables]
    others = [row for row in told.rows if row.number not in told.waiting and row.kind.value != "dla" and row.ms > 0]
    if others:
        slowest = sorted(others, key=lambda row: -row.ms)[:SLOWEST]
        yield "Slowest rows besides them", [Bar(_named(told, row.row.name), row.ms, row.kind.value) for row in slowest]


def _named(told: Account, name: str) -> str:
    """A row's name with the loadable in it by its number."""
    inside = next((item for item in told.loadables if item.name in name), None)
    return spoken(name) if inside is None else name.replace(inside.name, f"loadable {inside.number}")


def _bar(svg: Element, top: int, bar: Bar, longest: float) -> None:
    _text(svg, LABEL - 8, top, shortened(bar.label, 50), "", anchor="end")
    room = WIDTH - LABEL - 110
    width = max(bar.ms / longest * room, 1.0)
    SubElement(svg, "rect", x=str(LABEL), y=str(top - 13), width=f"{width:.1f}", height="16", rx="2", fill=COLOURS.get(bar.kind, "#888888"))
    _text(svg, LABEL + width + 8, top, f"{bar.ms:.3f} ms", "d")


def _text(svg: Element, x: float, y: float, text: str, style: str, anchor: str = "start") -> None:
    made = SubElement(svg, "text", {"x": f"{x:.1f}", "y": str(y), "text-anchor": anchor, **({"class": style} if style else {})})
    made.text = for_xml(text)
