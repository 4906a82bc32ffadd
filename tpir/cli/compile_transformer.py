"""From a program to a standard Transformer, which is compared with the program and then written."""

from __future__ import annotations

from pathlib import Path

import typer

from tpir.cli.console import say
from tpir.cli.verdicts import REFUTED, compare
from tpir.equiv.artefact import program_artefact, transformer_artefact
from tpir.equiv.effort import Effort
from tpir.equiv.verdict import Answer
from tpir.ir.program import Program
from tpir.semantics.program_space import space_of

EFFORT = Effort(limit=20_000, samples=3_000, seed=0)
"""How hard the weights are compared with the program before they are written."""


def compile_checked(program: Program, out: Path, dtype: str, *, force: bool) -> None:
    """Compile, compare, write, and say so.

    Raises TpirError, naming the node, for what cannot be exact; exits with status 1, and writes
    nothing, where the weights turn out not to be the program.
    """
    from tpir.backends.transformer import compile_transformer  # brings torch
    from tpir.models.transformer_format import dtype_named, save_transformer
    from tpir.models.transformer_sizes import sizes_of

    checkpoint = compile_transformer(program, dtype=dtype_named(dtype))
    sides = (program_artefact(program, Path("the program")), transformer_artefact(checkpoint, out))
    verdict = compare(*sides, space_of(program), EFFORT)
    say(str(verdict))
    if verdict.answer is Answer.REFUTED:
        say(f"the weights (B) are not the program (A): {out} was not written")
        raise typer.Exit(REFUTED)
    save_transformer(out, checkpoint, force=force)
    say(f"wrote {out}")
    say(str(sizes_of(checkpoint.state)))
