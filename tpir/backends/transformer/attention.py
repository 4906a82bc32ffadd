"""Selectors as attention scores.

A score is a sum of products, a query feature by a key feature. A block adds 0 where it holds and at
most -1 where it does not; a term that only depends on the query changes no weight within a row, so
it may be added freely and is taken back at the token of beginning. So what a conjunction selects
has the score of the query's free terms, exactly, and everything else at least 1 less. An order
among the selected keys adds less than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.basis import Column
from tpir.backends.transformer.features import Feature, total
from tpir.backends.transformer.plan import Head, Pair
from tpir.backends.transformer.selection import Bools, Conjunction
from tpir.ir.ops import Choose, Indices, Otherwise, offsets_of
from tpir.ir.program import Node
from tpir.ir.values import value_key

if TYPE_CHECKING:
    from tpir.backends.transformer.planner import Planner

Floats = NDArray[np.float64]
Codes = NDArray[np.integer]
Read = tuple[Node, Column]


@dataclass(frozen=True)
class Product:
    """A product in a score: what is read at the query and at the key; None is the constant 1."""

    query: Read | None
    key: Read | None
    weight: float


@dataclass
class Attention:
    """The scores of a head before its features can be read, and the head once they can."""

    planner: Planner
    products: list[Product]
    sink: float
    head: Head | None = None
    copies: dict[int, Head] = field(default_factory=dict)
    features: list[Feature] = field(default_factory=list)
    error: float = 0.0
    """How far scores that should be equal may be apart, in units of the softmax."""

    def build(self) -> Head:
        """The head; products that share a side are added up."""
        if self.head is None:
            pairs, free = self._pairs()
            sink = None
            if self.planner.plan.bos is not None:
                sink = free.times(-1.0).shifted(self.sink)
            features = [f for p in pairs for f in (p.query, p.key)] + ([sink] if sink else [])
            slot = max((f.slot for f in features), default=0)
            self.head = Head(pairs, sink, slot + 1 + slot % 2)
            self.features = features
            self.error = self._score_error()
            self.planner.plan.heads.append(self.head)
        return self.head

    def _score_error(self) -> float:
        """How far apart scores that should be equal can be, in units of the softmax."""
        budget = self.planner.budget
        off: dict[Node | None, Floats] = {}
        largest = 0.0
        for product in self.products:
            sides = [(product.query, product.key), (product.key, product.query)]
            sizes = [_sizes(side) * abs(product.weight) for side, _ in sides]
            largest += float(sizes[0].max() * _sizes(product.key).max())
            for (side, other), size in zip(sides, sizes, strict=True):
                if other is not None:
                    node = None if side is None else side[0]
                    error = budget.error(self.planner.feature(*other))
                    off[node] = off.get(node, np.zeros(1)) + size * error
        total_off = sum(float(errors.max()) for errors in off.values())
        exact = total_off == 0 and largest < 1 / budget.unit
        rounded = 0.0 if exact else 2 * budget.unit * largest
        return 2 * budget.gap * (total_off + rounded)

    def later(self, slot: int) -> Head:
        """The same head in a later block, for values that are not there yet."""
        first = self.build()
        if slot not in self.copies:
            self.copies[slot] = Head(first.pairs, first.sink, slot)
            self.planner.plan.heads.append(self.copies[slot])
        return self.copies[slot]

    def _pairs(self) -> tuple[list[Pair], Feature]:
        def read(side: Read | None) -> Feature:
            return Feature(1.0) if side is None else self.planner.feature(*side)

        by_key: dict[Read | None, list[tuple[Read | None, float]]] = {}
        for product in self.products:
            by_key.setdefault(product.key, []).append((product.query, product.weight))
        free = Feature()
        by_query: dict[object, tuple[Feature, list[tuple[Feature, float]]]] = {}
        for side_of_key, queries in by_key.items():
            merged: dict[Read | None, float] = {}
            for side, weight in queries:
                merged[side] = merged.get(side, 0.0) + weight
            merged = {side: w for side, w in merged.items() if w}
            query = total([(read(side), w) for side, w in merged.items()])
            if side_of_key is None:  # the same for all keys of a row
                free = free.plus(query)
                continue
            scale = 1.0
            name: object = frozenset(merged.items())
            if len(merged) == 1:
                ((side, scale),) = merged.items()
                name, query = side, read(side)
            by_query.setdefault(name, (query, []))[1].append((read(side_of_key), scale))
        pairs = [(query, total(keys)) for query, keys in by_query.values()]
        for query, key in pairs:
            if not key.terms:
                free = free.plus(query, key.constant)
        return [Pair(q, k) for q, k in pairs if k.terms and (q.terms or q.constant)], free


def _sizes(side: Read | None) -> Floats:
    return np.ones(1) if side is None else np.abs(np.array(side[1]))


def scores_of(
    planner: Planner, user: Node, term: Conjunction | None, choice: Node | None, counts: bool
) -> Attention:
    """Ask for what a head needs, and say how it scores."""
    products: list[Product] = []
    if term is None:  # nothing is ever selected: the token of beginning has the best score
        return Attention(planner, [], 1.0)
    order, spread = _order(planner, choice)
    unit = 1.0 if counts else 2.0 * (spread + 1.0)
    flat = choice is not None and _is_first_of_all(choice)
    for (key, query), matrix in term.blocks.items():
        products += _block(key, query, matrix, unit, flat)
    products += order
    for product in products:
        for side in (product.query, product.key):
            if side is not None:
                planner.ask(*side)
    sink = 0.0 if counts else -unit / 2
    if choice is not None and _is_first_of_all(choice):  # something is chosen always
        sink = -unit - sum(_largest(product) for product in products)
    return Attention(planner, products, sink)


def _is_first_of_all(choice: Node) -> bool:
    return isinstance(choice.op, Choose) and choice.op.otherwise is Otherwise.FIRST


def needs_order(choice: Node, term: Conjunction | None) -> bool:
    """Whether a choice may have several keys to choose from."""
    return _is_first_of_all(choice) or (term is not None and not _is_single(term))


def _is_single(term: Conjunction) -> bool:
    """Whether one position is selected at most."""
    return any(
        isinstance(key.op, Indices) and bool((holds.sum(axis=0) <= 1).all())
        for (key, _), holds in term.blocks.items()
    )


def _largest(product: Product) -> float:
    sides = (product.query, product.key)
    return abs(product.weight) * math.prod(float(_sizes(side).max()) for side in sides)


def _block(key: Node, query: Node, holds: Bools, unit: float, flat: bool) -> list[Product]:
    """Products that add up to 0 where the block holds, and to -``unit`` or less elsewhere.

    If they are to be ``flat``, all that are less are the same: an order then holds among them.
    """
    keys, key_class = np.unique(holds, axis=0, return_inverse=True)
    classes, query_class = np.unique(keys, axis=1, return_inverse=True)
    key_class, query_class = key_class.reshape(-1), query_class.reshape(-1)
    matches = classes.sum(axis=0)
    if matches.max(initial=0) <= 1 and not flat:
        return _nearest(key, query, classes, key_class, query_class, unit)
    misses = -unit * (~classes).astype(float)
    return bilinear(key, query, misses, key_class, query_class)


def _nearest(
    key: Node, query: Node, classes: Bools, key_class: Codes, query_class: Codes, unit: float
) -> list[Product]:
    """Each query matches one key class or none: -(k - q)^2 of numbers that are equal there."""
    target = np.where(classes.any(axis=0), classes.argmax(axis=0), len(classes))
    hit = classes.any(axis=1)
    number = np.where(hit, np.arange(len(classes)), -1.0)
    if hit.all() and len(classes) == 1:
        number = np.zeros(1)
    k, q = number[key_class], target[query_class].astype(float)
    at_key, squared = (key, _column(k)), (key, _column(k * k))
    at_query, query_squared = (query, _column(q)), (query, _column(q * q))
    return [
        Product(at_query, at_key, 2 * unit),
        Product(None, squared, -unit),
        Product(query_squared, None, -unit),
    ]


def bilinear(
    key: Node, query: Node, scores: Floats, key_class: Codes, query_class: Codes
) -> list[Product]:
    """Any matrix [key class, query class]: one product for each class of the side with fewer."""
    products = []
    if scores.shape[1] <= scores.shape[0]:
        for q in range(scores.shape[1]):
            column = _column(scores[key_class, q])
            products.append(Product((query, _column(query_class == q)), (key, column), 1.0))
        return products
    for k in range(scores.shape[0]):
        column = _column(scores[k, query_class])
        products.append(Product((query, column), (key, _column(key_class == k)), 1.0))
    return products


def _column(values: Sequence[float] | NDArray[np.generic]) -> Column:
    return tuple(float(v) for v in values)


def _order(planner: Planner, choice: Node | None) -> tuple[list[Product], float]:
    """What prefers one selected key over another, and by how much at most."""
    if choice is None:
        return [], 0.0
    assert isinstance(choice.op, Choose)
    header = planner.program.header
    offsets = offsets_of(choice.op.order, header.context, header.causal)
    rank = {offset: float(-k) for k, offset in enumerate(offsets)}
    positions = range(header.context)
    worst = float(-len(offsets))
    matrix = np.array([[rank.get(j - i, worst) for i in positions] for j in positions])
    matrix = _smallest(matrix, header.causal)
    products = _by_position(planner.indices, matrix)
    spread = float(np.ptp(matrix))
    if choice.op.score is not None:
        scored, more = _scores(planner, choice, spread + 1.0)
        return products + scored, spread + more
    return products, spread


def _smallest(matrix: Floats, causal: bool) -> Floats:
    """For orders that only look at the key or its mirror: the same order as a line."""
    count = len(matrix)
    lines = (np.arange(count), -np.arange(count))
    for line in lines:
        candidate = np.repeat(line[:, None].astype(float), count, axis=1)
        if _same_order(matrix, candidate, causal):
            lowered: Floats = candidate - candidate.max()
            return lowered
    return matrix


def _same_order(matrix: Floats, candidate: Floats, causal: bool) -> bool:
    for i in range(len(matrix)):
        end = i + 1 if causal else len(matrix)
        if (np.argsort(matrix[:end, i]) != np.argsort(candidate[:end, i])).any():
            return False
    return True


def _by_position(indices: Node, matrix: Floats) -> list[Product]:
    if (matrix == matrix[:, :1]).all():
        return [Product(None, (indices, _column(matrix[:, 0])), 1.0)]
    every = np.arange(len(matrix))
    return bilinear(indices, indices, matrix, every, every)


def _scores(planner: Planner, choice: Node, unit: float) -> tuple[list[Product], float]:
    """A score table as whole steps of ``unit``, the best at 0."""
    assert isinstance(choice.op, Choose) and choice.op.score is not None
    _, keys, queries = choice.operands
    table = choice.op.score
    rows = {value_key(q): row for q, row in zip(table.queries, table.rows, strict=True)}
    place = {value_key(k): n for n, k in enumerate(table.keys)}
    wanted = [place[value_key(k)] for k in planner.domain(keys)]
    matrix = np.array([np.array(rows[value_key(q)])[wanted] for q in planner.domain(queries)]).T
    ranks = np.stack([np.unique(c, return_inverse=True)[1].reshape(-1) for c in matrix.T], axis=1)
    steps = unit * (ranks - ranks.max(axis=0, keepdims=True)).astype(float)
    _, key_class = np.unique(steps, axis=0, return_inverse=True)
    _, query_class = np.unique(steps, axis=1, return_inverse=True)
    key_class, query_class = key_class.reshape(-1), query_class.reshape(-1)
    firsts = [np.flatnonzero(key_class == k)[0] for k in range(key_class.max() + 1)]
    seconds = [np.flatnonzero(query_class == q)[0] for q in range(query_class.max() + 1)]
    small = steps[np.ix_(firsts, seconds)]
    return bilinear(keys, queries, small, key_class, query_class), float(np.ptp(steps))
