"""The residual stream of a standard Transformer as a picture: directions against sublayers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tpir.view.graph import Picture
from tpir.view.stream import Part, Stream, Touch, residual_stream, runs, sublayer_name
from tpir.view.stream_bands import WORDS, Band, bands_of, readers
from tpir.view.svg import COLOURS, FONT, LEADING, LETTER, MARGIN, PAD, SIZE, text_at

if TYPE_CHECKING:  # it brings torch
    from tpir.models.stored_transformer import TransformerCheckpoint, Variable

_WIDEST = 32
"""Characters in a line of a box or a bar; tooltips have the whole of longer ones."""

_ROW, _BAR = 36.0, 32.0
_GAP = 4.0
_READ, _WRITTEN = 50.0, 26.0
"""How far before the end of a column bars end that it reads last, and begin that it writes."""

_LONGEST = 12
"""Lines of a box for what one part reads or writes in one role."""

_LEGEND = (
    "bar: a variable, from ▸ where it is written to where it is read last",
    "q k v: read by a head as query, key, value",
    "in: read by an MLP, out: by the output",
    "dashes: an old value that nothing reads, × an MLP takes it out",
)

_NEUTRAL = ("#eceff3", "#55606e")
_PALETTE = (
    ("#dcebfa", "#1d5c9e"),
    ("#e1f2de", "#2b6e31"),
    ("#fdebd3", "#9a540a"),
    ("#efe3f8", "#673090"),
    ("#d9f1ef", "#146c6c"),
    ("#fbdfe6", "#a02450"),
    ("#f4efc8", "#6d6408"),
    ("#e3e4fa", "#3f43a8"),
    ("#f6e0d5", "#8a3f1c"),
    ("#e2f0cf", "#4c6b12"),
)
_FREE, _OLD, _RED = "#c9ced6", "#a4abb5", "#b3261e"


def stream_picture(checkpoint: TransformerCheckpoint, name: str = "") -> Picture:
    """Directions of the residual stream against sublayers, and what each head and MLP does.

    A bar is a variable in the directions at its left, from where it is written to where it is read
    last. Directions that are alike throughout are one row.
    """
    stream = residual_stream(checkpoint)
    title = f"{name + ': ' if name else ''}residual stream, {stream.summary}"
    return Picture(_Drawing(stream, bands_of(stream), title).svg())


@dataclass(frozen=True)
class _Line:
    """A line in a box: a role, what is read or written in it, and a variable for the colour."""

    role: str
    text: str
    variable: str | None = None
    colour: str = "#444444"

    @property
    def shown(self) -> str:
        return f"{self.role:<3} {_cut(self.text)}"


class _Drawing:
    """All of one picture: columns are sublayers, rows are bands; below them a box for each part."""

    def __init__(self, stream: Stream, bands: Sequence[Band], title: str) -> None:
        self.stream, self.bands, self.title = stream, bands, title
        self.colours = _colours(stream.variables)
        self.boxes = {t: [(p, _lines(p)) for p in stream.at(t)] for t in stream.times}
        self.side = LETTER * max(len("directions"), *(len(_cut(runs(b.directions))) for b in bands))
        self.left = MARGIN + self.side + PAD
        self.columns = self._columns()
        self.top = MARGIN + (len(_LEGEND) + 2) * LEADING
        self.bottom = self.top + 2.3 * LEADING + _ROW * len(bands)

    def _columns(self) -> list[tuple[float, float]]:
        """Left end and width of each sublayer's column."""
        columns, x = [], self.left
        for time in self.stream.times:
            width = self._width(time)
            columns.append((x, width))
            x += width
        return columns

    def _width(self, time: int) -> float:
        """The width that the boxes and the marks of a column take.

        A bar that is read there has room for its name, as the box of its reader has it.
        """
        letters = [len(part) for part in _header(time, self.stream.blocks)]
        letters += [len(line.shown) + 2 for _, lines in self.boxes[time] for line in lines]
        letters += [len(part.name) for part, _ in self.boxes[time]]
        marks = [len(_marks_text(band, time)) for band in self.bands]
        boxed = LETTER * max(letters, default=0) + 2 * PAD + 2 * _GAP
        return max(boxed, LETTER * max(marks) + 2 * PAD + _READ)

    def svg(self) -> str:
        body = [*self._grid(), *self._rows()]
        y = self.bottom + PAD
        lowest = y
        for time in self.stream.times:
            below = y
            for part, lines in self.boxes[time]:
                body.append(self._box(time, below, part, lines))
                below += _box_height(lines) + 2 * _GAP
            lowest = max(lowest, below)
        legend, least = self._legend()
        width = max(sum(self.columns[-1]), least) + MARGIN
        height = lowest + MARGIN
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
                f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
                f'font-family="{FONT}" font-size="{SIZE}">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
                *legend,
                *body,
                "</svg>",
                "",
            ]
        )

    def _grid(self) -> list[str]:
        """Columns, each with its sublayer's name; attention is shaded."""
        parts = [text_at(MARGIN, self.top + 2 * LEADING - 4, "directions", 'fill="#555555"')]
        for time, (x, width) in enumerate(self.columns):
            if time % 2 and time <= 2 * self.stream.blocks:
                parts.append(
                    f'<rect x="{x:.1f}" y="{self.top:.1f}" width="{width:.1f}" '
                    f'height="{self.bottom - self.top:.1f}" fill="#f5f6f8"/>'
                )
            for k, word in enumerate(_header(time, self.stream.blocks)):
                y = self.top + LEADING * (k + 1) - 4
                weight = 'font-weight="bold" ' if k else ""
                parts.append(text_at(x + _GAP + PAD, y, word, f'{weight}fill="#333333"'))
        return parts

    def _rows(self) -> list[str]:
        parts = []
        for k, band in enumerate(self.bands):
            y = self.top + 2.3 * LEADING + _ROW * k
            name = runs(band.directions)
            label = text_at(
                self.left - PAD - LETTER * len(_cut(name)), y + 20, _cut(name), 'fill="#333333"'
            )
            middle = y + _BAR / 2
            parts.append(f"<g><title>directions {name}</title>{label}</g>")
            parts.append(
                f'<line x1="{self.left:.1f}" x2="{sum(self.columns[-1]):.1f}" y1="{middle:.1f}" '
                f'y2="{middle:.1f}" stroke="{_FREE}" stroke-width="1"/>'
            )
            parts += [self._remains(band, variable, middle) for variable in band.variables]
            parts += [self._bar(band, variable, y) for variable in band.variables]
            parts += [self._marks(band, time, y) for time in self.stream.times]
        return parts

    def _ends(self, variable: Variable) -> tuple[float, float]:
        """Where a variable's bar begins and ends."""
        (x, width), (last, wide) = self.columns[variable.written], self.columns[variable.read]
        start = x + width - _WRITTEN
        return start, last + wide - _READ if variable.read > variable.written else x + width

    def _bar(self, band: Band, variable: Variable, y: float) -> str:
        start, end = self._ends(variable)
        name = _cut(variable.name, int((end - start - 2 * PAD) / LETTER))
        fill, stroke = self.colours[variable.name]
        tip = (
            f"{variable.name}: directions {runs(band.directions)}, "
            f"from {sublayer_name(variable.written, self.stream.blocks)} "
            f"to {sublayer_name(variable.read, self.stream.blocks)}"
        )
        arrow = ""
        if variable.written in band.written:
            arrow = f'<path d="M {start - 7:.1f} {y + 10:.1f} v 12 l 7 -6 z" fill="{stroke}"/>'
        return (
            f'<g class="bar"><title>{escape(tip)}</title>'
            f'<rect x="{start:.1f}" y="{y:.1f}" width="{end - start:.1f}" height="{_BAR}" rx="4" '
            f'fill="{fill}" stroke="{stroke}"/>{arrow}'
            + text_at(start + PAD, y + 12.5, name, f'font-weight="bold" fill="{stroke}"')
            + "</g>"
        )

    def _remains(self, band: Band, variable: Variable, middle: float) -> str:
        """The old value, which stays where it was until an MLP takes it out, if one does."""
        _, start = self._ends(variable)
        cleared = [time for time in band.cleared if time >= variable.read]
        end, cross = sum(self.columns[-1]), ""
        if cleared:
            x, width = self.columns[min(cleared)]
            end = x + width - _READ + 3
            cross = (
                f'<path class="cleared" d="M {end:.1f} {middle - 5:.1f} l 9 10 m 0 -10 l -9 10" '
                f'stroke="{_RED}" stroke-width="2"/>'
            )
        if variable.read > 2 * self.stream.blocks:
            return cross
        return (
            f'<line x1="{start:.1f}" x2="{max(start, end):.1f}" y1="{middle:.1f}" '
            f'y2="{middle:.1f}" stroke="{_OLD}" stroke-width="4" stroke-dasharray="2 3"/>{cross}'
        )

    def _marks(self, band: Band, time: int, y: float) -> str:
        """Who reads a band in one sublayer, left of where bars end there."""
        found = readers(band.reads.get(time, ()))
        x, width = self.columns[time]
        at = x + width - _READ - PAD / 2 - LETTER * len(_marks_text(band, time))
        parts = []
        for role, word in found:
            parts.append(
                text_at(at, y + 27, word, f'class="read" font-weight="bold" fill="{COLOURS[role]}"')
            )
            at += LETTER * (len(word) + 1)
        return "".join(parts)

    def _box(self, time: int, y: float, part: Part, lines: Sequence[_Line]) -> str:
        x, width = self.columns[time]
        x, width = x + _GAP, width - 2 * _GAP
        written = [touch.variable for touch in part.writes if touch.variable is not None]
        stroke = self.colours[written[0]][1] if written else _NEUTRAL[1]
        parts = [
            f'<g class="part"><title>{escape(_tooltip(part, self.stream))}</title>'
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{_box_height(lines):.1f}" rx="4" fill="#ffffff" stroke="{stroke}"/>',
            text_at(x + PAD, y + 14, part.name, f'font-weight="bold" fill="{stroke}"'),
        ]
        for k, line in enumerate(lines):
            baseline = y + 14 + LEADING * (k + 1)
            parts.append(text_at(x + PAD, baseline, line.shown[:3], f'fill="{line.colour}"'))
            at = x + PAD + 4 * LETTER
            if line.variable is not None:
                fill, edge = self.colours[line.variable]
                parts.append(
                    f'<rect x="{at:.1f}" y="{baseline - 9:.1f}" width="9" height="10" rx="2" '
                    f'fill="{fill}" stroke="{edge}"/>'
                )
            parts.append(text_at(at + 2 * LETTER, baseline, _cut(line.text), 'fill="#222222"'))
        return "".join((*parts, "</g>"))

    def _legend(self) -> tuple[list[str], float]:
        """The title and what the marks mean, and how wide they are."""
        y = MARGIN + LEADING - 6
        parts = [text_at(MARGIN, y, self.title, 'font-weight="bold" fill="#222222"')]
        parts += [
            text_at(MARGIN, y + LEADING * (k + 1.2), line, 'fill="#555555"')
            for k, line in enumerate(_LEGEND)
        ]
        return parts, MARGIN + LETTER * max(map(len, (self.title, *_LEGEND)))


def _cut(text: str, most: int = _WIDEST) -> str:
    most = max(1, min(most, _WIDEST))
    return text if len(text) <= most else text[: most - 1] + "…"


def _header(time: int, blocks: int) -> tuple[str, str]:
    first, _, second = sublayer_name(time, blocks).rpartition(" ")
    return first, second


def _marks_text(band: Band, time: int) -> str:
    return " ".join(word for _, word in readers(band.reads.get(time, ())))


def _box_height(lines: Sequence[_Line]) -> float:
    return 14 + LEADING * len(lines) + PAD - 2


def _lines(part: Part) -> list[_Line]:
    """What a box says: what is read in each role, what is written, what is taken out."""
    lines: list[_Line] = []
    for role in dict.fromkeys(role for role, _ in part.reads):
        touches = [touch for found, touch in part.reads if found is role]
        lines += _of_role(WORDS[role], touches, COLOURS[role])
    lines += _of_role("→", part.writes, "#222222")
    if part.clears:
        lines.append(_Line("×", runs(part.clears), None, _RED))
    return lines


def _of_role(word: str, touches: Sequence[Touch], colour: str) -> list[_Line]:
    shown = touches if len(touches) <= _LONGEST else touches[: _LONGEST - 1]
    lines = [
        _Line("" if k else word, str(touch), touch.variable, colour)
        for k, touch in enumerate(shown)
    ]
    if len(touches) > len(shown):
        lines.append(_Line("", f"and {len(touches) - len(shown)} more"))
    return lines


def _tooltip(part: Part, stream: Stream) -> str:
    lines = [f"{sublayer_name(part.time, stream.blocks)}, {part.name}"]
    lines += [f"{role.value}: {touch}" for role, touch in part.reads]
    lines += [f"writes {touch}" for touch in part.writes]
    if part.clears:
        lines.append(f"takes the old value out of {runs(part.clears)}")
    return "\n".join(lines)


def _colours(variables: Sequence[Variable]) -> Mapping[str, tuple[str, str]]:
    """Fill and stroke of each variable, by name; the token of beginning is grey."""
    names = [name for name in dict.fromkeys(v.name for v in variables) if name != "bos"]
    return {name: _PALETTE[k % len(_PALETTE)] for k, name in enumerate(names)} | {"bos": _NEUTRAL}
