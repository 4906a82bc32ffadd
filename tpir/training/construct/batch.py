"""Features on many inputs at once: selectors are bit masks over the keys of an input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tpir.training.construct.features import (
    Arithmetic,
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Lookup,
    Relation,
    Selector,
    Where,
)

LONGEST = 52
"""The longest input: a mask of keys is a whole number that a float64 holds exactly."""

Values = NDArray[np.int16]
Masks = NDArray[np.uint64]

_FAR = 1 << 14
"""A distance beyond any position."""

_FUNCTIONS: Mapping[Arithmetic, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "<": np.less,
    "==": np.equal,
}


class Batch:
    """Inputs, and the values of features on them, each computed once.

    ``tokens`` [input, position] are codes, -1 after the end of an input. What a feature has there
    means nothing. Where every input begins with one and the same token, which occurs nowhere
    else, that is ``begun``: no token is compared with it, so that it is not counted as one of them
    (unless ``apart`` is false).
    """

    def __init__(self, tokens: Values, *, causal: bool, apart: bool = True) -> None:
        self.tokens, self.causal = tokens, causal
        self.inputs, self.length = tokens.shape
        self.present = tokens >= 0
        first = int(tokens[0, 0])
        alone = bool((tokens[:, 0] == first).all() and not (tokens[:, 1:] == first).any())
        self.begun = first if alone and apart else None
        ones = np.uint64(1)
        positions = np.arange(self.length, dtype=np.uint64)
        self._every = ((ones << self.present.sum(1).astype(np.uint64)) - ones)[:, None]
        self._before = (ones << positions) - ones
        self._upto = (ones << (positions + ones)) - ones
        self._values: dict[Feature, Values] = {}
        self._equal: dict[Feature, tuple[int, Masks]] = {}
        self._less: dict[Feature, tuple[int, Masks]] = {}

    def values(self, feature: Feature) -> Values:
        """The values of ``feature``, [input, position]; they are kept."""
        found = self._values.get(feature)
        if found is None:
            found = self._values[feature] = self.compute(feature)
        return found

    def compute(self, feature: Feature) -> Values:
        """The same without keeping those of ``feature`` itself."""
        values: Values
        match feature:
            case Base.TOKEN:
                values = np.maximum(self.tokens, 0)
                return values
            case Base.POSITION:
                row = np.arange(self.length, dtype=np.int16)
                return np.broadcast_to(row, (self.inputs, self.length))
            case Count(selector):
                return np.bitwise_count(self.selected(selector)).astype(np.int16)
            case Fetch(selector, value):
                chosen = self.closest(self.selected(selector))
                values = np.take_along_axis(self.values(value), chosen, 1)
                return values
            case Combined(operator, left, right):
                function = _FUNCTIONS[operator]
                values = function(self.values(left), self.values(right)).astype(np.int16)
                return values
            case Lookup():
                values = np.array(feature.results, np.int16)[self._rows(feature)]
                return values
        raise AssertionError(feature)

    def forget(self, feature: Feature) -> None:
        """Drop what was kept of ``feature``."""
        for kept in (self._values, self._equal, self._less):
            kept.pop(feature, None)

    def bounds(self, feature: Feature) -> tuple[int, int]:
        """The least and the greatest value on these inputs."""
        values = self.values(feature)[self.present]
        return int(values.min()), int(values.max())

    def selected(self, selector: Selector) -> Masks:
        """The keys of each query: masks [input, position], bit j for key j."""
        masks = np.broadcast_to(self._every, (self.inputs, self.length))
        if selector.relation is not None:
            masks = self._related(selector.relation)
        if selector.filter is not None:
            low, equal = self.equal(selector.filter.key)
            kept = np.zeros(self.inputs, np.uint64)
            for value in selector.filter.values:
                if low <= value < low + equal.shape[1]:
                    kept |= equal[:, value - low]
            masks = masks & kept[:, None]
        if self.causal:
            masks = masks & self._upto
        if selector.where is Where.BEFORE:
            masks = masks & self._before
        elif selector.where is Where.AFTER:
            masks = masks & ~self._upto
        return masks

    def closest(self, masks: Masks) -> NDArray[np.int64]:
        """The key nearest to the query, itself last, the left of two; of none, the first."""
        positions = np.arange(self.length)
        left, right = masks & self._before, masks & ~self._upto
        to_left = np.where(left > 0, positions - _highest(left), _FAR)
        to_right = np.where(right > 0, _highest(right & (~right + np.uint64(1))) - positions, _FAR)
        nearest = np.where(to_left <= to_right, positions - to_left, positions + to_right)
        own = (masks >> positions.astype(np.uint64)) & np.uint64(1)
        alone = np.minimum(to_left, to_right) == _FAR
        chosen: NDArray[np.int64] = np.where(alone, np.where(own > 0, positions, 0), nearest)
        return chosen

    def equal(self, feature: Feature) -> tuple[int, Masks]:
        """The least value, and for each value from it on the keys that have it: [input, value]."""
        found = self._equal.get(feature)
        if found is None:
            values = self.values(feature)
            low, high = self.bounds(feature)
            masks = np.zeros((self.inputs, high - low + 1), np.uint64)
            rows = np.arange(self.inputs)
            for position in range(self.length):
                there = self.present[:, position]
                column = values[there, position].astype(np.int64) - low
                masks[rows[there], column] |= np.uint64(1 << position)
            found = self._equal[feature] = (low, masks)
        return found

    def _lower(self, feature: Feature) -> tuple[int, Masks]:
        """For each value, one past the greatest included, the keys below it: [input, value]."""
        found = self._less.get(feature)
        if found is None:
            low, equal = self.equal(feature)
            masks = np.zeros((self.inputs, equal.shape[1] + 1), np.uint64)
            np.bitwise_or.accumulate(equal, axis=1, out=masks[:, 1:])
            found = self._less[feature] = (low, masks)
        return found

    def _related(self, relation: Relation) -> Masks:
        query = self.values(relation.query).astype(np.int64) + relation.offset
        if relation.key is Base.TOKEN and relation.query is Base.TOKEN and self.begun is not None:
            return self._compared(relation, query) & ~np.uint64(1)
        return self._compared(relation, query)

    def _compared(self, relation: Relation, query: NDArray[np.int64]) -> Masks:
        if relation.operator in ("==", "!="):
            low, equal = self.equal(relation.key)
            known = (query >= low) & (query < low + equal.shape[1])
            same: Masks = np.where(known, _take(equal, query - low), np.uint64(0))
            other: Masks = self._every & ~same
            return same if relation.operator == "==" else other
        low, lower = self._lower(relation.key)
        if relation.operator == "<":
            return _take(lower, query - low)
        greater: Masks = self._every & ~_take(lower, query + 1 - low)
        return greater

    def _rows(self, feature: Lookup) -> NDArray[np.int64]:
        row = np.zeros((self.inputs, self.length), np.int64)
        for operand, low, size in zip(feature.operands, feature.lows, feature.sizes, strict=True):
            code = self.values(operand).astype(np.int64) - low
            row = row * size + np.clip(code, 0, size - 1)
        return row


def _take(masks: Masks, columns: NDArray[np.int64]) -> Masks:
    """``masks`` [input, column] at ``columns`` [input, position], held within them."""
    taken: Masks = np.take_along_axis(masks, np.clip(columns, 0, masks.shape[1] - 1), 1)
    return taken


def _highest(masks: Masks) -> NDArray[np.int64]:
    """The index of the highest bit; -1 of no bit."""
    found: NDArray[np.int64] = np.frexp(masks.astype(np.float64))[1].astype(np.int64) - 1
    return found
