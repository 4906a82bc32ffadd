"""Balances against plain counting, and the task that needs one."""

from __future__ import annotations

from tests.training.construct.random_features import array_of
from tpir.training.construct.balances import Balances
from tpir.training.construct.batch import Batch
from tpir.training.construct.construct import ConstructSettings, construct
from tpir.training.construct.features import Combined, Count
from tpir.training.construct.pool import Pool
from tpir.training.judge import judge
from tpir.training.sources import problem_of_task

ROWS = [(0, 1, 2, 1), (0, 2, 2, 3), (0, 3, 1)]


def test_each_balance_is_of_two_disjoint_sets_as_large() -> None:
    batch = Batch(array_of(ROWS), causal=True)
    assert batch.begun == 0
    seen = set()
    for candidate in Balances(Pool(batch)).all():
        made = candidate.feature
        assert isinstance(made, Combined) and made.operator == "-"
        sides = []
        for side in (made.left, made.right):
            assert isinstance(side, Count) and side.selector.filter is not None
            sides.append((side.selector.filter.values, side.selector.where))
        (one, _), (other, _) = sides
        assert len(one) == len(other) and not {*one} & {*other} and 0 not in one + other
        seen.add(tuple(sides))
    assert len(seen) == 6 * 4, "two of three tokens, each upto or before the query"


def test_uses_count_and_fetch_where_the_balance_is_the_same() -> None:
    pool = Pool(Batch(array_of(ROWS), causal=True))
    balances = Balances(pool)
    # Tokens 1 less tokens 2, both up to the query.
    first = next(balances.all())
    values = pool.keep_if_new(first.feature)
    assert values is not None
    assert values.tolist()[:2] == [[0, 1, 0, 1], [0, -1, -2, -2]]
    before, upto = (use for use in balances.uses(first) if isinstance(use.feature, Count))
    assert pool.batch.values(before.feature).tolist()[0] == [0, 0, 1, 1]
    assert pool.batch.values(upto.feature).tolist()[0] == [1, 1, 2, 2]
    assert all(use.bits > first.bits for use in balances.uses(first))


def test_many_tokens_have_no_balances() -> None:
    batch = Batch(array_of([tuple(range(10)), tuple(reversed(range(10)))]), causal=False)
    assert not list(Balances(Pool(batch)).all())


def test_nested_brackets_of_two_kinds_are_matched() -> None:
    problem = problem_of_task("dyck2", min_length=8, max_length=8)
    found = construct(problem, ConstructSettings(budget=20_000))
    assert found.solved
    everything = judge(found.program, problem).everything
    assert everything is not None
    assert everything.overall.accuracy == 1
