"""Programs as teachers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tpir
from tpir.errors import TpirError
from tpir.training.problem import IGNORED
from tpir.training.teachers import problem_of_teacher

HIST = "n = selector_width(select(tokens, tokens, ==));"


@pytest.fixture
def hist(tmp_path: Path) -> Path:
    path = tmp_path / "hist.rasp"
    path.write_text(HIST)
    return path


def test_a_file_is_fitted_to_what_is_asked_for(hist: Path) -> None:
    problem = problem_of_teacher(hist, vocabulary=("a", "b", "c"), max_length=6)
    assert problem.name == "hist"
    assert problem.vocabulary == ("<pad>", "<s>", "a", "b", "c")
    assert problem.labels == ("<pad>", "1", "2", "3", "4", "5")
    assert (problem.context, problem.causal, problem.pooled) == (6, False, False)
    assert problem.space_size == sum(3**n for n in range(1, 6))
    assert problem.teacher is not None
    assert problem.teacher(["<s>", "a", "b", "a"]) == [None, "2", "1", "2"]
    splits = problem.splits
    for part in (splits.train, splits.validation, splits.test):
        for tokens, labels in zip(part.tokens, part.labels, strict=True):
            assert labels == (None, *(str(tokens.count(token)) for token in tokens[1:]))
        assert {len(tokens) for tokens in part.tokens} == {2, 3, 4, 5, 6}
    drawn = sum(map(len, (splits.train, splits.validation, splits.test)))
    assert drawn == int(0.6 * problem.space_size)


def test_all_inputs_have_the_labels_of_the_program(hist: Path) -> None:
    problem = problem_of_teacher(hist, vocabulary=("a", "b"), max_length=5)
    rows = [
        (tuple(problem.vocabulary[i] for i in row), found)
        for tokens, labels in problem.all_inputs(size=7)
        for row, found in zip(tokens.tolist(), labels.tolist(), strict=True)
    ]
    assert len(dict(rows)) == len(rows) == problem.space_size == 30
    for tokens, found in rows:
        assert found[0] == IGNORED
        assert [problem.labels[i] for i in found[1:]] == [str(tokens.count(t)) for t in tokens[1:]]


def test_a_program_with_its_own_first_token_gets_no_other() -> None:
    program = tpir.parse(HIST, vocabulary=("<s>", "a"), context=3)
    assert problem_of_teacher(program).vocabulary == ("<pad>", "<s>", "a")
    with pytest.raises(TpirError, match="token of its own"):
        problem_of_teacher(program, begin=True)
    plain = problem_of_teacher(tpir.parse(HIST, vocabulary="abc", context=3), begin=False)
    assert (plain.vocabulary, plain.context) == (("<pad>", "a", "b", "c"), 3)


def test_a_stated_form_and_numbers_among_the_tokens() -> None:
    text = 'context 5; vocabulary {1, "a"}; accepts 1 .+; x = tokens == "1";'
    problem = problem_of_teacher(tpir.parse(text))
    assert problem.accepts == '"<s>" "1" ("1" | "a")+'
    assert problem.labels == ("<pad>", "False", "True")
    assert problem.space_size == 2 + 4 + 8 + 16
    assert problem.causal is False
    assert problem_of_teacher(tpir.parse(text), causal=True).causal


def test_inputs_that_the_program_fails_on_are_not_drawn() -> None:
    text = 'n = 1 / (length - count(tokens, "a"));'
    problem = problem_of_teacher(tpir.parse(text, vocabulary="ab", context=5))
    splits = problem.splits
    for part in (splits.train, splits.validation, splits.test):
        assert all("b" in tokens for tokens in part.tokens)
    assert problem.space_size == 62 - 5
    assert problem.teacher is not None
    with pytest.raises(TpirError, match="division by zero"):
        problem.teacher(["<s>", "a", "a"])
    with pytest.raises(TpirError, match="fails on every input"):
        problem_of_teacher(tpir.parse("n = 1 / (length - length);", vocabulary="ab", context=3))


def test_padding_is_no_label() -> None:
    text = 'x = "<pad>" if tokens == "a" else "b";'
    problem = problem_of_teacher(tpir.parse(text, vocabulary="ab", context=4))
    assert problem.labels == ("<pad>", "b")
    assert problem.teacher is not None
    assert problem.teacher(["<s>", "b", "a", "b"]) == [None, "b", None, "b"]


def test_real_numbers_are_labels_as_they_are_spelled() -> None:
    problem = problem_of_teacher(
        tpir.parse("x = aggregate(full_s, tokens_int);", vocabulary="01", context=3)
    )
    assert problem.labels[:4] == ("<pad>", "0", "0.0", "0.3333333333333333")


def test_a_pooled_output_is_one_label() -> None:
    text = (
        'x = classify_pooled all { labels {"no", "yes"}; tokens: { "a" -> [0, 1]; _ -> [1, 0] }; };'
    )
    problem = problem_of_teacher(tpir.parse(text, vocabulary="ab", context=4))
    assert problem.pooled and problem.teacher is not None
    assert problem.teacher(["<s>", "a", "a", "b"]) == ["yes"]
    tokens, labels = next(problem.all_inputs())
    assert labels.shape == (len(tokens), 1)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (HIST, {}, "states no vocabulary"),
        (HIST, {"vocabulary": ("a", "b")}, "states no context"),
        (f"context 4; vocabulary {{1}}; {HIST}", {"max_length": 4}, "up to 5 tokens, not 4"),
        (f'context 4; vocabulary {{1, "1"}}; {HIST}', {}, "two tokens"),
        (
            'context 9; vocabulary {"a", "b", "c"}; x = tokens; output x; output indices;',
            {},
            "several outputs",
        ),
    ],
)
def test_what_is_not_a_teacher(
    tmp_path: Path, text: str, options: dict[str, object], message: str
) -> None:
    path = tmp_path / "t.rasp"
    path.write_text(text)
    with pytest.raises(TpirError, match=message):
        problem_of_teacher(path, **options)


def test_too_many_labels_are_refused() -> None:
    program = tpir.parse(
        "x = tokens_int * 2000 + indices;", vocabulary=[*map(str, range(500))], context=4
    )
    with pytest.raises(TpirError, match="at most 1,000 labels"):
        problem_of_teacher(program)


def test_equal_seeds_draw_equal_inputs(hist: Path) -> None:
    made = [
        problem_of_teacher(
            hist, vocabulary=tuple("abcdef"), max_length=9, dataset_size=500, seed=seed
        ).splits
        for seed in (1, 1, 2)
    ]
    assert made[0] == made[1] != made[2]
    assert np.isclose(len(made[0].train), 405, atol=5)


def test_a_space_without_end_is_drawn_from() -> None:
    program = tpir.parse(HIST, vocabulary="abcdefghijklmnopqrstuvwxyz", context=400)
    problem = problem_of_teacher(program, dataset_size=60)
    assert problem.share_seen == 0 and not problem.listable
    assert problem.space_size is not None and problem.space_size > 10**500
