"""Features of a readout, and fitting them to labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.passes.test_distill import first_letter, noisy
from tpir.ir.ops import Classify
from tpir.ir.program import Program
from tpir.passes import choosing
from tpir.passes.choosing import chosen_anew
from tpir.passes.edits import Edit, edited
from tpir.passes.features import Feature, Fit, Labelled, _keys, cost, gain, readout, total_cost
from tpir.passes.scores import Row, Scores
from tpir.passes.votes import Cells, Votes, improved
from tpir.semantics.program_space import space_of
from tpir.text import parse

COUNTS = """
program sort;
context 6;
vocabulary {"<s>", "a", "b", "c"};
labels {"a", "b", "c"};
accepts "<s>" ("a" | "b" | "c"){1,5};
table n_keys { 0 | 1 -> "a"; 4 -> "c"; _ -> "b" }
n = selector_width(select(tokens, indices, n_keys));
table m_keys { 0 | 3 -> "a"; _ -> "c" }
m = selector_width(select(tokens, indices, m_keys));
answer = classify {
    bias [0.0, 0.03125, 0.0];
    n: [1.0, 0.0, -1.5];
    m: [0.5, 0.0, 1.5];
};
output answer;
"""

NOISELESS = """
program first;
context 5;
vocabulary {"<s>", "a", "b"};
labels {"a", "b"};
accepts "<s>" ("a" | "b"){1,4};
table one_keys { _ -> 1 }
first = aggregate(closest(select(indices, indices, one_keys)), tokens);
answer = classify {
    bias [0.0, 0.03125];
    first: { "a" -> [3.0, 0.0]; _ -> [0.0, 2.0]; };
};
output answer;
"""


def data() -> tuple[Program, Scores, Labelled]:
    program = noisy()
    scores = Scores(program, first_letter(program))
    return program, scores, Labelled(scores, 2)


def test_what_explains_the_labels_gains_most() -> None:
    program, _, labelled = data()
    features = labelled.features(program.live[:-1])
    rest = Fit.of(labelled, []).surprise()
    best = max(features, key=lambda feature: gain(feature, *rest))
    assert (best.node.name, best.is_table) == ("first", True)


def test_a_fit_counts_what_its_readout_gets_right() -> None:
    program, scores, labelled = data()
    node = program.outputs["answer"]
    assert isinstance(node.op, Classify)
    for names in (["first"], ["other"], ["other", "rare"], ["indices", "other", "first"]):
        features = [f for n in names for f in labelled.of(program.by_name[n])]
        fit = Fit.of(labelled, features)
        op = readout(node.op, fit.features, fit.votes)
        operands = tuple(f.node.name for f in features)
        made = edited(program, Edit("answer", op, operands, ""))
        assert made is not None
        assert scores.right(made) == fit.right == fit.right_with(fit.votes)


def test_features_that_are_equal_on_the_data_are_one() -> None:
    program, _, labelled = data()
    first = program.by_name["first"]
    assert len(labelled.features([first, first])) == 1
    assert not labelled.features([program.outputs["answer"].operands[0].operands[0]])


def test_shared_nodes_cost_once() -> None:
    program, _, labelled = data()
    first, rare = (labelled.of(program.by_name[name])[0] for name in ("first", "rare"))
    assert total_cost([first, rare], 2) < cost(first, set(), 2) + cost(rare, set(), 2)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2**60)), min_size=1, max_size=30))
def test_keys_are_equal_where_all_columns_are(rows: list[tuple[int, int]]) -> None:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    keys = _keys(columns * 12)
    for i, left in enumerate(rows):
        for j, right in enumerate(rows):
            assert (keys[i] == keys[j]) == (left == right)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 2)), min_size=1),
    st.lists(st.integers(-3, 3), min_size=15, max_size=15),
)
def test_single_steps_never_lose(rows: list[tuple[int, int, int]], weights: list[int]) -> None:
    index, number, label = (np.array(column) for column in zip(*rows, strict=True))
    cells = Cells((index, number.astype(float)), (True, False), label)
    numbers = np.array(weights, dtype=np.float64)
    votes = Votes((numbers[:9].reshape(3, 3), numbers[9:12].reshape(1, 3)), numbers[12:])
    ones = np.ones(len(rows))
    better = improved(votes, cells, ones)
    assert len(better.wrong(cells)) <= len(votes.wrong(cells))
    assert all(np.array_equal(t, np.rint(t)) for t in (*better.tables, better.bias))


def sorted_rows(program: Program) -> list[Row]:
    space, rows = space_of(program), []
    for _, batch in space.batches(1000):
        for column in batch.T:
            tokens = tuple(str(t) for t in space.decode(column))
            rows.append(Row(tokens, (None, *sorted(tokens[1:]))))
    return rows


def test_sorting_is_found_to_be_counting() -> None:
    program = parse(COUNTS)
    rows = sorted_rows(program)
    scores = Scores(program, rows)
    scores.least = scores.total
    made = chosen_anew(program, scores, rows)
    assert made is not None
    assert scores.right(made) == scores.total
    assert {f.name for f in made.outputs["answer"].operands} == {"indices", "count", "count_2"}


def test_labels_that_are_never_given_do_not_stand_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen on a part of the data, where a few more are to be right than all that can be."""
    monkeypatch.setattr(choosing, "_POSITIONS", 10)
    program = parse(NOISELESS)
    rows = first_letter(program)
    spoilt = [Row(row.tokens, (None, "never", *row.labels[2:])) for row in rows]
    scores = Scores(program, spoilt)
    scores.least = scores.right(program)
    assert scores.least < scores.total
    assert chosen_anew(program, scores, spoilt) is not None


def test_a_feature_of_a_part_of_the_data_is_one_of_all() -> None:
    program, scores, labelled = data()
    part = Labelled(Scores(program, first_letter(program)[::5]), 2)
    feature = part.of(program.by_name["first"])[0]
    whole = labelled.like(feature)
    assert isinstance(whole, Feature)
    assert len(whole.codes) == len(labelled.gold) == scores.total
