"""Selectors that are `and`, `or` and `not` of others, as heads of several conjuncts."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

import tpir
from tests.backends.test_transformer_program import (
    Maker,
    answers,
    some_inputs,
    weights_answers,
    with_one_output_of_words,
)
from tpir.backends.transformer_program import (
    SAMPLING_ERROR,
    choice_logit,
    compile_transformer_program,
)
from tpir.errors import TpirError
from tpir.ir.ops import And, SelectorWidth
from tpir.ir.program import Program
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import Checkpoint

EARLIER = """
same = select(tokens, tokens, ==);
before = select(indices, indices, <);
"""


def read(text: str, *, causal: bool = False) -> Program:
    """A program that spells the values of ``res``."""
    header = "causal;" if causal else ""
    program = tpir.parse(f"{header}{EARLIER}{text}", vocabulary=("a", "b", "c"), context=4)
    return with_one_output_of_words(program)


def computed(program: Program) -> Checkpoint:
    """The weights, which do what the program does and come back, as programs and with tables."""
    inputs = some_inputs(program)
    expected = answers(program, inputs)
    compiled = compile_transformer_program(program)
    for mlps in ("relu", "table"):
        found = compile_transformer_program(program, mlps=mlps)  # type: ignore[arg-type]
        lowered = lower_transformer_program(found)
        assert weights_answers(found, inputs) == answers(lowered, inputs) == expected
        again = compile_transformer_program(lowered, mlps=mlps)  # type: ignore[arg-type]
        assert lower_transformer_program(again) == lowered
        assert again.config.conjuncts == found.config.conjuncts
    return compiled


COUNTED = "n = selector_width({}); res = n;"
COPIED = "res = aggregate({}(({})), tokens);"


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("selector", "conjuncts"),
    [
        ("same and before", 2),
        ("before and (same and not select(tokens == 'b', True, ==))", 3),
        ("(same and before) and select(tokens, 'a', ==)", 2),  # the filter goes with same
        ("(same and before) and (before and same)", 2),
        ("select(tokens, 'a', ==)", 1),
        ("select('a', tokens, ==)", 1),
        ("select(tokens, 'a', ==) and select('b', tokens, ==)", 1),
        ("select(tokens, 'a', ==) or select(tokens, 'b', ==)", 1),
        ("not same", 1),
        ("not (same or before)", 2),
        ("not not (same and before)", 2),
        ("not (not same or select(indices, indices, >=))", 2),
        ("(before and select(indices, length - 1 - indices, !=)) or select(indices, 1, ==)", 2),
        ("before or select(indices, indices, ==)", 1),
        ("(before or select(indices, 2, ==)) and same", 2),
        ("same and not same", 1),
        ("same or not same", 1),
        ("same and before and select(tokens == 'b', True, ==)", 3),
    ],
)
def test_combined_selectors_are_conjuncts(selector: str, conjuncts: int, causal: bool) -> None:
    selector = selector.replace("'", '"')
    for text in (
        COUNTED.format(selector),
        *(COPIED.format(o, selector) for o in ("first", "last")),
    ):
        config = computed(read(text, causal=causal)).config
        assert config.conjuncts == conjuncts, text


def test_constants_cost_neither_table_nor_layer() -> None:
    config = computed(read(COPIED.format("first", 'select(tokens, "a", ==)'))).config
    assert (config.n_layers, config.n_cat_mlps, config.n_num_mlps) == (1, 0, 0)
    assert config.predicates == "one"
    config = computed(read(COPIED.format("first", 'before and select("a", tokens, ==)'))).config
    assert (config.n_layers, config.n_cat_mlps, config.n_num_mlps) == (1, 0, 0)
    assert (config.predicates, config.conjuncts) == ("set", 2)
    yes = 'select(tokens == "a", True, ==) and before'
    config = computed(read(COPIED.format("first", yes))).config
    assert (config.n_layers, config.n_cat_mlps, config.n_num_mlps) == (2, 1, 0)


def test_defaults_and_sums_of_conjunctions() -> None:
    copied = 'res = aggregate(choose({}, order=last, otherwise=none), tokens, "none");'
    assert computed(read(copied.format("same and before"))).config.conjuncts == 2
    only = 'res = aggregate(same and select(indices, 0, ==), tokens, "none");'
    assert computed(read(only)).config.conjuncts == 2
    total = """
    n = selector_width(same);
    t = aggregate_sum(same and before, n);
    res = t;
    """
    assert computed(read(total)).config.conjuncts == 2


def test_what_the_search_finds() -> None:
    """A relation, a filter of the keys and a comparison of positions, all in one layer's head."""
    text = """
    n = selector_width(same);
    new = selector_width(same and before) == 0;
    rank = selector_width(select(new, True, ==) and select(n, n, >) and before);
    res = rank;
    """
    assert computed(read(text)).config.conjuncts == 3


def test_heads_with_fewer_conjuncts_are_filled_up() -> None:
    """The rest is true everywhere: without it, heads of the same layer would lose their keys."""
    text = """
    n = selector_width(same and before);
    m = selector_width(same);
    res = n + m;
    """
    compiled = computed(read(text))
    (name,) = (n for n in compiled.state if n.endswith("num_attn.W_pred.W") and "blocks.0" in n)
    filler = [k for k, row in enumerate(compiled.state[name]) if (row > 0).all()]
    assert len(filler) == 1
    spoilt = dict(compiled.state)
    spoilt[name] = spoilt[name].clone()
    spoilt[name][filler[0], 1:] = -1
    program, broken = read(text), dataclasses.replace(compiled, state=spoilt)
    inputs = some_inputs(program)
    assert weights_answers(broken, inputs) != answers(program, inputs)
    assert answers(lower_transformer_program(broken), inputs) == weights_answers(broken, inputs)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("same or before", "n_or .* two variables each, and all must hold"),
        ("not (same and before)", "two variables each, and all must hold"),
        ("same and not (same and before)", "two variables each, and all must hold"),
        ("same and first(before)", "two variables each, and all must hold"),
    ],
)
def test_what_is_no_conjunction_is_refused(selector: str, message: str) -> None:
    with pytest.raises(TpirError, match=message) as caught:
        compile_transformer_program(read(COUNTED.format(selector)))
    assert "\n" not in caught.value.message


def test_one_key_value_has_one_relation() -> None:
    program = read(COUNTED.format("same and before"))
    with pytest.raises(TpirError, match="predicates of one key value, a head has one relation"):
        compile_transformer_program(program, predicates="one")
    both = read(COUNTED.format('same and select(tokens, "a", ==)'))
    assert compile_transformer_program(both, predicates="one").config.conjuncts == 1


def test_the_logit_counts_conjuncts() -> None:
    """The chances that a Gumbel sample changes a choice, summed over all that are made."""
    compiled = compile_transformer_program(read(COUNTED.format("same and before")), mlps="table")
    logit, chance = choice_logit(compiled.config), 0.0
    for name, tensor in compiled.state.items():
        if name.endswith((".W_K.W", ".W_Q.W", ".W_V.W", "W_read.W", "W_table")):
            for row in tensor.flatten(0, -2).double():
                if row.any():
                    best, *others = row.sort(descending=True).values.tolist()
                    assert all(best - other == logit for other in others)
                    chance += 1 - 1 / (1 + sum(math.exp(other - best) for other in others))
        elif name.endswith("W_pred.W"):
            used = tensor[tensor != 0].double()
            assert (used.abs() == logit).all()
            chance += float(torch.sigmoid(-used.abs()).sum())
    assert 0 < chance <= SAMPLING_ERROR
    wide = dataclasses.replace(compiled.config, conjuncts=200)
    assert choice_logit(wide) > logit


def test_long_chains() -> None:
    make = Maker()
    match = make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",))
    selector = match
    for k in range(2000):
        pair = [selector, match][:: 1 - 2 * (k % 2)]
        selector = make.builder.add(And(), pair, name=f"and_{k}")
    count = make.builder.add(SelectorWidth(), [selector])
    assert compile_transformer_program(make.read(count)).config.conjuncts == 1
