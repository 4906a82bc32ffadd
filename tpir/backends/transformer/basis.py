"""The fewest coordinates from which all the functions of a value that are asked for can be read.

A value of a finite domain is held by numbers; readers need functions of it, *columns*: one number
for each value of the domain. Up to constants, which every reader can add, the columns span a space.
Its dimension is how many coordinates are needed: a truth value takes one, a number that is only
added one, a number that is also squared two, and a value that must be told from every other value
as many as there are values, less one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Column = tuple[float, ...]
Floats = NDArray[np.float64]

IDENTITY: Column = ()
"""Stands for the number itself where the values of a node are too many to list."""

MOST_EXACT = 4_096
"""Above so many numbers in all columns, values get a coordinate each without a look at the rank."""

PRIME = 2**31 - 1
"""The product of two remainders fits 64 bits."""

MOST_WHOLE = 2.0**52
"""Differences of smaller whole numbers are exact."""

MOST_PARTS = 64
"""The simple parts in which multiples are looked for."""

ROUNDING = 2.0**-52
"""How far, of their size, numbers may be off that are the same but for the rounding of floats."""


@dataclass(frozen=True)
class Basis:
    """Coordinates of the values of a domain, and how each column is read from them.

    ``rows`` [values, coordinates]; ``readings``: for a column its constant and its weights.
    """

    rows: Floats
    readings: dict[Column, tuple[float, Floats]]

    @property
    def size(self) -> int:
        """How many coordinates."""
        return int(self.rows.shape[1])


def basis_of(columns: Sequence[Column], size: int, bare: Collection[Column] = ()) -> Basis:
    """The smallest basis: chosen columns where they are fewer, else one coordinate for a class.

    Values with the same entries in all columns are one class; one class is where all coordinates
    are 0. Chosen columns count only if they give the others by exact arithmetic. Neither the order
    of the columns nor their multiples change the coordinates. A column that is to be ``bare`` is
    read without a constant: then its zeros are sums of zeros, and nothing that is added to them is
    rounded on their scale.
    """
    simple = {column: _simplified(column, column in bare) for column in columns}
    kept = sorted(
        {(inner, column in bare) for column, (inner, _) in simple.items()},
        key=lambda c: (max(c[0]) - min(c[0]), c),
    )
    matrix = np.array([inner for inner, _ in kept], dtype=np.float64).reshape(len(kept), size)
    is_bare = np.array([whole for _, whole in kept], dtype=bool)
    _, firsts, codes = np.unique(matrix.T, axis=0, return_index=True, return_inverse=True)
    codes = codes.reshape(size)
    reference = _reference(matrix)
    every = bool(matrix[is_bare, reference].any())
    others = [int(k) for k in sorted(firsts) if every or codes[k] != codes[reference]]
    if kept and matrix.size <= MOST_EXACT:
        smallest = int(np.abs(matrix).sum(axis=0).argmin())
        bases = np.where(is_bare, 0.0, matrix[:, smallest])
        chosen = _chosen(matrix, bases, len(others))
        if chosen is not None:
            picked, weights = chosen
            rows = (matrix[picked] - bases[picked][:, None]).T
            return Basis(rows, _readings(simple, bare, _by(kept, bases, weights)))
    rows = (codes[:, None] == codes[others][None, :]).astype(np.float64)
    bases = np.where(is_bare | every, 0.0, matrix[:, reference])
    steps = matrix[:, others] - bases[:, None]
    return Basis(rows, _readings(simple, bare, _by(kept, bases, steps)))


def _by(
    kept: list[tuple[Column, bool]], bases: Floats, weights: Iterable[Floats]
) -> dict[tuple[Column, bool], tuple[float, Floats]]:
    return {k: (b, w) for k, b, w in zip(kept, bases.tolist(), weights, strict=True)}


def _simplified(column: Column, bare: bool) -> tuple[Column, float]:
    """A column, and the number that multiplies it to differ from the given one by a constant.

    Of multiples of whole numbers: the least is 0, they have no factor in common, the first change
    is a rise. A ``bare`` one differs by no constant.
    """
    found = _multiples((0.0, *column) if bare else column)
    if found is None:
        return column, 1.0
    numbers, unit = found
    first = next((x for x in numbers if x), 1)
    factor = math.gcd(*numbers) * (1 if first > 0 else -1) or 1
    numbers = [x // factor for x in (numbers[1:] if bare else numbers)]
    least = 0 if bare else min(numbers)
    return tuple(float(x - least) for x in numbers), factor * unit


def _multiples(column: Column) -> tuple[list[int], float] | None:
    """Whole numbers and a unit with which they are the column, but for a constant."""
    steps = [x - column[0] for x in column]
    if all(x == int(x) for x in column):
        return [int(x) for x in steps], 1.0
    least = min((abs(x) for x in steps if x), default=1.0)
    parts = [Fraction(x / least).limit_denominator(MOST_PARTS) for x in steps]
    shared = math.lcm(*(part.denominator for part in parts))
    numbers = [int(part * shared) for part in parts]
    far = max(range(len(numbers)), key=lambda k: abs(numbers[k]))
    if shared > MOST_PARTS or not 0 < abs(numbers[far]) <= MOST_PARTS**2:
        return None
    unit = steps[far] / numbers[far]
    off = max(abs(column[0] + unit * n - x) for n, x in zip(numbers, column, strict=True))
    return (numbers, unit) if off <= ROUNDING * max(map(abs, column)) else None


def _readings(
    simple: dict[Column, tuple[Column, float]],
    bare: Collection[Column],
    found: dict[tuple[Column, bool], tuple[float, Floats]],
) -> dict[Column, tuple[float, Floats]]:
    """The constant of each column, and the weights of the coordinates."""
    readings = {}
    for column, (inner, factor) in simple.items():
        base, weights = found[inner, column in bare]
        constant = 0.0
        if column not in bare:
            place = next((k for k, x in enumerate(inner) if x == base), 0)
            constant = column[place] - factor * (inner[place] - base)
        readings[column] = (constant, factor * weights)
    return readings


def _reference(matrix: Floats) -> int:
    """The value at which all coordinates are 0: the first, if no numbers cancel by that.

    Where they are fractions, it is the one at which columns are small.
    """
    if (matrix == np.round(matrix)).all():
        return 0
    return int(np.abs(matrix).sum(axis=0).argmin())


def _chosen(matrix: Floats, bases: Floats, most: int) -> tuple[list[int], list[Floats]] | None:
    """Columns that give the others, if they are fewer than ``most``, and with which weights.

    They count from ``bases``, one for each.
    """
    whole = (matrix == np.round(matrix)).all(axis=1) & (np.abs(matrix) < MOST_WHOLE).all(axis=1)
    if _rank_modulo((matrix - bases[:, None])[whole].astype(np.int64)) >= most:
        return None
    reduced: list[tuple[list[Fraction], list[Fraction], int]] = []
    picked: list[int] = []
    combos: list[list[Fraction]] = []
    for k, column in enumerate(matrix.tolist()):
        base = Fraction(bases[k])
        rest = [Fraction(x) - base for x in column]
        weights = [Fraction(0)] * len(picked)
        for vector, made_of, pivot in reduced:
            factor = rest[pivot]
            if factor:
                rest = [a - factor * b for a, b in zip(rest, vector, strict=True)]
                for place, w in enumerate(made_of):
                    weights[place] += factor * w
        leading = next((i for i, x in enumerate(rest) if x), None)
        if leading is not None:
            picked.append(k)
            if len(picked) >= most:
                return None
            scale = rest[leading]
            vector = [x / scale for x in rest]
            made_of = [-w / scale for w in weights] + [1 / scale]
            reduced.append((vector, made_of, leading))
            weights = [Fraction(0)] * (len(picked) - 1) + [Fraction(1)]
        combos.append(weights)
    padded = [w + [Fraction(0)] * (len(picked) - len(w)) for w in combos]
    if any(Fraction(float(w)) != w or w.denominator > 2**10 for row in padded for w in row):
        return None
    return picked, [np.array([float(w) for w in row]) for row in padded]


def _rank_modulo(matrix: NDArray[np.int64]) -> int:
    """The rank modulo ``PRIME``: quick, exact, and no higher than the rank of whole numbers.

    A minor that is not 0 modulo a prime is not 0.
    """
    rows = matrix % PRIME
    rank = 0
    for column in range(rows.shape[1]):
        places = np.flatnonzero(rows[rank:, column])
        if len(places):
            pivot = rank + int(places[0])
            rows[[rank, pivot]] = rows[[pivot, rank]]
            inverse = pow(int(rows[rank, column]), -1, PRIME)
            factors = rows[rank + 1 :, column] * inverse % PRIME
            rows[rank + 1 :] = (rows[rank + 1 :] - factors[:, None] * rows[rank]) % PRIME
            rank += 1
    return rank
