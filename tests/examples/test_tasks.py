"""The tasks in ``examples/tasks``: what they compute, beside plain Python, and as teachers."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path

import pytest

import tpir
from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tests.examples.inputs import AT_LEAST, words
from tests.examples.oracles import Tokens, Value
from tests.examples.test_examples import SHOWN, keys
from tpir.semantics.interpreter import run_many
from tpir.training.judge import judge
from tpir.training.teachers import problem_of_teacher

ROOT = Path(__file__).resolve().parents[2]
FILES = {path.stem: path for path in sorted((ROOT / "examples" / "tasks").glob("*.rasp"))}

Oracle = Callable[[Tokens], list[Value]]


def everywhere(value: Callable[[Tokens], Value]) -> Oracle:
    return lambda tokens: [value(tokens)] * len(tokens)


def so_far(value: Callable[[Tokens], Value]) -> Oracle:
    return lambda tokens: [value(tokens[: i + 1]) for i in range(len(tokens))]


def second_most_frequent(tokens: Tokens) -> Value:
    ranked = Counter(tokens).most_common()  # equally frequent as they came
    return ranked[1][0] if len(ranked) > 1 else "-"


def longest_run(tokens: Tokens) -> Value:
    return max(len(list(run)) for _, run in groupby(tokens))


def after_marker(tokens: Tokens) -> Value:
    found = "-"
    for before, token in pairwise(tokens):
        found = token if before == "m" else found
    return found


def first_repeated(tokens: Tokens) -> Value:
    return next((t for i, t in enumerate(tokens) if t in tokens[:i]), "-")


def since_same(tokens: Tokens) -> Value:
    *before, last = tokens
    return before[::-1].index(last) + 1 if last in before else 0


def next_different(tokens: Tokens) -> list[Value]:
    return [next((u for u in tokens[i:] if u != t), "-") for i, t in enumerate(tokens)]


def alternating(tokens: Tokens) -> Value:
    return all(a != b for a, b in pairwise(tokens))


TASKS: dict[str, tuple[str, Oracle]] = {
    "after_marker": ("abm", so_far(after_marker)),
    "alternating": ("abc", so_far(alternating)),
    "distinct_so_far": ("abcd", so_far(lambda tokens: len(set(tokens)))),
    "first_repeated": ("abcd", everywhere(first_repeated)),
    "length_parity": ("ab", everywhere(lambda tokens: "odd" if len(tokens) % 2 else "even")),
    "less_than_last": ("0123", everywhere(lambda tokens: sum(t < tokens[-1] for t in tokens))),
    "longest_run": ("abc", everywhere(longest_run)),
    "max_so_far": ("0123", so_far(max)),
    "mirrored": ("abc", lambda tokens: [t == u for t, u in zip(tokens, tokens[::-1], strict=True)]),
    "next_different": ("abc", next_different),
    "rotate": ("abcd", lambda tokens: [tokens[-1], *tokens[:-1]]),
    "second_most_frequent": ("abcd", everywhere(second_most_frequent)),
    "since_same": ("abc", so_far(since_same)),
    "sum_mod_3": ("0123", so_far(lambda tokens: sum(map(int, tokens)) % 3)),
}
"""An alphabet for each task, and what it has to give."""


def test_every_task_has_an_oracle_and_a_place_on_the_page() -> None:
    assert FILES.keys() == TASKS.keys()
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    assert [name for name in FILES if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", FILES)
def test_task_equals_its_oracle(name: str) -> None:
    alphabet, oracle = TASKS[name]
    inputs = words(alphabet, longest=20)
    assert len(inputs) >= AT_LEAST
    program = tpir.load(FILES[name], vocabulary=alphabet, context=20).program
    for tokens, found in zip(inputs, run_many(program, inputs), strict=True):
        assert found.values is not None, (tokens, found.failure)
        (values,) = found.values.values()
        assert keys(values) == keys(oracle(tokens)), (tokens, values)


@pytest.mark.parametrize("name", FILES)
def test_header_shows_what_the_task_prints(name: str, cli: Cli) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    ((command, printed),) = SHOWN.findall(text)
    _, run, path, *options = shlex.split(command)
    assert path == f"examples/tasks/{name}.rasp"
    answer = cli(run, ROOT / path, *options)
    assert (answer.status, answer.out.strip()) == (0, printed), answer.err
    assert ("# Causal." in text) == ("causal;" in text) != ("# Bidirectional." in text)


@pytest.mark.parametrize("name", FILES)
def test_task_is_a_teacher(name: str) -> None:
    alphabet, oracle = TASKS[name]
    problem = problem_of_teacher(FILES[name], vocabulary=tuple(alphabet), max_length=6)
    assert problem.name == name and problem.total
    assert problem.causal == ("causal;" in FILES[name].read_text(encoding="utf-8"))
    for tokens, labels in zip(problem.splits.test.tokens, problem.splits.test.labels, strict=True):
        assert labels == (None, *map(str, oracle(list(tokens[1:]))))
    program = tpir.load(FILES[name], vocabulary=alphabet, context=5).program
    report = judge(program, problem)
    assert report.everything is not None and report.everything.overall.accuracy == 1
