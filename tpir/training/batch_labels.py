"""The labels of the eight tasks on whole batches: arrays in, arrays out.

Equal to the definitions in ``tasks``, which say what is meant; these are for going through all
inputs of a space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tpir.training.problem import BOS, IGNORED, UNLISTED, BatchLabels, Ids
from tpir.training.tasks import PAIRS, UNKNOWN, Sizes, Task


@dataclass(frozen=True)
class TaskTeacher:
    """Labels inputs of a task, given and returned as ids: see ``BatchTeacher``."""

    task: Task
    sizes: Sizes

    def __call__(self, tokens: Ids) -> BatchLabels:
        """Labels [input, position] of inputs [input, position] that have the task's form."""
        labels = np.full(tokens.shape, IGNORED, dtype=np.int64)
        end = tokens.shape[1] - (1 if self.task.closed else 0)
        labels[:, 1:end] = _KERNELS[self.task.name](self, tokens[:, 1:end])
        return BatchLabels(labels, self._drawn(tokens))

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens by their ids."""
        return self.task.vocabulary(self.sizes.vocab_size)

    @cached_property
    def label_ids(self) -> dict[str, int]:
        """The labels' ids."""
        return {label: i for i, label in enumerate(self.task.labels(self.sizes))}

    @cached_property
    def of_token(self) -> Ids:
        """For each token the id of the label that is spelled like it."""
        return np.array([self.label_ids.get(token, UNLISTED) for token in self.vocabulary])

    def of_number(self, largest: int) -> Ids:
        """For each number from 0 the id of the label that spells it."""
        return np.array([self.label_ids.get(str(n), UNLISTED) for n in range(largest + 1)])

    def _drawn(self, tokens: Ids) -> NDArray[np.bool_]:
        """Which inputs can be drawn; the form of an induction task has others as well."""
        if self.task.name != "induction":
            return np.ones(len(tokens), dtype=np.bool_)
        if tokens.shape[1] % 2:
            return np.zeros(len(tokens), dtype=np.bool_)
        follower = np.zeros((len(tokens), len(self.vocabulary)), dtype=np.int64)
        drawn, rows = np.ones(len(tokens), dtype=np.bool_), np.arange(len(tokens))
        letters = _letters(self)
        for i in range(1, tokens.shape[1] - 1):
            known = follower[rows, tokens[:, i]]
            drawn &= ~letters[tokens[:, i]] | (known == 0) | (known == tokens[:, i + 1])
            follower[rows, tokens[:, i]] = tokens[:, i + 1]
        return drawn


def _reversed(teacher: TaskTeacher, body: Ids) -> Ids:
    return teacher.of_token[body[:, ::-1]]


def _sorted(teacher: TaskTeacher, body: Ids) -> Ids:
    return teacher.of_token[np.sort(body, axis=1)]  # ids are in the order of the tokens' text


def _token_counts(teacher: TaskTeacher, body: Ids) -> Ids:
    """[input, token]: how often each occurs."""
    tokens = np.arange(len(teacher.vocabulary))
    return np.stack([(body == token).sum(1) for token in tokens], axis=1)


def _counts(teacher: TaskTeacher, body: Ids) -> Ids:
    own: Ids = np.take_along_axis(_token_counts(teacher, body), body, axis=1)
    return teacher.of_number(body.shape[1])[own]


def _double_counts(teacher: TaskTeacher, body: Ids) -> Ids:
    counts = _token_counts(teacher, body)
    own: Ids = np.take_along_axis(counts, body, axis=1)
    alike: Ids = (counts[:, None, :] == own[:, :, None]).sum(2)
    return teacher.of_number(body.shape[1])[alike]


def _by_frequency(teacher: TaskTeacher, body: Ids) -> Ids:
    length = body.shape[1]
    counts = np.take_along_axis(_token_counts(teacher, body), body, axis=1)
    equal_before = np.tril(np.ones((length, length), dtype=np.bool_), -1)
    repeated = ((body[:, :, None] == body[:, None, :]) & equal_before).any(2)
    # Higher ranks first: by count, then by first appearance; repeats are behind everything.
    rank = np.where(repeated, -1, counts * length + np.arange(length)[::-1])
    order = np.argsort(-rank, axis=1, kind="stable")
    chosen = teacher.of_token[np.take_along_axis(body, order, axis=1)]
    none = np.take_along_axis(rank, order, axis=1) < 0
    return np.where(none, teacher.label_ids[BOS], chosen)


def _dyck_prefix(teacher: TaskTeacher, body: Ids) -> Ids:
    partner = _partners(teacher)
    rows = np.arange(len(body))
    stack = np.zeros((len(body), body.shape[1] + 1), dtype=np.int64)  # openers, from place 1 up
    depth = np.zeros(len(body), dtype=np.int64)
    failed = np.zeros(len(body), dtype=np.bool_)
    states = [teacher.label_ids[label] for label in "TPF"]
    labels = np.empty_like(body)
    for i in range(body.shape[1]):
        opener = partner[body[:, i]]
        closes = opener > 0
        failed |= closes & (stack[rows, depth] != opener)  # place 0 holds no opener
        depth = np.where(failed, depth, depth + np.where(closes, -1, 1))
        opened = ~failed & ~closes
        stack[rows[opened], depth[opened]] = body[opened, i]
        labels[:, i] = np.where(failed, states[2], np.where(depth > 0, states[1], states[0]))
    return labels


def _partners(teacher: TaskTeacher) -> Ids:
    """For each closing bracket the id of its opening one, 0 for every other token."""
    ids = {token: i for i, token in enumerate(teacher.vocabulary)}
    opener = {right: left for left, right in PAIRS}
    return np.array([ids[opener[t]] if t in opener else 0 for t in teacher.vocabulary])


def _recalled(teacher: TaskTeacher, body: Ids) -> Ids:
    letters, rows = _letters(teacher), np.arange(len(body))
    unknown = teacher.label_ids[UNKNOWN]
    follower = np.full((len(body), len(teacher.vocabulary)), unknown, dtype=np.int64)
    labels = np.empty_like(body)
    for i in range(body.shape[1]):
        labels[:, i] = np.where(letters[body[:, i]], follower[rows, body[:, i]], IGNORED)
        if i + 1 < body.shape[1]:
            follower[rows, body[:, i]] = teacher.of_token[body[:, i + 1]]
    return labels


def _letters(teacher: TaskTeacher) -> NDArray[np.bool_]:
    """For each token whether it is a letter: no number, and no special token."""
    return np.array([token.isalpha() for token in teacher.vocabulary])


_KERNELS: dict[str, Callable[[TaskTeacher, Ids], Ids]] = {
    "reverse": _reversed,
    "sort": _sorted,
    "hist": _counts,
    "double_hist": _double_counts,
    "most_freq": _by_frequency,
    "dyck1": _dyck_prefix,
    "dyck2": _dyck_prefix,
    "induction": _recalled,
}
