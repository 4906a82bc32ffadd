"""Checking two artefacts from the command line, and saying what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import typer

from tpir.cli.console import progress
from tpir.cli.inputs import as_json
from tpir.equiv.artefact import Artefact
from tpir.equiv.verdict import Answer, Verdict
from tpir.errors import TpirError
from tpir.ir.values import show_value, value_key
from tpir.semantics.space import InputSpace

DONE, REFUTED, WRONG, NOT_PROVED = 0, 1, 2, 3
"""Exit statuses."""


@dataclass(frozen=True)
class Effort:
    """How hard to look; see ``tpir.equiv.check.check``."""

    limit: int
    samples: int
    seed: int


def compare(left: Artefact, right: Artefact, space: InputSpace, effort: Effort) -> Verdict:
    """Check two artefacts on a space, with a progress bar. Raises TpirError."""
    from tpir.equiv.check import check  # brings Hypothesis, which commands that run need not load

    _both_take(left, right, space)
    first = left.runner()
    try:
        second = right.runner()
        try:
            with progress("checking") as advance:
                return check(
                    first,
                    second,
                    space,
                    limit=effort.limit,
                    samples=effort.samples,
                    seed=effort.seed,
                    on_progress=advance,
                )
        finally:
            second.close()
    finally:
        first.close()


def _both_take(left: Artefact, right: Artefact, space: InputSpace) -> None:
    """Raise TpirError unless both sides know the tokens and take the lengths of the space."""
    for side in (left, right):
        known = {value_key(token) for token in side.vocabulary}
        missing = [token for token in space.vocabulary if value_key(token) not in known]
        if missing:
            raise TpirError(f"{side.path} does not know the token {show_value(missing[0])}")
        if space.lengths()[-1] > side.context:
            raise TpirError(
                f"{side.path} takes {side.context} tokens at most, "
                f"and there are inputs of {space.lengths()[-1]}"
            )


def spaces_to_check(left: Artefact, right: Artefact, on: str | None) -> list[InputSpace]:
    """The inputs to compare on: A's if it declares a form, else B's; ``on`` says where they differ.

    ``both`` is A's and then B's. Raises TpirError where a choice is due and was not made.
    """
    if on not in (None, "a", "b", "both"):
        raise TpirError(f"--on {on}: choose a, b or both")
    if on in ("a", "b"):
        return [left.space if on == "a" else right.space]
    same = left.space == right.space
    if same:
        return [left.space]
    if on == "both":
        return [left.space, right.space]
    if left.accepts is not None and right.accepts is None:
        return [left.space]
    if right.accepts is not None and left.accepts is None:
        return [right.space]
    raise TpirError(
        "the two accept different inputs: say --on a, --on b or --on both",
        notes=[f"A: {left.space.describe()}", f"B: {right.space.describe()}"],
    )


def verdict_json(verdict: Verdict) -> dict[str, object]:
    """A verdict for machines."""
    example = verdict.counterexample
    return {
        "answer": verdict.answer.value,
        "method": verdict.method,
        "inputs": verdict.inputs,
        "seed": verdict.seed,
        "float32_differences": verdict.float32_differences,
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
