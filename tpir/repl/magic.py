"""``%%rasp`` and ``%rasp`` in notebooks: one session for each kernel, shown as pictures and tables.

``%load_ext tpir`` makes them known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Protocol

from tpir.ir.values import Value
from tpir.repl.reply import Reply
from tpir.repl.session import Session
from tpir.repl.words import matrix_of, small_word
from tpir.text.open import OpenNode
from tpir.text.scope import Applied
from tpir.text.statements import Named
from tpir.view.graph import picture
from tpir.view.notebook import register

_WIDEST = 200
"""Inputs of more tokens are shown as text alone."""

_CELL = "padding:2px 6px;border:1px solid #cccccc;text-align:center"
_TABLE = "border-collapse:collapse;font-family:monospace;font-size:12px"


class Shell(Protocol):
    """The part of IPython that is used here."""

    def register_magic_function(
        self, func: Callable[..., None], magic_kind: str, magic_name: str
    ) -> None:
        """Make a function a magic."""
        ...


@dataclass(frozen=True)
class Shown:
    """A reply that is a table or a picture where the page can show one, and text where not."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text.rstrip("\n")

    def _repr_html_(self) -> str:
        return self.html


def load(shell: Shell, show: Callable[[object], object]) -> Session:
    """Register both magics with a shell; ``show`` displays an object. The session they share."""
    session = Session()

    def rasp(line: str, cell: str | None = None) -> None:
        """Run RASP: ``%rasp tokens;``, or the whole cell under ``%%rasp``."""
        for reply in session.replies(line if cell is None else f"{line}\n{cell}"):
            say(reply, session, show)
        session.done = False

    shell.register_magic_function(rasp, "line_cell", "rasp")
    register()
    return session


def say(reply: Reply, session: Session, show: Callable[[object], object]) -> None:
    """Errors with their places as text on standard error, the rest as it shows best."""
    if reply.error is not None:
        sys.stderr.write(f"{reply.error}\n")
        return
    html = html_of(reply, session)
    if html is not None:
        show(Shown(reply.text, html))
    elif reply.text:
        sys.stdout.write(reply.text)


def html_of(reply: Reply, session: Session) -> str | None:
    """A reply as HTML; None for what is text."""
    if reply.drawn is not None:
        return f'<div style="overflow-x:auto">{picture(reply.drawn).svg}</div>'
    match reply.result:
        case Applied() as applied if applied.tokens:
            return _applied("", applied)
        case Named(name, OpenNode() as node):
            settings = session.settings
            tokens = settings.selector_tokens if node.is_selector else settings.tokens
            wanted = settings.show_selectors if node.is_selector else settings.show_sequences
            if wanted and tokens and reply.complete:
                return _applied(name, session.world.apply(node, tokens))
    return None


def _applied(name: str, applied: Applied) -> str | None:
    if len(applied.tokens) > _WIDEST:
        return None
    head = _row(name, applied.tokens, "th")
    if applied.is_selector:
        pairs = zip(applied.tokens, matrix_of(applied), strict=True)
        body = "".join(
            _row(small_word(token), ["●" if s else "" for s in row]) for token, row in pairs
        )
    else:
        body = _row("", [small_word(value) for value in applied.values])
    return f'<table style="{_TABLE}">{head}{body}</table>'


def _row(first: str, cells: tuple[Value, ...] | list[str], tag: str = "td") -> str:
    rest = "".join(f'<{tag} style="{_CELL}">{escape(str(cell))}</{tag}>' for cell in cells)
    return f'<tr><th style="{_CELL}">{escape(first)}</th>{rest}</tr>'
