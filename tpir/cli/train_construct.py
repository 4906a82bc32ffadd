"""``tpir train --method construct``: search for the program itself, then compile it to weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.console import progress, say, show, show_json
from tpir.cli.train_problem import SETTINGS_FILE, accuracy_as_json, accuracy_in_words, chosen
from tpir.cli.train_request import PROBLEM_FILE, Request
from tpir.errors import TpirError
from tpir.files import check_writable, write_atomic

if TYPE_CHECKING:
    from tpir.training.construct.construct import Constructed, ConstructSettings
    from tpir.training.construct.search import SearchStatus
    from tpir.training.judge import Report
    from tpir.training.problem import Problem
    from tpir.training.problem_settings import ProblemSettings

PROGRAM_FILE = "program.rasp"


def train_construct(request: Request) -> None:
    """Search, write the program and its weights, and tell how good it is. Raises TpirError."""
    source, settings = asked_for(request)
    prepare(request)
    problem = source.problem()
    result = search(problem, settings)
    write_run(request, source, settings)
    compiled = write_program(request, result)
    report(request, problem, result, compiled)


def asked_for(request: Request) -> tuple[ProblemSettings, ConstructSettings]:
    """The problem and the settings of a search. Raises TpirError for options of other methods."""
    from tpir.training.construct.construct import ConstructSettings

    if request.preset is not None:
        raise TpirError("--preset goes with --method reference")
    if request.tensorboard:
        raise TpirError("--tensorboard goes with --method gradient")
    if request.resume:
        raise TpirError("a search keeps no state to resume from: start it again, with --force")
    for name, method in (("epochs", "reference"), ("seeds", "gradient")):
        if name in request.changes:
            raise TpirError(f"--{name} goes with --method {method}")
    return chosen(request, ConstructSettings())


def prepare(request: Request) -> None:
    """Raise TpirError now, not after the search, if the folder cannot be written to."""
    from tpir.models.checkpoint import CHECKPOINT_FILE
    from tpir.training.run_folder import STATE_FILE

    out = request.out
    if out.exists() and not out.is_dir():
        raise TpirError(f"cannot write to {out}: it is no folder")
    if (out / STATE_FILE).exists() and not request.force:
        raise TpirError(f"{out} holds a training run; use --force to start anew")
    for name in (CHECKPOINT_FILE, PROGRAM_FILE, SETTINGS_FILE, PROBLEM_FILE):
        check_writable(out / name, force=request.force)


def search(problem: Problem, settings: ConstructSettings) -> Constructed:
    """The search, with a bar while it goes."""
    from tpir.training.construct.construct import construct

    say(f"searching for a program for {problem.name}: at most {settings.budget:,} features")
    with progress("features") as advance:

        def on_status(now: SearchStatus) -> None:
            advance(min(now.tried, settings.budget), settings.budget)

        result = construct(problem, settings, on_status=on_status)
    found = "found one" if result.solved else "found none that is right everywhere"
    say(f"{found}: {result.tried:,} features in {result.seconds:.1f} s")
    return result


def write_run(request: Request, source: ProblemSettings, settings: ConstructSettings) -> None:
    """Write what the result depends on."""
    write_atomic(request.out / PROBLEM_FILE, source.to_json(), force=True)
    write_atomic(request.out / SETTINGS_FILE, settings.to_json(), force=True)


def write_program(request: Request, result: Constructed) -> Path | None:
    """Write the program, and its weights where the architecture has a place for it."""
    from tpir.backends.transformer_program import compile_transformer_program
    from tpir.models.checkpoint import CHECKPOINT_FILE, save_checkpoint
    from tpir.text import print_program

    write_atomic(request.out / PROGRAM_FILE, print_program(result.program), force=True)
    try:
        checkpoint = compile_transformer_program(result.program, mlps="table", narrow=True)
    except TpirError as error:
        say(f"no weights: {error.message}")
        return None
    save_checkpoint(request.out / CHECKPOINT_FILE, checkpoint, force=True)
    return request.out / CHECKPOINT_FILE


def report(
    request: Request, problem: Problem, result: Constructed, checkpoint: Path | None
) -> None:
    """Tell the accuracy on the test inputs, and on all where there are few enough."""
    from tpir.training.judge import judge

    found = judge(result.program, problem)
    if request.as_json:
        show_json(_as_json(request, result, found, checkpoint))
        return
    say(f"wrote {request.out / PROGRAM_FILE}" + ("" if checkpoint is None else f", {checkpoint}"))
    lines = [accuracy_in_words(found.test, "the test set")]
    if found.everything is not None and found.space_size is not None:
        lines.append(accuracy_in_words(found.everything, f"all {found.space_size:,} inputs"))
    if found.share_seen is not None:
        lines.append(f"training saw {100 * found.share_seen:.3g} % of the inputs there are")
    show("\n".join(lines))


def _as_json(
    request: Request, result: Constructed, found: Report, checkpoint: Path | None
) -> Mapping[str, object]:
    everything = found.everything
    return {
        "program": str(request.out / PROGRAM_FILE),
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "solved": result.solved,
        "features_tried": result.tried,
        "seconds": round(result.seconds, 3),
        "validation": accuracy_as_json(found.validation),
        "test": accuracy_as_json(found.test),
        "all_inputs": None if everything is None else accuracy_as_json(everything),
        "share_seen": found.share_seen,
    }
