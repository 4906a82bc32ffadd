"""Length generalisation: run where the text says what happens, else refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import tpir
from tpir.errors import TpirError
from tpir.ir.program import Program
from tpir.semantics.interpreter import run
from tpir.training.beyond import judge_beyond, lengthened
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_task
from tpir.training.teachers import problem_of_teacher

HIST = "n = selector_width(select(tokens, tokens, ==));"


def program(text: str, context: int = 4) -> Program:
    return tpir.parse(text, vocabulary="ab", context=context)


def hist_problem(folder: Path) -> Problem:
    path = folder / "hist.rasp"
    path.write_text(HIST)
    return problem_of_teacher(path, vocabulary=("a", "b"), max_length=5)


def test_a_program_without_positions_is_judged_on_longer_inputs(tmp_path: Path) -> None:
    found = judge_beyond(program(HIST), hist_problem(tmp_path), 3)
    assert found.why_not is None and found.accuracy is not None
    assert list(found.accuracy.by_length) == [6, 7, 8]
    assert [tally.inputs for tally in found.accuracy.by_length.values()] == [32, 64, 128]
    assert found.accuracy.overall.accuracy == 1


def test_what_holds_up_to_the_context_may_fail_beyond(tmp_path: Path) -> None:
    capped = program(f"{HIST} m = 4 if n > 4 else n;")
    found = judge_beyond(capped, hist_problem(tmp_path), 1)
    assert found.accuracy is not None
    tally = found.accuracy.by_length[6]
    assert (tally.inputs, tally.inputs_correct) == (32, 30)  # all but aaaaa and bbbbb


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("table t { 0 -> 1; _ -> 2 } n = t(indices);", "tabulates indices"),
        (
            "table t { 0 -> 1; 1 -> 2; 2 -> 3; 3 -> 4 } n = t(indices);",
            "only what occurs up to the context of 4",
        ),
        (
            "table t { 0 -> 1; _ -> 2 } n = selector_width(select(indices, indices, t));",
            "tabulates indices",
        ),
        (f"{HIST} table t {{ 1 -> 1; _ -> 2 }} m = t(n);", "tabulates n"),
        (
            "x = aggregate(choose(select(tokens, tokens, ==), order=[-1, 1]), tokens);",
            "lists the distances",
        ),
        (
            "x = classify { labels {1, 2}; indices: { 0 -> [0, 1]; _ -> [1, 0] }; };",
            "tabulates indices",
        ),
    ],
)
def test_a_program_that_lists_what_grows_with_the_length_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(TpirError, match=reason):
        lengthened(program(text), 5)
    found = judge_beyond(program(text), hist_problem(tmp_path), 2)
    assert found.accuracy is None and found.why_not is not None and reason in found.why_not


@pytest.mark.parametrize(
    "text",
    [
        "x = reverse(tokens);",
        "x = selector_width(select(indices, indices, <=));",
        "x = aggregate(closest(select(tokens, tokens, ==)), indices);",
        "x = classify { labels {1, 2}; indices: [0, 1]; };",
        'table t { "a" -> 1; _ -> 2 } x = t(tokens);',
    ],
)
def test_longer_programs_compute_what_the_text_says(text: str) -> None:
    longer = lengthened(program(text), 9)
    tokens = list("abbabaaab")
    (found,) = run(longer, tokens).values()
    (expected,) = run(program(text, 9), tokens).values()
    assert found == expected
    assert lengthened(longer, 5) is longer


def test_tasks_say_what_longer_inputs_are() -> None:
    for name, extra, lengths in (
        ("hist", 2, [9, 10]),
        ("sort", 1, [9]),
        ("induction", 4, [12, 14]),
    ):
        problem = problem_of_task(name, dataset_size=500)
        assert problem.longer is not None
        drawn = [
            {len(tokens) for tokens in problem.longer(problem.context + k, 50, 0).tokens}
            for k in range(1, extra + 1)
        ]
        assert [k for lengths_of in drawn for k in sorted(lengths_of)] == lengths


def test_files_and_programs_with_a_context_say_nothing_of_longer_inputs() -> None:
    problem = problem_of_teacher(program(HIST))
    found = judge_beyond(program(HIST), problem, 1)
    assert found.why_not == "nothing says what longer inputs of program are"
