"""Long inputs, large vocabularies, and what the error budget refuses or mends."""

from __future__ import annotations

import random

import pytest

import tpir
from tests.examples.test_examples import FILES
from tpir.equiv.verdict import Answer
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_predict import predict
from tpir.semantics.interpreter import run_many

WORDS = "abcdefghijklmnopqrst"
BRACKETS = "(){}[]<>abcdefghijkl"
LONG = {"length": WORDS, "hist": WORDS, "reverse": WORDS, "sort": WORDS, "dyck2": BRACKETS}


def compiled(text: str, vocabulary: str, context: int) -> TransformerCheckpoint:
    program = tpir.parse(text, vocabulary=list(vocabulary), context=context)
    return tpir.compile(program, target="transformer")


@pytest.mark.parametrize("name", LONG)
def test_no_position_is_wrong_at_length_50(name: str) -> None:
    program = tpir.load(FILES[name], vocabulary=list(LONG[name]), context=50).program
    assert program is not None
    program = tpir.optimise(program, level=2)
    weights = tpir.compile(program, target="transformer")
    noise = random.Random(0)
    lengths = [50] * 10 + [noise.randint(1, 50) for _ in range(10)]
    inputs = [tuple(noise.choices(program.vocabulary, k=length)) for length in lengths]
    expected = [outcome.values for outcome in run_many(program, inputs)]
    assert [dict(found) for found in predict(weights, inputs)] == expected


def test_counts_are_looked_up_where_errors_would_grow() -> None:
    """Counting by a count: at length 8 its errors do no harm, at length 60 they would."""
    text = "n = selector_width(select(tokens, tokens, ==)); m = selector_width(select(n, n, <));"
    assert compiled(text, "abc", 8).blocks == 2
    assert compiled(text, "abc", 60).blocks == 3


def test_what_float32_cannot_hold_is_refused_with_advice() -> None:
    text = "n = selector_width(select(tokens, tokens, ==)); y = n * n * n * n / 3;"
    with pytest.raises(tpir.TpirError, match=r"y cannot be compiled .* try a shorter --max-length"):
        compiled(text, "ab", 100)


def test_a_token_of_beginning_only_where_a_head_may_find_nothing() -> None:
    assert not compiled("n = length;", "ab", 5).bos
    assert compiled("n = selector_width(select(tokens, tokens, ==));", "ab", 5).bos


def test_directions_of_dead_variables_are_used_again() -> None:
    """A chain of copies: each is dead once the next is there."""
    text = "x = tokens;\n" + "".join(
        'x = aggregate(select(indices, indices - 1, ==), x, "a");\n' for _ in range(6)
    )
    weights = compiled(text, "abcdef", 8)
    assert weights.blocks == 6
    assert weights.state["embed.W_E"].shape[1] <= 6


def test_heads_with_one_selector_are_one_head() -> None:
    text = """
    before = select(indices, indices - 1, ==);
    x = aggregate(before, tokens, "a");
    y = aggregate(before, indices, 0);
    z = x if y > 1 else "b";
    """
    weights = compiled(text, "abc", 6)
    assert weights.state["blocks.0.attn.W_Q"].shape[0] == 1


@pytest.mark.parametrize("causal", ["", "causal;"])
@pytest.mark.parametrize(
    "text",
    [
        "y = aggregate(closest(select(tokens, tokens, ==)), indices);",
        "y = aggregate(last(select(tokens, tokens, <)), tokens);",
        'y = aggregate(choose(select(tokens, "a", ==), order=last, otherwise=none), tokens, "x");',
        "y = aggregate_sum(select(tokens, tokens, <), 1 - 2 * indices);",
        "y = selector_width(not (select(tokens, tokens, ==) or select(indices, indices, <)));",
        "y = aggregate(select(tokens, tokens, ==) or select(indices, indices, >), indices);",
    ],
)
def test_selectors_are_proved(text: str, causal: str) -> None:
    program = tpir.parse(causal + text, vocabulary=["a", "b", "c"], context=5)
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)


def test_labels_that_the_program_reads_itself() -> None:
    text = """
    n = selector_width(select(tokens, tokens, ==));
    kind = classify {
        labels {"few", "many"};
        bias [1.5, 0.0];
        n: [0.0, 1.0];
        tokens: { "a" -> [0.0, -0.5]; _ -> [0.0, 0.0] };
    };
    same = selector_width(select(kind, kind, ==));
    """
    program = tpir.parse(text, vocabulary=["a", "b"], context=6)
    verdict = tpir.check(program, tpir.compile(program, target="transformer"))
    assert verdict.answer is Answer.PROVED, str(verdict)


def test_shares_of_what_went_before_are_one_head() -> None:
    text = """
    opened = running_count(tokens == "a") - running_count(tokens == "b");
    share = opened / (indices + 1);
    """
    program = tpir.parse(text, vocabulary=["a", "b", "c"], context=6)
    weights = tpir.compile(program, target="transformer")
    assert weights.blocks == 1
    assert tpir.check(program, weights).answer is Answer.PROVED


def test_quotients_are_exact_at_length_100() -> None:
    program = tpir.parse(
        "y = indices * indices / tokens_int;",
        vocabulary=[str(k) for k in range(1, 21)],
        context=100,
    )
    weights = tpir.compile(program, target="transformer")
    assert sum(tensor.numel() for tensor in weights.state.values()) < 5_000
    assert tpir.check(program, weights, samples=200).answer is Answer.TESTED


def test_conditions_that_are_put_together_take_one_block() -> None:
    """Three heads and one hidden unit, not a block for each ``and``."""
    text = """
    def at(offset) { return first(select(indices, indices - offset, ==)); }
    abc = aggregate(at(1), tokens == "b") and aggregate(at(2), tokens == "a") and tokens == "c";
    """
    program = tpir.parse(text, vocabulary=["a", "b", "c"], context=6)
    weights = tpir.compile(program, target="transformer")
    assert weights.blocks == 1
    assert tpir.check(program, weights).answer is Answer.PROVED
