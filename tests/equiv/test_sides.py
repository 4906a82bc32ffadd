"""Which way a check goes: exhaustion, a solver, samples; and what it says where each gives up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tpir.equiv import sides
from tpir.equiv.artefact import Artefact, Kind, program_artefact
from tpir.equiv.effort import Effort
from tpir.equiv.sides import compare
from tpir.equiv.verdict import Answer
from tpir.errors import TpirError
from tpir.text import parse

SAME = "n = selector_width(select(tokens, tokens, ==));"
OTHERS = "others = select(tokens, tokens, ==) and select(indices, indices, !=);"


def artefact(text: str, context: int = 12) -> Artefact:
    return program_artefact(parse(text, vocabulary="abcd", context=context), Path("x.rasp"))


MANY = artefact(f"{SAME} x = n > 1;")
ALSO = artefact(f"{OTHERS} x = selector_width(others) > 0;")
RARELY = artefact(f"{SAME} x = n > 1 and n < 12;")


def test_a_small_space_is_run() -> None:
    verdict = compare(MANY, ALSO, artefact(SAME, 3).space)
    assert str(verdict) == "proved (by exhaustion, 84 inputs)"


def test_a_large_space_is_proved_by_a_solver() -> None:
    verdict = compare(MANY, ALSO, MANY.space)
    assert verdict.answer is Answer.PROVED and verdict.inputs == MANY.space.count()
    assert verdict.method.startswith("by SMT with ")


def test_a_rare_difference_is_found_and_shown() -> None:
    verdict = compare(MANY, RARELY, MANY.space, Effort(limit=1000))
    assert verdict.answer is Answer.REFUTED and verdict.method == "shortest by SMT"
    assert verdict.counterexample is not None
    assert len(set(verdict.counterexample.tokens)) == 1
    assert len(verdict.counterexample.tokens) == 12


def test_a_solver_without_time_leaves_it_tested_and_says_so() -> None:
    verdict = compare(MANY, ALSO, MANY.space, Effort(seconds=0, samples=100))
    assert verdict.answer is Answer.TESTED
    assert verdict.remark is not None and "gave up after 0 s" in str(verdict)


def test_without_a_solver_it_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "installed_solvers", lambda: ())
    verdict = compare(MANY, ALSO, MANY.space, Effort(samples=100))
    assert verdict.answer is Answer.TESTED and verdict.remark is None


def test_exhaustion_can_be_asked_for_whatever_the_limit() -> None:
    few = artefact(SAME, 5)
    verdict = compare(few, few, few.space, Effort(method="exhaustive", limit=1))
    assert verdict.answer is Answer.PROVED and verdict.method == "by exhaustion"


def test_smt_can_be_asked_for_where_there_are_few_inputs() -> None:
    verdict = compare(MANY, ALSO, artefact(SAME, 3).space, Effort(method="smt"))
    assert verdict.answer is Answer.PROVED and "SMT" in verdict.method


def test_a_solver_is_asked_about_programs_only(tmp_path: Path) -> None:
    checkpoint = Artefact(tmp_path, Kind.PYTHON, ("a", "b", "c", "d"), (), 12, False, None)
    with pytest.raises(TpirError, match="is no program"):
        compare(MANY, checkpoint, MANY.space, Effort(method="smt"))
