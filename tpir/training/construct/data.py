"""A problem's inputs as arrays: a sample to search on, and all there are to learn from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.program import Header, Program
from tpir.training.construct.batch import Batch, Values
from tpir.training.construct.features import Feature
from tpir.training.construct.goals import Goal, Kind, answers, lasting, onset, places
from tpir.training.construct.label_table import LabelTable
from tpir.training.construct.program import program_of
from tpir.training.examples import Examples
from tpir.training.problem import Problem

_COVERED = 0.99
"""Fetching is a goal where such a share of the labels are tokens of their input."""

_ANSWERED = 0.8
"""Which token is the label is a goal where such a share of the inputs have one label, a token."""

Indices = NDArray[np.int64]


class Data:
    """The training and validation inputs of a problem; test inputs are not looked at.

    ``sample`` holds ``size`` of the training inputs (all, if there are no more), drawn by ``seed``.
    """

    def __init__(self, problem: Problem, *, size: int, seed: int) -> None:
        self._problem = problem
        trained, labels = _arrays(problem, problem.splits.train)
        checked, check_labels = _arrays(problem, problem.splits.validation)
        chosen = _drawn(trained, size, seed)
        self.sample = Batch(trained[chosen], causal=problem.causal)
        self._sample_labels = labels[chosen]
        self._tokens = np.concatenate([trained, checked])
        self._all = Batch(self._tokens, causal=problem.causal)
        # Positions that have a label, in all inputs put end to end.
        every = np.concatenate([labels, check_labels]).ravel()
        self._at = np.flatnonzero(every >= 0)
        self._labels = every[self._at]
        self._learnt = self._at < trained.size

    def goals(self) -> list[Goal]:
        """The labels, and what would help to give them (see ``Kind``)."""
        goals = [Goal(Kind.LABEL, self.sample, self._sample_labels)]
        index = {label: i for i, label in enumerate(self._problem.labels)}
        words = np.array([index.get(word, -1) for word in self._problem.vocabulary[1:]])
        labelled = self._sample_labels >= 0
        covered = (np.isin(self._sample_labels, words[words >= 0]) & labelled).sum()
        if covered >= _COVERED * labelled.sum():
            for order in (1, -1):
                wanted = places(self.sample.tokens, self._sample_labels, words, order)
                if (wanted >= 0).any():
                    goals.append(Goal(Kind.PLACE, self.sample, wanted))
        if self.sample.causal:
            for label in lasting(self._sample_labels):
                begins = onset(self._sample_labels, label)
                goals.append(Goal(Kind.ONSET, self.sample, begins))
        answer = answers(self.sample.tokens, self._sample_labels, words)
        if (answer >= 0).any(1).mean() >= _ANSWERED:
            goals.append(Goal(Kind.ANSWER, self.sample, answer))
        return goals

    def verify(self, features: tuple[Feature, ...]) -> int | None:
        """How many rows of a table rest on a single label of training that no other row suggests.

        None if the table, filled from the training inputs, is not right on all of those and in
        validation.
        """
        return self._verify(self._all, features)

    def program(self, features: tuple[Feature, ...]) -> Program:
        """The features and their table as a program; plain comparisons where those do as well."""
        plain = Batch(self._tokens, causal=self._problem.causal, apart=False)
        batch = self._all if self._verify(plain, features) is None else plain
        header = Header(
            vocabulary=self._problem.vocabulary[1:],
            context=self._problem.context,
            causal=self._problem.causal,
            accepts=self._problem.accepts,
            name=self._problem.name,
        )
        return program_of(
            header, self._table(self._cells(batch, features), features), begun=batch.begun
        )

    def _verify(self, batch: Batch, features: tuple[Feature, ...]) -> int | None:
        cells = self._cells(batch, features)
        table = self._table(cells, features)
        wrong = cells.counts.argmax(1)[cells.codes] != self._labels
        seen = cells.counts.sum(1) > 0
        if (wrong & seen[cells.codes]).any():
            return None
        unseen = np.flatnonzero(~seen[cells.codes])
        pairs = np.unique(np.stack([cells.codes[unseen], self._labels[unseen]], 1), axis=0)
        names = self._problem.labels
        if any(table.label(cells.key(code)) != names[label] for code, label in pairs.tolist()):
            return None
        keys = map(cells.key, np.flatnonzero(cells.counts.sum(1) == 1).tolist())
        return sum(table.guess(key) != table.rows[key] for key in keys)

    def _cells(self, batch: Batch, features: tuple[Feature, ...]) -> _Cells:
        codes, lows, sizes = np.zeros(len(self._at), np.int64), [], []
        for feature in features:
            values = batch.values(feature).ravel()[self._at].astype(np.int64)
            lows.append(int(values.min()))
            sizes.append(int(values.max()) - lows[-1] + 1)
            codes = codes * sizes[-1] + (values - lows[-1])
        n_labels, n_cells = len(self._problem.labels), math.prod(sizes)
        flat = codes[self._learnt] * n_labels + self._labels[self._learnt]
        counts = np.bincount(flat, minlength=n_cells * n_labels).reshape(n_cells, n_labels)
        return _Cells(codes, counts, tuple(lows), tuple(sizes))

    def _table(self, cells: _Cells, features: tuple[Feature, ...]) -> LabelTable:
        """The label that each combination of values goes with most often in training."""
        names, best = self._problem.labels, cells.counts.argmax(1)
        seen = np.flatnonzero(cells.counts.sum(1)).tolist()
        rows = {cells.key(code): names[int(best[code])] for code in seen}
        return LabelTable(features, rows, names[int(cells.counts.sum(0).argmax())], names)


@dataclass(frozen=True)
class _Cells:
    """Combinations of values as whole numbers, the last feature's changing fastest.

    ``codes`` of all labelled positions, and how often each goes with each label in training,
    ``counts`` [code, label]; ``lows`` and ``sizes`` say what values the features have.
    """

    codes: Indices
    counts: Indices
    lows: tuple[int, ...]
    sizes: tuple[int, ...]

    def key(self, code: int) -> tuple[int, ...]:
        """The values that a code stands for."""
        values = []
        for low, size in zip(reversed(self.lows), reversed(self.sizes), strict=True):
            code, value = divmod(code, size)
            values.append(low + value)
        return tuple(reversed(values))


def _arrays(problem: Problem, examples: Examples) -> tuple[Values, Values]:
    """Tokens and labels [input, position], -1 where there is none; tokens count from 0 on."""
    shape = (len(examples), problem.context)
    tokens, labels = np.full(shape, -1, np.int16), np.full(shape, -1, np.int16)
    row = 0
    for batch in problem.encoded(examples):
        rows = slice(row, row + len(batch.tokens))
        tokens[rows, : batch.tokens.shape[1]] = batch.tokens - 1
        labels[rows, : batch.labels.shape[1]] = np.maximum(batch.labels, -1)
        row += len(batch.tokens)
    return tokens, labels


def _drawn(tokens: Values, size: int, seed: int) -> Indices:
    """Which inputs to search on: short ones more often than they are there."""
    lengths = (tokens >= 0).sum(1)
    weights = 1 / np.sqrt(np.bincount(lengths)[lengths])
    random = np.random.default_rng(seed)
    chosen = random.choice(
        len(tokens), min(size, len(tokens)), replace=False, p=weights / weights.sum()
    )
    return chosen.astype(np.int64)
