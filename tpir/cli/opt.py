"""``tpir opt``: simplify a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tpir.cli.artefacts import load_program
from tpir.cli.console import STDOUT, say, show_aside, write
from tpir.cli.options import (
    LIMIT,
    SAMPLES,
    Accepts,
    ArtefactPath,
    Force,
    Limit,
    MaxLength,
    OutFile,
    OutputName,
    Samples,
    Seed,
    Strict,
    Vocab,
    read_options,
)
from tpir.cli.verdicts import REFUTED, compare, exit_for
from tpir.equiv.artefact import program_artefact
from tpir.equiv.effort import Effort
from tpir.equiv.verdict import GuiltyPass, Verdict
from tpir.errors import TpirError
from tpir.files import check_writable
from tpir.ir.program import Program
from tpir.passes.base import Pass
from tpir.passes.pipeline import (
    AfterEach,
    PipelineResult,
    Stage,
    Statistics,
    level,
    parse_pipeline,
    run_pipeline,
)
from tpir.text import print_program

DEFAULT_LEVEL = 2


def opt(
    artefact: ArtefactPath,
    out: OutFile = None,
    number: Annotated[
        int | None,
        typer.Option("-O", metavar="0..3", help="How much: -O0 nothing … -O3 all. Default: 2."),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            "-p", metavar="PASSES", help="Passes by name: 'dce,cse,fold-tables{max-size=64}'."
        ),
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Nodes, table rows and lines after each pass.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Why each rewrite was or was not done.")
    ] = False,
    verify_each: Annotated[
        bool, typer.Option("--verify-each", help="Check the program before and after every pass.")
    ] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="Prove that the result means the same, and write down how.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    output: OutputName = None,
    strict: Strict = False,
    force: Force = False,
) -> None:
    """Simplify a program without changing what it means on any input it accepts.

    The program goes to -o or standard output, everything else to standard error. With --verify-each
    a pass that changes the meaning is named, with a smallest input that shows it; nothing is
    written, and the exit status is 1. With --certificate the result is proved equal to the program,
    on every input; where it is not, nothing is written, and the exit status is 3. `tpir check
    --certificate` checks it anew.

    Examples:

    \b
      tpir opt sort.rasp -O2 -o sort.min.rasp --stats --verify-each
      tpir opt sort.rasp -p 'dce,cse' | less
      tpir opt runs/sort -O3 --explain -o sort.min.rasp
    """
    if out is not None and out != STDOUT:
        check_writable(out, force=force)
    stages = stages_of(number, pipeline)
    program = load_program(
        artefact, read_options(vocab, max_length, accepts, output, strict=strict)
    )
    after_each = verifier(limit, samples, seed) if verify_each else None
    try:
        result = run_pipeline(program, stages, after_each=after_each, count_lines=count_lines)
    except GuiltyPass as guilty:
        say(str(guilty))
        raise typer.Exit(REFUTED) from None
    if certificate is not None:
        certify(certificate, program, result.program, Effort(samples=samples, seed=seed), force)
    if explain:
        for name, note in result.notes:
            say(f"{name}: {note}")
    if stats:
        show_aside(statistics_table(result))
    write(out, print_program(result.program), force=force)


def stages_of(number: int | None, pipeline: str | None) -> Sequence[Stage | Pass]:
    """The passes that -O or -p asks for. Raises TpirError."""
    if pipeline is None:
        return level(DEFAULT_LEVEL if number is None else number)
    if number is not None:
        raise TpirError("give -O or -p, not both")
    return parse_pipeline(pipeline)


def count_lines(program: Program) -> int:
    """How many lines a program prints as."""
    return print_program(program).count("\n")


def verifier(limit: int, samples: int, seed: int) -> AfterEach:
    """A check to run after each pass; it says what it found, or raises GuiltyPass."""
    from tpir.equiv.guard import verify_each  # brings Hypothesis, which most runs need not load

    def told(name: str, verdict: Verdict) -> None:
        say(f"{name}: {verdict}")

    return verify_each(limit=limit, samples=samples, seed=seed, on_verdict=told)


def certify(path: Path, before: Program, after: Program, effort: Effort, force: bool) -> None:
    """Prove two programs equal and write the certificate; exit where that is not possible."""
    from tpir.equiv.certificate import certificate  # brings Hypothesis, as the verifier does

    check_writable(path, force=force)
    left, right = (program_artefact(p, Path(p.name)) for p in (before, after))
    verdict = compare(left, right, left.space, effort)
    say(str(verdict))
    exit_for([verdict.answer], "proved")
    write(path, certificate(left, right, left.space, verdict), force=force)


def statistics_table(result: PipelineResult) -> Table:
    """Sizes after each run of a pass that changed something, and the time of all of them."""
    table = Table("pass", "nodes", "rows", "lines", "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    runs = result.statistics
    if runs:
        table.add_row("", *_sizes(runs[0], 0), "")
    for run in runs:
        if run.changed:
            table.add_row(run.name, *_sizes(run, 1), f"{run.seconds:.3f}")
    seconds = sum(run.seconds for run in runs)
    table.add_section()
    unchanged = sum(not run.changed for run in runs)
    table.add_row(f"{len(runs)} runs, {unchanged} without change", "", "", "", f"{seconds:.3f}")
    return table


def _sizes(run: Statistics, side: int) -> list[str]:
    lines = "" if run.lines is None else f"{run.lines[side]:,}"
    return [f"{run.nodes[side]:,}", f"{run.rows[side]:,}", lines]
