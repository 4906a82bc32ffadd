"""``tpir prove``: does a property hold of a program on every input?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load_program
from tpir.cli.console import progress, show, show_json
from tpir.cli.options import (
    SAMPLES,
    Accepts,
    ArtefactPath,
    Jobs,
    Json,
    Limit,
    MaxLength,
    MethodName,
    OutputName,
    Require,
    Samples,
    Seed,
    SmtTimeout,
    SolverName,
    Strict,
    Vocab,
    check_require,
    method_of,
    read_options,
    solver_of,
)
from tpir.cli.verdicts import NOT_PROVED, compare, exit_for, verdict_json
from tpir.equiv.artefact import program_artefact
from tpir.equiv.effort import EXHAUSTED, Effort
from tpir.equiv.properties import RENAMING, SHIPPED, Claim, claim, renaming_claims, shipped_claim
from tpir.equiv.verdict import Answer, Verdict, show_outcome
from tpir.errors import TpirError
from tpir.files import read_text
from tpir.ir.program import Program
from tpir.ir.values import Value, show_value
from tpir.semantics.interpreter import run_many
from tpir.semantics.program_space import space_of

INFLUENCE = "influence"


def prove(
    artefact: ArtefactPath,
    property_: Annotated[
        str,
        typer.Option(
            "--property",
            metavar="NAME|FILE.rasp",
            help="sorted-output, permutation, renaming, influence, or a property of your own.",
            show_default=False,
        ),
    ],
    length: Annotated[
        int | None,
        typer.Option(
            "--length", metavar="N", min=1, help="influence: of the inputs of N tokens. All."
        ),
    ] = None,
    method: MethodName = "auto",
    limit: Limit = EXHAUSTED,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    jobs: Jobs = 1,
    smt_timeout: SmtTimeout = 60.0,
    solver: SolverName = None,
    require: Require = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Prove that a property holds of a program's output on every input it accepts.

    sorted-output: no output is greater than a later one. permutation: the outputs are the tokens in
    some order. renaming: the outputs are the same after any renaming of tokens. Special tokens,
    such as <s>, and what is at their positions are left aside. influence: which token can change
    which output, as a matrix; x for can, . for cannot.

    FILE.rasp is a property of your own: a program over tokens, indices and output whose own outputs
    are truth values. It holds where they all are True.

    Exit status: 0 proved or tested, 1 refuted, 2 error, 3 tested where --require proved.

    Examples:

    \b
      tpir prove sort.rasp --property sorted-output
      tpir prove hist.rasp --property renaming --require proved
      tpir prove reverse.rasp --property influence --length 8
      tpir prove mine.rasp --property never_twice.rasp --json
    """
    check_require(require)
    program = load_program(
        artefact, read_options(vocab, max_length, accepts, output, strict=strict)
    )
    effort = Effort(
        method_of(method), limit, samples, seed, jobs, None, smt_timeout, solver_of(solver)
    )
    if property_ == INFLUENCE:
        _influence(program, length, effort, require, as_json)
        return
    if length is not None:
        raise TpirError("--length is for the property influence; see --max-length")
    verdicts = [(found, _checked(program, found, effort)) for found in _claims(program, property_)]
    if as_json:
        show_json([verdict_json(v) | {"property": found.name} for found, v in verdicts])
    else:
        for found, verdict in verdicts:
            show(_shown(program, found, verdict))
    exit_for([verdict.answer for _, verdict in verdicts], require)


def _claims(program: Program, name: str) -> list[Claim]:
    if name in SHIPPED:
        return [shipped_claim(program, name)]
    if name == RENAMING:
        return renaming_claims(program)
    if not name.endswith(".rasp"):
        known = ", ".join((*SHIPPED, RENAMING, INFLUENCE))
        raise TpirError(f"there is no property {name}; there are {known}, and files that end .rasp")
    return [claim(program, read_text(Path(name)), name)]


def _checked(program: Program, found: Claim, effort: Effort) -> Verdict:
    left, right = (program_artefact(p, Path(found.name)) for p in (found.left, found.right))
    return compare(left, right, space_of(program), effort)


def _shown(program: Program, found: Claim, verdict: Verdict) -> str:
    example = verdict.counterexample
    if example is None:
        return f"{found.name}: {verdict}"
    first = str(verdict).split("\n")[0]
    tokens = " ".join(_word(token) for token in example.tokens)
    (outcome,) = run_many(program, [example.tokens])
    lines = [f"{found.name}: {first}", f"counterexample: {tokens}"]
    lines.append(f"  output: {show_outcome(outcome)}")
    if found.left is program:
        lines.append(f"  renamed: {show_outcome(example.right)}")
    else:
        lines.append(f"  holds: {show_outcome(example.left)}")
    return "\n".join(lines)


def _word(token: Value) -> str:
    return token if isinstance(token, str) else show_value(token)


def _influence(
    program: Program, length: int | None, effort: Effort, require: str | None, as_json: bool
) -> None:
    from tpir.equiv.influence import influence

    space = space_of(program)
    found = []
    for n in space.lengths() if length is None else (length,):
        with progress(f"influence, {n} tokens") as advance:
            found.append(
                influence(
                    program,
                    space,
                    n,
                    limit=0 if effort.method == "smt" else min(effort.limit, 2_000_000),
                    seconds=effort.seconds,
                    solver=effort.solver,
                    seed=effort.seed,
                    on_progress=advance,
                )
            )
    if as_json:
        show_json(
            [
                {
                    "length": m.length,
                    "method": m.method,
                    "answer": (Answer.PROVED if m.exact else Answer.TESTED).value,
                    "cells": [[cell.value for cell in row] for row in m.cells],
                }
                for m in found
            ]
        )
    else:
        for each in found:
            show(f"influence on inputs of {each.length} tokens ({each.method})\n{each}")
    if require is not None and not all(each.exact for each in found):
        raise typer.Exit(NOT_PROVED)
