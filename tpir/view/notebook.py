"""How programs, standard Transformers, verdicts and input spaces show themselves in a notebook.

The classes know nothing of this: ``register`` tells a running IPython how to show them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Protocol, TypeVar

from tpir.equiv.verdict import Answer, Verdict
from tpir.ir.program import Program
from tpir.semantics.program_space import space_of
from tpir.semantics.space import InputSpace
from tpir.text import print_program
from tpir.view.graph import picture
from tpir.view.stream import residual_stream
from tpir.view.stream_svg import stream_picture
from tpir.view.stream_text import stream_text

if TYPE_CHECKING:  # it brings torch
    from tpir.models.stored_transformer import TransformerCheckpoint

_COLOURS = {Answer.PROVED: "#2f7a35", Answer.TESTED: "#b0610c", Answer.REFUTED: "#b3261e"}
_LARGEST_PICTURE = 150
"""Programs of more nodes and Transformers of more heads and tables are shown as text alone."""

Shown = TypeVar("Shown")


class Formatter(Protocol):
    """The part of IPython's ``text/html`` formatter that is used here."""

    def for_type(self, typ: type[Shown], func: Callable[[Shown], str]) -> object:
        """Show instances of a type by a function."""
        ...

    def for_type_by_name(
        self, type_module: str, type_name: str, func: Callable[[TransformerCheckpoint], str]
    ) -> object:
        """The same for a type that need not be loaded yet."""
        ...


def program_html(program: Program) -> str:
    """A program: what it takes, its graph, and its text folded away."""
    graph = picture(program).svg if len(program.live) <= _LARGEST_PICTURE else ""
    heading = (
        f"<b>{escape(program.name)}</b>: {len(program.nodes)} nodes, outputs "
        f"{escape(', '.join(program.outputs))}; {escape(space_of(program).describe())}"
    )
    return _with_text(heading, graph, print_program(program))


def transformer_html(model: TransformerCheckpoint) -> str:
    """A standard Transformer: what it takes, its residual stream, and that as text folded away."""
    stream = residual_stream(model)
    drawn = stream_picture(model).svg if len(stream.parts) <= _LARGEST_PICTURE else ""
    heading = (
        f"<b>standard Transformer</b>: {escape(stream.summary)}, outputs "
        f"{escape(', '.join(output.name for output in model.outputs))}; vocabulary "
        f"{len(model.vocabulary)}, context {model.context}{', causal' if model.causal else ''}"
    )
    return _with_text(heading, drawn, stream_text(stream))


def _with_text(heading: str, drawn: str, text: str) -> str:
    """A picture, if there is one, and a text that is folded away under it."""
    return (
        f"<p>{heading}</p>"
        f'<div style="overflow-x:auto">{drawn}</div>'
        f"<details{'' if drawn else ' open'}><summary>text</summary>"
        f"<pre>{escape(text)}</pre></details>"
    )


def verdict_html(verdict: Verdict) -> str:
    """A verdict in its colour, with what it rests on and the counterexample."""
    first, *rest = str(verdict).split("\n")
    word = verdict.answer.value
    details = f"<pre>{escape(chr(10).join(rest))}</pre>" if rest else ""
    return (
        f'<p><b style="color:{_COLOURS[verdict.answer]}">{word}</b>'
        f"{escape(first.removeprefix(word))}</p>{details}"
    )


def space_html(space: InputSpace) -> str:
    """An input space: its description and the number of inputs of each length."""
    counts = "".join(
        f"<tr><td>{length}</td><td>{count:,}</td></tr>"
        for length, count in space.count_by_length().items()
    )
    return (
        f"<p>{escape(space.describe())}</p><details><summary>by length</summary>"
        f"<table><tr><th>length</th><th>inputs</th></tr>{counts}</table></details>"
    )


def register_with(formatter: Formatter) -> None:
    """Tell an HTML formatter how to show the classes."""
    formatter.for_type(Program, program_html)
    formatter.for_type(Verdict, verdict_html)
    formatter.for_type(InputSpace, space_html)
    formatter.for_type_by_name(
        "tpir.models.stored_transformer", "TransformerCheckpoint", transformer_html
    )


def register() -> bool:
    """Register with the IPython that is running, if one is. Says whether there was one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return False
    register_with(shell.display_formatter.formatters["text/html"])
    return True
