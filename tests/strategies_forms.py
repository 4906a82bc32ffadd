"""Hypothesis strategies for programs that accept only inputs of some form."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import strategies as st

from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.semantics.form import Literal
from tpir.semantics.program_space import canonical_form


@st.composite
def accepting(draw: st.DrawFn, programs: st.SearchStrategy[Program]) -> Program:
    """Programs of a strategy: half of them as they are, half with a form that has some input."""
    program = draw(programs)
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return program
    noise = random.Random(draw(st.integers(0, 2**32 - 1)))
    text = canonical_form(_form(kind - 5, noise, program.vocabulary, program.context))
    return Program(replace(program.header, accepts=text), program.nodes, program.outputs)


def _form(kind: int, noise: random.Random, vocabulary: tuple[Value, ...], context: int) -> str:
    """A form with an input of 1 to ``context`` tokens."""

    def some() -> str:
        chosen = noise.sample(vocabulary, noise.randint(1, len(vocabulary)))
        return f"({' | '.join(str(Literal(token)) for token in chosen)})"

    ends = f"{some()} {some()}* {some()}" if context > 1 else some()
    return (
        f"{some()} {some()}*",
        f"{some()} {some()}{{0,2}} {some()}?",
        f"({some()} {some()})* {some()}",
        f"{some()}{{{noise.randint(1, context)},{context}}}",
        ends,
    )[kind]
