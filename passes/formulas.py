"""Which formulas give a table its results: arithmetic, comparisons, short lists of decisions.

Everything is tried on the rows that are reached, as arrays; what never occurs need not come out
right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Expression,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import Table
from tpir.ir.values import Value, value_key
from tpir.passes.tables import TableArray
from tpir.text.print_expression import print_expression

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

MOST_ROWS = 4096
"""Of tables of more rows that are reached than this only whole formulas are tried, no decisions."""

_MOST_NUMBERS = 4
_DECISIONS = 3
_WIDTH = 4
"""So many first decisions are followed up at each step."""

_MIRRORED = {
    BinaryOp.LESS: np.less,
    BinaryOp.LESS_EQUAL: np.less_equal,
    BinaryOp.GREATER: np.greater,
    BinaryOp.GREATER_EQUAL: np.greater_equal,
    BinaryOp.EQUAL: np.equal,
}


@dataclass(frozen=True, eq=False)
class Reached:
    """The rows of a table that are reached: an array of value codes for each argument."""

    table: Table
    codes: tuple[NDArray[np.intp], ...]
    results: NDArray[np.intp]
    values: tuple[Value, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, table: Table, reached: Bools, names: Sequence[str]) -> Reached:
        """From a table and which of its rows are reached."""
        array = TableArray.of(table)
        codes = np.nonzero(reached)
        return cls(table, codes, array.codes[codes], array.values, tuple(names))

    def cost(self, expression: Expression) -> int:
        """How many characters a formula prints as."""
        return len(print_expression(expression, self.names))

    @cached_property
    def numbers(self) -> dict[int, Ints]:
        """The arguments that are whole numbers, as such: the first few."""
        found: dict[int, Ints] = {}
        for k, domain in enumerate(self.table.domains):
            if all(type(v) is int for v in domain) and len(found) < _MOST_NUMBERS:
                found[k] = np.array(domain, dtype=np.int64)[self.codes[k]]
        return found

    @cached_property
    def result_numbers(self) -> Ints | None:
        """The results as whole numbers, if they are."""
        if not all(type(v) is int for v in self.values):
            return None
        return np.array(self.values, dtype=np.int64)[self.results]

    @cached_property
    def copies(self) -> dict[int, Bools]:
        """For each argument the rows whose result it is."""
        found = {}
        for k, domain in enumerate(self.table.domains):
            place = {value_key(v): code for code, v in enumerate(self.values)}
            wanted = np.array([place.get(value_key(v), -1) for v in domain])
            found[k] = np.asarray(wanted[self.codes[k]] == self.results)
        return found

    @cached_property
    def sums(self) -> list[tuple[tuple[tuple[int, int], ...], Ints]]:
        """Sums and differences of arguments, short ones first: signs of arguments, and numbers."""
        found = []
        for size in range(1, min(3, len(self.numbers)) + 1):
            for chosen in combinations(self.numbers, size):
                for signs in sorted(product((1, -1), repeat=size), key=lambda s: s.count(-1)):
                    terms = tuple(zip(chosen, signs, strict=True))
                    found.append((terms, sum(s * self.numbers[k] for k, s in terms)))
        return found  # type: ignore[return-value]

    @cached_property
    def conditions(self) -> list[tuple[Expression, Bools]]:
        """Conditions that hold on some rows and not on others, each by its shortest text."""
        found: dict[bytes, tuple[int, Expression, Bools]] = {}
        for expression, held in _conditions(self):
            if held.any() and not held.all():
                cost = self.cost(expression)
                known = found.get(held.tobytes())
                if known is None or cost < known[0]:
                    found[held.tobytes()] = (cost, expression, held)
        return [(expression, held) for _, expression, held in found.values()]


def shortest(rows: Reached) -> Expression | None:
    """The shortest formula found that gives every reached row its result; None for none."""
    every = np.ones(len(rows.results), dtype=np.bool_)
    leaf = _leaf(rows, every)
    if leaf is not None or len(every) > MOST_ROWS:
        return leaf
    found = [f for f in (_truth(rows), _decisions(rows, every, _DECISIONS)) if f is not None]
    return min(found, key=rows.cost, default=None)


# ---- one formula for some rows


def _leaf(rows: Reached, mask: Bools) -> Expression | None:
    """A constant, an argument, or a sum or difference of arguments and a constant."""
    results = rows.results[mask]
    if (results == results[0]).all():
        return Literal(rows.values[int(results[0])])
    for k, copied in rows.copies.items():
        if copied[mask].all():
            return Argument(k)
    wanted = rows.result_numbers
    if wanted is None:
        return None
    target = wanted[mask]
    found = []
    for terms, numbers in rows.sums:
        rest = target - numbers[mask]
        if (rest == rest[0]).all():
            found.append(_sum(terms, int(rest[0])))
    return min(found, key=rows.cost, default=None)


def _sum(terms: Sequence[tuple[int, int]], constant: int) -> Expression:
    """Added terms first; a constant first where nothing is added."""
    added: list[Expression] = [Argument(k) for k, sign in terms if sign > 0]
    taken: list[Expression] = [Argument(k) for k, sign in terms if sign < 0]
    total: Expression = added[0] if added else Literal(constant)
    for part in added[1:]:
        total = Binary(BinaryOp.ADD, total, part)
    if added and constant > 0:
        total = Binary(BinaryOp.ADD, total, Literal(constant))
    elif added and constant < 0:
        taken.append(Literal(-constant))
    for part in taken:
        total = Binary(BinaryOp.SUBTRACT, total, part)
    return total


# ---- conditions


def _conditions(rows: Reached) -> Iterator[tuple[Expression, Bools]]:
    for k, domain in enumerate(rows.table.domains):
        if all(isinstance(v, bool) for v in domain):
            held = np.array(domain, dtype=np.bool_)[rows.codes[k]]
            yield Argument(k), held
            yield Unary(UnaryOp.NOT, Argument(k)), ~held
        elif k not in rows.numbers and all(isinstance(v, str) for v in domain):
            for code, value in enumerate(domain):
                equal = Binary(BinaryOp.EQUAL, Argument(k), Literal(value))
                yield equal, rows.codes[k] == code
    for k, numbers in rows.numbers.items():
        yield from _against_constants(Argument(k), numbers)
    for a, b in combinations(rows.numbers, 2):
        yield from _pairs(rows, a, b)


def _against_constants(side: Expression, numbers: Ints) -> Iterator[tuple[Expression, Bools]]:
    found = np.unique(numbers)[:64].tolist()
    for place, value in enumerate(found):
        constant = Literal(value)
        yield Binary(BinaryOp.EQUAL, side, constant), numbers == value
        yield Binary(BinaryOp.LESS, side, constant), numbers < value
        yield Binary(BinaryOp.GREATER, side, constant), numbers > value
        if place:
            yield Binary(BinaryOp.GREATER_EQUAL, side, constant), numbers >= value


def _pairs(rows: Reached, a: int, b: int) -> Iterator[tuple[Expression, Bools]]:
    left, right = rows.numbers[a], rows.numbers[b]
    for op, compare in _MIRRORED.items():
        yield Binary(op, Argument(a), Argument(b)), np.asarray(compare(left, right))
    for more, less in ((a, b), (b, a)):
        next_ = Binary(BinaryOp.ADD, Argument(less), Literal(1))
        held = rows.numbers[more] == rows.numbers[less] + 1
        yield Binary(BinaryOp.EQUAL, Argument(more), next_), held
    yield from _against_constants(Binary(BinaryOp.ADD, Argument(a), Argument(b)), left + right)


# ---- several formulas


def _truth(rows: Reached) -> Expression | None:
    """One of two constants, by a condition or two."""
    if len(np.unique(rows.results)) != 2:
        return None
    found = []
    for first, second in ((0, 1), (1, 0)):
        wanted = rows.results == np.unique(rows.results)[first]
        then, otherwise = (rows.values[int(np.unique(rows.results)[k])] for k in (first, second))
        for condition in _exactly(rows, wanted):
            found.append(_either(then, condition, otherwise))
    return min(found, key=rows.cost, default=None)


def _either(then: Value, condition: Expression, otherwise: Value) -> Expression:
    if then is True and otherwise is False and not isinstance(condition, Argument):
        return condition
    return IfElse(Literal(then), condition, Literal(otherwise))


def _exactly(rows: Reached, wanted: Bools) -> Iterator[Expression]:
    """Conditions, and pairs of them, that hold on just these rows."""
    around, within = [], []
    for condition, held in rows.conditions:
        if (held == wanted).all():
            yield condition
        elif held[wanted].all():
            around.append((condition, held))
        elif wanted[held].all():
            within.append((condition, held))
    for op, parts, join in (
        (BinaryOp.AND, around, np.logical_and),
        (BinaryOp.OR, within, np.logical_or),
    ):
        parts.sort(key=lambda part: rows.cost(part[0]))
        for (first, a), (second, b) in combinations(parts[:64], 2):
            if (join(a, b) == wanted).all():
                yield Binary(op, first, second)


def _decisions(rows: Reached, mask: Bools, depth: int) -> Expression | None:
    """``this if condition else …``, at most so many conditions deep."""
    leaf = _leaf(rows, mask)
    if leaf is not None or not depth:
        return leaf
    options = []
    for condition, held in rows.conditions:
        inside = mask & held
        settled = int(inside.sum())
        if 0 < settled < int(mask.sum()):
            then = _leaf(rows, inside)
            if then is not None:
                options.append((-settled, rows.cost(then), condition, then, held))
    options.sort(key=lambda option: option[:2])
    found = []
    for _, _, condition, then, held in options[:_WIDTH]:
        rest = _decisions(rows, mask & ~held, depth - 1)
        if rest is not None:
            found.append(IfElse(then, condition, rest))
    return min(found, key=rows.cost, default=None)
