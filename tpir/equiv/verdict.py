"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from tpir.errors import TpirError
from tpir.ir.values import Value, show_value
from tpir.semantics.approximate import TOLERANCE
from tpir.semantics.interpreter import Outcome


class Answer(Enum):
    """The three verdicts."""

    PROVED = "proved"
    REFUTED = "refuted"
    TESTED = "tested"


@dataclass(frozen=True)
class Counterexample:
    """An input on which two artefacts differ, and what each makes of it."""

    tokens: tuple[Value, ...]
    left: Outcome
    right: Outcome

    def __str__(self) -> str:
        shown = " ".join(str(t) if isinstance(t, str) else show_value(t) for t in self.tokens)
        return f"{shown}\n  A: {show_outcome(self.left)}\n  B: {show_outcome(self.right)}"


@dataclass(frozen=True)
class Verdict:
    """The answer of a check and what it rests on.

    ``inputs`` is how many inputs it is about: those that were run on both sides, or all of the
    space where a solver proved it. ``seed`` is set where they were drawn.
    ``float32_differences`` counts, for each side that is a torch model, the inputs on which its
    float32 run differs from the float64 run that the verdict is about; empty for other sides.
    ``approximate`` names the outputs of a Transformer that are numbers: they were compared up to
    ``tpir.semantics.approximate.TOLERANCE``, all others exactly. ``remark``: what a solver that was
    asked first came to, where it could not say. ``solver``: which one proved it, and ``witness``
    by which pairs: from names of nodes of B to those of A that they stand for.
    """

    answer: Answer
    inputs: int
    method: str
    seed: int | None = None
    counterexample: Counterexample | None = None
    float32_differences: dict[str, int] = field(default_factory=dict)
    approximate: tuple[str, ...] = ()
    remark: str | None = None
    solver: str | None = None
    witness: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        many = f"{self.inputs:,}" if self.inputs < 10**15 else f"{self.inputs:.3g}"
        text = f"{self.answer.value} ({self.method}, {many} inputs"
        text += f", seed {self.seed})" if self.seed is not None else ")"
        if self.approximate:
            names = ", ".join(self.approximate)
            text += f"; numbers of {names} compared to within {TOLERANCE:g}, relative above 1"
        for side, count in self.float32_differences.items():
            text += f"; float32 run of {side} differs on {count:,}"
        if self.remark is not None:
            text += f"; {self.remark}"
        if self.counterexample is not None:
            text += f"\ncounterexample: {self.counterexample}"
        return text


class GuiltyPass(TpirError):
    """A pass changed what the program means: its name, and the verdict with a smallest input."""

    def __init__(self, name: str, verdict: Verdict) -> None:
        super().__init__(f"pass {name} changes the program: {verdict}")
        self.name = name
        self.verdict = verdict


def show_outcome(outcome: Outcome) -> str:
    """An outcome on one line."""
    if outcome.values is None:
        return f"fails: {outcome.failure}"
    rows = {n: " ".join(map(show_value, row)) for n, row in outcome.values.items()}
    if len(rows) == 1:
        return next(iter(rows.values()))
    return "; ".join(f"{name} = {row}" for name, row in rows.items())
