"""The input space of a program, from its header."""

from __future__ import annotations

from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.form_parser import parse_form
from tpir.semantics.space import InputSpace


def space_of(program: Program) -> InputSpace:
    """What the program accepts. Raises TpirError if its accepted form is not one."""
    return input_space(program.vocabulary, program.context, program.accepts)


def input_space(vocabulary: tuple[Value, ...], context: int, accepts: str | None) -> InputSpace:
    """The space of a vocabulary, a context and the text of an accepted form (None: no form)."""
    form = None if accepts is None else parse_form(accepts)
    return InputSpace(vocabulary, context, form)


def canonical_form(accepts: str) -> str:
    """The one way to write an accepted form; programs hold it so. Raises TpirError."""
    return str(parse_form(accepts))
