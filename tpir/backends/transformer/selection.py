"""Selectors as sums of conjunctions, each of them something that one attention head can select.

A *block* is a finite relation between one key variable and one query variable; a *conjunction* of
blocks holds of the pairs that are in all of them. A head adds one score for each block, so it can
select by a conjunction; ``and``, ``or`` and ``not`` of selectors make polynomials of blocks, with
``not a`` = 1 - a and ``a or b`` = a + b - ab. How many keys a selector selects is then the sum of
what its conjunctions select, each with its coefficient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer.domains import Root
from tpir.ir.expressions import apply_binary
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import Always, And, Comparison, Indices, Not, Or, Select
from tpir.ir.program import Node
from tpir.ir.values import value_key

Bools = NDArray[np.bool_]
Pair = tuple[Node, Node]

MAX_PAIRS = 2**22
"""The largest relation that is looked at pair by pair."""

MOST_TERMS = 64
"""A selector that takes more conjunctions is refused: they can double with each ``or``."""


@dataclass(frozen=True, eq=False)
class Conjunction:
    """The pairs that are in all blocks: matrices [key value, query value] by key and query node."""

    blocks: Mapping[Pair, Bools]

    @property
    def key(self) -> frozenset[tuple[Pair, bytes]]:
        """What tells it from others."""
        return frozenset((pair, matrix.tobytes()) for pair, matrix in self.blocks.items())

    def both(self, other: Conjunction, seen: Callable[[Pair], Bools]) -> Conjunction | None:
        """The conjunction of two; None if no pair can be in both."""
        blocks = dict(self.blocks)
        for pair, matrix in other.blocks.items():
            blocks[pair] = blocks[pair] & matrix if pair in blocks else matrix
        if any(not (matrix & seen(pair)).any() for pair, matrix in blocks.items()):
            return None
        return Conjunction({p: m for p, m in blocks.items() if not (m | ~seen(p)).all()})


Polynomial = list[tuple[int, Conjunction]]


class TooManyTerms(Exception):
    """A selector takes more than ``MOST_TERMS`` conjunctions."""


class ChosenKey(Exception):
    """A selector is made of one that chooses a single key, which no sum of blocks does."""


class Selections:
    """Makes polynomials of selectors; ``domain`` gives the values of a node."""

    def __init__(
        self,
        domain: Callable[[Node], Domain],
        root: Callable[[Node], Root | None],
        indices: Callable[[], Node],
        causal: bool,
    ) -> None:
        self._domain, self._root, self._indices = domain, root, indices
        self._causal = causal
        self._known: dict[Node, Polynomial] = {}
        self._tight: dict[Node, Polynomial] = {}

    def terms(self, selector: Node) -> Polynomial:
        """The conjunctions whose sum a selector is, with their coefficients.

        Each of their blocks holds of no value that another one rules out. Raises TooManyTerms and
        ChosenKey.
        """
        if selector not in self._tight:
            tight = [(c, self._tightened(term)) for c, term in self._sum(selector)]
            self._tight[selector] = _plus([(c, t) for c, t in tight if t is not None])
        return self._tight[selector]

    def _sum(self, selector: Node) -> Polynomial:
        stack = [selector]  # no recursion: selectors may be combined a thousand times
        while stack:
            node = stack[-1]
            needed = node.operands if isinstance(node.op, And | Or | Not) else ()
            unknown = [operand for operand in reversed(needed) if operand not in self._known]
            if unknown:
                stack += unknown
                continue
            if node not in self._known:
                self._known[node] = self._terms(node)
            stack.pop()
        return self._known[selector]

    def _terms(self, node: Node) -> Polynomial:
        every = Conjunction({})
        match node.op:
            case Select(Always(truth)):
                return [(1, every)] if truth else []
            case Select():
                return self._times([(1, every)], [(1, self._block(node))])
            case Not():
                return _plus([(1, every)], self._negative(node.operands[0]))
            case And():
                left, right = map(self._sum, node.operands)
                return self._times(left, right)
            case Or():
                left, right = map(self._sum, node.operands)
                both = [(-c, t) for c, t in self._times(left, right)]
                return _plus(left, right, both)
        raise ChosenKey

    def _negative(self, selector: Node) -> Polynomial:
        """Minus the selector; of a single block, what its complement is short of everything."""
        terms = self._sum(selector)
        return [(-c, t) for c, t in terms]

    def _block(self, node: Node) -> Conjunction:
        """A selector of one key and one query, in terms of the variables that they come from.

        ``indices`` stands for the side that does not matter.
        """
        keys, queries = node.operands
        matrix = self._matrix(node)
        key_root, query_root = self._root(keys), self._root(queries)
        if key_root is not None and query_root is not None:
            (key, key_codes), (query, query_codes) = key_root, query_root
            if len(key_codes) * len(query_codes) <= MAX_PAIRS:
                keys, queries = key or self._indices(), query or self._indices()
                matrix = matrix[np.ix_(key_codes, query_codes)]
                positions = len(self._domain(self._indices()))
                if key is None or (matrix == matrix[:1]).all():
                    keys, matrix = self._indices(), np.repeat(matrix[:1], positions, axis=0)
                if query is None or (matrix == matrix[:, :1]).all():
                    queries, matrix = self._indices(), np.repeat(matrix[:, :1], positions, axis=1)
        return Conjunction({(keys, queries): matrix})

    def _tightened(self, term: Conjunction) -> Conjunction | None:
        """The same pairs in the smallest blocks; None if there are none."""
        blocks = dict(term.blocks)
        while True:
            before = sum(int(matrix.sum()) for matrix in blocks.values())
            for pair in blocks:
                inside = self._allowed(pair, blocks)
                if not (blocks[pair] & inside & self._seen(pair)).any():
                    return None
                blocks[pair] = blocks[pair] & inside
            if sum(int(matrix.sum()) for matrix in blocks.values()) == before:
                break
        for pair in list(blocks):
            others = {p: m for p, m in blocks.items() if p != pair}
            if (blocks[pair] | ~self._seen(pair) | ~self._allowed(pair, others)).all():
                blocks = others
        return Conjunction(blocks)

    def _allowed(self, pair: Pair, blocks: Mapping[Pair, Bools]) -> Bools:
        """The pairs of values of which each is in all blocks, with something."""
        keys = np.ones(len(self._domain(pair[0])), dtype=bool)
        queries = np.ones(len(self._domain(pair[1])), dtype=bool)
        for other, matrix in blocks.items():
            there = matrix & self._seen(other)
            if other[0] is pair[0]:
                keys &= there.any(axis=1)
            if other[1] is pair[1]:
                queries &= there.any(axis=0)
        allowed: Bools = keys[:, None] & queries[None, :]
        return allowed

    def _matrix(self, node: Node) -> Bools:
        keys, queries = (self._domain(operand) for operand in node.operands)
        assert isinstance(node.op, Select)
        predicate = node.op.predicate
        if isinstance(predicate, Relation):
            rows = {
                value_key(q): {value_key(k) for k in row}
                for q, row in zip(predicate.queries, predicate.rows, strict=True)
            }
            wanted = [rows.get(value_key(q), set()) for q in queries]
            return np.array([[value_key(k) in row for row in wanted] for k in keys], dtype=bool)
        assert isinstance(predicate, Comparison)
        op = predicate.op
        return np.array([[bool(apply_binary(op, k, q)) for q in queries] for k in keys], dtype=bool)

    def _seen(self, pair: Pair) -> Bools:
        """The pairs of values that can meet: of positions in a causal program, j <= i."""
        shape = (len(self._domain(pair[0])), len(self._domain(pair[1])))
        positions = all(isinstance(node.op, Indices) for node in pair)
        if self._causal and positions:
            return np.triu(np.ones(shape, dtype=bool))
        return np.ones(shape, dtype=bool)

    def _times(self, left: Polynomial, right: Polynomial) -> Polynomial:
        if len(left) * len(right) > MOST_TERMS**2:
            raise TooManyTerms
        product = [(c * d, a.both(b, self._seen)) for c, a in left for d, b in right]
        return _plus([(c, t) for c, t in product if t is not None])


def _plus(*polynomials: Polynomial) -> Polynomial:
    found: dict[object, tuple[int, Conjunction]] = {}
    for polynomial in polynomials:
        for coefficient, term in polynomial:
            before = found.get(term.key, (0, term))[0]
            found[term.key] = (before + coefficient, term)
    kept = [(c, t) for c, t in found.values() if c]
    if len(kept) > MOST_TERMS:
        raise TooManyTerms
    return _complemented(kept)


def _complemented(terms: Polynomial) -> Polynomial:
    """1 - block, written as the one block that it is."""
    if len(terms) == 2:
        (a, one), (b, other) = sorted(terms, key=lambda term: len(term[1].blocks))
        extra = other.blocks.keys() - one.blocks.keys()
        same = all(
            p in other.blocks and (m == other.blocks[p]).all() for p, m in one.blocks.items()
        )
        if a == 1 and b == -1 and len(extra) == 1 and same:
            (pair,) = extra
            return [(1, Conjunction({**one.blocks, pair: ~other.blocks[pair]}))]
    return terms
