"""What the functions of the standard library compute, in plain Python: calls with their oracles.

The inputs are rows of the digits 0 to 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.examples.oracles import (
    Tokens,
    Value,
    first_occurrence,
    frequent_first,
    hist,
    most_frequent,
)


@dataclass(frozen=True)
class Call:
    """An expression over ``tokens`` and what it has to give."""

    text: str
    oracle: Callable[[Tokens], list[Value]] = field(repr=False)


def ints(tokens: Tokens) -> list[int]:
    return [int(token) for token in tokens]


def everywhere(value: Callable[[Tokens], Value]) -> Callable[[Tokens], list[Value]]:
    return lambda tokens: [value(tokens)] * len(tokens)


def each(value: Callable[[Tokens, int], Value]) -> Callable[[Tokens], list[Value]]:
    return lambda tokens: [value(tokens, i) for i in range(len(tokens))]


def at(values: list[Value], place: int, otherwise: Value) -> Value:
    return values[place] if 0 <= place < len(values) else otherwise


def mean(values: Iterable[float], default: Value = 0) -> Value:
    """As aggregate has it: nothing gives the default, one value stays as it is."""
    found = list(values)
    return default if not found else found[0] if len(found) == 1 else sum(found) / len(found)


def places(tokens: Tokens, value: str) -> list[int]:
    return [i for i, token in enumerate(tokens) if token == value]


def stable_rank(tokens: Tokens) -> list[Value]:
    order = sorted(range(len(tokens)), key=tokens.__getitem__)
    return [order.index(i) for i in range(len(tokens))]


def moved_by_own_value(tokens: Tokens) -> list[Value]:
    """Each number goes as far to the right as it says; where several meet, their mean."""
    landed = [i + int(token) for i, token in enumerate(tokens)]
    return [
        mean((int(t) for t, place in zip(tokens, landed, strict=True) if place == i), 9)
        for i in range(len(tokens))
    ]


ORIGINAL = [
    Call("length", everywhere(len)),
    Call("selector_width(full_s)", everywhere(len)),
    Call('has_focus(select(tokens, "1", ==))', everywhere(lambda t: "1" in t)),
    Call("has_focus(select(indices, indices, <))", each(lambda t, i: i > 0)),
    Call('count(tokens, "1")', everywhere(lambda t: t.count("1"))),
    Call("count(tokens_int, 1.0)", everywhere(lambda t: t.count("1"))),
    Call(
        "count(tokens_int, indices)",
        everywhere(lambda t: sum(int(v) == i for i, v in enumerate(t))),
    ),
    Call('contains(tokens, "2")', everywhere(lambda t: "2" in t)),
    Call("max(tokens_int, indices)", each(lambda t, i: max(int(t[i]), i))),
    Call("min(tokens_int, indices)", each(lambda t, i: min(int(t[i]), i))),
    Call('max(tokens, "1")', each(lambda t, i: max(t[i], "1"))),
    Call('min("1", tokens)', each(lambda t, i: min(t[i], "1"))),
    Call("max(tokens_int, 1.0)", each(lambda t, i: 2 if t[i] == "2" else 1.0)),
    Call("min(tokens_int, 1.0)", each(lambda t, i: 0 if t[i] == "0" else 1.0)),
    Call("indices + max(3, 5) - min(3, 5)", each(lambda t, i: i + 2)),
    Call("average(tokens_int)", everywhere(lambda t: mean(ints(t)))),
    Call("load_from_location(tokens, 0)", everywhere(lambda t: t[0])),
    Call("load_from_location(tokens_int, indices + 1)", each(lambda t, i: at(ints(t), i + 1, 0))),
    Call("load_from_location(tokens_int, -1)", everywhere(lambda t: 0)),
    Call('shift(tokens, 1, "-")', each(lambda t, i: at(t, i - 1, "-"))),
    Call("shift(tokens_int, -2, 7)", each(lambda t, i: at(ints(t), i + 2, 7))),
    Call("shift(tokens_int, tokens_int, 9)", moved_by_own_value),
    Call(
        'mark_last_instance(tokens, "1")', each(lambda t, i: t[i] == "1" and "1" not in t[i + 1 :])
    ),
    Call('mark_first_instance(tokens, "1")', each(lambda t, i: t[i] == "1" and "1" not in t[:i])),
    Call(
        "mark_first_instance(tokens_int, indices)",
        each(lambda t, i: t[i] == str(i) and str(i) not in t[:i]),
    ),
    Call(
        'aggregate(select_from_last(tokens, "1"), indices, -1)',
        everywhere(lambda t: max(places(t, "1"), default=-1)),
    ),
    Call(
        'aggregate(select_from_first(tokens, "1"), indices, -1)',
        everywhere(lambda t: min(places(t, "1"), default=-1)),
    ),
    Call("sort(tokens, tokens)", sorted),
    Call("sort(tokens_int, -tokens_int)", lambda t: sorted(ints(t), reverse=True)),
    Call("sort(indices, tokens)", lambda t: sorted(range(len(t)), key=t.__getitem__)),
    Call(
        "aggregate(select_next_identical(tokens), indices, -1)",
        each(lambda t, i: next((j for j in places(t, t[i]) if j > i), -1)),
    ),
]
"""The names of the original library."""

OWN = [
    Call("selector_width(earlier)", each(lambda t, i: i)),
    Call("selector_width(so_far)", each(lambda t, i: i + 1)),
    Call("selector_width(later)", each(lambda t, i: len(t) - 1 - i)),
    Call('previous(tokens, "-")', each(lambda t, i: at(t, i - 1, "-"))),
    Call("next(tokens_int, -1)", each(lambda t, i: at(ints(t), i + 1, -1))),
    Call("reverse(tokens)", lambda t: t[::-1]),
    Call("reverse(tokens_int)", lambda t: ints(t)[::-1]),
    Call("hist(tokens)", hist),
    Call("occurrence(tokens)", each(lambda t, i: t[: i + 1].count(t[i]))),
    Call("is_first(tokens)", first_occurrence),
    Call("distinct(tokens)", everywhere(lambda t: len(set(t)))),
    Call("most_frequent(tokens)", most_frequent),
    Call("rank(tokens)", stable_rank),
    Call("sort_descending(tokens, hist(tokens))", frequent_first),
    Call("sort_descending(tokens, tokens)", lambda t: sorted(t, reverse=True)),
    Call("is_sorted(tokens)", everywhere(lambda t: t == sorted(t))),
    Call("largest(tokens)", everywhere(max)),
    Call("smallest(tokens_int)", everywhere(lambda t: min(ints(t)))),
    Call("argmax(tokens)", everywhere(lambda t: t.index(max(t)))),
    Call("argmin(tokens)", everywhere(lambda t: t.index(min(t)))),
    Call("maximum(full_s, tokens_int, -1)", everywhere(lambda t: max(ints(t)))),
    Call('maximum(earlier, tokens, "-")', each(lambda t, i: max(t[:i], default="-"))),
    Call('minimum(later, tokens, "-")', each(lambda t, i: min(t[i + 1 :], default="-"))),
    Call(
        "maximum(select(tokens, tokens, ==), indices, -1)",
        each(lambda t, i: max(places(t, t[i]))),
    ),
    Call(
        'minimum(select(tokens, "1", ==), indices, -1)',
        everywhere(lambda t: min(places(t, "1"), default=-1)),
    ),
    Call("sum(tokens_int)", everywhere(lambda t: sum(ints(t)))),
    Call("sum(tokens_int / 2)", everywhere(lambda t: sum(ints(t)) / 2)),
    Call('fraction(tokens == "1")', everywhere(lambda t: t.count("1") / len(t))),
    Call('running_count(tokens == "1")', each(lambda t, i: t[: i + 1].count("1"))),
    Call("running_sum(tokens_int)", each(lambda t, i: sum(ints(t)[: i + 1]))),
    Call("running_max(tokens)", each(lambda t, i: max(t[: i + 1]))),
    Call("running_min(tokens_int)", each(lambda t, i: min(ints(t)[: i + 1]))),
    Call(
        'depth(tokens == "1", tokens == "2")',
        each(lambda t, i: t[: i + 1].count("1") - t[: i + 1].count("2")),
    ),
    Call("div(indices, 3)", each(lambda t, i: i // 3)),
    Call("div(tokens_int - indices, 2)", each(lambda t, i: (int(t[i]) - i) // 2)),
    Call("div(indices, tokens_int - 3)", each(lambda t, i: i // (int(t[i]) - 3))),
    Call('any_selected(earlier, tokens == "1")', each(lambda t, i: "1" in t[:i])),
    Call('all_selected(later, tokens == "1")', each(lambda t, i: set(t[i + 1 :]) <= {"1"})),
    Call('first_where(tokens == "1", -1)', everywhere(lambda t: min(places(t, "1"), default=-1))),
    Call('last_where(tokens == "1", -1)', everywhere(lambda t: max(places(t, "1"), default=-1))),
    Call(
        'latest_where(indices, tokens == "1", -1)',
        each(lambda t, i: max((j for j in places(t, "1") if j <= i), default=-1)),
    ),
    Call(
        'ends_with(tokens, ["1", "2", "1"])', each(lambda t, i: t[: i + 1][-3:] == ["1", "2", "1"])
    ),
    Call('ends_with(tokens, ["1", "1"])', each(lambda t, i: t[: i + 1][-2:] == ["1", "1"])),
    Call("ends_with(tokens_int, [0])", each(lambda t, i: t[i] == "0")),
]
"""Our own names."""
