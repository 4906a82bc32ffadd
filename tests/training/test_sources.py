"""Problems from tasks and files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tpir.errors import TpirError
from tpir.training.examples import Examples, Splits, split
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_file, problem_of_task
from tpir.training.tasks import TASKS


def parts(splits: Splits) -> tuple[Examples, Examples, Examples]:
    return splits.train, splits.validation, splits.test


def share_no_input(problem: Problem) -> bool:
    inputs = [set(part.tokens) for part in parts(problem.splits)]
    return sum(map(len, inputs)) == len(set().union(*inputs))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_holds_out_inputs_of_every_length(name: str) -> None:
    problem = problem_of_task(name, dataset_size=600, seed=2)
    assert share_no_input(problem)
    drawn = Counter(len(tokens) for part in parts(problem.splits) for tokens in part.tokens)
    for part in parts(problem.splits)[1:]:
        assert {len(t) for t in part.tokens} == {k for k, n in drawn.items() if n >= 3}
    assert max(drawn) == problem.context
    assert all(problem.space.contains(t) for part in parts(problem.splits) for t in part.tokens)
    tokens, labels = problem.splits.test.tokens[0], problem.splits.test.labels[0]
    assert problem.teacher is not None
    assert tuple(problem.teacher(tokens)) == labels


def test_no_more_than_a_share_of_a_small_space_is_drawn() -> None:
    problem = problem_of_task("sort", vocab_size=5, max_length=6)
    assert problem.space_size == 2 + 4 + 8 + 16
    assert sum(len(part) for part in parts(problem.splits)) == 18
    assert problem.share_seen == len(problem.splits.train) / 30


def test_the_inputs_of_a_dyck_task_are_those_of_full_length() -> None:
    problem = problem_of_task("dyck1", max_length=10, min_length=10, dataset_size=100)
    assert problem.space_size == 2**9
    assert {batch.tokens.shape[1] for batch in problem.all_inputs()} == {10}
    assert problem.space.contains(["<s>", "(", ")"])  # a model of them takes what they begin with


def test_as_the_reference_draws_and_splits() -> None:
    problem = problem_of_task("hist", dataset_size=300, seed=5, as_reference=True)
    sizes = TASKS["hist"].defaults
    examples = TASKS["hist"].generate(sizes.vocab_size, 300, 1, 8, 5)
    assert problem.splits == split(examples, seed=5)


JSONL = "".join(f'{{"tokens": ["{a}", "{b}"], "labels": [null, "{a}"]}}\n' for a, b in ("xy", "yx"))


def rows_of(words: list[str]) -> str:
    """A line of JSON for each word, labelled by the word backwards."""
    line = '{{"tokens": {tokens}, "labels": {labels}}}\n'
    quoted = [str(list(word)).replace("'", '"') for word in words]
    back = [str(list(reversed(word))).replace("'", '"') for word in words]
    return "".join(line.format(tokens=t, labels=y) for t, y in zip(quoted, back, strict=True))


def test_a_file_gives_vocabulary_labels_and_context(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    path.write_text(rows_of([a + b + c for a in "ba" for b in "ab" for c in "abc"]))
    problem = problem_of_file(path)
    assert problem.vocabulary == ("<pad>", "<s>", "a", "b", "c")
    assert problem.labels == ("<pad>", "a", "b", "c")
    assert (problem.name, problem.context, problem.accepts) == ("words", 4, None)
    assert problem.space_size is None and problem.share_seen is None and not problem.listable
    assert share_no_input(problem)
    for tokens, labels in zip(
        problem.splits.train.tokens, problem.splits.train.labels, strict=True
    ):
        assert tokens[0] == "<s>" and labels == (None, *reversed(tokens[1:]))
    with pytest.raises(TpirError, match="no teacher"):
        next(problem.all_inputs())


def test_inputs_that_begin_alike_get_no_token_of_beginning(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    path.write_text(rows_of(["$" + a + b for a in "ab" for b in "ab"]))
    assert problem_of_file(path).vocabulary == ("<pad>", "$", "a", "b")
    assert problem_of_file(path, begin=True).vocabulary == ("<pad>", "$", "<s>", "a", "b")


def test_a_table_is_the_same_problem(tmp_path: Path) -> None:
    words = [a + b + c for a in "ba" for b in "ab" for c in "abc"]
    (tmp_path / "words.jsonl").write_text(rows_of(words))
    table = "".join(f'{n},"{" ".join(w)}",{" ".join(reversed(w))}\n' for n, w in enumerate(words))
    (tmp_path / "words.csv").write_text("number,tokens,labels\n" + table)
    assert problem_of_file(tmp_path / "words.csv") == problem_of_file(tmp_path / "words.jsonl")


def test_tables_may_lack_labels_and_be_pooled(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("tokens,labels\n" + "".join(f"a {w},- {w}\n" for w in "abc"))
    assert problem_of_file(path).splits.train.labels[0][0] is None
    path.write_text("tokens,labels\n" + "".join(f"a {w},{w}\n" for w in "abc"))
    problem = problem_of_file(path, pooled=True)
    assert problem.pooled and len(problem.splits.train.labels[0]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokens\na b\n", "has to name the columns"),
        ("tokens,labels\n", "no examples"),
        ("tokens,labels\na b,x\n", "line 2: 1 label, where 2 belong"),
        ("tokens,labels\n,x\n", "line 2: there are no tokens"),
        ("tokens,labels\na,x\nb,y\n", "too few"),
        ("tokens,labels\n<pad>,x\na,y\nb,y\n", "is padding"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(TpirError, match=message):
        problem_of_file(path)
