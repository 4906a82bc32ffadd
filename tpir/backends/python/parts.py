"""The conjunctions of a form, each written in the way that its conditions allow."""

from __future__ import annotations

from dataclasses import replace

from tpir.backends.python.boxes import Box
from tpir.backends.python.conditions import Conditions
from tpir.backends.python.forms import POSITIONS, UP_TO_THE_QUERY, Match, Outcome, Pair, Term
from tpir.backends.python.keyed import Keyed
from tpir.backends.python.layout import Code, Comprehension
from tpir.backends.python.loops import loop
from tpir.backends.python.picks import picked
from tpir.backends.python.stretches import Same, Stretch
from tpir.backends.python.writer import Writer
from tpir.ir.ops import Preference

Part = Keyed | Stretch | Box


MOST_ORDERS = 2
"""Conjunctions that sort keys by more columns than this cannot be written as a part."""


(SO_FAR,) = UP_TO_THE_QUERY


def orders_of(term: Term) -> set[str]:
    """The columns by which a conjunction sorts its keys."""
    return {
        subject.keys
        for subject, outcome in term.facts
        if isinstance(subject, Pair) and outcome != Outcome.EQUAL
    }


def is_keyed(term: Term) -> bool:
    """Whether a conjunction only asks for keys that equal wanted ones, perhaps up to the query."""
    limits = [
        fact
        for fact in term.facts
        if isinstance(fact[0], Pair) and fact[1] != Outcome.EQUAL and fact not in SO_FAR.facts
    ]
    equal = any(isinstance(s, Pair | Match) and o == Outcome.EQUAL for s, o in term.facts)
    return equal and not limits


def part_of(writer: Writer, name: str, term: Term) -> Part:
    """How a conjunction of at most two orders is written."""
    conditions = Conditions.of(writer, name, term)
    if is_keyed(term):
        return replace(_keyed(conditions), so_far=bool(conditions.orders))
    return Box.of(conditions) if len(conditions.orders) == 2 else Stretch.of(conditions)


def can_choose(term: Term) -> bool:
    """Whether the first, last or closest key of a conjunction is found without rows.

    That is so if one column at most, besides positions, limits its keys, and on one side only.
    """
    columns = orders_of(term) - {POSITIONS}
    if len(columns) > 1:
        return False
    outcomes = [
        outcome
        for subject, outcome in term.facts
        if isinstance(subject, Pair) and subject.keys in columns and outcome != Outcome.EQUAL
    ]
    return len({Outcome.LESS in outcome for outcome in outcomes}) <= 1


def choice_of(writer: Writer, name: str, term: Term, order: Preference, *, total: bool) -> Code:
    """The first, last or closest position that a conjunction selects, if ``can_choose``.

    Where it selects none that is the first of all positions, or None unless ``total``.
    """
    if orders_of(term) <= {POSITIONS}:
        part = part_of(writer, name, term)
        assert not isinstance(part, Box)
        return part.chosen(order, total=total)
    return picked(Conditions.of(writer, name, term), order, total=total)


def _keyed(conditions: Conditions) -> Keyed:
    match, *others = conditions.equal
    if not others and not conditions.key_tests and not conditions.query_tests:
        return Keyed(conditions.writer, match.keys, match.queries, match.want, match.at_index)
    return Keyed(conditions.writer, conditions.keys(), conditions.wanted(), "x")


def combined(
    writer: Writer, name: str, found: list[tuple[Code | Same, int]], zero: str = "0"
) -> Code | Same:
    """The sum of columns and numbers, each times a factor; ``zero`` if there are none."""
    if len(found) == 1 and found[0][1] == 1:
        return found[0][0]
    found = sorted(found, key=lambda part: part[1] < 0)
    columns = [
        (None if isinstance(code, Same) else _column(writer, name, code)) for code, _ in found
    ]
    names, clause = loop([column for column in columns if column is not None])
    text = ""
    for column, (code, factor) in zip(columns, found, strict=True):
        value = code.number if isinstance(code, Same) else names[column or ""]
        value = value if abs(factor) == 1 else f"{abs(factor)} * {value}"
        sign = "-" if factor < 0 else "+"
        text = f"{text} {sign} {value}" if text else value if factor > 0 else f"-{value}"
    if not text:
        return Same(zero)
    if all(column is None for column in columns):
        return Same(f"({text})")
    return Comprehension("[]", text, clause)


def _column(writer: Writer, name: str, code: Code) -> str:
    """A variable, or the text of a range, that holds a column."""
    if isinstance(code, str) and code.startswith("range("):
        return code
    return writer.stored(name, code)


def column_of(code: Code | Same) -> Code:
    """A number for each query, as a list."""
    if isinstance(code, Same):
        return f"[{code.number}] * n"
    if isinstance(code, str) and code.startswith("range("):
        return f"list({code})"
    return code
