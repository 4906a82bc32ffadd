"""Input spaces: which token sequences a program accepts, and how to go through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log10
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.values import Key, Value, check_value, show_value, value_key
from tpir.semantics.automaton import DEAD, Automaton, any_sequence, compile_form
from tpir.semantics.enumeration import Indices, Ranking, Sampler
from tpir.semantics.form import Form

_SHOWN_EXACTLY = 10**15
_SHOWN_TOKENS = 8


@dataclass(frozen=True, eq=False, repr=False)
class InputSpace:
    """The non-empty sequences over a vocabulary, up to a context, that have an accepted form.

    ``form`` None: all of them. Two spaces are equal if their vocabularies are equal as sets and
    they hold the same sequences. Raises TpirError for an empty vocabulary or one with repeats, a
    context below 1, and a form that names unknown tokens, needs too large an automaton, or leaves
    no input.
    """

    vocabulary: tuple[Value, ...]
    context: int
    form: Form | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        for token in self.vocabulary:
            check_value(token, "vocabulary")
        if not self.vocabulary:
            raise TpirError("the vocabulary is empty")
        if len(self._keys) < len(self.vocabulary):
            keys = [value_key(token) for token in self.vocabulary]
            twice = next(t for i, t in enumerate(self.vocabulary) if value_key(t) in keys[:i])
            raise TpirError(f"the vocabulary holds {show_value(twice)} twice")
        if self.context < 1:
            raise TpirError(f"the context is {self.context}; it must be at least 1")
        if not self.lengths():
            raise TpirError(
                f"no input of 1 to {self.context} tokens has the accepted form {self.form}"
            )

    def lengths(self) -> tuple[int, ...]:
        """The lengths that inputs can have, ascending."""
        possible = self._completable[1:, self.automaton.start]
        return tuple((np.flatnonzero(possible) + 1).tolist())

    def count(self) -> int:
        """How many inputs there are. Exact."""
        return sum(self._counts.values())

    def count_by_length(self) -> dict[int, int]:
        """How many inputs of each possible length there are, by ascending length. Exact."""
        return dict(self._counts)

    def contains(self, tokens: Sequence[Value]) -> bool:
        """Whether ``tokens`` is an input."""
        return self.why_not(tokens) is None

    def why_not(self, tokens: Sequence[Value]) -> str | None:
        """One sentence on why ``tokens`` is not an input, or None if it is one.

        Positions count from 0, like ``indices``.
        """
        if not tokens:
            return "the input is empty"
        for position, token in enumerate(tokens):
            if value_key(token) not in self._keys:
                return f"{_show(token)} at position {position} is not in the vocabulary"
        if len(tokens) > self.context:
            return f"the input has {len(tokens):,} tokens, and the context is {self.context:,}"
        return self._departure([self._keys[value_key(token)] for token in tokens])

    def encode(self, tokens: Sequence[Value]) -> Indices:
        """The vocabulary indices of an input: (length,). Raises TpirError if it is not one."""
        reason = self.why_not(tokens)
        if reason is not None:
            raise TpirError(reason)
        return np.array([self._keys[value_key(token)] for token in tokens], dtype=np.int64)

    def decode(self, indices: Sequence[int] | NDArray[np.integer]) -> list[Value]:
        """The tokens with these vocabulary indices."""
        return [self.vocabulary[index] for index in indices]

    def batches(self, size: int) -> Iterator[tuple[int, Indices]]:
        """All inputs, shortest first, those of one length lexicographic in vocabulary order.

        Yields a length and an array of vocabulary indices, (length, batch) with batch at most
        ``size``. A batch holds inputs of one length. Memory is in proportion to the batch, not to
        the space.
        """
        if size < 1:
            raise ValueError(f"batches of {size} inputs are not possible")
        for length in self._counts:
            for batch in self.of_length(length, size):
                yield length, batch

    def of_length(
        self, length: int, size: int, first: int = 0, last: int | None = None
    ) -> Iterator[Indices]:
        """The inputs of one length in lexicographic order, at most ``size`` at a time.

        ``first`` and ``last`` bound which ones: their numbers from 0, the last not included.
        """
        most = self._counts[length] if last is None else last
        for start in range(first, most, size):
            ranks = np.arange(start, min(start + size, most), dtype=np.int64)
            yield self._ranking.unrank(length, ranks)

    def sample(
        self,
        count: int,
        rng: np.random.Generator,
        *,
        by: Literal["uniform", "length"] = "uniform",
    ) -> list[Indices]:
        """``count`` inputs at random, with repeats, as arrays of vocabulary indices (length,).

        ``by="uniform"``: every input equally likely, so that nearly all are long. ``by="length"``:
        every length equally likely, and every input of a length. Equal up to the rounding of
        float64.
        """
        lengths = np.array(self.lengths(), dtype=np.int64)
        if by == "length":
            chosen = rng.integers(len(lengths), size=count)
        else:
            total, so_far, bounds = self.count(), 0, []
            for many in self._counts.values():
                so_far += many
                bounds.append(so_far / total)  # exact integers, rounded once: the last is 1.0
            chosen = np.searchsorted(np.array(bounds), rng.random(count), side="right")
        return self._sampler.draw(lengths[chosen], rng)

    def possible_tokens(self) -> dict[int, list[frozenset[int]]]:
        """For each length and position, the vocabulary indices that occur there in some input."""
        automaton = self.automaton
        members = [np.flatnonzero(automaton.class_of == c) for c in range(automaton.step.shape[1])]
        known: dict[bytes, frozenset[int]] = {}

        def tokens_of(classes: NDArray[np.bool_]) -> frozenset[int]:
            name = classes.tobytes()
            if name not in known:
                chosen = [members[c] for c in np.flatnonzero(classes)]
                known[name] = frozenset(np.concatenate(chosen).tolist())
            return known[name]

        return {
            length: [
                tokens_of(self._completable[length - position - 1][automaton.step[states]].any(0))
                for position, states in enumerate(self._reached[:length])
            ]
            for length in self.lengths()
        }

    def choices(self, tokens: Sequence[int], length: int) -> list[int]:
        """The tokens that can follow ``tokens`` in an input of ``length``; indices, ascending."""
        state = self.automaton.start
        for token in tokens:
            state = int(self.automaton.step[state, self.automaton.class_of[token]])
        completable = self._completable[length - len(tokens) - 1]
        return np.flatnonzero(completable[self.automaton.step_tokens(state)]).tolist()

    def describe(self) -> str:
        """One line for people: how many inputs, how long, over what, of which form."""
        lengths = self.lengths()
        extent = f"{lengths[0]}" if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
        inputs = "1 input" if self.count() == 1 else f"{_approximately(self.count())} inputs"
        form = "" if self.form is None else f", of the form {self.form}"
        return (
            f"{inputs} of length {extent}, vocabulary {len(self.vocabulary):,}, "
            f"context {self.context:,}{form}"
        )

    def __repr__(self) -> str:
        return f"<InputSpace: {self.describe()}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputSpace):
            return NotImplemented
        if self._keys.keys() != other._keys.keys() or self.lengths() != other.lengths():
            return False
        return _same_language(self, other)

    def __hash__(self) -> int:
        return hash((frozenset(self._keys), self.lengths()))

    @cached_property
    def _keys(self) -> dict[Key, int]:
        return {value_key(token): index for index, token in enumerate(self.vocabulary)}

    @cached_property
    def automaton(self) -> Automaton:
        """What accepts the inputs, up to the context."""
        if self.form is None:
            return any_sequence(len(self.vocabulary))
        return compile_form(self.form, self._keys, self.context)

    @cached_property
    def _completable(self) -> NDArray[np.bool_]:
        return self.automaton.completable(self.context)

    @cached_property
    def _completable_within(self) -> NDArray[np.bool_]:
        """``[r, state]``: whether at most r more tokens can end in acceptance."""
        return np.logical_or.accumulate(self._completable, axis=0)

    @cached_property
    def _counts(self) -> dict[int, int]:
        counts = self.automaton.counts(self.context)
        return {length: counts[length] for length in self.lengths()}

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self.automaton)

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(self.automaton, self.lengths()[-1])

    @cached_property
    def _reached(self) -> list[NDArray[np.int64]]:
        """For each position of the context, the living states that can be reached before it."""
        reached = [np.array([self.automaton.start])]
        for _ in range(self.context - 1):
            following = np.unique(self.automaton.step[reached[-1]])
            reached.append(following[following != DEAD].astype(np.int64))
        return reached

    def _departure(self, indices: Sequence[int]) -> str | None:
        """Where a sequence first stops being the beginning of an input, or stops short of one."""
        automaton, state = self.automaton, self.automaton.start
        for position, index in enumerate(indices):
            within = self._completable_within[self.context - position - 1]
            following = int(automaton.step[state, automaton.class_of[index]])
            if not within[following]:
                return (
                    f"{show_value(self.vocabulary[index])} at position {position} leaves the "
                    f"accepted form, which has {self._expected(state, position)} there"
                )
            state = following
        if automaton.accepting[state]:
            return None
        expected = self._expected(state, len(indices))
        return f"the input ends at position {len(indices)}, where the accepted form has {expected}"

    def _expected(self, state: int, position: int) -> str:
        """The tokens that can stand at a position, in words."""
        within = self._completable_within[self.context - position - 1]
        tokens = np.flatnonzero(within[self.automaton.step_tokens(state)]).tolist()
        ends = ["its end"] if position > 0 and self.automaton.accepting[state] else []
        words = [show_value(self.vocabulary[token]) for token in tokens[:_SHOWN_TOKENS]] + ends
        if len(tokens) > _SHOWN_TOKENS:
            words = [*words[:_SHOWN_TOKENS], f"{len(tokens) - _SHOWN_TOKENS} other tokens", *ends]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _same_language(left: InputSpace, right: InputSpace) -> bool:
    """Whether two spaces over one vocabulary, and with one set of lengths, hold the same sequences.

    A walk over pairs of states; each pair needs to be met only once, when most tokens are left to
    come.
    """
    a, b = left.automaton, right.automaton
    order = [right._keys[key] for key in left._keys]
    pairs_of_classes = np.unique(np.stack([a.class_of, b.class_of[order]]), axis=1)
    frontier = np.array([[a.start], [b.start]])
    seen = np.empty((2, 0), dtype=np.int64)
    for _ in range(left.lengths()[-1]):
        reached = np.stack(
            [
                a.step[frontier[0]][:, pairs_of_classes[0]].ravel(),
                b.step[frontier[1]][:, pairs_of_classes[1]].ravel(),
            ]
        )
        frontier = _unseen(reached.astype(np.int64), seen)
        if (a.accepting[frontier[0]] != b.accepting[frontier[1]]).any():
            return False
        seen = np.concatenate([seen, frontier], axis=1)
    return True


def _unseen(pairs: NDArray[np.int64], seen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The distinct columns of ``pairs`` that ``seen`` lacks."""
    width = int(max(pairs[1].max(initial=0), seen[1].max(initial=0))) + 1
    codes = np.setdiff1d(pairs[0] * width + pairs[1], seen[0] * width + seen[1])
    return np.stack([codes // width, codes % width])


def _show(token: object) -> str:
    return show_value(token) if isinstance(token, str | int | float) else repr(token)


def _approximately(count: int) -> str:
    if count < _SHOWN_EXACTLY:
        return f"{count:,}"
    return f"about 10^{log10(count):.0f}"
