"""Forms of selectors against the selectors themselves, on every pair of a key and a query."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tpir.backends.python.forms import (
    EVERYTHING,
    MOST_TERMS,
    NOTHING,
    POSITIONS,
    SIGNS,
    UNLIKE,
    Form,
    KeyTest,
    Match,
    Outcome,
    Pair,
    QueryTest,
    Subject,
    TooManyTerms,
    both,
    either,
    negation,
    single,
    total,
)

KEY_COLUMNS = ("a", POSITIONS)
QUERY_COLUMNS = ("q", POSITIONS)
VALUES = (0, 1, 2)
OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}
Row = tuple[dict[str, int], dict[str, int]]
"""The values of the columns at a key and at a query."""

ROWS: list[Row] = [
    (dict(zip(KEY_COLUMNS, key, strict=True)), dict(zip(QUERY_COLUMNS, query, strict=True)))
    for key in itertools.product(VALUES, repeat=2)
    for query in itertools.product(VALUES, repeat=2)
]


@dataclass(frozen=True)
class Selector:
    """A form, and the rows that it has to select."""

    form: Form
    holds: frozenset[int]


def fact_holds(subject: Subject, outcome: Outcome, row: Row) -> bool:
    key, query = row
    match subject:
        case Pair(keys, queries):
            sides = key[keys], query[queries]
        case Match(keys, queries, want):
            sides = key[keys], eval(want, {"x": query[queries]})
        case KeyTest(column, constant):
            sides = key[column], constant
        case QueryTest(column, constant):
            sides = query[column], constant
    return OPERATORS[SIGNS[outcome]](*sides)


def value(form: Form, row: Row) -> int:
    return sum(
        factor * all(fact_holds(subject, outcome, row) for subject, outcome in term.facts)
        for term, factor in form.items()
    )


@st.composite
def comparisons(draw: st.DrawFn) -> Selector:
    outcome = draw(st.sampled_from(list(SIGNS)))
    kind = draw(st.integers(0, 4))
    subject: Subject
    if kind < 2:
        subject = Pair(draw(st.sampled_from(KEY_COLUMNS)), draw(st.sampled_from(QUERY_COLUMNS)))
    elif kind == 2:
        subject = KeyTest(draw(st.sampled_from(KEY_COLUMNS)), draw(st.sampled_from(VALUES)))
    elif kind == 3:
        subject = QueryTest(draw(st.sampled_from(QUERY_COLUMNS)), draw(st.sampled_from(VALUES)))
    else:
        subject, outcome = Match("a", "q", draw(st.sampled_from(["2 - x", "1"]))), Outcome.EQUAL
    holds = (k for k, row in enumerate(ROWS) if fact_holds(subject, outcome, row))
    return Selector(single(subject, outcome), frozenset(holds))


def combined(inner: st.SearchStrategy[Selector | None]) -> st.SearchStrategy[Selector | None]:
    def combine(kind: int, left: Selector | None, right: Selector | None) -> Selector | None:
        if left is None or right is None:
            return None
        try:
            if kind == 0:
                return Selector(both(left.form, right.form), left.holds & right.holds)
            if kind == 1:
                return Selector(either(left.form, right.form), left.holds | right.holds)
            return Selector(negation(left.form), frozenset(range(len(ROWS))) - left.holds)
        except TooManyTerms:
            return None

    return st.builds(combine, st.integers(0, 2), inner, inner)


@settings(max_examples=600)
@given(st.recursive(comparisons(), combined, max_leaves=6))
def test_forms_are_indicators(selector: Selector | None) -> None:
    assume(selector is not None)
    assert selector is not None
    assert len(selector.form) <= MOST_TERMS
    assert all(selector.form.values())
    for k, row in enumerate(ROWS):
        assert value(selector.form, row) == (k in selector.holds), (selector.form, row)


LESS = single(Pair("a", "q"), Outcome.LESS)
EQUAL = single(Pair("a", "q"), Outcome.EQUAL)
EARLIER = single(Pair(POSITIONS, POSITIONS), Outcome.LESS)
FIRST = single(KeyTest(POSITIONS, 0), Outcome.EQUAL)


@pytest.mark.parametrize(
    ("form", "terms"),
    [
        (either(LESS, both(EQUAL, EARLIER)), 2),
        (both(LESS, EQUAL), 0),
        (either(LESS, EQUAL), 2),
        (either(EQUAL, FIRST), 2),
        (either(EQUAL, negation(EQUAL)), 1),
        (both(EQUAL, negation(EQUAL)), 0),
        (negation(negation(either(LESS, both(EQUAL, EARLIER)))), 2),
        (both(FIRST, single(KeyTest(POSITIONS, 1), Outcome.EQUAL)), 0),
        (both(FIRST, single(KeyTest(POSITIONS, 1), Outcome.LESS)), 1),
        (both(FIRST, single(KeyTest(POSITIONS, "a"), UNLIKE)), 1),
        (single(Pair("a", "q"), UNLIKE), 2),
        (single(Pair(POSITIONS, POSITIONS), UNLIKE), 2),
        (either(NOTHING, EVERYTHING), 1),
        (either(NOTHING, NOTHING), 0),
        (total((EQUAL, 2), (EQUAL, -2)), 0),
    ],
)
def test_contradictions_and_repeats_leave_short_forms(form: Form, terms: int) -> None:
    assert len(form) == terms


def test_the_order_of_operands_does_not_matter() -> None:
    assert both(EQUAL, EARLIER) == both(EARLIER, EQUAL)


def test_long_forms_are_given_up() -> None:
    form: Form = NOTHING
    with pytest.raises(TooManyTerms):
        for k in range(MOST_TERMS + 1):
            form = either(form, single(Pair(f"a{k}", f"q{k}"), Outcome.EQUAL))
