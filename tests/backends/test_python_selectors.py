"""Combined selectors in emitted modules: what they give, and that their time stays near-linear."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from tests.backends.python_cases import assert_agrees, assert_formatted, load, opcodes
from tests.strategies_selectors import selector_programs
from tpir.backends.python import emit_python
from tpir.ir.program import Program
from tpir.ir.values import Value
from tpir.text import parse

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
ROWS = re.compile(r"\b(rows_\w+|matching\w*)\b")
"""What modules hold where positions are listed for each query."""


@settings(RELAXED, max_examples=400)
@given(selector_programs())
def test_agrees_with_the_interpreter(program: Program) -> None:
    assert_agrees(program)


@settings(RELAXED, max_examples=60)
@given(selector_programs(max_context=9))
def test_agrees_on_longer_inputs(program: Program) -> None:
    assert_agrees(program)


@settings(RELAXED, max_examples=60)
@given(selector_programs())
def test_is_formatted_and_the_same_every_time(program: Program) -> None:
    text = emit_python(program)
    assert text == emit_python(program)
    assert_formatted(text)


# Selectors that people write. Every reader of them stays fast but for means of floats that round.

COLUMNS = """
    number = 0 if tokens == "a" else (2 if tokens == "b" else 1);
    other = indices % 3;
    half = indices / 2;
    truth = tokens == "c";
"""
SELECTORS = {
    "less": "select(tokens, tokens, <)",
    "at least, mixed columns": "select(number, half, >=)",
    "unlike": "select(tokens, tokens, !=)",
    "earlier": "select(indices, indices, <)",
    "later": "select(indices, indices, >)",
    "up to another": "select(indices, half, <=)",
    "the next": "select(indices, indices + 1, ==)",
    "shifted": "select(indices + 2, indices, >=)",
    "window": "select(indices, indices - 2, >=) and select(indices, indices, <=)",
    "two equalities": "select(tokens, tokens, ==) and select(other, other, ==)",
    "equal, tested": 'select(tokens, "a", ==) and select(other, other, ==)',
    "tested": 'select(tokens, "a", ==)',
    "tested, earlier": 'select(tokens, "a", ==) and select(indices, indices, <)',
    "query tested": 'select("b", tokens, <) and select(indices, indices, <=)',
    "rank in a group": "select(tokens, tokens, ==) and select(indices, indices, <)",
    "later in a group": "select(tokens, tokens, ==) and select(indices, indices, >)",
    "smaller in a group": "select(tokens, tokens, ==) and select(other, half, <)",
    "between in a group": "select(truth, truth, ==) and select(number, other, >) "
    "and select(number, half, <=)",
    "all but oneself": "select(tokens, tokens, ==) and select(indices, indices, !=)",
    "sort": "select(tokens, tokens, <) or "
    "(select(tokens, tokens, ==) and select(indices, indices, <))",
    "sort, written twice": "select(-number, -number, <) or "
    "(select(-number, -number, ==) and select(indices, indices, <))",
    "or the first": "select(tokens, tokens, ==) or select(indices, 0, ==)",
    "and the first": "select(tokens, tokens, <) and select(indices, 0, ==)",
    "either": "select(tokens, tokens, ==) or select(other, other, ==)",
    "not equal": "not select(tokens, tokens, ==)",
    "not sorted before": "not (select(tokens, tokens, <) or "
    "(select(tokens, tokens, ==) and select(indices, indices, <)))",
    "smaller and earlier": "select(number, number, <) and select(indices, indices, <)",
    "smaller twice": "select(number, number, <) and select(other, other, <)",
    "smaller and earlier in a group": "select(truth, truth, ==) and select(number, number, <=) "
    "and select(indices, indices, <)",
    "of two, tested": '(select(tokens, "a", ==) or select(tokens, "b", ==)) '
    "and select(indices, indices, <)",
    "a choice": "closest(select(tokens, tokens, ==)) and select(number, other, ==)",
    "all": "select(1, 1, ==)",
    "none": "select(1, 2, ==)",
    "a table": "select(tokens, tokens, after) and select(indices, indices, <)",
    "a table with gaps, tested": "select(tokens, tokens, some) and select(number, 0, !=)",
}
SLOW = [("smaller twice", True)]
"""Three orders at once, that of positions among them."""

READERS = """
    output width = selector_width(s);
    output sum = aggregate_sum(s, number);
    output mean = aggregate(s, number, 7);
    output truths = aggregate_sum(s, truth);
    output halves = aggregate_sum(s, half);
    output quarters = aggregate(s, half / 2, 0.1);
"""
TABLES = """
    table after { "a" -> "b"; "b" -> {"a", "c"}; "c" -> {"b", "c"} }
    table some { "a" -> "b"; "b" -> {}; "c" -> "c" }
"""
CAUSAL = pytest.mark.parametrize("causal", [False, True])


def program_of(text: str, *, causal: bool = False, context: int = 4) -> Program:
    return parse(f"{'causal;' if causal else ''}{TABLES}{text}", vocabulary="abc", context=context)


def main_branch(text: str) -> str:
    """A module without what it does where floats round."""
    return re.sub(r"\n    else:\n(        .*\n|        \)\n)+", "\n", text)


@CAUSAL
@pytest.mark.parametrize("name", SELECTORS)
def test_selectors(name: str, causal: bool) -> None:
    program = program_of(f"{COLUMNS} s = {SELECTORS[name]}; {READERS}", causal=causal)
    text = assert_agrees(program, inputs(4))
    rows = ROWS.search(main_branch(text[text.index("def run(") :]))
    assert bool(rows) == ((name, causal) in SLOW), text


@CAUSAL
@pytest.mark.parametrize("name", SELECTORS)
def test_words(name: str, causal: bool) -> None:
    """A mean of words fails, so the one word selected is read where there is one at most."""
    text = f'{COLUMNS} s = {SELECTORS[name]}; x = aggregate(s, tokens, "-");'
    found = assert_agrees(program_of(text, causal=causal), inputs(4))
    assert bool(ROWS.search(found[found.index("def run(") :])) == ((name, causal) in SLOW), found


@CAUSAL
@pytest.mark.parametrize("name", SELECTORS)
def test_choices(name: str, causal: bool) -> None:
    lines = [f"{COLUMNS} s = {SELECTORS[name]};"]
    for order in ("closest", "first", "last"):
        lines.append(f"output {order}_or_0 = aggregate({order}(s), indices);")
        choice = f"choose(s, order={order}, otherwise=none)"
        lines.append(f"output {order}_or_none = aggregate({choice}, indices, -1);")
    assert_agrees(program_of("".join(lines), causal=causal), inputs(4))


WITH_ROWS = {
    *("unlike", "either", "not equal", "not sorted before"),  # some keys are in two parts
    *("between in a group", "smaller twice"),  # limits on two sides, or in two columns
}


@pytest.mark.parametrize("name", SELECTORS)
def test_most_choices_need_no_rows(name: str) -> None:
    lines = [f"{COLUMNS} s = {SELECTORS[name]};"]
    for order in ("closest", "first", "last"):
        lines.append(f"output {order} = aggregate({order}(s), tokens);")
    text = emit_python(program_of("".join(lines)))
    assert bool(ROWS.search(text[text.index("def run(") :])) == (name in WITH_ROWS), text


def inputs(longest: int) -> list[list[Value]]:
    noise = random.Random(0)
    found: list[list[Value]] = [[a, b, c] for a in "abc" for b in "abc" for c in "abc"]
    return found + [list(noise.choices("abc", k=k)) for k in (1, 2, *[longest] * 20)]


@CAUSAL
def test_sums_that_round_keep_their_order(causal: bool) -> None:
    """From left to right 1e17 + 1 + 1 - 1e17 is 0.0; in another order it is not."""
    text = """
        number = 1e17 if tokens == "a" else (-1e17 if tokens == "b" else 1.0);
        output less = aggregate_sum(select(tokens, tokens, <=), number);
        output later = aggregate_sum(select(indices, indices, >=), number);
        output mean = aggregate(select(tokens, tokens, >=), number);
        output earlier = aggregate_sum(select(indices, indices, <), number);
        output group = aggregate(select(tokens, tokens, ==) and select(indices, indices, <),
            number);
    """
    assert_agrees(program_of(text, causal=causal), inputs(4))


def test_mixed_types_fail_wherever_the_selector_is_used() -> None:
    text = """
        mixed = "x" if tokens == "a" else 1;
        s = select(mixed, mixed, <) and select(1, 2, ==);
        n = selector_width(s);
    """
    found = assert_agrees(program_of(text), inputs(4))
    assert "comparable(mixed, mixed)" in found


# Time.

CHOICES = "output near = aggregate(closest(s), tokens); output last = aggregate(last(s), tokens);"
PROGRAMS = {
    name: f"{COLUMNS} s = {SELECTORS[name]}; {READERS} {CHOICES}"
    for name in ("sort", "rank in a group", "smaller and earlier", "or the first", "window")
}


@CAUSAL
@pytest.mark.parametrize("name", PROGRAMS)
def test_time_is_near_linear(name: str, causal: bool) -> None:
    program = program_of(PROGRAMS[name], causal=causal, context=1000)
    run = load(emit_python(program))["run"]
    assert isinstance(run, Callable)
    short, long = (opcodes(run, list("abcab" * n)) for n in (20, 160))
    assert long < 8 * short * 2, "eight times the length should cost about eight times as much"
    assert_agrees(program, [list("abcab" * 20)])


def test_long_contexts_are_emitted_at_once() -> None:
    short, long = (
        emit_python(program_of(PROGRAMS["sort"], context=context)) for context in (10, 100_000)
    )
    assert len(long) < len(short) + 20


@pytest.mark.parametrize("op", ["or", "and"])
def test_deeply_nested_selectors(op: str) -> None:
    lines = [f"s = s {op} select(indices % {k + 2}, indices, ==);" for k in range(400)]
    text = f"s = select(tokens, tokens, ==); {''.join(lines)} n = selector_width(s);"
    assert_agrees(program_of(text, context=3))


def test_selectors_used_twice_are_written_once() -> None:
    lines = [
        f's = (s or select(indices % {k + 2}, indices, ==)) and (s or select(tokens, "a", <));'
        for k in range(40)
    ]
    text = f"s = select(tokens, tokens, ==); {''.join(lines)} n = selector_width(s);"
    assert len(assert_agrees(program_of(text, context=3))) < 40_000


# The text.


@pytest.mark.parametrize("name", SELECTORS)
def test_long_names_are_formatted(name: str) -> None:
    text = f"{COLUMNS} s = {SELECTORS[name]}; {READERS}"
    long = {word: f"{word}_of_a_name_that_goes_on_and_on" for word in ("number", "other", "s")}
    text = re.sub(r"\b(number|other|s)\b", lambda found: long[found[0]], text)
    for causal in (False, True):
        assert_formatted(emit_python(program_of(text, causal=causal)))


def test_long_constants_are_formatted() -> None:
    tests = " or ".join(f'select(tokens, "{letter * 50}", >=)' for letter in "xyz")
    assert_formatted(assert_agrees(program_of(f"n = selector_width(not ({tests}));"), inputs(4)))


def test_golden_text(golden: Callable[[str, str], None]) -> None:
    text = """
        # sorted by value, equal ones as they stand
        earlier = select(tokens, tokens, <)
            or (select(tokens, tokens, ==) and select(indices, indices, <));
        place = selector_width(earlier);
        output sorted = aggregate(select(place, indices, ==), tokens);
        # the count as the paper has it, with a token at the beginning
        output count = 1 / aggregate(select(tokens, tokens, ==) or select(indices, 0, ==),
            indicator(indices == 0)) - 1;
        # the letter that follows the last "a"
        after = select(tokens, "a", ==) and select(indices, indices, <);
        output letter = aggregate(last(after), tokens);
        output share = aggregate(select(indices, indices, <=), indicator(tokens == "a"));
        # how many smaller ones have come before
        output smaller = selector_width(select(tokens, tokens, <)
            and select(indices, indices, <));
    """
    found = assert_agrees(program_of(text, context=100), inputs(6))
    assert_formatted(found)
    golden("python_selectors.txt", found)
