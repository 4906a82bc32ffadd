"""What every variable holds at every position for one input, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rich.table import Table
from rich.text import Text

from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import first_failure, trace
from tpir.view.words import short_type

_CELL = 'style="padding:2px 8px;text-align:left;border:1px solid #cccccc;{}"'


@dataclass(frozen=True)
class Row:
    """One variable: what it holds at each position, in words.

    A selector has the positions of the selected keys (``@3``, ``@0 @2``, ``-`` for none); ``keys``
    are these for each query. A pooled label has one cell, whatever the length of the input.
    """

    name: str
    type: str
    cells: tuple[str, ...]
    selector: bool
    outputs: tuple[str, ...]
    keys: tuple[frozenset[int], ...] = ()

    def matrix(self, words: Sequence[str]) -> list[str]:
        """A selector's matrix for tokens in these words: a line for each query, 1 for its keys."""
        width = max(map(len, words))
        marks = [["1" if k in keys else "" for k in range(len(words))] for keys in self.keys]
        rows = [(" " * width, " ", words)]
        rows += [(word.rjust(width), "|", row) for word, row in zip(words, marks, strict=True)]
        return [
            " ".join((word, bar, *(cell.rjust(width) for cell in row))).rstrip()
            for word, bar, row in rows
        ]


@dataclass(frozen=True)
class Trace:
    """One row for each variable that the outputs reach, in topological order.

    ``failure`` says why the program fails on the input, if it does; the rows are then those before
    the variable that fails.
    """

    tokens: tuple[Value, ...]
    rows: tuple[Row, ...]
    failure: str | None

    def table(self, *, selectors: bool = True) -> Table:
        """The rows for a terminal."""
        table = Table(title=None, header_style="bold", pad_edge=False)
        table.add_column("variable", no_wrap=True)
        table.add_column("type", style="dim", no_wrap=True)
        for place, token in enumerate(self.tokens):
            table.add_column(Text(f"{place}\n{show_value(token)}"), overflow="fold")
        for row in self._shown(selectors):
            style = "bold magenta" if row.outputs else "dim" if row.selector else ""
            cells = [Text(cell) for cell in (row.name, row.type, *row.cells)]
            table.add_row(*cells, style=style)
        return table

    def html(self, *, selectors: bool = True) -> str:
        """The rows as an HTML table."""
        head = "".join(_cell(f"{k} {show_value(t)}", "th") for k, t in enumerate(self.tokens))
        body = "".join(map(_html_row, self._shown(selectors)))
        failed = "" if self.failure is None else f"<p>{escape(self.fails)}</p>"
        return (
            f'{failed}<table style="border-collapse:collapse;font-family:monospace;'
            f'font-size:12px"><tr>{_cell("variable", "th")}{_cell("type", "th")}{head}</tr>'
            f"{body}</table>"
        )

    @property
    def fails(self) -> str:
        """The failure as a sentence; empty where there is none."""
        return "" if self.failure is None else f"the program fails on this input: {self.failure}"

    def _repr_html_(self) -> str:
        return self.html()

    def _shown(self, selectors: bool) -> list[Row]:
        return [row for row in self.rows if selectors or not row.selector]


def trace_of(program: Program, tokens: Sequence[Value]) -> Trace:
    """Run a program on one input and keep everything. Raises TpirError for an input it refuses."""
    failure = first_failure(program, tokens)
    held = trace(program, tokens)
    nodes = program.live if failure is None else program.live[: program.live.index(failure.node)]
    rows = tuple(_row(node, held[node.name], program) for node in nodes)
    return Trace(tuple(tokens), rows, None if failure is None else failure.kind)


def _row(node: Node, held: Sequence[object], program: Program) -> Row:
    selector = isinstance(node.type, Selector)
    cells = tuple(_keys(x) if selector else _value(x) for x in held)
    outputs = tuple(name for name, output in program.outputs.items() if output is node)
    keys = tuple(frozenset(x) for x in held if isinstance(x, list))
    return Row(node.name, short_type(node.type), cells, selector, outputs, keys)


def _keys(held: object) -> str:
    assert isinstance(held, list)
    return " ".join(f"@{key}" for key in held) or "-"


def _value(held: object) -> str:
    assert isinstance(held, str | int | float)
    return show_value(held)


def _html_row(row: Row) -> str:
    style = "background:#f0e7f8" if row.outputs else "color:#777777" if row.selector else ""
    cells = "".join(_cell(cell, "td", style) for cell in row.cells)
    return f"<tr>{_cell(row.name, 'th', style)}{_cell(row.type, 'td', style)}{cells}</tr>"


def _cell(text: str, tag: str, style: str = "") -> str:
    return f"<{tag} {_CELL.format(style)}>{escape(text)}</{tag}>"
