from __future__ import annotations

import dataclasses
import json

import pytest

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig

GOOD = TransformerProgramConfig(vocabulary=("<pad>", "a"), labels=("<pad>", "x"), context=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": ()}, "vocabulary"),
        ({"vocabulary": ("<pad>",)}, "no token"),
        ({"vocabulary": ("a", "a")}, "'a' stands there twice"),
        ({"labels": ("x", 1)}, "1 is not a string"),
        ({"context": 0}, "context is 0"),
        ({"context": 9}, "too small for the positions"),
        ({"context": True}, "whole number"),
        ({"n_layers": -1}, "n_layers is -1"),
        ({"mlp_inputs": 0}, "mlp_inputs is 0"),
        ({"d_var": 2.0}, "whole number"),
        ({"causal": 1}, "true or false"),
        ({"attention": "soft"}, "cat, score"),
        ({"attention": "score"}, "position_bias must be none"),
        ({"n_vars_cat": 2}, "one_hot_embed"),
        ({"predicates": "many"}, "one, set"),
        ({"mlps": "tree"}, "relu, table"),
        ({"conjuncts": 0, "predicates": "set"}, "conjuncts is 0"),
        ({"conjuncts": 2}, "conjuncts is 2: heads of several predicates need predicates set"),
        (
            {"attention": "score", "position_bias": "none", "predicates": "set"},
            "score attention has no predicates",
        ),
        ({"mlps": "table", "count_only": False}, "count_only must be true"),
        ({"vocabulary": tuple("abcdefghi")}, "one-hot tokens"),
        ({"n_vars_num": 0}, "nothing to read"),
        ({"masked_labels": ("y",)}, "'y' is not a label"),
        ({"masked_labels": ("x", "<pad>")}, "order of labels"),
        ({"masked_labels": ("<pad>", "x")}, "every label"),
    ],
)
def test_sizes_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(TpirError) as caught:
        dataclasses.replace(GOOD, **change)  # type: ignore[arg-type]
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_json_holds_every_field() -> None:
    assert json.loads(GOOD.to_json()).keys() == {f.name for f in dataclasses.fields(GOOD)}


def test_counts_of_variables() -> None:
    config = dataclasses.replace(GOOD, n_layers=2, n_heads_cat=3, n_heads_num=2, n_cat_mlps=1)
    assert [config.cat_variables(layer) for layer in range(3)] == [2, 7, 12]
    assert [config.num_variables(layer) for layer in range(3)] == [1, 3, 5]
