"""From problems to programs: what is found, when the search stops, and what it refuses."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from tpir.errors import TpirError
from tpir.training.construct.construct import ConstructSettings, construct
from tpir.training.construct.data import Data
from tpir.training.construct.features import Base, Count, Relation, Selector
from tpir.training.construct.label_table import LabelTable
from tpir.training.construct.search import SearchStatus
from tpir.training.construct.solutions import Solutions
from tpir.training.judge import judge
from tpir.training.problem import Problem
from tpir.training.sources import problem_of_task


def small(name: str) -> Problem:
    """Of a size at which every label is among those of the training inputs."""
    return problem_of_task(name, vocab_size=6, max_length=5 if name == "hist" else 6)


@pytest.mark.parametrize("name", ["hist", "reverse", "sort", "double_hist"])
def test_a_program_is_found_that_is_right_on_all_inputs(name: str) -> None:
    problem = small(name)
    found = construct(problem, ConstructSettings(budget=20_000))
    assert found.solved
    everything = judge(found.program, problem).everything
    assert everything is not None
    assert everything.overall.accuracy == 1


def test_a_table_that_spells_its_numbers_goes_on_where_training_showed_none() -> None:
    """At this size the label 5 is in validation only: its row is known by the others."""
    problem = problem_of_task("hist", vocab_size=6, max_length=6)
    shown = {label for row in problem.splits.train.labels for label in row}
    checked = {label for row in problem.splits.validation.labels for label in row}
    assert checked - shown
    data = Data(problem, size=500, seed=0)
    count = Count(Selector(Relation("==", Base.TOKEN, Base.TOKEN)))
    assert data.verify((count,)) is not None
    assert data.verify((count, Base.TOKEN)) is None
    found = construct(problem, ConstructSettings(budget=3_000))
    assert found.solved
    everything = judge(found.program, problem).everything
    assert everything is not None
    assert everything.overall.accuracy == 1


def test_equal_settings_give_equal_programs() -> None:
    traces: list[list[SearchStatus]] = [[], []]
    found = [
        construct(small("double_hist"), ConstructSettings(sample=50), on_status=trace.append)
        for trace in traces
    ]
    assert found[0].program.fingerprint == found[1].program.fingerprint
    assert found[0].tried == found[1].tried
    steps = [[(s.tried, s.kept, s.taken, s.share_right) for s in trace] for trace in traces]
    assert steps[0] == steps[1]


def test_without_a_solution_the_budget_ends_it_with_the_best_table() -> None:
    problem, trace = small("most_freq"), list[SearchStatus]()
    found = construct(problem, ConstructSettings(budget=1_000), on_status=trace.append)
    assert not found.solved
    assert trace[-1].tried == found.tried >= 1_000
    assert all(status.tried < 1_000 for status in trace[:-1])
    expected = Data(problem, size=500, seed=0).program(trace[-1].best)
    assert found.program.fingerprint == expected.fingerprint
    assert 0.4 < judge(found.program, problem).test.overall.accuracy < 1


def test_rows_that_rest_on_one_label_count_unless_others_suggest_it() -> None:
    problem = small("hist")
    data = Data(problem, size=10, seed=0)
    count = Count(Selector(Relation("==", Base.TOKEN, Base.TOKEN)))
    assert data.verify((Base.TOKEN,)) is None
    in_vain = []
    for features in ((count,), (count, Base.TOKEN), (count, Base.TOKEN, Base.POSITION)):
        singles, rows = rows_of(problem, len(features))
        names = problem.labels if len(features) == 1 else ()
        guessed = [
            LabelTable(features, {k: v for k, v in rows.items() if k != key}, "1", names).label(key)
            == rows[key]
            for key in singles
        ]
        assert data.verify(features) == guessed.count(False)
        in_vain.append(len(guessed))
    assert in_vain[-1] > 10


def rows_of(problem: Problem, n: int) -> tuple[list[tuple[int, ...]], dict[tuple[int, ...], str]]:
    """Rows of the table of (count, token, position): those seen once in training, and all."""
    times: Counter[tuple[int, ...]] = Counter()
    rows: dict[tuple[int, ...], str] = {}
    train = problem.splits.train
    for tokens, labels in zip(train.tokens, train.labels, strict=True):
        for position, (token, label) in enumerate(zip(tokens, labels, strict=True)):
            if label is not None:
                key = (list(tokens).count(token), problem.vocabulary.index(token) - 1, position)
                times[key[:n]] += 1
                rows[key[:n]] = label
    return [key for key in rows if times[key] == 1], rows


def test_a_table_with_single_labels_is_provisional() -> None:
    """It is kept while a better one is looked for, a few times as long as it took."""
    singles = defaultdict(lambda: None, {(Base.TOKEN,): 3, (Base.POSITION,): 2})
    solutions = Solutions(singles.__getitem__, 200_000)
    solutions.offer((Base.TOKEN, Base.POSITION), 10, 10)
    assert solutions.provisional is None and solutions.budget == 200_000
    solutions.offer((Base.TOKEN,), 10, 10_000)
    assert solutions.exact is None and solutions.provisional == (Base.TOKEN,)
    assert solutions.budget == 60_000
    solutions.offer((Base.POSITION,), 10, 20_000)
    assert solutions.exact is None and solutions.provisional == (Base.POSITION,)
    solutions.offer((Base.TOKEN,), 10, 20_000)
    assert solutions.provisional == (Base.POSITION,) and solutions.budget == 60_000
    assert Solutions(lambda features: 1, 500).budget == 500
    singles[Base.TOKEN, Base.POSITION] = 0
    solutions.offer((Base.TOKEN, Base.POSITION), 10, 30_000)
    assert solutions.exact == (Base.TOKEN, Base.POSITION)


def test_of_exact_tables_the_smallest_is_kept() -> None:
    solutions = Solutions(lambda features: 0, 200_000)
    for features, size in (((Base.TOKEN, Base.POSITION), 20), ((Base.POSITION,), 20)):
        solutions.offer(features, size, 500)
        assert solutions.exact == (Base.TOKEN, Base.POSITION)
    solutions.offer((Base.TOKEN,), 10, 700)
    assert solutions.exact == (Base.TOKEN,)


def test_what_it_does_not_handle_is_refused_in_one_line() -> None:
    problem = small("hist")
    with pytest.raises(TpirError, match="a label for each position, not one for the input") as one:
        construct(replace(problem, pooled=True))
    with pytest.raises(TpirError, match="inputs of up to 52 tokens, not 53") as two:
        construct(replace(problem, context=53))
    assert "\n" not in str(one.value) + str(two.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("budget", 0, "budget is 0; it must be at least 1"),
        ("sample", 0, "sample is 0; it must be at least 1"),
        ("seed", -1, "seed is -1; it must be from 0 to"),
        ("seed", 2**32, "seed is 4294967296; it must be from 0 to"),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: int, message: str) -> None:
    with pytest.raises(TpirError, match=message):
        ConstructSettings(**{field: value})
