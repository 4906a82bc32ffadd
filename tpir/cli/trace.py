"""``tpir run --trace``: what every variable of a program holds on one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tpir.cli.artefacts import program_of
from tpir.cli.console import show, show_json
from tpir.cli.inputs import as_json, plain
from tpir.equiv.artefact import Artefact
from tpir.ir.values import Value
from tpir.semantics.interpreter import Outcome, trace

if TYPE_CHECKING:
    from tpir.view.trace import Trace


def show_trace(
    artefact: Artefact, tokens: Sequence[Value], outcome: Outcome, *, machine: bool
) -> None:
    """Print a table of the sequences and a matrix for each selector, or all of it as JSON.

    ``outcome`` is what the artefact makes of the tokens. Raises TpirError for emitted Python, which
    has no variables to show.
    """
    from tpir.view.trace import trace_of  # here, as most runs show no table

    program = program_of(artefact)
    traced = trace_of(program, tokens)
    if not machine:
        _show(traced)
        return
    held = trace(program, tokens)
    show_json(
        {
            "tokens": list(tokens),
            "sequences": {row.name: held[row.name] for row in traced.rows if not row.selector},
            "selectors": {row.name: held[row.name] for row in traced.rows if row.selector},
            "outputs": as_json(outcome),
        }
    )


def _show(traced: Trace) -> None:
    words = [plain(token) for token in traced.tokens]
    show(traced.table(selectors=False))
    for row in traced.rows:
        if row.selector:
            show("\n".join([f"{row.name}:", *(f"    {line}" for line in row.matrix(words))]))
