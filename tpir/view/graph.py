"""A program as a picture (SVG, drawn here) and as Graphviz source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import graphviz

from tpir.ir.program import Program
from tpir.view.boxes import Box, Kind, Role, boxes_of
from tpir.view.layout import Edge
from tpir.view.svg import draw

ROW = 7
"""Most boxes in a row of the picture."""

_LINES_OF_ONE = 5
"""A variable that more boxes read is named in them, and no lines are drawn."""

_LINES_OF_READOUT = 10
"""A readout with more features lists them, and no lines are drawn."""


@dataclass(frozen=True)
class Picture:
    """A drawing that notebooks show by themselves."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def picture(program: Program) -> Picture:
    """The nodes that the outputs reach, inputs on top and outputs at the bottom.

    Selectors are written inside the boxes that use them. A variable that many boxes read is named
    in each, without lines.
    """
    boxes = boxes_of(program)
    lines = drawn_edges(boxes)
    tagged = _tagged(boxes)
    return Picture(draw(boxes, rows_of(boxes), lines, tagged, title_of(program)))


def title_of(program: Program) -> str:
    """What a picture says of the whole program."""
    causal = ", causal" if program.causal else ""
    return (
        f"{program.name}: vocabulary {len(program.vocabulary)}, context {program.context}{causal}"
    )


def drawn_edges(boxes: Sequence[Box]) -> dict[Edge, Role]:
    """The edges that get a line, and the role that colours it."""
    readers: dict[str, int] = {}
    for box in boxes:
        if box.kind is not Kind.READOUT:
            for name in {name for _, name in box.reads}:
                readers[name] = readers.get(name, 0) + 1
    edges: dict[Edge, Role] = {}
    for box in boxes:
        if box.kind is Kind.READOUT and len(box.reads) > _LINES_OF_READOUT:
            continue
        for role, name in box.reads:
            if readers.get(name, 0) <= _LINES_OF_ONE:
                edges.setdefault((name, box.name), role)
    return edges


def _tagged(boxes: Sequence[Box]) -> dict[str, str]:
    """Boxes that a readout reads without a line, with the readout's name."""
    drawn = drawn_edges(boxes)
    return {
        name: box.name
        for box in boxes
        if box.kind is Kind.READOUT
        for _, name in box.reads
        if (name, box.name) not in drawn
    }


def rows_of(boxes: Sequence[Box]) -> list[list[str]]:
    """Boxes by row: each below all that it reads, layers of a model one after the other."""
    level: dict[str, tuple[int, int]] = {}
    for box in boxes:
        below = max((level[name] for _, name in box.reads), default=(-1, 0))
        start = (-1 if box.kind is Kind.INPUT or box.layer is None else box.layer, 0)
        level[box.name] = start if start > below else (below[0], below[1] + 1)
    read = {name for box in boxes for _, name in box.reads}
    for box in boxes:
        if box.kind is Kind.READOUT and box.name not in read:
            level[box.name] = (max(level.values())[0] + 1, 0)
    rows: dict[tuple[int, int], list[str]] = {}
    for name, place in level.items():
        rows.setdefault(place, []).append(name)
    return [part for place in sorted(rows) for part in _parts(rows[place])]


def _parts(row: list[str]) -> list[list[str]]:
    """A long row in parts of about one size."""
    count = -(-len(row) // ROW)
    size = -(-len(row) // count)
    return [row[k : k + size] for k in range(0, len(row), size)]


def dot_source(program: Program) -> str:
    """The same graph for Graphviz, every edge included: ``dot -Tsvg`` draws it."""
    graph = graphviz.Digraph(program.name, node_attr={"shape": "box", "fontname": "monospace"})
    for box in boxes_of(program):
        text = "".join(graphviz.escape(line.text) + "\\l" for line in box.lines)
        label = f"{graphviz.escape(box.name)} : {graphviz.escape(box.type)}\\l{text}"
        graph.node(box.name, label, tooltip=graphviz.escape(box.tooltip))
        for role, name in box.reads:
            graph.edge(name, box.name, label=role.value)
    return str(graph.source)
