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

from tpir.ir.expressions import apply_binary
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import Always, And, Comparison, Indices, Not, Or, Select
from tpir.ir.program import Node
from tpir.ir.values import value_key

Bools = NDArray[np.bool_]
Pair = tuple[Node, Node]

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

    def __init__(self, domain: Callable[[Node], Domain], causal: bool) -> None:
        self._domain = domain
        self._causal = causal
        self._known: dict[Node, Polynomial] = {}

    def terms(self, selector: Node) -> Polynomial:
        """The conjunctions whose sum a selector is, with their coefficients.

        Raises TooManyTerms and ChosenKey.
        """
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
                block = Conjunction({(node.operands[0], node.operands[1]): self._matrix(node)})
                return self._times([(1, every)], [(1, block)])
            case Not():
                return _plus([(1, every)], self._negative(node.operands[0]))
            case And():
                left, right = map(self.terms, node.operands)
                return self._times(left, right)
            case Or():
                left, right = map(self.terms, node.operands)
                both = [(-c, t) for c, t in self._times(left, right)]
                return _plus(left, right, both)
        raise ChosenKey

    def _negative(self, selector: Node) -> Polynomial:
        """Minus the selector; of a single block, what its complement is short of everything."""
        terms = self.terms(selector)
        return [(-c, t) for c, t in terms]

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
