"""Checking two artefacts from the command line, and saying what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from tpir.cli.console import progress
from tpir.cli.inputs import as_json
from tpir.equiv.artefact import Artefact
from tpir.equiv.effort import Effort
from tpir.equiv.verdict import Answer, Verdict
from tpir.semantics.space import InputSpace

DONE, REFUTED, WRONG, NOT_PROVED = 0, 1, 2, 3
"""Exit statuses."""


def compare(left: Artefact, right: Artefact, space: InputSpace, effort: Effort) -> Verdict:
    """Check two artefacts on a space, with a progress bar. Raises TpirError."""
    from tpir.equiv import sides  # brings Hypothesis, which commands that run need not load

    with progress("checking") as advance:
        return sides.compare(left, right, space, effort, on_progress=advance)


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """A verdict for machines."""
    example = verdict.counterexample
    return {
        "answer": verdict.answer.value,
        "method": verdict.method,
        "inputs": verdict.inputs,
        "seed": verdict.seed,
        "float32_differences": verdict.float32_differences,
        "approximate": list(verdict.approximate),
        "remark": verdict.remark,
        "counterexample": None
        if example is None
        else {
            "tokens": list(example.tokens),
            "a": as_json(example.left),
            "b": as_json(example.right),
        },
    }


def exit_for(answers: Sequence[Answer], require: str | None) -> None:
    """Exit with what the answers come to; return where that is 0."""
    if Answer.REFUTED in answers:
        raise typer.Exit(REFUTED)
    if require is not None and Answer.TESTED in answers:
        raise typer.Exit(NOT_PROVED)
