"""Boxes and lines as an SVG text. Fixed-width letters, so that text fits wherever it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from tpir.view.boxes import Box, Kind, Line, Role
from tpir.view.layout import Edge, Placed, Point, arrange

FONT = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
SIZE, LETTER, LEADING = 11.5, 7.1, 16.0
PAD = 9.0
_HEAD = 24.0
MARGIN = 24.0
_WIDEST = 40
"""Characters in a line of a box; the tooltip has the whole of longer ones."""

_FILLS: Mapping[Kind, tuple[str, str]] = {
    Kind.INPUT: ("#eceff3", "#55606e"),
    Kind.CHOICE: ("#e3effb", "#2464a8"),
    Kind.COUNT: ("#fdeedd", "#b0610c"),
    Kind.MAP: ("#e6f4e4", "#2f7a35"),
    Kind.SELECTOR: ("#e4f3f3", "#1b7a7a"),
    Kind.READOUT: ("#f0e7f8", "#70389b"),
}
COLOURS: Mapping[Role, str] = {
    Role.KEYS: "#2464a8",
    Role.QUERIES: "#b0610c",
    Role.VALUES: "#2f7a35",
    Role.ARGUMENT: "#55606e",
    Role.FEATURE: "#70389b",
    Role.SELECTOR: "#1b7a7a",
}


def draw(
    boxes: Sequence[Box],
    rows: Sequence[Sequence[str]],
    lines: Mapping[Edge, Role],
    tagged: Mapping[str, str],
    title: str,
) -> str:
    """The picture. ``tagged`` boxes are read by what is named there, without a line."""
    sizes = {box.name: _size(box) for box in boxes}
    layout = arrange(rows, sizes, list(lines))
    kinds = [kind for kind in Kind if any(box.kind is kind for box in boxes)]
    legend, least = _legend(kinds, title)
    top = 2 * LEADING + MARGIN
    width = max(layout.width, least) + 2 * MARGIN
    height = layout.height + top + 2 * MARGIN
    shift = (width - layout.width) / 2
    body = [
        *(_line(layout.lines[edge], role) for edge, role in lines.items()),
        *(_box(box, layout.boxes[box.name], tagged.get(box.name)) for box in boxes),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" font-size="{SIZE}">',
            f"<title>{escape(title)}</title>",
            _markers(),
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
            *legend,
            f'<g transform="translate({shift:.1f} {top + MARGIN:.1f})">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _head(box: Box) -> tuple[str, str]:
    return _cut(box.name), _cut(box.type)


def _size(box: Box) -> tuple[float, float]:
    name, type_ = _head(box)
    letters = max([len(name) + len(type_) + 3, *(len(_cut(line.text)) for line in box.lines)])
    height = _HEAD + LEADING * (len(box.lines) + len(box.outputs)) + PAD
    return letters * LETTER + 2 * PAD, height


def _box(box: Box, place: Placed, reader: str | None) -> str:
    fill, stroke = _FILLS[box.kind]
    name, type_ = _head(box)
    x, y = place.x, place.y
    right = x + place.width - PAD
    parts = [
        f"<g><title>{escape(box.tooltip)}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" '
        f'rx="5" fill="{fill}" stroke="{stroke}" stroke-width="1.2"/>',
        text_at(x + PAD, y + 16, name, f'font-weight="bold" fill="{stroke}"'),
        text_at(right, y + 16, type_, 'text-anchor="end" fill="#555555"'),
        f'<line x1="{x:.1f}" x2="{x + place.width:.1f}" y1="{y + 22:.1f}" y2="{y + 22:.1f}" '
        f'stroke="{stroke}" stroke-width="0.5"/>',
    ]
    outputs = [Line("output" if o == "output" else f"output {o}") for o in box.outputs]
    for k, line in enumerate((*box.lines, *outputs)):
        colour = COLOURS[line.role] if line.role is not None else "#222222"
        weight = ' font-weight="bold"' if k >= len(box.lines) else ""
        baseline = y + _HEAD + LEADING * (k + 0.8)
        parts.append(text_at(x + PAD, baseline, _cut(line.text), f'fill="{colour}"{weight}'))
    if reader is not None:
        parts.append(_tag(x + place.width, y + place.height, reader))
    return "".join((*parts, "</g>"))


def _tag(x: float, y: float, reader: str) -> str:
    """The mark of a box that a readout reads: a small triangle in its lower right corner."""
    return (
        f'<path d="M {x - 12:.1f} {y - 1:.1f} h 11 v -11 z" fill="{COLOURS[Role.FEATURE]}">'
        f"<title>read by {escape(reader)}</title></path>"
    )


def text_at(x: float, y: float, text: str, attributes: str) -> str:
    """Text as wide as its letters take, though fixed-width fonts differ a little in width."""
    length = len(text) * LETTER
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}" xml:space="preserve" '
        f'lengthAdjust="spacingAndGlyphs" {attributes}>{escape(text)}</text>'
    )


def _line(points: Sequence[Point], role: Role) -> str:
    """A smooth line through the points, vertical at each of them."""
    path = f"M {points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 == x1:
            path += f" V {y1:.1f}"
        else:
            bend = (y1 - y0) / 2
            path += f" C {x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}"
    thin = role is Role.FEATURE
    return (
        f'<path d="{path}" fill="none" stroke="{COLOURS[role]}" '
        f'stroke-width="{1.0 if thin else 1.4}" stroke-opacity="{0.55 if thin else 0.85}" '
        f'marker-end="url(#tpir-{role.name.lower()})"/>'
    )


def _markers() -> str:
    heads = (
        f'<marker id="tpir-{role.name.lower()}" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M 0 0.5 L 8 4 L 0 7.5 z" fill="{colour}"/></marker>'
        for role, colour in COLOURS.items()
    )
    return f"<defs>{''.join(heads)}</defs>"


def _legend(kinds: Sequence[Kind], title: str) -> tuple[list[str], float]:
    """Title and colours, and how wide they are."""
    x, y = MARGIN, MARGIN + LEADING
    parts = [text_at(x, y - 6, title, 'font-weight="bold" fill="#222222"')]
    y += LEADING
    for kind in kinds:
        fill, stroke = _FILLS[kind]
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="14" height="12" rx="3" fill="{fill}" '
            f'stroke="{stroke}"/>'
        )
        parts.append(text_at(x + 19, y, kind.value, 'fill="#444444"'))
        x += 19 + LETTER * len(kind.value) + 16
    parts.append(
        f'<path d="M {x + 12:.1f} {y + 1:.1f} h -11 l 11 -11 z" fill="{COLOURS[Role.FEATURE]}"/>'
    )
    parts.append(text_at(x + 19, y, "read by a readout", 'fill="#444444"'))
    x += 19 + LETTER * 17
    return parts, max(x, MARGIN + LETTER * len(title)) - MARGIN
