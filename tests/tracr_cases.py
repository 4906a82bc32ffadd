"""Tracr's public table of test cases as programs of ours, for the interpreter and for weights.

The table (program, vocabulary, longest length, input, expected output) is data of
``../shared/cases/tracr.json``; here is what its programs are in RASP text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import tpir
from tests.conftest import SHARED
from tpir.ir.program import Program
from tpir.ir.values import Value

TABLE = SHARED / "cases" / "tracr.json"

SHUFFLE_DYCK = """
def balanced(pair) {{
    opening, closing = pair;
    open = depth(tokens == opening, tokens == closing);
    return not contains(open < 0, True) and (count(tokens, opening) == count(tokens, closing));
}}
all = True;
for pair in {pairs} {{
    all = all and balanced(pair);
}}
x = all;
"""
SORT_UNIQUE = """
keys = {keys};
place = selector_width(select(keys, keys, <));
x = aggregate(select(place, indices, ==), {values});
"""
FRACTION = 'x = aggregate(so_far, indicator(tokens == "{token}"));'
RARE = "x = selector_width(select(hist(tokens), 2, <=));"

PROGRAMS = {
    "frac_prevs_1": FRACTION.format(token="l"),
    "frac_prevs_2": FRACTION.format(token="("),
    "frac_prevs_3": FRACTION.format(token=")"),
    "shift_by_one": 'x = shift(tokens, 1, "-");',
    "shift_by_two": 'x = shift(tokens, 2, "-");',
    "detect_pattern_a": 'x = ends_with(tokens, ["a"]);',
    "detect_pattern_ab": 'x = ends_with(tokens, ["a", "b"]);',
    "detect_pattern_ab_2": 'x = ends_with(tokens, ["a", "b"]);',
    "detect_pattern_ab_3": 'x = ends_with(tokens, ["a", "b"]);',
    "detect_pattern_abc": 'x = ends_with(tokens, ["a", "b", "c"]);',
    **dict.fromkeys([f"reverse_{k}" for k in range(1, 5)], "x = reverse(tokens);"),
    **dict.fromkeys([f"length_categorical_{k}" for k in range(1, 4)], "x = length;"),
    **dict.fromkeys([f"length_numerical_{k}" for k in range(1, 4)], "x = length;"),
    "pair_balance_1": """
        def share(token) {
            return aggregate(so_far, indicator(tokens == token));
        }
        x = share("(") - share(")");
    """,
    **dict.fromkeys(
        [f"shuffle_dyck2_{k}" for k in range(1, 4)], SHUFFLE_DYCK.format(pairs='["()", "{}"]')
    ),
    **dict.fromkeys(
        [f"shuffle_dyck3_{k}" for k in range(1, 4)], SHUFFLE_DYCK.format(pairs='["()", "{}", "[]"]')
    ),
    "hist": "x = hist(tokens);",
    "sort_unique_1": SORT_UNIQUE.format(keys="tokens_int", values="tokens_int"),
    "sort_unique_2": SORT_UNIQUE.format(keys="1 - indices", values="tokens"),
    "sort_1": "x = sort(tokens_int, tokens_int);",
    "sort_2": "x = sort(tokens, 1 - indices);",
    "sort_3": "x = sort(tokens_int, tokens_int);",
    "sort_freq": "x = sort_descending(tokens_int, hist(tokens));",
    "make_count_less_freq_categorical_1": RARE,
    "make_count_less_freq_categorical_2": RARE,
    "make_count_less_freq_numerical_1": RARE,
    "make_count_less_freq_numerical_2": RARE,
    **dict.fromkeys([f"make_count_{k}" for k in range(1, 4)], 'x = count(tokens, "a");'),
    "make_nary_sequencemap_1": """
        def f(x, y, z) {
            return x + y - z;
        }
        x = f(tokens_int, tokens_int, indices);
    """,
    "make_nary_sequencemap_2": """
        def f(x, y, z) {
            return x * y / z;
        }
        x = f(indices, indices, tokens_int);
    """,
    "selector_width": "x = selector_width(select(tokens, tokens, True));",
    # What Tracr refuses.
    "numerical_categorical_aggregate": (
        "x = aggregate(select(tokens, tokens, True), map($1, tokens_int));"
    ),
    "categorical_numerical_aggregate": "x = aggregate(select(tokens, tokens, True), tokens_int);",
    "numerical_numerical_aggregate": (
        "x = aggregate(select(tokens, tokens, True), map($1, tokens_int), 0);"
    ),
    "aggregate_with_not_None_default": (
        "x = aggregate(select(indices, indices, ==), tokens_int, 1);"
    ),
    "numerical_selector": "x = selector_width(select(tokens_int, tokens_int, <));",
    "numerical_SequenceMap": "x = indices + tokens_int;",
    "categorical_LinearSequenceMap": "x = indices + tokens_int;",
    "numerical_tokens": "x = tokens_int;",
    "numerical_indices": "x = indices;",
}
"""The text of each program, by the name of its case."""

NONE: dict[str, Value] = {
    **dict.fromkeys(["shift_by_one", "shift_by_two"], "-"),
    **dict.fromkeys([name for name in PROGRAMS if name.startswith("detect_pattern")], False),
}
"""What a program of ours gives where Tracr's gives None: a word of its own, or False."""


def mean(numbers: Sequence[int]) -> list[Value]:
    return [sum(numbers) / len(numbers)] * len(numbers)


def index_and_token(numbers: Sequence[int]) -> list[Value]:
    return [i + number for i, number in enumerate(numbers)]


REFUSED_BY_TRACR: dict[str, Callable[[Sequence[int]], list[Value]]] = {
    "numerical_categorical_aggregate": mean,
    "categorical_numerical_aggregate": mean,
    "numerical_numerical_aggregate": mean,
    "aggregate_with_not_None_default": lambda numbers: [*numbers],
    "numerical_selector": lambda numbers: [sum(a < b for a in numbers) for b in numbers],
    "numerical_SequenceMap": index_and_token,
    "categorical_LinearSequenceMap": index_and_token,
    "numerical_tokens": lambda numbers: [*numbers],
    "numerical_indices": lambda numbers: [*range(len(numbers))],
}
"""What the programs that Tracr refuses mean: it has no expected output for them."""


@dataclass(frozen=True)
class TracrCase:
    """A program for the vocabulary and the longest length of the case, an input, its outputs."""

    name: str
    program: Program
    tokens: list[Value]
    expected: list[Value]


@dataclass(frozen=True)
class RefusedByTracr:
    """A program that Tracr does not compile, and what it computes of each input."""

    name: str
    program: Program
    oracle: Callable[[Sequence[int]], list[Value]] = field(repr=False)


def tracr_cases() -> list[TracrCase]:
    """The 43 bidirectional cases and the 11 causal ones; those that are both are there twice.

    ``expected`` is Tracr's, but for its None: there stands what our program gives. Numbers compare
    by value: Tracr has 1 for True, and 0.0 for 0.
    """
    table = read_table()
    return [
        case_of(entry, causal)
        for causal, kinds in (
            (False, ("universal", "bidirectional")),
            (True, ("universal", "causal")),
        )
        for kind in kinds
        for entry in table[kind]
    ]


def refused_by_tracr() -> list[RefusedByTracr]:
    """The nine programs that Tracr refuses."""
    found = []
    for entry in read_table()["unsupported_by_tracr"]:
        name = str(python(entry["testcase_name"]))
        found.append(RefusedByTracr(name, program_of(entry, name, False), REFUSED_BY_TRACR[name]))
    return found


def read_table(path: Path = TABLE) -> dict[str, list[dict[str, str]]]:
    """The table; each field of an entry is spelled in Python."""
    table: dict[str, list[dict[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    return table


def case_of(entry: dict[str, str], causal: bool) -> TracrCase:
    name = str(python(entry["testcase_name"]))
    expected = cast("list[Value | None]", python(entry["expected_output"]))
    return TracrCase(
        f"{name}, causal" if causal else name,
        program_of(entry, name, causal),
        cast("list[Value]", python(entry["test_input"])),
        [NONE[name] if value is None else value for value in expected],
    )


def program_of(entry: dict[str, str], name: str, causal: bool) -> Program:
    text = f"{'causal;' if causal else ''} {PROGRAMS[name]}"
    vocabulary = sorted(cast("set[str]", python(entry["vocab"])))
    context = cast("int", python(entry["max_seq_len"]))
    return tpir.parse(text, vocabulary=vocabulary, context=context)


def python(source: str) -> object:
    """A value as the table spells it: literals, fractions and ``list("abc")``."""
    return eval(source, {"__builtins__": {"list": list}})
