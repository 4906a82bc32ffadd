"""From a problem to a program that solves it, found by construction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.program import Header, Program
from tpir.training.construct.batch import LONGEST, Batch, Values
from tpir.training.construct.features import Feature
from tpir.training.construct.goals import Goal, places
from tpir.training.construct.program import LabelTable, program_of
from tpir.training.construct.search import Search, SearchStatus
from tpir.training.examples import Examples
from tpir.training.problem import Problem

_COVERED = 0.99
"""Fetching is a goal where such a share of the labels are tokens of their input."""


@dataclass(frozen=True)
class ConstructSettings:
    """``budget``: how many features are tried at most; ``sample``: on how many inputs.

    ``seed`` draws the sample. Raises TpirError for values out of range.
    """

    seed: int = 0
    budget: int = 200_000
    sample: int = 500

    def __post_init__(self) -> None:
        for name in ("budget", "sample"):
            if getattr(self, name) < 1:
                raise TpirError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise TpirError(f"seed is {self.seed}; it must be from 0 to 2^32 - 1")


@dataclass(frozen=True)
class Constructed:
    """What a search came to.

    ``solved``: the program gives every label of the training and validation inputs. If not, it is
    the best table that was found. ``tried`` counts features, ``seconds`` what it took.
    """

    program: Program
    solved: bool
    tried: int
    seconds: float


def construct(
    problem: Problem,
    settings: ConstructSettings | None = None,
    *,
    on_status: Callable[[SearchStatus], None] | None = None,
) -> Constructed:
    """Search for a program that gives the labels of a problem.

    Features are made and compared on a sample of the training inputs, their tables filled from all
    of those, and a solution has to be right on all training and validation inputs. Test inputs are
    not looked at. Equal settings give equal programs. Raises TpirError for inputs longer than
    ``LONGEST`` and for labels of whole inputs.
    """
    settings = settings or ConstructSettings()
    if problem.context > LONGEST:
        raise TpirError(
            f"construction handles inputs of up to {LONGEST} tokens, not {problem.context}"
        )
    if problem.pooled:
        raise TpirError("construction handles a label for each position, not one for the input")
    started = time.monotonic()
    data = _Data(problem, settings)
    search = Search(
        batch=data.sample,
        goals=data.goals(),
        n_tokens=len(problem.vocabulary) - 1,
        budget=settings.budget,
        verify=data.solves,
        on_status=on_status,
    )
    solution = search.run()
    features = solution or search.best_features()
    program = data.program(features)
    return Constructed(program, solution is not None, search.tried, time.monotonic() - started)


class _Data:
    """The inputs of a problem as arrays: a sample to search on, and all there are to learn from."""

    def __init__(self, problem: Problem, settings: ConstructSettings) -> None:
        self.problem = problem
        trained, labels = _arrays(problem, problem.splits.train)
        checked, check_labels = _arrays(problem, problem.splits.validation)
        chosen = _drawn(trained, settings)
        self.sample_labels = labels[chosen]
        self.sample = Batch(trained[chosen], causal=problem.causal)
        self.tokens = np.concatenate([trained, checked])
        self.labels = np.concatenate([labels, check_labels])
        self.learnt = np.repeat(np.arange(len(self.tokens)) < len(trained), problem.context)
        self.all = Batch(self.tokens, causal=problem.causal)

    def goals(self) -> list[Goal]:
        """The labels; where they are tokens of the input, also where each token is wanted."""
        goals = [Goal("label", self.sample, self.sample_labels)]
        index = {label: i for i, label in enumerate(self.problem.labels)}
        words = np.array([index.get(word, -1) for word in self.problem.vocabulary[1:]])
        labelled = self.sample_labels >= 0
        covered = (np.isin(self.sample_labels, words[words >= 0]) & labelled).sum()
        if covered < _COVERED * labelled.sum():
            return goals
        for order, name in ((1, "place"), (-1, "place from the end")):
            wanted = places(self.sample.tokens, self.sample_labels, words, order)
            if (wanted >= 0).any():
                goals.append(Goal(name, self.sample, wanted))
        return goals

    def solves(self, features: tuple[Feature, ...]) -> int | None:
        """How many rows rest on one label of a table filled from the training inputs.

        None if it is not right on all of those, and in validation.
        """
        return self._solves(self.all, features)

    def program(self, features: tuple[Feature, ...]) -> Program:
        """The features and their table as a program; plain comparisons where those do as well."""
        plain = Batch(self.tokens, causal=self.problem.causal, apart=False)
        batch = self.all if self._solves(plain, features) is None else plain
        header = Header(
            vocabulary=self.problem.vocabulary[1:],
            context=self.problem.context,
            causal=self.problem.causal,
            accepts=self.problem.accepts,
            name=self.problem.name,
        )
        return program_of(header, self._table(batch, features), begun=batch.begun)

    def _solves(self, batch: Batch, features: tuple[Feature, ...]) -> int | None:
        at = np.flatnonzero(self.labels.ravel() >= 0)
        labels, learnt = self.labels.ravel()[at], self.learnt[at]
        codes, size = self._codes(batch, features, at)
        n_labels = len(self.problem.labels)
        counts = np.bincount(
            codes[learnt] * n_labels + labels[learnt], minlength=size * n_labels
        ).reshape(size, n_labels)
        if (counts.argmax(1)[codes] != labels).any():
            return None
        return int((counts.sum(1) == 1).sum())

    def _codes(
        self, batch: Batch, features: tuple[Feature, ...], at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        codes, size = np.zeros(len(at), np.int64), 1
        for feature in features:
            values = batch.values(feature).ravel()[at].astype(np.int64)
            low = values.min()
            n = int(values.max() - low) + 1
            codes, size = codes * n + (values - low), size * n
        return codes, size

    def _table(self, batch: Batch, features: tuple[Feature, ...]) -> LabelTable:
        at = np.flatnonzero((self.labels.ravel() >= 0) & self.learnt)
        labels = self.labels.ravel()[at]
        columns = [batch.values(feature).ravel()[at].tolist() for feature in features]
        votes: dict[tuple[int, ...], dict[int, int]] = {}
        for label, *key in zip(labels.tolist(), *columns, strict=True):
            counts = votes.setdefault(tuple(key), {})
            counts[label] = counts.get(label, 0) + 1
        names = self.problem.labels
        chosen = {key: names[max(counts, key=counts.__getitem__)] for key, counts in votes.items()}
        usual = names[int(np.bincount(labels).argmax())]
        return LabelTable(features, _extended(chosen, names), usual)


def _extended(
    table: dict[tuple[int, ...], str], names: Sequence[str]
) -> dict[tuple[int, ...], str]:
    """A table whose labels spell its numbers (plus a constant) goes on where nothing was seen."""
    offsets = set()
    for key, label in table.items():
        spelled = len(key) == 1 and label.removeprefix("-").isdecimal()
        offsets.add(int(label) - key[0] if spelled else None)
    if len(offsets) != 1 or None in offsets or len(table) < 3:
        return table
    (offset,) = offsets
    assert offset is not None
    numbers = {int(name): name for name in names if name.removeprefix("-").isdecimal()}
    return {(number - offset,): name for number, name in numbers.items()} | table


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


def _drawn(tokens: Values, settings: ConstructSettings) -> NDArray[np.int64]:
    """Which inputs to search on: short ones more often than they are there."""
    lengths = (tokens >= 0).sum(1)
    weights = 1 / np.sqrt(np.bincount(lengths)[lengths])
    random = np.random.default_rng(settings.seed)
    size = min(settings.sample, len(tokens))
    return random.choice(len(tokens), size, replace=False, p=weights / weights.sum())
