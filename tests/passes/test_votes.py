"""Weights of readouts in plainer numbers: the same labels."""

from __future__ import annotations

import numpy as np
import pytest

from tpir.passes.votes import Cells, Votes, settled


@pytest.mark.parametrize("seed", range(20))
def test_settled_weights_give_the_same_labels_and_are_not_longer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = [np.rint(rng.normal(size=(rows, 4)) * 30_000) for rows in (5, 3, 1)]
    votes = Votes(tuple(tables), np.rint(rng.normal(size=4) * 30_000))
    index = (rng.integers(0, 5, 400), rng.integers(0, 3, 400), rng.integers(0, 9, 400))
    cells = Cells(index, (True, True, False), np.zeros(400, dtype=np.intp))
    cells = Cells(index, cells.is_table, votes.logits(cells).argmax(axis=0))
    made = settled(votes, cells)
    assert not len(made.wrong(cells))
    assert characters(made) < characters(votes)
    assert all(not table[0].any() or (table == 0).any() for table in made.tables)


def test_a_common_part_goes_to_the_bias() -> None:
    table = np.array([[90_001.0, 5, 7], [90_000, 7, 7], [90_002, 5, 5]])
    made = settled(Votes((table,), np.zeros(3)), Cells((np.arange(3),), (True,), np.arange(3)))
    assert np.abs(made.tables[0]).max() <= 4
    assert made.bias[0] - made.bias[1] > 80_000


def test_rows_that_differ_by_one_number_for_all_labels_are_made_equal() -> None:
    table = np.array([[1.0, 2, 3], [11, 12, 13], [4, 4, 4]])
    made = settled(Votes((table,), np.zeros(3)), Cells((np.arange(3),), (True,), np.zeros(3, int)))
    assert (made.tables[0][0] == made.tables[0][1]).all()
    assert len(np.unique(made.tables[0], axis=0)) == 2


def characters(votes: Votes) -> int:
    return sum(len(str(int(x))) for table in votes.tables for x in table.ravel())
