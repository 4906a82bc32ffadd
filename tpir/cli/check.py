"""``tpir check``: are two artefacts the same function?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tpir.cli.artefacts import load
from tpir.cli.console import show, show_json
from tpir.cli.options import (
    SAMPLES,
    Accepts,
    Jobs,
    Json,
    Limit,
    MaxLength,
    MethodName,
    Require,
    Resume,
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
from tpir.cli.verdicts import compare, exit_for, verdict_json
from tpir.equiv.artefact import Artefact
from tpir.equiv.common_space import spaces_to_check
from tpir.equiv.effort import EXHAUSTED, Effort
from tpir.errors import TpirError
from tpir.files import read_text

Side = Annotated[
    Path,
    typer.Argument(help="A checkpoint, .rasp, .safetensors or emitted .py.", show_default=False),
]


def check(
    a: Side,
    b: Side,
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="a|b|both", help="Whose inputs to compare on, where they differ."
        ),
    ] = None,
    method: MethodName = "auto",
    limit: Limit = EXHAUSTED,
    samples: Samples = SAMPLES,
    seed: Seed = 0,
    jobs: Jobs = 1,
    resume: Resume = None,
    smt_timeout: SmtTimeout = 60.0,
    solver: SolverName = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="Check anew what this certificate says.",
        ),
    ] = None,
    require: Require = None,
    vocab: Vocab = None,
    max_length: MaxLength = None,
    accepts: Accepts = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Compare two artefacts of any kind: proved, refuted or tested.

    Where there are at most --limit inputs, all are run on both sides: proved, or refuted by a
    smallest input. Of more, and if both are programs, a solver is asked: proved, or refuted by a
    shortest input. Else --samples are drawn and Hypothesis searches on: refuted by an input shrunk
    as far as it goes, or tested. --method says which of these to do. Torch models run in float64.

    The inputs are those of A's declared form, else of B's; --on says whose where both declare
    one. Where the two accept different inputs, the answer says on whose it was found.

    With --certificate only what that file claims is checked, by running all inputs or asking a
    solver once more; it is an error (2) where it is about others, and 3 where it cannot be proved.

    Exit status: 0 proved or tested, 1 refuted, 2 error, 3 tested where --require proved.

    Examples:

    \b
      tpir check runs/sort sort.min.rasp
      tpir check sort.min.rasp sort.py --require proved
      tpir check old.rasp new.rasp --on both --samples 100000
      tpir check old.rasp new.rasp --method smt --smt-timeout 600 --require proved
      tpir check runs/sort sort.py --method exhaustive --jobs 2 --resume sort.state
    """
    check_require(require)
    options = read_options(vocab, max_length, accepts, strict=strict)
    left, right = load(a, options), load(b, options)
    effort = Effort(
        method_of(method),
        limit,
        samples,
        seed,
        jobs,
        resume,
        smt_timeout,
        solver_of(solver),
    )
    if certificate is not None:
        _certified(certificate, left, right, effort, as_json, on)
        return
    spaces = spaces_to_check(left, right, on)
    if resume is not None and len(spaces) > 1:
        raise TpirError("--resume takes one space at a time: say --on a or --on b")
    verdicts = [compare(left, right, space, effort) for _, space in spaces]
    if as_json:
        found = [
            verdict_json(verdict) | {"space": {"of": whose, "inputs": space.describe()}}
            for verdict, (whose, space) in zip(verdicts, spaces, strict=True)
        ]
        show_json(found[0] if len(found) == 1 else found)
    else:
        for verdict, (whose, _) in zip(verdicts, spaces, strict=True):
            show(str(verdict) if whose == "both" else f"{whose.upper()}'s inputs: {verdict}")
    exit_for([verdict.answer for verdict in verdicts], require)


def _certified(
    path: Path, left: Artefact, right: Artefact, effort: Effort, as_json: bool, on: str | None
) -> None:
    from tpir.equiv.certificate import check_certificate  # brings Hypothesis

    if on is not None:
        raise TpirError("a certificate says which inputs it is about: leave out --on")
    verdict = check_certificate(read_text(path), left, right, effort)
    if as_json:
        show_json(verdict_json(verdict))
    else:
        show(f"certificate: {verdict}")
    exit_for([verdict.answer], "proved")
