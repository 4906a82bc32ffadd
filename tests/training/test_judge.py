"""Judging: reports against counts by hand, whatever is judged."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import tpir
from tpir.equiv.runners import ProgramRunner
from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.models.predict import predict
from tpir.models.stored import Checkpoint
from tpir.models.transformer_program import TransformerProgram
from tpir.training.evaluate import Tally, accuracy_by_length
from tpir.training.judge import judge
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_file, problem_of_task
from tpir.training.teachers import problem_of_teacher

HIST = "n = selector_width(select(tokens, tokens, ==));"
CAPPED = "n = selector_width(select(tokens, tokens, ==)); m = 2 if n > 2 else n;"


def hist_problem() -> Problem:
    return problem_of_teacher(tpir.parse(HIST, vocabulary="ab", context=4))


def random_model(problem: Problem) -> TransformerProgram:
    torch.manual_seed(0)
    width = max(len(problem.vocabulary), problem.context)
    config = TransformerProgramConfig(
        problem.vocabulary, problem.labels, problem.context, d_var=width
    )
    return TransformerProgram(config)


def test_the_teacher_is_right_on_all_inputs() -> None:
    problem = hist_problem()
    report = judge(tpir.parse(HIST, vocabulary="ab", context=4), problem)
    assert report.everything is not None
    assert report.everything.overall == Tally(98, 98, 30, 30)
    assert list(report.everything.by_length) == [2, 3, 4, 5]
    assert report.test.overall.accuracy == report.everything.mean_over_lengths == 1
    assert report.space_size == 30
    assert report.share_seen == len(problem.splits.train) / 30
    assert judge(ProgramRunner(tpir.parse(HIST, vocabulary="ab", context=9)), problem) == report


def test_accuracies_are_those_counted_by_hand() -> None:
    """A count that stops at 2 is wrong where a token occurs three or four times."""
    problem = hist_problem()
    report = judge(tpir.parse(CAPPED, vocabulary="ba", context=4), problem)
    assert report.everything is not None
    wrong = {5: 2 * 4 + 8 * 3, 4: 2 * 3, 3: 0, 2: 0}
    for length, tally in report.everything.by_length.items():
        inputs = 2 ** (length - 1)
        right = inputs * (length - 1) - wrong[length]
        assert (tally.labels, tally.correct) == (inputs * (length - 1), right)
    assert report.everything.by_length[5].exact == 6 / 16
    mean = report.everything.mean_over_lengths
    assert math.isclose(mean, (1 + 1 + (24 - 6) / 24 + (64 - 32) / 64) / 4)


def test_a_model_is_judged_by_its_predictions() -> None:
    problem = problem_of_task("sort", vocab_size=5, max_length=6)
    model = random_model(problem)
    report = judge(model, problem)
    test = problem.splits.test
    assert report.test == accuracy_by_length(test.tokens, test.labels, predict(model, test.tokens))
    assert 0 < report.train.overall.accuracy < 1
    assert judge(Checkpoint.of_model(model), problem) == report


def test_examples_of_a_file_are_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("tokens,labels\n" + "".join(f"{a} {b},2 1\n" for a in "abc" for b in "xyz"))
    problem = problem_of_file(path)
    report = judge(tpir.parse("n = 2 - indices;", vocabulary="abcxyz", context=2), problem)
    assert report.test.overall.accuracy == 1
    assert report.everything is report.share_seen is report.space_size is None


def test_everything_can_be_left_out() -> None:
    program = tpir.parse(HIST, vocabulary="ab", context=4)
    assert judge(program, hist_problem(), everything=False).everything is None


def test_inputs_that_a_program_fails_on_are_wrong() -> None:
    text = f'{HIST} m = n + 0 * round(1 / (length - count(tokens, "b")));'
    report = judge(tpir.parse(text, vocabulary="ab", context=4), hist_problem())
    assert report.everything is not None
    for length, tally in report.everything.by_length.items():
        assert tally.inputs_correct == tally.inputs - 1  # but for those of b alone
        assert tally.correct == tally.labels - (length - 1)


@pytest.mark.parametrize(
    ("text", "vocabulary", "context", "message"),
    [
        (HIST, "a", 4, "b is a token"),
        (HIST, "ab", 3, "takes 4"),
        (
            'x = classify_pooled all { labels {"1"}; };',
            "ab",
            4,
            "1 answer an input, for 2 labels",
        ),
    ],
)
def test_what_does_not_take_the_inputs_is_refused(
    text: str, vocabulary: str, context: int, message: str
) -> None:
    with pytest.raises(TpirError, match=message):
        judge(tpir.parse(text, vocabulary=vocabulary, context=context), hist_problem())
