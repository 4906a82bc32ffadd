"""What a sequence holds for a whole batch of inputs of one length: codes or numbers in an array.

The batch is the last axis, so that reductions over positions run along contiguous memory. An axis
of size 1 stands for all inputs alike (``indices`` is the same for every input) and broadcasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.types import Bool, Categorical, Integer, Pooled, Type, is_integral
from tpir.ir.values import Value, places_of

FLOAT, INT, BOOL = 0, 1, 2
"""Tags of the elements of a ``Real`` column: what Python type each number has."""

_CASTS = (float, int, bool)


@dataclass(frozen=True, eq=False)
class Column:
    """A sequence for a batch: arrays of shape (position, batch); (1, batch) for a pooled label.

    Finite types hold codes: the index into the domain, or the value less ``lo`` for ``Integer``.
    ``Real`` holds float64 numbers, and ``tags`` where some of them are ints or bools.
    """

    type: Type
    data: NDArray[np.generic]
    tags: NDArray[np.uint8] | None = None

    def broadcast(self, batch: int) -> Column:
        """The same column with a batch axis of full size."""
        shape = (self.data.shape[0], batch)
        tags = None if self.tags is None else np.broadcast_to(self.tags, shape)
        return Column(self.type, np.broadcast_to(self.data, shape), tags)

    @classmethod
    def joined(cls, parts: Sequence[Column]) -> Column:
        """The columns of consecutive stretches of a batch as one."""
        tags = None
        if any(part.tags is not None for part in parts):
            tags = np.concatenate(
                [np.zeros(p.data.shape, np.uint8) if p.tags is None else p.tags for p in parts], -1
            )
        return cls(parts[0].type, np.concatenate([p.data for p in parts], -1), tags)

    def at(self, position: int) -> Value:
        """The value at one position of a batch of one input."""
        rows = slice(position, position + 1)
        tags = None if self.tags is None else self.tags[rows]
        return Column(self.type, self.data[rows], tags).decode(1)[0][0]

    def decode(self, batch: int) -> list[list[Value]]:
        """The values of each input: one list for each, of a length of its positions."""
        rows = np.broadcast_to(self.data, (self.data.shape[0], batch)).T.tolist()
        match self.type:
            case Categorical(domain) | Pooled(domain):
                return [[domain[code] for code in row] for row in rows]
            case Integer(lo, _):
                return [[int(code) + lo for code in row] for row in rows]
            case Bool():
                return [[bool(code) for code in row] for row in rows]
        if self.tags is None:
            return [[float(x) for x in row] for row in rows]
        tags = np.broadcast_to(self.tags, (self.data.shape[0], batch)).T.tolist()
        return [
            [_CASTS[tag](x) for x, tag in zip(row, row_tags, strict=True)]
            for row, row_tags in zip(rows, tags, strict=True)
        ]


def numbers(column: Column) -> NDArray[np.generic]:
    """A column of numbers as an array: int64 where all are integral, else float64."""
    match column.type:
        case Integer(lo, _):
            return column.data.astype(np.int64) + lo
        case Bool():
            return column.data.astype(np.int64)
        case Categorical(domain):
            dtype = np.int64 if is_integral(column.type) else np.float64
            return np.array(domain, dtype=dtype)[column.data.astype(np.intp)]
    return column.data


def encode(
    type_: Type, values: Sequence[Value]
) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Codes (or numbers and tags) of a flat list of values of a type."""
    match type_:
        case Categorical():
            codes = places_of(values, type_.domain)
            return np.array(codes, dtype=code_dtype(len(type_.domain))), None
        case Integer(lo, hi):
            dtype = code_dtype(hi - lo + 1)
            return np.array([int(v) - lo for v in values], dtype=dtype), None
        case Bool():
            return np.array(values, dtype=np.uint8), None
    tags = np.array([tag_of(v) for v in values], dtype=np.uint8)
    return np.array([float(v) for v in values]), tags if tags.any() else None


def tag_of(value: Value) -> int:
    """The tag of a number in a ``Real`` column."""
    return BOOL if isinstance(value, bool) else INT if isinstance(value, int) else FLOAT


def code_dtype(size: int) -> type[np.generic]:
    """The smallest array type that holds codes 0 .. size - 1."""
    if size <= 2**8:
        return np.uint8
    if size <= 2**15:
        return np.int16
    if size <= 2**31:
        return np.int32
    return np.int64
