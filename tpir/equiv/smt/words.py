"""Whole numbers as words of bits, and what is counted and added with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.equiv.smt.summaries import Summary, Unsupported

Word = list[Literal]
"""Bits of a number that is not negative, the lowest first."""

MAX_STATES = 2048
"""Running totals that are kept apart one by one."""

State = TypeVar("State", bound=tuple[int, float])


def known(number: int) -> Word:
    """A number as a word."""
    return [TRUE if number >> k & 1 else FALSE for k in range(number.bit_length())]


def chosen_word(circuit: Circuit, cases: Sequence[tuple[int, Literal]]) -> Word:
    """The number whose literal is true, 0 if none is."""
    longest = max((number.bit_length() for number, _ in cases), default=0)
    return [circuit.any(x for number, x in cases if number >> k & 1) for k in range(longest)]


def added(circuit: Circuit, left: Word, right: Word) -> Word:
    """The sum of two words (ripple carry)."""
    total: Word = []
    carry = FALSE
    for k in range(max(len(left), len(right))):
        a = left[k] if k < len(left) else FALSE
        b = right[k] if k < len(right) else FALSE
        half = circuit.differ(a, b)
        total.append(circuit.differ(half, carry))
        carry = circuit.either(circuit.both(a, b), circuit.both(half, carry))
    return [*total, carry] if carry != FALSE else total


def summed(circuit: Circuit, words: Sequence[Word]) -> Word:
    """The sum of words, by a tree of additions."""
    level = [word for word in words if word]
    while len(level) > 1:
        level = [
            added(circuit, level[k], level[k + 1]) if k + 1 < len(level) else level[k]
            for k in range(0, len(level), 2)
        ]
    return level[0] if level else []


def less(circuit: Circuit, left: Word, right: Word) -> Literal:
    """Whether the left number is below the right one."""
    result = FALSE
    for k in range(max(len(left), len(right))):
        a = left[k] if k < len(left) else FALSE
        b = right[k] if k < len(right) else FALSE
        result = circuit.choice(circuit.differ(a, b), b, result)
    return result


def decoded(circuit: Circuit, word: Word, numbers: range) -> list[Literal]:
    """For each of a range of numbers from 0 on, when the word is that number."""
    leaves = [TRUE]
    for bit in reversed(word):  # highest first: leaves are in ascending order
        leaves = [circuit.both(x, y) for x in leaves for y in (bit ^ 1, bit)]
    return [leaves[n] if n < len(leaves) else FALSE for n in numbers]


def running(
    circuit: Circuit,
    start: State,
    steps: Sequence[tuple[Literal, Summary]],
    add: Callable[[State, float], State],
) -> dict[State, Literal]:
    """The states after all steps, from left to right: a step adds its value where it is selected.

    Raises Unsupported where there are too many states.
    """
    states: dict[State, Literal] = {start: TRUE}
    for selected, summary in steps:
        if selected == FALSE:
            continue
        following: dict[State, list[Literal]] = {}
        for state, literal in states.items():
            following.setdefault(state, []).append(circuit.both(literal, selected ^ 1))
            met = circuit.both(literal, selected)
            for value, x in zip(summary.values, summary.literals, strict=True):
                assert not isinstance(value, str)
                case = circuit.both(met, x)
                if case != FALSE:
                    following.setdefault(add(state, value), []).append(case)
        states = {state: circuit.any(cases) for state, cases in following.items()}
        states = {state: literal for state, literal in states.items() if literal != FALSE}
        if len(states) > MAX_STATES:
            raise Unsupported(f"a sum or mean of more than {MAX_STATES} kinds")
    return states
