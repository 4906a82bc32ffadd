"""Labels of whole batches: equal to the definitions, input by input."""

from __future__ import annotations

import numpy as np
import pytest

from tpir.errors import TpirError
from tpir.training.batch_labels import TaskTeacher
from tpir.training.problem import IGNORED, UNLISTED
from tpir.training.sources import problem_of_task
from tpir.training.tasks import TASKS, Sizes

SMALL = {
    "reverse": (6, 1, 6),
    "sort": (6, 1, 6),
    "hist": (5, 1, 6),
    "double_hist": (5, 1, 6),
    "most_freq": (5, 1, 6),
    "dyck1": (4, 9, 9),
    "dyck2": (6, 5, 5),
    "induction": (6, 4, 7),
}


@pytest.mark.parametrize("name", TASKS)
def test_all_inputs_of_a_small_space_have_the_labels_of_the_definition(name: str) -> None:
    vocab_size, min_length, max_length = SMALL[name]
    problem = problem_of_task(
        name, vocab_size=vocab_size, min_length=min_length, max_length=max_length
    )
    task = TASKS[name]
    seen = 0
    for tokens, labels in problem.all_inputs(size=100):
        for row, found in zip(tokens.tolist(), labels.tolist(), strict=True):
            words = [problem.vocabulary[i] for i in row]
            expected = task.label(words)
            assert [None if i == IGNORED else problem.labels[i] for i in found] == expected, words
            seen += 1
    assert seen == problem.space_size > 100


@pytest.mark.parametrize("name", TASKS)
def test_drawn_inputs_of_the_usual_sizes_have_the_labels_of_the_definition(name: str) -> None:
    task = TASKS[name]
    sizes = task.defaults
    examples = task.generate(sizes.vocab_size, 500, sizes.min_length, sizes.max_length, seed=1)
    teacher = TaskTeacher(task, sizes)
    ids = {token: i for i, token in enumerate(teacher.vocabulary)}
    labels = task.labels(sizes)
    for tokens, expected in zip(examples.tokens, examples.labels, strict=True):
        found, defined = teacher(np.array([[ids[token] for token in tokens]]))
        assert defined.all()
        assert [None if i == IGNORED else labels[i] for i in found[0]] == list(expected)


def test_an_alternation_that_answers_a_letter_in_two_ways_is_no_input_of_induction() -> None:
    teacher = TaskTeacher(TASKS["induction"], Sizes(6, 4, 4))
    ids = {token: i for i, token in enumerate(teacher.vocabulary)}
    rows = ["<s> a 0 a 0 a", "<s> a 0 a 1 a", "<s> 1 a 0 b 0", "<s> a 0 b 1 b"]
    _, defined = teacher(np.array([[ids[token] for token in row.split()] for row in rows]))
    assert defined.tolist() == [True, False, True, True]


def test_a_label_that_the_sizes_do_not_have_is_unlisted() -> None:
    teacher = TaskTeacher(TASKS["hist"], Sizes(4, 1, 3))
    labels, _ = teacher(np.array([[1, 2, 2, 2]]))  # longer than the sizes allow: 3 is no label
    assert teacher.vocabulary[1:3] == ("0", "1") and teacher.vocabulary[3] == "<s>"
    assert labels.tolist() == [[IGNORED, UNLISTED, UNLISTED, UNLISTED]]


def test_a_problem_of_impossible_sizes_is_refused() -> None:
    with pytest.raises(TpirError, match="vocabulary size"):
        problem_of_task("sort", vocab_size=2)
