"""Tables as sums of functions of their arguments, and as functions of one weighted sum of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import Column
from tpir.backends.transformer.hinges import hinges
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Expression,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import Domain, ReluFunction, Table, codes_of
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.values import Value, value_key

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

MOST_PARTS = 64
"""The largest denominator of fractions that are told to have a common one."""

SMALL = (1, -1, 2, -2)
"""The weights that are tried before those that keep all rows apart."""


def shape_of(table: Table) -> list[int]:
    """How many values each argument has."""
    return [len(domain) for domain in table.domains]


def result_codes(table: Table, domain: Domain) -> Codes:
    """The place in a domain of each result [arguments…]."""
    places = codes_of(domain)
    return np.array([places[value_key(v)] for v in table.results], dtype=np.intp).reshape(
        shape_of(table)
    )


def separated(table: Floats, tolerance: float = 0.0) -> tuple[float, list[Column]] | None:
    """A constant and a column for each argument that add up to the table; None if none do.

    They may miss by ``tolerance`` where numbers are fractions.
    """
    constant = float(table[(0,) * table.ndim])
    columns = []
    rest = table - constant
    for axis in range(table.ndim):
        index = tuple(slice(None) if a == axis else 0 for a in range(table.ndim))
        line = table[index] - constant
        shape = tuple(-1 if a == axis else 1 for a in range(table.ndim))
        rest = rest - line.reshape(shape)
        columns.append(tuple(map(float, line)))
    return (constant, columns) if np.abs(rest).max(initial=0.0) <= tolerance else None


@dataclass(frozen=True)
class Line:
    """A weighted sum of the arguments of a table that tells apart what the table tells apart.

    ``columns``: what each argument adds, for each of its values; ``points``: the sums, in the shape
    of the table.
    """

    columns: list[Column]
    points: Floats
    units: int
    largest: float
    """The largest sum of the units' terms without signs."""


def line_of(values: Floats) -> Line:
    """The line with the fewest units for ``values`` [arguments…, outputs].

    Tried: sums of the arguments' classes with small weights, where rows that meet in a point agree,
    and mixed radix in every order of the arguments, which keeps all rows apart.
    """
    arity = values.ndim - 1
    small, codes = _small(values)
    sizes = list(small.shape[:-1])
    flat = small.reshape(-1, values.shape[-1])
    places = np.indices(sizes).reshape(arity, -1)
    best: tuple[tuple[int, float], tuple[int, ...]] | None = None
    for weights in _candidates(sizes):
        cost = _units(np.array(weights, dtype=float) @ places, flat)
        if cost is not None and (best is None or cost < best[0]):
            best = (cost, weights)
    assert best is not None
    columns = [w * c.astype(float) for w, c in zip(best[1], codes, strict=True)]
    points = np.zeros([1] * arity)
    for axis, column in enumerate(columns):
        points = points + column.reshape([-1 if a == axis else 1 for a in range(arity)])
    return Line([tuple(map(float, column)) for column in columns], points, *best[0])


@dataclass(frozen=True)
class Ridge:
    """One hidden unit of a table: value x relu(constant + a column of each argument).

    ``columns``: for each argument what it adds, for each of its values; None where that is nothing.
    ``value`` [outputs]. ``gate``: the argument, if any, that adds 0 or closes the unit.
    """

    columns: tuple[Column | None, ...]
    constant: float
    value: Floats
    gate: int | None = None

    @property
    def size(self) -> float:
        """What rounding is relative to."""
        parts = [
            max(map(abs, column))
            for k, column in enumerate(self.columns)
            if column is not None and k != self.gate
        ]
        return abs(self.constant) + sum(parts)


@dataclass(frozen=True)
class Ridges:
    """A table as ``base`` [outputs] plus ridges."""

    base: Floats
    ridges: list[Ridge]

    @property
    def cost(self) -> tuple[int, int]:
        """How many units, and functions of arguments that they read."""
        read = {(k, c) for ridge in self.ridges for k, c in enumerate(ridge.columns) if c}
        return len(self.ridges), len(read)

    @property
    def rounds(self) -> float:
        """What rounding is relative to; 0 for whole numbers, and where nothing cancels."""
        parts = [c for r in self.ridges for k, c in enumerate(r.columns) if c and k != r.gate]
        adds = not self.base.any() and all((r.value >= 0).all() for r in self.ridges)
        if adds and min((min(c) for c in parts), default=0.0) >= 0:
            return 0.0
        columns = [self.base, *map(np.array, parts), *(r.value for r in self.ridges)]
        if all((column == np.round(column)).all() for column in columns):
            return 0.0
        return max(r.size * float(np.abs(r.value).max()) for r in self.ridges)


def boxes_of(values: Floats) -> Ridges:
    """A table as a value for most rows, and boxes that do not meet for the others.

    A box is a set of values for each argument, with the table the same on all of it; its ridge is
    the number of arguments in their set, less the number of sets but one. Values of an argument
    that make no difference are one, so that it does not matter how many of them there are.
    """
    values, codes = _small(values)
    arity = values.ndim - 1
    rows, places = np.unique(values.reshape(-1, values.shape[-1]), axis=0, return_inverse=True)
    table = places.reshape(values.shape[:-1])
    most = int(np.bincount(table.reshape(-1)).argmax())
    orders = permutations(range(arity)) if arity <= 4 else [tuple(range(arity))]
    best: list[tuple[tuple[frozenset[int], ...], int]] | None = None
    for order in orders:
        found = _boxes(table.transpose(order), most)
        if best is None or len(found) < len(best):
            back = np.argsort(order)
            best = [(tuple(sets[k] for k in back), value) for sets, value in found]
    boxes = []
    for sets, value in best or []:
        sizes: list[int] = list(table.shape)
        columns = tuple(_indicator(s, n) for s, n in zip(sets, sizes, strict=True))
        constant = 1.0 - sum(column is not None for column in columns)
        boxes.append(Ridge(_spelled(columns, codes), constant, rows[value] - rows[most]))
    return Ridges(rows[most], boxes)


def _indicator(places: frozenset[int], size: int) -> Column | None:
    return None if len(places) == size else tuple(float(k in places) for k in range(size))


def gates_of(values: Floats) -> list[Ridges]:
    """A table that for each value of one argument, the gate, is a sum of functions of the others.

    ``x if gate else y`` is one, and so is a number divided by another. For each class of the gate
    one ridge: the sum, less its least value, where the gate is in the class, and below 0 elsewhere.
    One more ridge adds the least values. One way for each argument that is such a gate.
    """
    values, codes = _small(values)
    found = (_gated(values, axis) for axis in range(values.ndim - 1))
    return [
        Ridges(
            ridges.base,
            [replace(r, columns=_spelled(r.columns, codes)) for r in ridges.ridges],
        )
        for ridges in found
        if ridges is not None
    ]


def _gated(values: Floats, axis: int) -> Ridges | None:
    outputs = values.shape[-1]
    arity, count = values.ndim - 1, values.shape[axis]
    ridges: list[Ridge] = []
    base = np.zeros(outputs)
    for output in range(outputs):
        table = np.moveaxis(values[..., output], axis, 0)
        pieces: dict[bytes, list[int]] = {}
        for k in range(count):
            rest = np.ascontiguousarray(table[k] - table[k].min())
            pieces.setdefault(rest.tobytes(), []).append(k)
        least = table.reshape(count, -1).min(axis=1)
        unit = np.eye(outputs)[output]
        for places in pieces.values():
            rest = table[places[0]] - least[places[0]]
            if not rest.any():
                continue
            scale, rest = _whole_multiple(rest)
            parts = separated(rest, 1e-9)
            if parts is None:
                return None
            far = 2.0 ** math.ceil(math.log2(rest.max()))
            gate = tuple(0.0 if k in places else -far for k in range(count))
            columns: list[Column | None] = [c if any(c) else None for c in parts[1]]
            columns.insert(axis, gate if len(places) < count else None)
            ridges.append(Ridge(tuple(columns), parts[0], scale * unit, axis))
        base[output] = least.min()
        if np.ptp(least):
            lift = tuple(float(x) for x in least - least.min())
            columns = [lift if k == axis else None for k in range(arity)]
            ridges.append(Ridge(tuple(columns), 0.0, unit))
    return Ridges(base, ridges)


def _whole_multiple(values: Floats) -> tuple[float, Floats]:
    """A scale and whole numbers that give the values, where simple fractions do; else 1 and they.

    The pieces of a quotient are multiples of one column then, and need one direction together.
    """
    smallest = values[values > 0].min()
    ratios = values / smallest
    for denominator in range(1, MOST_PARTS + 1):
        multiples = ratios * denominator
        whole = np.round(multiples)
        if (np.abs(whole - multiples) <= 1e-13 * np.abs(multiples)).all():
            divisor = int(np.gcd.reduce(whole.astype(np.int64).reshape(-1)))
            return smallest * divisor / denominator, whole / divisor
    return 1.0, values


def _boxes(table: Codes, most: int) -> list[tuple[tuple[frozenset[int], ...], int]]:
    """Boxes of equal entries that are not ``most``: those of slices, joined where they agree."""
    if table.ndim == 0:
        return [] if int(table) == most else [((), int(table))]
    joined: dict[tuple[tuple[frozenset[int], ...], int], set[int]] = {}
    for k, piece in enumerate(table):
        for box in _boxes(piece, most):
            joined.setdefault(box, set()).add(k)
    return [((frozenset(ks), *sets), value) for (sets, value), ks in joined.items()]


def _candidates(sizes: list[int]) -> list[tuple[int, ...]]:
    places = [k for k, size in enumerate(sizes) if size > 1]
    found: list[tuple[int, ...]] = []
    if len(places) <= 3:
        for small in product(SMALL, repeat=len(places)):
            if small[:1] >= (1,):
                found.append(_spread(small, places, len(sizes)))
    orders = permutations(places) if len(places) <= 4 else [tuple(places)]
    for order in orders:
        weights, radix = [0] * len(sizes), 1
        for place in reversed(order):
            weights[place], radix = radix, radix * sizes[place]
        found.append(tuple(weights))
    return found


def _spread(weights: tuple[int, ...], places: list[int], count: int) -> tuple[int, ...]:
    by_place = dict(zip(places, weights, strict=True))
    return tuple(by_place.get(k, 0) for k in range(count))


def _classes(values: Floats, axis: int) -> tuple[Codes, list[int]]:
    """For each value of an argument the number of its class, and the first value of each class.

    Values with equal slices are one class.
    """
    slices = values.swapaxes(0, axis).reshape(values.shape[axis], -1) + 0.0  # -0.0 is 0.0
    numbers: dict[bytes, int] = {}
    codes = [numbers.setdefault(row.tobytes(), len(numbers)) for row in slices]
    firsts: dict[int, int] = {}
    for value, code in enumerate(codes):
        firsts.setdefault(code, value)
    return np.array(codes), list(firsts.values())


def _small(values: Floats) -> tuple[Floats, list[Codes]]:
    """A table of the classes of its arguments, and the class of each of their values."""
    found = [_classes(values, axis) for axis in range(values.ndim - 1)]
    firsts = [places for _, places in found]
    return values[np.ix_(*firsts, range(values.shape[-1]))], [codes for codes, _ in found]


def _spelled(columns: tuple[Column | None, ...], codes: list[Codes]) -> tuple[Column | None, ...]:
    """Columns of classes as columns of values."""
    return tuple(
        None if column is None else tuple(column[k] for k in code)
        for column, code in zip(columns, codes, strict=True)
    )


def _units(points: Floats, values: Floats) -> tuple[int, float] | None:
    """How many units, and how large their terms; None if rows that meet differ."""
    order = np.argsort(points, kind="stable")
    points, values = points[order], values[order]
    first = np.concatenate([[True], points[1:] > points[:-1]])
    if (values != values[first][np.cumsum(first) - 1]).any():
        return None
    bends = hinges(points[first], values[first])
    return len(bends.thresholds), bends.largest


def affine_form(expression: Expression, arity: int) -> tuple[float, ...] | None:
    """Constant and weights of an expression that adds multiples of its arguments; else None."""
    match expression:
        case Argument(index):
            return tuple(1.0 if k == index + 1 else 0.0 for k in range(arity + 1))
        case Literal(value) if not isinstance(value, str):
            return (float(value), *[0.0] * arity)
        case Unary(UnaryOp.FLOAT, inner):
            return affine_form(inner, arity)
        case Unary(UnaryOp.NEGATE, inner):
            return _times(affine_form(inner, arity), -1.0)
        case Binary(op, left, right):
            a, b = affine_form(left, arity), affine_form(right, arity)
            if a is None or b is None:
                return None
            if op in (BinaryOp.ADD, BinaryOp.SUBTRACT):
                sign = 1.0 if op is BinaryOp.ADD else -1.0
                return tuple(x + sign * y for x, y in zip(a, b, strict=True))
            if op is BinaryOp.MULTIPLY and not any(a[1:]):
                return _times(b, a[0])
            if op is BinaryOp.MULTIPLY and not any(b[1:]):
                return _times(a, b[0])
            if op is BinaryOp.DIVIDE and not any(b[1:]) and b[0]:
                return _times(a, 1.0 / b[0])
    return None


def sum_form(node: Node) -> tuple[float, ...] | None:
    """Constant and weights of a map that adds multiples of its operands; None for other nodes."""
    if not isinstance(node.op, Map) or isinstance(node.op.function, Table | ReluFunction):
        return None
    return affine_form(node.op.function, len(node.operands))


def _times(form: tuple[float, ...] | None, factor: float) -> tuple[float, ...] | None:
    return None if form is None else tuple(factor * x for x in form)


def weighted(weights: Sequence[Value]) -> Expression:
    """The expression of the weighted sum of as many arguments: what ``affine_form`` reads."""
    parts: list[Expression] = [
        Argument(k) if w == 1 else Binary(BinaryOp.MULTIPLY, Literal(w), Argument(k))
        for k, w in enumerate(weights)
    ]
    return reduce(lambda a, b: Binary(BinaryOp.ADD, a, b), parts) if parts else Literal(0)
