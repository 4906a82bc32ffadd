"""What a search aims at: labels at some positions, and how much features say of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tpir.training.construct.batch import Batch, Values
from tpir.training.construct.features import Base, Feature

LARGEST_TABLE = 3_000
"""Tables of more rows than this are not looked at."""

SURE = 0.9999
"""A table that gets this share of the labels of the sample right is worth checking on the rest."""

_PRICE = 1.0
"""Nats that each further parameter of a table has to bring: what keeps wide tables from winning."""

Codes = NDArray[np.int64]


class Kind(Enum):
    """What the labels of a goal say.

    ``LABEL``: the labels of the problem. ``PLACE``: at each token, the position that it is wanted
    at. ``ONSET``: whether a label that never changes back begins here. ``ANSWER``: whether this
    token is the label of the whole input.
    """

    LABEL = "label"
    PLACE = "place"
    ONSET = "onset"
    ANSWER = "answer"


class Goal:
    """``labels`` [input, position], whole numbers, on the inputs of ``batch``; -1 where none is.

    Entropies are in nats a labelled position, with ``_PRICE`` added for each parameter of the table
    that predicts the labels (a penalised likelihood, as in the Akaike criterion).
    """

    def __init__(self, kind: Kind, batch: Batch, labels: Values) -> None:
        self.kind, self.batch = kind, batch
        self._at = np.flatnonzero(labels.ravel() >= 0)
        self.labels: Codes = labels.ravel()[self._at].astype(np.int64)
        self.size = len(self.labels)
        self.n_labels = int(self.labels.max()) + 1
        self._codes: dict[Feature, tuple[Codes, int]] = {}
        self._everywhere: Goal | None = None
        self._left_beside: dict[Feature, float] = {}
        contexts = [(np.zeros(self.size, np.int64), 1), *map(self.codes, Base)]
        self._contexts = [(self.conditional_entropy(*context), *context) for context in contexts]
        self.entropy = self._contexts[0][0]

    def everywhere(self) -> Goal:
        """The same at all positions; where there was no label, a new one, the last."""
        if self._everywhere is None:
            labels = np.full(self.batch.present.size, self.n_labels, np.int16)
            labels[self._at] = self.labels
            labels[~self.batch.present.ravel()] = -1
            shape = self.batch.present.shape
            self._everywhere = Goal(self.kind, self.batch, labels.reshape(shape))
        return self._everywhere

    def at(self, values: Values) -> Codes:
        """``values`` [input, position] at the labelled positions."""
        return values.ravel()[self._at].astype(np.int64)

    def codes(self, feature: Feature) -> tuple[Codes, int]:
        """The feature at the labelled positions, as codes from 0 on, and how many; kept."""
        found = self._codes.get(feature)
        if found is None:
            found = self._codes[feature] = self._encode(self.batch.values(feature))
        return found

    def forget(self, feature: Feature) -> None:
        """Drop what was kept of ``feature``."""
        self._codes.pop(feature, None)

    def span(self, feature: Feature) -> tuple[int, int]:
        """The least value of a feature at the labelled positions, and the number of its codes."""
        return int(self.at(self.batch.values(feature)).min()), self.codes(feature)[1]

    def gain(self, values: Values) -> float:
        """The share of the entropy that a feature of these values takes away (0 to 1).

        The most of three: by itself, beside the token, beside the position.
        """
        codes, size = self._encode(values)
        return max(self._gain(codes, size, *context) for context in self._contexts)

    def gain_beside(self, feature: Feature, values: Values) -> float:
        """The share of the entropy left by ``feature`` that these values take away beside it."""
        codes, size = self._encode(values)
        context, n = self.codes(feature)
        left = self._left_beside.get(feature)
        if left is None:
            left = self._left_beside[feature] = self.conditional_entropy(context, n)
        return self._gain(codes, size, left, context, n)

    def joint(self, features: Sequence[Feature]) -> tuple[Codes, int]:
        """Codes of the combinations of some features, and how many there can be."""
        codes, size = np.zeros(self.size, np.int64), 1
        for feature in features:
            more, n = self.codes(feature)
            codes, size = codes * n + more, size * n
        return codes, size

    def conditional_entropy(self, codes: Codes, size: int) -> float:
        """The entropy of the labels given ``codes``, of which there are ``size``."""
        counts = self._counts(codes, size)
        totals = counts.sum(1)
        used = totals > 0
        counts, totals = counts[used], totals[used]
        nats = -(counts * np.log(np.maximum(counts, 1) / totals[:, None])).sum()
        return float((nats + _PRICE * (self.n_labels - 1) * len(totals)) / self.size)

    def share_right(self, codes: Codes, size: int) -> float:
        """The share of labels that the best table of ``codes`` gets right."""
        return float(self._counts(codes, size).max(1).sum() / self.size)

    def best_table(self, codes: Codes, size: int) -> NDArray[np.int64]:
        """For each code the label it most often goes with."""
        table: NDArray[np.int64] = self._counts(codes, size).argmax(1)
        return table

    def _gain(self, codes: Codes, size: int, left: float, context: Codes, n: int) -> float:
        if n * size > LARGEST_TABLE or left <= 0:
            return 0.0
        return (left - self.conditional_entropy(context * size + codes, n * size)) / left

    def _encode(self, values: Values) -> tuple[Codes, int]:
        codes = self.at(values)
        low = int(codes.min())
        return codes - low, int(codes.max()) - low + 1

    def _counts(self, codes: Codes, size: int) -> NDArray[np.int64]:
        cells = np.bincount(codes * self.n_labels + self.labels, minlength=size * self.n_labels)
        return cells.reshape(size, self.n_labels)


def places(tokens: Values, labels: Values, label_of_token: NDArray[np.int64], order: int) -> Values:
    """Where each token is wanted: a goal for labels that are tokens of their input.

    The k-th holder of a value is to go to the k-th position whose label it is; with ``order`` -1
    the k-th holder from the end. ``label_of_token`` [token] is the label that is this token, or
    less than 0. What comes out, [input, position], is that position for holders, else -1.
    """
    held = np.where(tokens >= 0, label_of_token[np.maximum(tokens, 0)], -2)
    wanted = np.full(labels.shape, -1, np.int16)
    for row in range(len(labels)):
        for label in np.unique(labels[row][labels[row] >= 0]):
            targets = np.flatnonzero(labels[row] == label)
            holders = np.flatnonzero(held[row] == label)[::order]
            for target, holder in zip(targets, holders, strict=False):
                wanted[row, holder] = target
    return wanted


def onset(labels: Values, label: int) -> Values:
    """Where ``label`` begins: 1 there, 0 before, and -1 once it was seen and where no label is.

    ``labels`` are [input, position], -1 where there is none.
    """
    here = labels == label
    seen = np.zeros(labels.shape, bool)
    seen[:, 1:] = np.logical_or.accumulate(here, axis=1)[:, :-1]
    begins: Values = np.where((labels < 0) | seen, -1, here).astype(np.int16)
    return begins


def lasting(labels: Values) -> list[int]:
    """The labels that, in every input of [input, position], are followed by themselves only.

    Some input has to have others before.
    """
    found = []
    for label in np.unique(labels[labels >= 0]):
        begins = onset(labels, label)
        stays = (labels[begins < 0] == label) | (labels[begins < 0] < 0)
        changes = (begins == 0).any(1) & (begins == 1).any(1)
        if stays.all() and changes.any():
            found.append(int(label))
    return found


def answers(tokens: Values, labels: Values, label_of_token: NDArray[np.int64]) -> Values:
    """Which tokens are the label, where an input has one label at all positions.

    1 at the first token that is, 0 at those that are not, -1 elsewhere and in all other inputs. All
    arrays are [input, position], ``label_of_token`` [token] is the label that this token is, or
    less than 0.
    """
    held = np.where(tokens >= 0, label_of_token[np.maximum(tokens, 0)], -1)
    least = np.where(labels >= 0, labels, np.iinfo(np.int16).max).min(1)
    one = (least == labels.max(1)) & (held == least[:, None]).any(1)
    holds = held == least[:, None]
    again = holds & (np.cumsum(holds, axis=1) > 1)
    found: Values = np.where((tokens < 0) | again | ~one[:, None], -1, holds).astype(np.int16)
    return found
