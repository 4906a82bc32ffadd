"""Watching a pipeline: each pass's program is checked against the one before it."""

from __future__ import annotations

from collections.abc import Callable

from tpir.equiv.check import check_programs
from tpir.equiv.verdict import Answer, GuiltyPass, Verdict
from tpir.ir.program import Program
from tpir.semantics.program_space import space_of


def verify_each(
    *,
    limit: int = 1_000_000,
    samples: int = 20_000,
    seed: int = 0,
    on_verdict: Callable[[str, Verdict], None] | None = None,
) -> Callable[[Program, Program, str], None]:
    """A callback for ``run_pipeline(after_each=…)`` that raises GuiltyPass; see ``check``.

    ``on_verdict`` is told the name and the verdict of each pass that kept the meaning.
    """

    def after_each(before: Program, after: Program, name: str) -> None:
        space = space_of(before)
        verdict = check_programs(before, after, space, limit=limit, samples=samples, seed=seed)
        if verdict.answer is Answer.REFUTED:
            raise GuiltyPass(name, verdict)
        if on_verdict is not None:
            on_verdict(name, verdict)

    return after_each
