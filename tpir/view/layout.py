"""Layered drawing of a directed graph: rows, order within rows, positions, and paths of lines.

After Sugiyama et al. 1981: lines over several rows get a lane in each row between, orders follow
barycentres, and positions are least squares under the order (pooled adjacent violators).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

ROW_GAP = 46.0
BOX_GAP = 18.0
LANE = 10.0
_SWEEPS = 12

Point = tuple[float, float]
Edge = tuple[str, str]


@dataclass(frozen=True)
class Placed:
    """Where a box is: its top left corner, width and height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Boxes by name, for each edge the points its line passes through, and the size of it all."""

    boxes: Mapping[str, Placed]
    lines: Mapping[Edge, tuple[Point, ...]]
    width: float
    height: float


@dataclass
class _Slot:
    """One place in a row: a box, or the lane of a line that passes through."""

    name: str
    width: float
    lane: bool
    x: float = 0.0


def arrange(
    rows: Sequence[Sequence[str]], sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge]
) -> Layout:
    """Draw boxes of given sizes in given rows; every edge runs from an upper row to a lower one.

    The order within a row is a suggestion. Equal input gives equal output.
    """
    row_of = {name: k for k, row in enumerate(rows) for name in row}
    slots = [[_Slot(name, sizes[name][0], lane=False) for name in row] for row in rows]
    links: list[tuple[_Slot, _Slot]] = []
    chains: dict[Edge, list[_Slot]] = {}
    found = {slot.name: slot for row in slots for slot in row}
    for edge in dict.fromkeys(edges):
        chain = [found[edge[0]]]
        for k in range(row_of[edge[0]] + 1, row_of[edge[1]]):
            lane = _Slot(f"{edge[0]} {edge[1]} {k}", LANE, lane=True)
            slots[k].append(lane)
            chain.append(lane)
        chain.append(found[edge[1]])
        chains[edge] = chain
        links.extend(pairwise(chain))
    above, below = _neighbours(links)
    _order(slots, above, below)
    _place(slots, above, below)
    return _finish(slots, sizes, chains)


Neighbours = Mapping[str, list[_Slot]]


def _neighbours(links: Sequence[tuple[_Slot, _Slot]]) -> tuple[Neighbours, Neighbours]:
    above: dict[str, list[_Slot]] = {}
    below: dict[str, list[_Slot]] = {}
    for upper, lower in links:
        above.setdefault(lower.name, []).append(upper)
        below.setdefault(upper.name, []).append(lower)
    return above, below


def _order(slots: list[list[_Slot]], above: Neighbours, below: Neighbours) -> None:
    """Sort each row by the mean place of its neighbours, downwards and upwards in turn."""
    best, fewest = [list(row) for row in slots], _crossings(slots, below)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in slots if down else reversed(slots):
            _sort_row(row, above if down else below, _places(slots))
        crossings = _crossings(slots, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in slots], crossings
    slots[:] = best


def _places(slots: list[list[_Slot]]) -> dict[str, float]:
    """Places within a row, from 0 to 1, so that rows of different lengths compare."""
    return {slot.name: (k + 0.5) / len(row) for row in slots for k, slot in enumerate(row)}


def _sort_row(row: list[_Slot], neighbours: Neighbours, places: Mapping[str, float]) -> None:
    def centre(slot: _Slot) -> float:
        near = neighbours.get(slot.name)
        if not near:
            return places[slot.name]
        return sum(places[n.name] for n in near) / len(near)

    row.sort(key=centre)


def _crossings(slots: list[list[_Slot]], below: Neighbours) -> int:
    count = 0
    for upper, lower in pairwise(slots):
        place = {slot.name: k for k, slot in enumerate(lower)}
        ends = [sorted(place[n.name] for n in below.get(slot.name, ())) for slot in upper]
        flat = [end for group in ends for end in group]
        count += sum(b < a for k, a in enumerate(flat) for b in flat[k + 1 :])
    return count


def _place(slots: list[list[_Slot]], above: Neighbours, below: Neighbours) -> None:
    """Positions: from evenly packed rows, each row in turn moves towards its neighbours."""
    for row in slots:
        width = sum(slot.width for slot in row) + BOX_GAP * (len(row) - 1)
        x = -width / 2
        for slot in row:
            slot.x = x + slot.width / 2
            x += slot.width + BOX_GAP
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in slots if down else reversed(slots):
            wanted = [_wanted(slot, above, below) for slot in row]
            for slot, x in zip(row, _separated(row, wanted), strict=True):
                slot.x = x


def _wanted(slot: _Slot, above: Neighbours, below: Neighbours) -> tuple[float, float]:
    """Where a slot would like its centre to be, and how much."""
    near = [*above.get(slot.name, ()), *below.get(slot.name, ())]
    if not near:
        return slot.x, 0.1
    return sum(n.x for n in near) / len(near), 3.0 if slot.lane else 1.0


def _separated(row: Sequence[_Slot], wanted: Sequence[tuple[float, float]]) -> list[float]:
    """The centres nearest to the wanted ones, in least squares, that keep order and gaps."""
    offsets = [0.0]
    for left, right in pairwise(row):
        gap = LANE / 2 if left.lane and right.lane else BOX_GAP
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many slots
    for (x, weight), offset in zip(wanted, offsets, strict=True):
        mean, total, count = x - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, many + count
        blocks.append((mean, total, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _finish(
    slots: list[list[_Slot]],
    sizes: Mapping[str, tuple[float, float]],
    chains: Mapping[Edge, list[_Slot]],
) -> Layout:
    left = min((s.x - s.width / 2 for row in slots for s in row), default=0.0)
    right = max((s.x + s.width / 2 for row in slots for s in row), default=0.0)
    boxes: dict[str, Placed] = {}
    spans: dict[str, tuple[float, float]] = {}
    y = 0.0
    for row in slots:
        height = max((sizes[s.name][1] for s in row if not s.lane), default=0.0)
        for slot in row:
            spans[slot.name] = (y, y + height)
            if not slot.lane:
                width, own = sizes[slot.name]
                boxes[slot.name] = Placed(slot.x - width / 2 - left, y, width, own)
        y += height + ROW_GAP
    lines = _lines(boxes, spans, chains, left)
    return Layout(boxes, lines, right - left, max(0.0, y - ROW_GAP))


def _lines(
    boxes: Mapping[str, Placed],
    spans: Mapping[str, tuple[float, float]],
    chains: Mapping[Edge, list[_Slot]],
    left: float,
) -> dict[Edge, tuple[Point, ...]]:
    """Points of each line: out of the bottom of one box, down lanes, into the top of another."""
    leaving = _ports(chains, end=0, towards=1)
    entering = _ports(chains, end=-1, towards=-2)
    lines: dict[Edge, tuple[Point, ...]] = {}
    for edge, chain in chains.items():
        first, last = boxes[edge[0]], boxes[edge[1]]
        points = [(first.x + first.width * leaving[edge], first.y + first.height)]
        # A box may be lower than its row is high: the line goes straight down first.
        points.append((points[0][0], spans[edge[0]][1]))
        for lane in chain[1:-1]:
            top, bottom = spans[lane.name]
            points += [(lane.x - left, top), (lane.x - left, bottom)]
        points.append((last.x + last.width * entering[edge], last.y))
        lines[edge] = tuple(points)
    return lines


def _ports(chains: Mapping[Edge, list[_Slot]], *, end: int, towards: int) -> dict[Edge, float]:
    """Where on a box's side, from 0 to 1, each of its lines begins or ends."""
    groups: dict[str, list[Edge]] = {}
    for edge, chain in chains.items():
        groups.setdefault(chain[end].name, []).append(edge)
    ports: dict[Edge, float] = {}
    for edges in groups.values():
        edges.sort(key=lambda edge: (chains[edge][towards].x, edge))
        for k, edge in enumerate(edges):
            ports[edge] = 0.2 + 0.6 * (k + 0.5) / len(edges)
    return ports
