from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tpir.errors import TpirError
from tpir.ir.values import Value, value_key
from tpir.semantics.automaton import any_sequence, compile_form
from tpir.semantics.form import (
    Alternation,
    AnyToken,
    Concatenation,
    Form,
    Literal,
    Repetition,
    alternate,
    concatenate,
    repeat,
)
from tpir.semantics.form_parser import parse_form
from tpir.semantics.space import InputSpace
from tpir.semantics.strategies import inputs as inputs_of

VOCABULARY: tuple[Value, ...] = (1, True, "1")
"""Three tokens that ``==`` or printing might confuse."""

DIGITS = ("<s>", "</s>", "0", "1", "2", "3", "4", "5")


def space(text: str, vocabulary: tuple[Value, ...] = DIGITS, context: int = 8) -> InputSpace:
    return InputSpace(vocabulary, context, parse_form(text))


# The language of a form by its definition, as sets of index tuples: no automaton comes into it.


@cache
def language(form: Form, context: int) -> frozenset[tuple[int, ...]]:
    match form:
        case Literal(value):
            return frozenset(
                (i,) for i, v in enumerate(VOCABULARY) if type(v) is type(value) and v == value
            )
        case AnyToken():
            return frozenset((i,) for i in range(len(VOCABULARY)))
        case Alternation(choices):
            return frozenset().union(*(language(choice, context) for choice in choices))
        case Concatenation(parts):
            found = frozenset({()})
            for part in parts:
                found = joined(found, language(part, context), context)
            return found
        case Repetition(body, least, most):
            once, found = language(body, context), frozenset({()})
            for _ in range(least):
                found = joined(found, once, context)
            for _ in range(context if most is None else most - least):
                found = found | joined(found, once, context)
            return found
    raise AssertionError(form)


def joined(
    left: frozenset[tuple[int, ...]], right: frozenset[tuple[int, ...]], context: int
) -> frozenset[tuple[int, ...]]:
    return frozenset(a + b for a in left for b in right if len(a) + len(b) <= context)


def bounds() -> st.SearchStrategy[tuple[int, int | None]]:
    return st.tuples(st.integers(0, 3), st.none() | st.integers(0, 3)).map(
        lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
    )


FORMS = st.recursive(
    st.sampled_from([Literal(value) for value in VOCABULARY]) | st.just(AnyToken()),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: concatenate(*parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: alternate(*parts)),
        st.tuples(inner, bounds()).map(lambda pair: repeat(pair[0], *pair[1])),
    ),
    max_leaves=6,
)
CONTEXTS = st.integers(1, 4)


def expected(form: Form, context: int) -> list[tuple[int, ...]]:
    """All inputs, in the order of enumeration."""
    found = language(form, context) - {()}
    return sorted(found, key=lambda word: (len(word), word))


def enumerated(inputs: InputSpace, size: int) -> list[tuple[int, ...]]:
    words = []
    for length, batch in inputs.batches(size):
        assert batch.shape[0] == length
        assert 1 <= batch.shape[1] <= size
        words.extend(tuple(word) for word in batch.T.tolist())
    return words


@settings(max_examples=150)
@given(FORMS, CONTEXTS, st.integers(1, 50))
def test_agrees_with_the_definition(form: Form, context: int, size: int) -> None:
    words = expected(form, context)
    if not words:
        with pytest.raises(TpirError, match="no input"):
            InputSpace(VOCABULARY, context, form)
        return
    inputs = InputSpace(VOCABULARY, context, form)
    assert enumerated(inputs, size) == words
    assert inputs.count() == len(words)
    assert inputs.count_by_length() == Counter(map(len, words))
    assert inputs.lengths() == tuple(sorted({len(word) for word in words}))
    for length in range(context + 2):
        for word in product(range(len(VOCABULARY)), repeat=length):
            assert inputs.contains(inputs.decode(word)) == (word in language(form, context) - {()})


@settings(max_examples=100)
@given(FORMS, CONTEXTS)
def test_possible_tokens_are_those_of_the_enumeration(form: Form, context: int) -> None:
    words = expected(form, context)
    if not words:
        return
    possible = InputSpace(VOCABULARY, context, form).possible_tokens()
    assert possible == {
        length: [frozenset(w[p] for w in words if len(w) == length) for p in range(length)]
        for length in sorted({len(word) for word in words})
    }


@settings(max_examples=60)
@given(FORMS, CONTEXTS)
def test_the_reason_names_the_first_position_that_no_input_shares(form: Form, context: int) -> None:
    words = expected(form, context)
    if not words:
        return
    inputs = InputSpace(VOCABULARY, context, form)
    beginnings = {word[:length] for word in words for length in range(context + 1)}
    for length in range(1, context + 1):
        for word in product(range(len(VOCABULARY)), repeat=length):
            good = max(n for n in range(length + 1) if word[:n] in beginnings)
            reason = inputs.why_not(inputs.decode(word))
            if word in words:
                assert reason is None
            elif good == length:
                assert reason is not None
                assert reason.startswith(f"the input ends at position {length},")
            else:
                assert reason is not None
                assert f" at position {good} leaves the accepted form" in reason


@settings(max_examples=100)
@given(FORMS, FORMS, CONTEXTS)
def test_equal_spaces_hold_the_same_inputs(left: Form, right: Form, context: int) -> None:
    if not expected(left, context) or not expected(right, context):
        return
    a, b = InputSpace(VOCABULARY, context, left), InputSpace(VOCABULARY, context, right)
    assert (a == b) == (expected(left, context) == expected(right, context))
    again = InputSpace(VOCABULARY[::-1], context, parse_form(str(left)))
    assert a == again
    assert hash(a) == hash(again)


@settings(max_examples=60)
@given(FORMS, CONTEXTS, st.integers(0, 2**32), st.sampled_from(["uniform", "length"]))
def test_samples_are_inputs(form: Form, context: int, seed: int, by: str) -> None:
    words = expected(form, context)
    if not words:
        return
    inputs = InputSpace(VOCABULARY, context, form)
    drawn = inputs.sample(20, np.random.default_rng(seed), by=by)  # type: ignore[arg-type]
    assert len(drawn) == 20
    assert {tuple(word.tolist()) for word in drawn} <= set(words)


@settings(max_examples=60)
@given(st.data(), FORMS, CONTEXTS)
def test_the_strategy_draws_inputs(data: st.DataObject, form: Form, context: int) -> None:
    if not expected(form, context):
        return
    accepted = InputSpace(VOCABULARY, context, form)
    assert accepted.contains(data.draw(inputs_of(accepted)))


def test_the_strategy_shrinks_to_short_inputs_of_early_tokens() -> None:
    accepted = space('"<s>" ("0" | "1" | "2"){1,6} "</s>"')
    assert find(inputs_of(accepted), lambda _: True) == ["<s>", "0", "</s>"]
    long = find(inputs_of(accepted), lambda tokens: len(tokens) > 4)
    assert long == ["<s>", "0", "0", "0", "</s>"]
    twice = find(inputs_of(accepted), lambda tokens: tokens.count("2") > 1)
    assert twice == ["<s>", "2", "2", "</s>"]


def test_equality_takes_the_vocabulary_as_a_set_and_languages_up_to_the_context() -> None:
    plain = InputSpace(("a", "b"), 3)
    assert plain == InputSpace(("b", "a"), 3)
    assert plain == space(".*", ("a", "b"), 3)
    assert plain == space('("a" | "b"){1,3}', ("a", "b"), 9)
    assert plain != InputSpace(("a", "b"), 4)
    assert plain != InputSpace(("a", "c"), 3)
    assert plain != space('("a" | "b"){1,3}', ("a", "b", "c"), 3)
    assert InputSpace((1, 2), 3) != InputSpace((1.0, 2), 3)
    # The two part only where the context ends the comparison, or one token before.
    assert space('"a"{3} | "b"', ("a", "b"), 3) != space('"a"{2} "b" | "b"', ("a", "b"), 3)
    assert space('"a"{4} | "b"', ("a", "b"), 3) == space('"b"', ("a", "b"), 3)


def test_the_counts_of_the_tasks() -> None:
    assert space('"<s>" ("0"|"1"|"2"|"3"|"4"){1,6} "</s>"').count() == 19_530
    hist = space('"<s>" ("0"|"1"|"2"|"3"|"4"|"5"){1,7}')
    assert hist.count() == 335_922
    assert hist.count_by_length() == {n + 1: 6**n for n in range(1, 8)}
    rows = np.concatenate([batch.T for n, batch in hist.batches(30_000) if n == 8])
    assert rows.shape == (6**7, 8)
    codes = (rows * 8 ** np.arange(7, -1, -1)).sum(axis=1)
    assert (np.diff(codes) > 0).all()  # complete, without repeats, in order


def test_counts_beyond_any_machine_number() -> None:
    vocabulary = tuple(range(60))
    large = InputSpace(vocabulary, 24)
    assert large.count() == sum(60**n for n in range(1, 25))
    by_uniform = large.sample(2000, np.random.default_rng(1))
    assert all(large.contains(large.decode(word)) for word in by_uniform[:50])
    lengths = Counter(len(word) for word in by_uniform)
    assert lengths[24] > 1900  # 59 in 60 inputs have full length
    firsts = Counter(int(word[0]) for word in by_uniform)
    assert len(firsts) == 60
    by_length = Counter(len(w) for w in large.sample(2400, np.random.default_rng(2), by="length"))
    assert sorted(by_length) == list(range(1, 25))
    assert min(by_length.values()) > 50
    first = next(batch for length, batch in large.batches(70) if length == 2)
    assert first.T.tolist() == [[i // 60, i % 60] for i in range(70)]


def test_uniform_samples_weigh_unequal_branches_by_their_size() -> None:
    inputs = space('"a" | "b" "c"{2} | "b" "a" ("a" | "b" | "c")', ("a", "b", "c"), 3)
    drawn = Counter(tuple(w.tolist()) for w in inputs.sample(10_000, np.random.default_rng(3)))
    assert len(drawn) == inputs.count() == 5
    assert all(abs(many - 2000) < 200 for many in drawn.values())  # 5 standard deviations
    lopsided = space('"a"{300} | "b" .{299}', ("a", "b", "c"), 300)
    assert all(word[0] == 1 for word in lopsided.sample(200, np.random.default_rng(4)))


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ([], "the input is empty"),
        (["<s>", "9"], '"9" at position 1 is not in the vocabulary'),
        (["<s>", 1], "1 at position 1 is not in the vocabulary"),
        (["<s>"] * 9, "the input has 9 tokens, and the context is 8"),
        (["0"], '"0" at position 0 leaves the accepted form, which has "<s>" there'),
        (["<s>"], 'the input ends at position 1, where the accepted form has "0" or "1"'),
        (
            ["<s>", "0", "</s>", "</s>"],
            '"</s>" at position 3 leaves the accepted form, which has its end there',
        ),
        (
            # The form would go on, but its "</s>" no longer fits the context.
            ["<s>", *["0"] * 7],
            '"0" at position 7 leaves the accepted form, which has "</s>" there',
        ),
        (["<s>", "0", "1", "</s>"], None),
    ],
)
def test_reasons(tokens: list[Value], reason: str | None) -> None:
    inputs = space('"<s>" ("0" | "1")+ "</s>"')
    assert inputs.why_not(tokens) == reason
    if reason is None:
        assert inputs.decode(inputs.encode(tokens)) == tokens
    else:
        with pytest.raises(TpirError, match="^" + reason.split(",")[0].replace("+", "\\+")):
            inputs.encode(tokens)


def test_reasons_stay_short_over_large_vocabularies() -> None:
    inputs = space('"<s>" .', ("<s>", *map(str, range(500))), 2)
    assert inputs.why_not(["<s>"]) == (
        'the input ends at position 1, where the accepted form has "<s>", "0", "1", "2", "3", "4", '
        '"5", "6" or 493 other tokens'
    )


@pytest.mark.parametrize(
    ("vocabulary", "context", "text", "message"),
    [
        ((), 3, None, "the vocabulary is empty"),
        (("a", "b", "a"), 3, None, 'the vocabulary holds "a" twice'),
        (("a", None), 3, None, "None is not a word"),
        (("a",), 0, None, "the context is 0"),
        (("a",), 3, '"a" "b"', 'names "b", which is not in the vocabulary'),
        ((1,), 3, "True", "names True, which is not in the vocabulary"),
        (("a",), 3, '"a"{4,}', "no input of 1 to 3 tokens"),
        (("a",), 3, '"a"{0}', "no input of 1 to 3 tokens"),
        (("a", "b"), 99, '.* "a" .{40}', "too large an automaton"),
    ],
)
def test_what_is_no_space(
    vocabulary: tuple[Value, ...], context: int, text: str | None, message: str
) -> None:
    with pytest.raises(TpirError) as caught:
        InputSpace(vocabulary, context, None if text is None else parse_form(text))
    assert message in caught.value.message


def test_a_form_of_any_size_ends_in_a_acceptedor_an_error() -> None:
    vocabulary = ("a", "b")
    assert space('(("a"? "b"?){1,100}){1,100}', vocabulary, 129) == InputSpace(vocabulary, 129)
    assert space('("a"? "b"?){1,1000000}', vocabulary, 129) == InputSpace(vocabulary, 129)
    assert space('(("a"{0,9}){0})? "b"', vocabulary, 129).count() == 1


def test_descriptions() -> None:
    assert space('"<s>" .{1,2}').describe() == (
        '72 inputs of length 2 to 3, vocabulary 8, context 8, of the form "<s>" .{1,2}'
    )
    assert InputSpace(tuple(range(60)), 129).describe() == (
        "about 10^229 inputs of length 1 to 129, vocabulary 60, context 129"
    )
    assert repr(space('"<s>"')) == (
        '<InputSpace: 1 input of length 1, vocabulary 8, context 8, of the form "<s>">'
    )


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ('"a" "b" | "c" "b"', 4),  # dead, start, before "b", end
        ('"a" ("b" "a" | "c" "a") | "c" ("b" | "c") "a"', 5),
        ('"a" ("b" | "a"{9})', 4),  # the nine do not fit the context
        (".*", 2),
    ],
)
def test_the_automaton_is_minimal(text: str, states: int) -> None:
    automaton = space(text, ("a", "b", "c"), 5).automaton
    assert len(automaton.step) == states
    assert automaton.completable(5).any(axis=0).tolist() == [False] + [True] * (states - 1)
    assert len(np.unique(automaton.step, axis=1).T) == automaton.step.shape[1]


@pytest.mark.parametrize("tokens", [1, 3])
def test_no_form_is_any_token_at_least_once(tokens: int) -> None:
    vocabulary = VOCABULARY[:tokens]
    keys = {value_key(token): k for k, token in enumerate(vocabulary)}
    plain, formed = any_sequence(tokens), compile_form(repeat(AnyToken(), 1), keys, 5)
    assert plain.step.tolist() == formed.step.tolist()
    assert plain.accepting.tolist() == formed.accepting.tolist()
    assert (plain.start, plain.class_of.tolist()) == (formed.start, formed.class_of.tolist())
