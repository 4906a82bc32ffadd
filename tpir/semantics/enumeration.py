"""Enumerating and sampling what an automaton accepts, on arrays.

The batch is the last axis throughout: an array of sequences is shaped (length, batch) and holds
indices into the vocabulary. Loops run over the positions of a batch and over states, never over
sequences.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.semantics.automaton import Automaton

Indices = NDArray[np.int64]

_Number = TypeVar("_Number", np.int64, np.float64)


class Ranking:
    """The accepted sequences of each length, numbered from 0 in lexicographic order."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        # Saturated: a row of the vocabulary cannot overflow int64 in a sum, and no enumeration gets
        # so far that the difference shows.
        self._most = 2**62 // len(automaton.class_of)
        self._counts = [automaton.accepting.astype(np.int64)]

    def unrank(self, length: int, ranks: NDArray[np.int64]) -> Indices:
        """The sequences with these ranks: (length, batch)."""
        found = np.empty((length, len(ranks)), dtype=np.int64)
        state = np.full(len(ranks), self._automaton.start)
        left = ranks
        for position in range(length):
            counts = self._completions(length - position - 1)
            present, row = _present(state, len(self._automaton.step))
            following = self._automaton.step[present][:, self._automaton.class_of]
            before = np.cumsum(counts[following], axis=1)
            token = _first_above(before, row, left)
            found[position] = token
            left = left - np.where(token > 0, before[row, token - 1], 0)
            state = following[row, token]
        return found

    def _completions(self, r: int) -> NDArray[np.int64]:
        """For each state, how many sequences of r tokens end in acceptance, up to a limit."""
        sizes, step = self._automaton.class_sizes, self._automaton.step
        while len(self._counts) <= r:
            self._counts.append(np.minimum(self._counts[-1][step] @ sizes, self._most))
        return self._counts[r]


class Sampler:
    """Accepted sequences at random, all those of one length equally likely up to float64 rounding.

    Counts are kept as mantissa and exponent, because they outgrow every machine number.
    """

    def __init__(self, automaton: Automaton, most: int) -> None:
        self._automaton = automaton
        self._mantissas = [automaton.accepting.astype(np.float64)]
        self._exponents = [np.zeros(len(automaton.step), dtype=np.int64)]
        for _ in range(most):
            weights, top = self._scaled(automaton.step, len(self._mantissas) - 1)
            mantissa, exponent = np.frexp(weights @ automaton.class_sizes)
            self._mantissas.append(mantissa)
            self._exponents.append(exponent + top)

    def draw(self, lengths: NDArray[np.int64], rng: np.random.Generator) -> list[Indices]:
        """One sequence for each of the lengths, all of which must be possible."""
        found = np.empty((int(lengths.max(initial=0)), len(lengths)), dtype=np.int64)
        state = np.full(len(lengths), self._automaton.start)
        # Sequences that end together are handled together: r tokens are to come after this one.
        for r in reversed(range(len(found))):
            active = np.flatnonzero(lengths > r)
            state[active], token = self._next(state[active], r, rng)
            found[lengths[active] - r - 1, active] = token
        return [found[:length, i].copy() for i, length in enumerate(lengths.tolist())]

    def _next(
        self, state: NDArray[np.int64], r: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], Indices]:
        """The next state and token of each, in proportion to the ways to go on for r more."""
        present, row = _present(state, len(self._automaton.step))
        following = self._automaton.step[present][:, self._automaton.class_of]
        cumulative = np.cumsum(self._scaled(following, r)[0], axis=1)
        # random() < 1: the product stays below the total, so no token without weight is drawn.
        token = _first_above(cumulative, row, rng.random(len(state)) * cumulative[row, -1])
        return following[row, token].astype(np.int64), token

    def _scaled(
        self, states: NDArray[np.int32], r: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Counts for rows of states, as floats times a power of two that each row has its own."""
        mantissa, exponent = self._mantissas[r][states], self._exponents[r][states]
        lowest = exponent.min(axis=1, keepdims=True)
        top = np.where(mantissa > 0, exponent, lowest).max(axis=1)
        return np.ldexp(mantissa, np.maximum(exponent - top[:, None], -1100)), top


def _present(state: NDArray[np.int64], states: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The states that occur, ascending; and for each entry, which of those it is."""
    present = np.flatnonzero(np.bincount(state, minlength=states))
    place = np.empty(states, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[state]


def _first_above(
    rows: NDArray[_Number], row: NDArray[np.int64], value: NDArray[_Number]
) -> Indices:
    """For each entry, the first column where its ascending row exceeds its value. By bisection."""
    low = np.zeros(len(row), dtype=np.int64)
    high = np.full(len(row), rows.shape[1] - 1)
    for _ in range(rows.shape[1].bit_length()):
        middle = (low + high) >> 1
        above = rows[row, middle] > value
        high = np.where(above, middle, high)
        low = np.where(above, low, np.minimum(middle + 1, high))
    return low
