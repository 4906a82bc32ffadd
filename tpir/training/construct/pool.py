"""The features that a search keeps, and where in a Transformer each of them is computed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tpir.training.construct.batch import Batch, Values
from tpir.training.construct.features import Base, Count, Feature, Fetch, operands_of

WIDEST = 41
"""A feature of more different values than this is not kept."""

_DEEPEST = 8
"""Four layers, each heads and then MLPs."""


class Pool:
    """Features with their depths, and the values that have been seen on ``batch``.

    Depth counts half layers: heads are at odd depths, MLPs at even ones, and each reads what is
    less deep than itself.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._depths: dict[Feature, int] = dict.fromkeys(Base, 0)
        self._seen: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._depths)

    def depth(self, feature: Feature) -> int:
        """The first depth at which ``feature`` can be computed, its operands being kept already."""
        match feature:
            case Base():
                return 0
            case Count() | Fetch():
                return _next(max(map(self._categorical, operands_of(feature)), default=0), odd=True)
        return self._table_depth(operands_of(feature))

    def fits_labels(self, features: tuple[Feature, ...]) -> bool:
        """Whether there are layers enough for a table of labels, two features at a time."""
        depth = self._table_depth(features[:2])
        for feature in features[2:]:
            depth = _next(max(depth, self._categorical(feature)), odd=False)
        return depth <= _DEEPEST

    def _table_depth(self, operands: Sequence[Feature]) -> int:
        """An MLP reads numbers or categorical variables, not both."""
        if all(isinstance(operand, Count) for operand in operands):
            return _next(max(self._depths[operand] for operand in operands), odd=False)
        return _next(max(map(self._categorical, operands)), odd=False)

    def _categorical(self, feature: Feature) -> int:
        """Where a feature is a categorical variable: an MLP makes one of a count."""
        return self._depths[feature] + isinstance(feature, Count)

    def fits(self, feature: Feature) -> bool:
        """Whether there are layers enough to compute ``feature``."""
        return self.depth(feature) <= _DEEPEST

    def keep(self, feature: Feature) -> None:
        """Make ``feature`` one that others can be made of, whatever its values."""
        self._depths[feature] = self.depth(feature)

    def keep_if_new(self, feature: Feature) -> Values | None:
        """Evaluate a feature; keep it if no other has these values, up to sign and a constant.

        Its values, [input, position]; None if it is not kept.
        """
        values = self.batch.compute(feature)
        present = values[self.batch.present]
        low, high = int(present.min()), int(present.max())
        if low == high or high - low >= WIDEST:
            return None
        key = _canonical(present)
        if key in self._seen:
            return None
        self._seen.add(key)
        self.keep(feature)
        return values


def _next(depth: int, *, odd: bool) -> int:
    """The next depth after one that is of heads (odd) or of MLPs."""
    return depth + 1 if depth % 2 != odd else depth + 2


def digest(values: NDArray[np.int16] | NDArray[np.int64]) -> bytes:
    """A key that stands for values, as whole numbers of 16 bits."""
    return blake2b(values.astype(np.int16).tobytes(), digest_size=16).digest()


def _canonical(values: Values) -> bytes:
    """Equal for values that differ by sign and a constant only."""
    moved = values - values[0]
    first = moved[np.argmax(moved != 0)]
    return digest(moved if first > 0 else -moved)
