"""The minimal deterministic automaton of an accepted form, as arrays.

States come from ``tpir.semantics.derivatives``; automata-lib minimises them. (interegular is as
fast but made for text; greenery takes seconds for ``x{1,127}``.) Its alphabet has one private-use
character for each *class* of tokens that the form does not tell apart, not for each token: with 60
tokens that is the difference between 5 seconds and 5 milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.ir.values import Key
from tpir.semantics.derivatives import States, explore
from tpir.semantics.form import Form
from tpir.semantics.token_classes import TokenClasses

if TYPE_CHECKING:
    from automata.fa.dfa import DFA

DEAD = 0
"""The state from which nothing is accepted."""

_FIRST_CHARACTER = 0xF0000
"""Supplementary Private Use Area-A: no character of it means anything to anyone."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """A minimal automaton that is right about all sequences up to a context.

    ``step[state, class]`` is the next state; ``accepting[state]`` whether it accepts;
    ``class_of[token]`` the class of a token index. No two classes have equal columns in ``step``,
    and from every state but ``DEAD`` something can be accepted.
    """

    step: NDArray[np.int32]
    accepting: NDArray[np.bool_]
    start: int
    class_of: NDArray[np.int32]

    @cached_property
    def class_sizes(self) -> NDArray[np.int64]:
        """How many tokens each class holds."""
        return np.bincount(self.class_of, minlength=self.step.shape[1]).astype(np.int64)

    def step_tokens(self, state: int) -> NDArray[np.int32]:
        """The next state for each token of the vocabulary."""
        row: NDArray[np.int32] = self.step[state, self.class_of]
        return row

    def completable(self, most: int) -> NDArray[np.bool_]:
        """``[r, state]``: whether exactly r more tokens can end in acceptance, for r = 0..most."""
        table = np.zeros((most + 1, len(self.step)), dtype=np.bool_)
        table[0] = self.accepting
        for r in range(most):
            table[r + 1] = table[r][self.step].any(axis=1)
            if (table[r + 1] == table[r]).all():  # and so it stays
                table[r + 2 :] = table[r]
                break
        return table

    def counts(self, most: int) -> list[int]:
        """How many sequences of 0, 1, … ``most`` tokens are accepted. Exact."""
        edges = [self._edges(state) for state in range(len(self.step))]
        totals, ways = [], {self.start: 1}
        for _ in range(most + 1):
            totals.append(sum(many for state, many in ways.items() if self.accepting[state]))
            following: dict[int, int] = {}
            for state, many in ways.items():
                for to, size in edges[state]:
                    following[to] = following.get(to, 0) + many * size
            ways = following
        return totals

    def _edges(self, state: int) -> list[tuple[int, int]]:
        """The living states that follow ``state``, and how many tokens lead to each."""
        many: dict[int, int] = {}
        for to, size in zip(self.step[state].tolist(), self.class_sizes.tolist(), strict=True):
            if to != DEAD:
                many[to] = many.get(to, 0) + size
        return list(many.items())


def any_sequence(tokens: int) -> Automaton:
    """The automaton of every non-empty sequence over a vocabulary of so many tokens."""
    step = np.array([[DEAD], [2], [2]], dtype=np.int32)
    return Automaton(step, np.array([False, False, True]), 1, np.zeros(tokens, dtype=np.int32))


def compile_form(form: Form, keys: Mapping[Key, int], context: int) -> Automaton:
    """The minimal automaton of ``form`` over a vocabulary that is given as key to index.

    About sequences longer than ``context`` it says nothing. Raises TpirError for a token that is
    not in the vocabulary and for a form that needs too large an automaton.
    """
    classes = TokenClasses(form, keys)
    return _as_arrays(_minimise(explore(form, classes, context), classes.count), classes)


def _minimise(states: States, classes: int) -> DFA:
    from automata.fa.dfa import DFA  # here, as most programs accept everything

    return DFA(
        states=set(range(len(states.moves))),
        input_symbols={_character(number) for number in range(classes)},
        transitions={
            state: {_character(number): to for number, to in moves.items()}
            for state, moves in enumerate(states.moves)
        },
        initial_state=0,
        final_states=states.accepting,
        allow_partial=True,
    ).minify()


def _as_arrays(dfa: DFA, classes: TokenClasses) -> Automaton:
    """Number the states from 1 in breadth-first order, and merge classes that are alike."""
    number = {dfa.initial_state: 1}
    order = [dfa.initial_state]
    rows: list[list[int]] = [[DEAD] * classes.count]
    for state in order:
        row = [DEAD] * classes.count
        for symbol, to in sorted(dfa.transitions[state].items()):
            if to not in number:
                number[to] = len(number) + 1
                order.append(to)
            row[ord(symbol) - _FIRST_CHARACTER] = number[to]
        rows.append(row)
    accepting = np.array([False, *(state in dfa.final_states for state in order)], dtype=np.bool_)
    step = np.array(rows, dtype=np.int32)
    columns, class_of = np.unique(step[:, classes.class_of], axis=1, return_inverse=True)
    return Automaton(columns, accepting, 1, class_of.reshape(-1).astype(np.int32))


def _character(number: int) -> str:
    return chr(_FIRST_CHARACTER + number)
