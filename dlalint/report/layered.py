"""Boxes in layers from top to bottom, joined by lines at right angles that cross no box."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

from dlalint.named_tuple import NamedTuple

_SIDE = 28.0  # between boxes of a layer
_STUB = 8.0  # straight part of a line below a box
_TRACK = 7.0  # between parallel lines
_SPREAD = 160.0  # what the lines of one gap or of the lanes may take before they move closer
_SWEEPS = 4

Point = tuple[float, float]
Edge = tuple[int, int]


class Layout(NamedTuple):
    """Where the boxes' top left corners are and how the edges run, in the units of the sizes; all within ``width`` and ``height``."""

    corners: tuple[Point, ...]
    paths: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def layout(sizes: Sequence[Point], edges: Sequence[Edge], landing: float = 14.0, rooms: Sequence[float] = ()) -> Layout:
    """Lay out boxes of ``sizes`` (width, height) and ``edges`` (from, to), each to a later box.

    ``landing`` is the room above each box, for the marks on the lines that end there. ``rooms`` is, for each edge, the width of what stands
    at the right of its end: the next line and the corner of the box keep as far away, if the box is as wide as all of them together. Edges
    over several layers run at the right of all boxes. Raises :class:`ValueError` for an edge to an earlier box.
    """
    if any(source >= target for source, target in edges):
        raise ValueError("an edge leads back")
    rank = _ranks(len(sizes), edges)
    rows = _ordered(rank, edges)
    left = _columns(sizes, rows, edges)
    starts, ends = _ports(sizes, left, rank, edges)
    if rooms:
        ends = _apart(sizes, left, edges, ends, rooms)
    lane_x = _lanes(sizes, left, rank, edges)
    gaps, tracks = _tracks(rank, edges, starts, ends, lane_x, len(rows))
    tops, bottoms, height = _rows(sizes, rows, gaps, landing)
    paths = []
    for number, (source, target) in enumerate(edges):
        first, last = tracks[number]
        lane = lane_x[number]
        y0, y1 = tops[rank[source]] + sizes[source][1], tops[rank[target]]
        ya = bottoms[rank[source]] + _STUB + first * _step(gaps[rank[source]])
        yb = bottoms[rank[target] - 1] + _STUB + last * _step(gaps[rank[target] - 1])
        turns = [] if lane is None else [(lane, ya), (lane, yb)]
        turns = [(starts[number], ya), *turns, (ends[number], yb)]
        paths.append(_straight([(starts[number], y0), *turns, (ends[number], y1)]))
    right = [left[box] + sizes[box][0] for box in range(len(sizes))]
    width = max([*right, *(x + _STUB for x in lane_x if x is not None)], default=0.0)
    return Layout(tuple((left[box], tops[rank[box]]) for box in range(len(sizes))), tuple(paths), width, height)


def _ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each box: one below the lowest that it reads; a box that reads nothing stands just above the first that reads it."""
    rank = [0] * count
    reading: set[int] = set()
    highest: dict[int, int] = {}
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        rank[target] = max(rank[target], rank[source] + 1)
        reading.add(target)
    for source, target in edges:
        highest[source] = min(highest.get(source, count), rank[target])
    for box, row in highest.items():
        if box not in reading:
            rank[box] = row - 1
    return rank


def _ordered(rank: Sequence[int], edges: Sequence[Edge]) -> list[list[int]]:
    """The boxes of each layer from left to right: each as near to its neighbours as their order allows."""
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for box, row in enumerate(rank):
        rows[row].append(box)
    before: list[list[int]] = [[] for _ in rank]
    after: list[list[int]] = [[] for _ in rank]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    place = [0.0] * len(rank)

    def settle(row: list[int]) -> None:
        for index, box in enumerate(row):
            place[box] = index - (len(row) - 1) / 2

    def middle(box: int) -> float:
        return sum(place[other] for other in near[box]) / len(near[box]) if near[box] else place[box]

    for boxes in rows:
        settle(boxes)
    for sweep in range(_SWEEPS):
        near = before if sweep % 2 == 0 else after
        for boxes in rows if sweep % 2 == 0 else reversed(rows):
            if len(boxes) > 1:
                boxes.sort(key=middle)
                settle(boxes)
    return rows


def _columns(sizes: Sequence[Point], rows: Sequence[Sequence[int]], edges: Sequence[Edge]) -> list[float]:
    """The left side of each box: below the middle of what it reads where there is room."""
    before: list[list[int]] = [[] for _ in sizes]
    for source, target in edges:
        before[target].append(source)
    left = [0.0] * len(sizes)
    for row in rows:
        wanted = []
        for box in row:
            middles = [left[other] + sizes[other][0] / 2 for other in before[box]]
            wanted.append((sum(middles) / len(middles) if middles else 0.0) - sizes[box][0] / 2)
        edge = wanted[0]
        for box, wish in zip(row, wanted, strict=True):
            left[box] = max(wish, edge)
            edge = left[box] + sizes[box][0] + _SIDE
        shift = sum(wish - left[box] for box, wish in zip(row, wanted, strict=True)) / len(row)
        for box in row:
            left[box] += shift
    least = min(left, default=0.0)
    return [x - least for x in left]


def _ports(sizes: Sequence[Point], left: Sequence[float], rank: Sequence[int], edges: Sequence[Edge]) -> tuple[list[float], list[float]]:
    """Where each edge leaves and enters its boxes: short ones around the middle, in the order of the other ends, long ones at the right."""
    ends: tuple[list[float], list[float]] = ([0.0] * len(edges), [0.0] * len(edges))
    for side in (0, 1):
        at: dict[int, list[int]] = {}
        for number, edge in enumerate(edges):
            at.setdefault(edge[side], []).append(number)
        for box, numbers in at.items():
            width = sizes[box][0]
            short = [number for number in numbers if rank[edges[number][1]] == rank[edges[number][0]] + 1]
            short.sort(key=lambda number: left[edges[number][1 - side]] + sizes[edges[number][1 - side]][0] / 2)
            long = [number for number in numbers if rank[edges[number][1]] > rank[edges[number][0]] + 1]
            main = width * (0.7 if long and len(short) > 1 else 1.0)
            for index, number in enumerate(short):
                ends[side][number] = left[box] + main * (index + 1) / (len(short) + 1)
            for index, number in enumerate(long):
                ends[side][number] = left[box] + width * (0.75 + 0.2 * (index + 1) / (len(long) + 1))
    return ends


def _apart(
    sizes: Sequence[Point], left: Sequence[float], edges: Sequence[Edge], wishes: list[float], rooms: Sequence[float]
) -> list[float]:
    """Where each edge enters its box: as near to its wish as the rooms allow, if the box has room for all of them."""
    found = list(wishes)
    entering: dict[int, list[int]] = {}
    for number in sorted(range(len(edges)), key=lambda number: wishes[number]):
        entering.setdefault(edges[number][1], []).append(number)
    for box, numbers in entering.items():
        if sum(rooms[number] for number in numbers) > sizes[box][0]:
            continue
        for before, number in pairwise(numbers):
            found[number] = max(found[number], found[before] + rooms[before])
        edge = left[box] + sizes[box][0]
        for number in reversed(numbers):
            edge = found[number] = min(found[number], edge - rooms[number])
    return found


def _lanes(sizes: Sequence[Point], left: Sequence[float], rank: Sequence[int], edges: Sequence[Edge]) -> list[float | None]:
    """Where each edge over several layers runs down: at the right of all boxes beside it, and of those beside its neighbours."""
    right: dict[int, float] = {}
    for box, row in enumerate(rank):
        right[row] = max(right.get(row, 0.0), left[box] + sizes[box][0])
    spans = [(rank[source], rank[target] - 1) if rank[target] > rank[source] + 1 else None for source, target in edges]
    colours = _coloured(spans)
    bundles: list[list[int]] = []
    last = -1
    for number in sorted((n for n, span in enumerate(spans) if span is not None), key=lambda n: rank[edges[n][0]]):
        if rank[edges[number][0]] > last:
            bundles.append([])
        bundles[-1].append(number)
        last = max(last, rank[edges[number][1]] - 1)
    found: list[float | None] = [None] * len(edges)
    for bundle in bundles:
        rows = range(rank[edges[bundle[0]][0]], max(rank[edges[number][1]] for number in bundle) + 1)
        far = max(right[row] for row in rows)
        step = min(_TRACK, _SPREAD / (1 + max(colours[number] or 0 for number in bundle)))
        for number in bundle:
            found[number] = far + _SIDE / 2 + step * (colours[number] or 0)
    return found


def _coloured(spans: Sequence[tuple[float, float] | None]) -> list[int | None]:
    """The lowest number for each closed span that no span overlapping it has."""
    found: list[int | None] = [None] * len(spans)
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    for number, span in sorted(((n, s) for n, s in enumerate(spans) if s is not None), key=lambda item: (item[1], item[0])):
        while busy and busy[0][0] < span[0]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        colour = heapq.heappop(free) if free else len(busy)
        found[number] = colour
        heapq.heappush(busy, (span[1], colour))
    return found


def _tracks(
    rank: Sequence[int], edges: Sequence[Edge], starts: Sequence[float], ends: Sequence[float], lanes: Sequence[float | None], rows: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """How many parallel lines run in the gap below each layer, and which of them each edge takes at its start and at its end."""
    wishes: list[list[tuple[int, int, float, float]]] = [[] for _ in range(rows)]
    for number, (source, target) in enumerate(edges):
        lane = lanes[number]
        if lane is None:
            wishes[rank[source]].append((number, 0, starts[number], ends[number]))
        else:
            wishes[rank[source]].append((number, 0, starts[number], lane))
            wishes[rank[target] - 1].append((number, 1, lane, ends[number]))
    gaps = []
    tracks = [[0, 0] for _ in edges]
    for gap in wishes:
        colours = _coloured([(min(a, b), max(a, b)) if abs(a - b) > 0.5 else None for _, _, a, b in gap])
        for (number, side, _, _), colour in zip(gap, colours, strict=True):
            tracks[number][side] = colour or 0
            if lanes[number] is None:
                tracks[number][1] = colour or 0
        gaps.append(max((colour + 1 for colour in colours if colour is not None), default=0))
    return gaps, [(first, last) for first, last in tracks]


def _step(tracks: int) -> float:
    return min(_TRACK, _SPREAD / max(tracks, 1))


def _rows(
    sizes: Sequence[Point], rows: Sequence[Sequence[int]], gaps: Sequence[int], landing: float
) -> tuple[list[float], list[float], float]:
    """Top and bottom of each layer, and the height of all."""
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    for row, tracks in zip(rows, gaps, strict=True):
        tops.append(y)
        bottoms.append(y + max(sizes[box][1] for box in row))
        y = bottoms[-1] + _STUB + tracks * _step(tracks) + landing
    return tops, bottoms, bottoms[-1] if bottoms else 0.0


def _straight(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points without those that lie on the line between their neighbours."""
    kept = [points[0]]
    for point, after in zip(points[1:], [*points[2:], None], strict=True):
        if point == kept[-1]:
            continue
        if after is not None and ((kept[-1][0] == point[0] == after[0]) or (kept[-1][1] == point[1] == after[1])):
            continue
        kept.append(point)
    return tuple(kept)
