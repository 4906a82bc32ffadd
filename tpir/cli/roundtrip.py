"""``tpir roundtrip``: the whole loop, every arrow checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tpir.cli.artefacts import load
from tpir.cli.console import say, show, show_json
from tpir.cli.loop import Arrow, Loop
from tpir.cli.lower import CheckpointPath
from tpir.cli.opt import DEFAULT_LEVEL
from tpir.cli.options import (
    LIMIT,
    SAMPLES,
    Accepts,
    Force,
    Json,
    Limit,
    MaxLength,
    Require,
    Samples,
    Seed,
    Vocab,
    check_require,
    read_options,
)
from tpir.cli.verdicts import REFUTED, exit_for, verdict_json
from tpir.equiv.artefact import name_of
from tpir.equiv.effort import Effort


def roundtrip(
    checkpoint: CheckpointPath,
    out: Annotated[
        Path,
        typer.Option("-o", metavar="FOLDER", help="Where all files go.", show_default=False),
    ],
    number: Annotated[
        int, typer.Option("-O", metavar="0..3", min=0, max=3, help="How much to simplify.")
    ] = DEFAULT_LEVEL,
    limit: Limit = LIMIT,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    require: Require = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Lower a checkpoint, simplify, emit, compile, and lower again: every arrow is checked.

    Writes every file and prints one table. The reference's form is left out where it has no such
    models: with predicates that match sets, or MLPs that are tables. An arrow between programs that
    must be equal says "equal" or "different"; every other has the verdict of `tpir check`.

    Exit status: 0 all proved, equal or tested; 1 something refuted or different; 2 error; 3 tested
    where --require proved.

    Examples:

    \b
      tpir roundtrip runs/sort -o out
      tpir roundtrip theirs/hist -o out -O3 --require proved --json
    """
    check_require(require)
    source = load(checkpoint, read_options(vocab, max_length, accepts))
    effort = Effort(limit=limit, samples=samples, seed=seed)
    loop = Loop(source, out, name_of(checkpoint), number, effort, force)
    arrows = []
    for arrow in loop.run():
        say(f"{arrow.name}: {arrow.word} ({arrow.seconds:.1f} s)")
        arrows.append(arrow)
    if as_json:
        show_json([_as_json(arrow) for arrow in arrows])
    else:
        show(_table(arrows))
        for arrow in arrows:
            if arrow.details:
                show(f"{arrow.name}: {arrow.details}")
    if any(arrow.verdict is None and not arrow.equal for arrow in arrows):
        raise typer.Exit(REFUTED)
    exit_for([a.verdict.answer for a in arrows if a.verdict is not None], require)


def _as_json(arrow: Arrow) -> dict[str, object]:
    verdict = {"answer": arrow.word} if arrow.verdict is None else verdict_json(arrow.verdict)
    return {
        "arrow": arrow.name,
        "file": str(arrow.file),
        "verdict": verdict,
        "size": arrow.size,
        "seconds": round(arrow.seconds, 3),
    }


def _table(arrows: list[Arrow]) -> Table:
    table = Table("arrow", "verdict", "inputs", "file", "size", "seconds")
    table.columns[2].justify = table.columns[-1].justify = "right"
    for arrow in arrows:
        words = Text(arrow.summary, style="green" if arrow.good else "bold red")
        seconds = f"{arrow.seconds:.1f}"
        table.add_row(arrow.name, words, arrow.inputs, arrow.file.name, arrow.size, seconds)
    return table
