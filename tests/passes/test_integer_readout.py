"""Readouts as tables where the inputs are too many to run all of them."""

from __future__ import annotations

import numpy as np

from tests.passes.laws import assert_laws
from tpir.ir.functions import Table
from tpir.ir.ops import Classify, Map
from tpir.passes.integer_readout import IntegerReadout
from tpir.text import parse

HEAD = """context 16;
vocabulary {"a", "b", "c", "d", "e", "f"};
labels {"few", "some", "many"};
n = selector_width(select(tokens, tokens, ==));
m = selector_width(select(tokens, "a", ==));
"""


def test_one_feature_is_a_table_of_its_values_however_many_inputs_there_are() -> None:
    weights = np.random.default_rng(4).normal(size=(17, 3)).round(2)
    bias = [0.1, 0.0, 0.2]
    rows = "; ".join(f"{n} -> {row.tolist()}" for n, row in enumerate(weights))
    text = f"labels = classify {{ bias {bias}; n: {{ {rows} }}; }};\noutput labels;"
    after = assert_laws(IntegerReadout(), parse(HEAD + text)).program.outputs["labels"]
    assert isinstance(after.op, Map) and isinstance(after.op.function, Table)
    labels = np.array(["few", "some", "many"])[(weights + np.array(bias)).argmax(axis=1)]
    assert after.op.function.results == tuple(labels)
    assert after.op.function.domains == (tuple(range(17)),)


def test_a_number_is_one_too() -> None:
    text = "labels = classify { bias [3.5, 0, -9]; m: [-1, 0.5, 1.5] };\noutput labels;"
    after = assert_laws(IntegerReadout(), parse(HEAD + text)).program.outputs["labels"]
    assert isinstance(after.op, Map) and isinstance(after.op.function, Table)
    logits = np.array([[3.5 - m, 0.5 * m, 1.5 * m - 9] for m in range(17)])
    labels = np.array(["few", "some", "many"])[logits.argmax(axis=1)]
    assert after.op.function.results == tuple(labels)


def test_features_of_too_many_tuples_stay() -> None:
    text = "labels = classify { bias [3.5, 0, -9]; m: [-1, 0.5, 1.5]; n: [1, 0.5, 0.25] };"
    result = assert_laws(IntegerReadout(), parse(HEAD + text + "\noutput labels;"))
    assert not result.changed
    assert isinstance(result.program.outputs["labels"].op, Classify)
    assert result.notes == ("labels: kept, its inputs or features are too many to run all of them",)
