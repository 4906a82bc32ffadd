"""Lines in panels on logarithmic axes, as an SVG text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

FONT = "'DejaVu Sans', Helvetica, Arial, sans-serif"
WIDTH, HEIGHT = 360.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 60.0, 30.0, 34.0, 40.0
LEGEND = 34.0
COLUMNS = 2

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """Points (x, y), and perhaps one that only says that y is beyond it."""

    points: Points
    beyond: tuple[float, float] | None = None


@dataclass(frozen=True)
class Axes:
    """The powers of ten that the axes run between, and what is written at those of y."""

    x_label: str
    y_text: Callable[[float], str]
    x: tuple[int, int]
    y: tuple[int, int]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is, in a panel."""
        (x_low, x_high), (y_low, y_high) = self.x, self.y
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )


def draw(
    panels: Mapping[str, Mapping[str, Line]],
    colours: Mapping[str, str],
    title: str,
    x_label: str,
    y_text: Callable[[float], str],
    beyond: str | None = None,
) -> str:
    """A panel for each title, in it a line for each name. ``colours`` are those of the names.

    ``beyond`` says in the legend what is beyond the picture, if anything is.
    """
    axes = _axes(panels, x_label, y_text)
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}" font-size="11">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *_legend(colours, beyond),
    ]
    for k, (name, lines) in enumerate(panels.items()):
        row, column = divmod(k, COLUMNS)
        parts.append(f'<g transform="translate({column * WIDTH:.0f} {LEGEND + row * HEIGHT:.0f})">')
        parts += _frame(axes, name)
        for line_name, line in lines.items():
            parts += _line(axes, line, colours[line_name], f"{name}: {line_name}")
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _axes(
    panels: Mapping[str, Mapping[str, Line]], x_label: str, y_text: Callable[[float], str]
) -> Axes:
    lines = [line for panel in panels.values() for line in panel.values()]
    every = [p for line in lines for p in (*line.points, *([line.beyond] if line.beyond else []))]
    (x_low, x_high), (y_low, y_high) = (
        (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
        for values in zip(*every, strict=True)
    )
    return Axes(x_label, y_text, (x_low, max(x_high, x_low + 1)), (y_low, max(y_high, y_low + 1)))


def _legend(colours: Mapping[str, str], beyond: str | None) -> Iterator[str]:
    x = LEFT
    for name, colour in colours.items():
        yield f'<path d="M {x:.1f} 20 h 22" stroke="{colour}" stroke-width="2"/>'
        yield _text(x + 28, 24, name)
        x += 28 + 6 * len(name) + 16
    if beyond is not None:
        yield f'<path d="M {x:.1f} 24 h 8 l -4 -8 z" fill="#333333"/>'
        yield _text(x + 14, 24, beyond)


def _frame(axes: Axes, name: str) -> Iterator[str]:
    """Grid, numbers and labels of a panel."""
    left, bottom = axes.at(10 ** axes.x[0], 10 ** axes.y[0])
    right, top = axes.at(10 ** axes.x[1], 10 ** axes.y[1])
    for power in range(axes.x[0], axes.x[1] + 1):
        x, _ = axes.at(10**power, 10 ** axes.y[0])
        yield _rule(f"M {x:.1f} {bottom:.1f} V {top:.1f}")
        yield _text(x, bottom + 15, f"{10**power:,}", "middle")
    for power in range(axes.y[0], axes.y[1] + 1):
        _, y = axes.at(10 ** axes.x[0], 10**power)
        yield _rule(f"M {left:.1f} {y:.1f} H {right:.1f}")
        yield _text(left - 6, y + 4, axes.y_text(10**power), "end")
    yield _text(left, top - 10, name, weight="bold")
    yield _text((left + right) / 2, bottom + 32, axes.x_label, "middle")


def _line(axes: Axes, line: Line, colour: str, tooltip: str) -> Iterator[str]:
    places = [axes.at(x, y) for x, y in line.points]
    yield f"<g><title>{escape(tooltip)}</title>"
    if places:
        path = " L ".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path d="M {path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{colour}"/>'
    if line.beyond is not None:
        x, y = axes.at(*line.beyond)
        if places:
            x_last, y_last = places[-1]
            yield (
                f'<path d="M {x_last:.1f} {y_last:.1f} L {x:.1f} {y:.1f}" fill="none" '
                f'stroke="{colour}" stroke-width="1.4" stroke-dasharray="3 3"/>'
            )
        yield f'<path d="M {x - 4:.1f} {y:.1f} h 8 l -4 -8 z" fill="{colour}"/>'
    yield "</g>"


def _rule(path: str) -> str:
    return f'<path d="{path}" stroke="#dddddd" stroke-width="0.8"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="#333333">{escape(text)}</text>'
    )
