"""What attention can select, count, add up and read, given what values occur: see ``reachable``.

For the inputs of one length. Axes: q query value; i query position; t token at i; j key position;
v value. *May* is over-approximated (true where in doubt), *must* under-approximated (false where in
doubt).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import Failure, apply_binary
from tpir.ir.functions import Relation, codes_of
from tpir.ir.ops import Always, Choose, Comparison, Otherwise, Predicate, offsets_of
from tpir.ir.program import Node
from tpir.ir.types import Type, number_bounds, values_of
from tpir.ir.values import Value, value_key

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_MAX_PAIRS = 65_536


def exists(cells: Bools, *axes: int) -> Bools:
    """``any`` along axes."""
    return np.asarray(cells.any(axis=axes), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Length:
    """The positions of inputs of one length. ``present`` [i, t]: which tokens can stand where."""

    present: Bools
    context: int
    causal: bool

    @property
    def length(self) -> int:
        """The number of positions."""
        return len(self.present)

    @cached_property
    def others(self) -> Bools:
        """[i, j]: the other positions that i sees."""
        every = np.ones((self.length, self.length), dtype=np.bool_)
        return (np.tril(every) if self.causal else every) & ~np.eye(self.length, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Matches:
    """A selector by ``relation`` [q, k], with cells ``keys`` [j, t, k], ``queries`` [i, t, q]."""

    around: Length
    relation: Bools
    keys: Bools
    queries: Bools
    key_node: Node | None
    is_same: bool
    """Whether keys and queries are one sequence: then a position's own key is its query."""

    @classmethod
    def of(
        cls,
        around: Length,
        predicate: Predicate,
        nodes: Sequence[Node],
        keys: Bools | None,
        queries: Bools | None,
    ) -> Matches | None:
        """From the operands of a select; None where they are not tracked."""
        if keys is None or queries is None:
            return None
        relation = _as_relation(predicate, nodes[0].type, nodes[1].type)
        if relation is None:
            return None
        return cls(around, relation, keys, queries, nodes[0], nodes[0] is nodes[1])

    @classmethod
    def unknown(cls, around: Length) -> Matches:
        """One that may select anything: one query value, two key values, one of them matches."""
        cells = around.present[:, :, None]
        both = np.repeat(cells, 2, axis=2)
        return cls(around, np.array([[True, False]]), both, cells, None, False)

    @cached_property
    def may_at(self) -> Bools:
        """[q, j, t]: whether the key at j may match."""
        return self._exists(self.relation)

    @cached_property
    def may_not_at(self) -> Bools:
        """[q, j, t]: whether the key at j may fail to match."""
        return self._exists(~self.relation)

    def _exists(self, relation: Bools) -> Bools:
        found = np.tensordot(relation.astype(np.float32), self.keys.astype(np.float32), (1, 2)) > 0
        return np.asarray(found)

    @cached_property
    def may(self) -> Bools:
        """[q, j]: whether the key at another position j may match."""
        return exists(self.may_at, 2)

    @cached_property
    def must(self) -> Bools:
        """[q, j]: whether the key at another position j is sure to match."""
        return ~exists(self.may_not_at, 2)

    @cached_property
    def may_self(self) -> Bools:
        """[q, i, t]: whether the position's own key may match."""
        if not self.is_same:
            return self.may_at
        return np.broadcast_to(self.relation.diagonal()[:, None, None], self.may_at.shape)

    @cached_property
    def must_self(self) -> Bools:
        """[q, i, t]: whether the position's own key is sure to match."""
        return self.may_self if self.is_same else ~self.may_not_at

    @cached_property
    def asked(self) -> Bools:
        """[q, i, t]: whether the query at i may be q."""
        return np.moveaxis(self.queries, 2, 0)

    def matched(self) -> Bools:
        """[q]: whether a query of this value may select something."""
        others = exists(self.may[:, None, :] & self.around.others, 2)
        return exists(self.asked & (others[:, :, None] | self.may_self), 1, 2)

    def several(self) -> bool:
        """Whether a query may select more than one key."""
        others = self.may.astype(np.int64) @ self.around.others.T.astype(np.int64)
        return bool((self.asked & (others[:, :, None] + self.may_self > 1)).any())

    def widths(self, type_: Type) -> Bools:
        """The cells of the number of selected keys."""
        others = self.around.others.astype(np.int64)
        least = (self.must @ others.T)[:, :, None] + self.must_self
        most = (self.may @ others.T)[:, :, None] + self.may_self
        return self._between(least, most, type_)

    def sums(self, type_: Type, values: Bools | None, values_type: Type) -> Bools | None:
        """The cells of the sum over the selected keys of a sequence of integers."""
        bounds = number_bounds(values_type)
        assert bounds is not None
        shape = self.around.present.shape
        low, high = (np.full(shape, int(b)) for b in bounds)
        if values is not None:
            numbers = np.array([int(v) for v in values_of(values_type) or ()], dtype=np.int64)
            low = np.where(values, numbers, np.iinfo(np.int64).max // 4).min(axis=2)
            high = np.where(values, numbers, np.iinfo(np.int64).min // 4).max(axis=2)
        least = self._added(low, np.minimum, np.iinfo(np.int64).max // 4)
        most = self._added(high, np.maximum, np.iinfo(np.int64).min // 4)
        return self._between(least, most, type_)

    def _added(self, extreme: Ints, pick: np.ufunc, nothing: int) -> Ints:
        """[q, i, t]: the least (or greatest) sum; ``extreme`` [j, t] is that of the values."""

        def one(may: Bools, may_not: Bools) -> Ints:
            if_selected = np.where(may, extreme, nothing)
            if_not = np.where(may_not, 0, nothing)
            found: Ints = np.where(self.around.present, pick(if_selected, if_not), nothing)
            return found

        each: Ints = pick.reduce(one(self.may_at, self.may_not_at), axis=2)
        own = one(self.may_self, ~self.must_self)
        total: Ints = (each @ self.around.others.T.astype(np.int64))[:, :, None] + own
        return total

    def _between(self, least: Ints, most: Ints, type_: Type) -> Bools:
        """[i, t, v]: the values between the bounds of some query value that may be asked."""
        numbers = np.array([int(v) for v in values_of(type_) or ()], dtype=np.int64)
        cells = np.zeros((*self.around.present.shape, len(numbers)), dtype=np.bool_)
        for q, asked in enumerate(self.asked):
            inside = (numbers >= least[q, :, :, None]) & (numbers <= most[q, :, :, None])
            cells |= asked[:, :, None] & inside
        return cells


@dataclass(frozen=True, eq=False)
class Chosen:
    """A choice of one key from a selector."""

    matches: Matches
    op: Choose

    @cached_property
    def other(self) -> Bools:
        """[q, i, t, j]: whether the query i of value q may choose another position j."""
        m = self.matches
        may = m.may[:, None, :] & m.around.others & ~self._blocked
        own_first = self._rank.diagonal()[:, None] < self._rank
        if self.op.score is not None:
            own_first = np.zeros_like(own_first)
        blocked_by_self = m.must_self[:, :, :, None] & own_first[:, None, :]
        return m.asked[:, :, :, None] & may[:, :, None, :] & ~blocked_by_self

    @cached_property
    def own(self) -> Bools:
        """[q, i, t]: whether the query i of value q may choose its own position."""
        blocked = np.diagonal(self._blocked, axis1=1, axis2=2)
        return self.matches.asked & self.matches.may_self & ~blocked[:, :, None]

    @cached_property
    def none(self) -> Bools:
        """[q, i, t]: whether there may be nothing to choose from."""
        m = self.matches
        sure = exists(m.must[:, None, :] & m.around.others, 2)
        return m.asked & ~sure[:, :, None] & ~m.must_self

    @cached_property
    def _rank(self) -> Ints:
        """[i, j]: how far down the order the offset j - i is."""
        around = self.matches.around
        offsets = offsets_of(self.op.order, around.context, False)
        place = {offset: k for k, offset in enumerate(offsets)}
        lookup = np.array([place[d] for d in range(1 - around.context, around.context)])
        at = np.arange(around.length)
        ranks: Ints = lookup[at[None, :] - at[:, None] + around.context - 1]
        return ranks

    @cached_property
    def _blocked(self) -> Bools:
        """[q, i, j]: whether another position, not i itself, is sure to be chosen before j."""
        m = self.matches
        if self.op.score is not None:
            return np.zeros((len(m.relation), m.around.length, m.around.length), dtype=np.bool_)
        best_first = np.argsort(self._rank, axis=1)
        sure = m.must[:, None, :] & m.around.others
        ordered = np.take_along_axis(sure, best_first[None], axis=2)
        before = np.zeros_like(ordered)
        before[:, :, 1:] = np.logical_or.accumulate(ordered, axis=2)[:, :, :-1]
        blocked = np.empty_like(before)
        np.put_along_axis(blocked, np.broadcast_to(best_first[None], before.shape), before, axis=2)
        return blocked

    def places(self) -> Bools:
        """[i, j]: whether the query i may choose position j, the first where there is none."""
        found = exists(self.other, 0, 2) | np.diag(exists(self.own, 0, 2))
        found[:, 0] |= exists(self.none, 0, 2)
        return found

    def elsewhere(self) -> Bools:
        """[q]: whether a query of this value may choose a position other than the first."""
        other = exists(self.other[:, :, :, 1:], 1, 2, 3)
        return other | exists(self.own[:, 1:], 1, 2)

    def is_own(self) -> bool:
        """Whether every query is sure to choose its own position."""
        nowhere = self.none if self.op.otherwise is Otherwise.NONE else self.none[:, 1:]
        return not self.other.any() and not nowhere.any()

    def aggregate(
        self, values: Node, cells: Bools, default: Value | None, type_: Type
    ) -> Bools | None:
        """[i, t, v]: the values that may be read, as codes of ``type_``."""
        m = self.matches
        is_key = values is m.key_node
        selected, missed = self._read(cells, is_key)
        length, tokens = m.around.present.shape
        weights = np.moveaxis(self.other, (1, 2), (0, 1)).reshape(length * tokens, -1)
        read = weights.astype(np.float32) @ selected.reshape(-1, selected.shape[2])
        found = read.reshape(length, tokens, -1) > 0
        if is_key:
            found |= exists(self.own[..., None] & m.relation[:, None, None, :], 0) & cells
        else:
            found |= exists(self.own, 0)[:, :, None] & cells
        if self.op.otherwise is Otherwise.FIRST:
            found[1:] |= np.tensordot(self.none[:, 1:], missed, (0, 0)) > 0
            found[0] |= exists(self.none[:, 0], 0)[:, None] & cells[0]
        return self._retyped(found, values.type, type_, default)

    def _read(self, cells: Bools, is_key: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """[q, j, v]: the values at j if its key matches; [q, v]: at 0 if its key does not."""
        m = self.matches
        if is_key:
            at = exists(cells, 1)
            selected = at[None] & m.relation[:, None, :]
            return selected.astype(np.float32), (at[0] & ~m.relation).astype(np.float32)
        by_position = np.moveaxis(m.may_at, 0, 1).astype(np.float32) @ cells.astype(np.float32)
        first = m.may_not_at[:, 0].astype(np.float32) @ cells[0].astype(np.float32)
        return np.moveaxis(by_position, 0, 1), first

    def _retyped(self, found: Bools, old: Type, new: Type, default: Value | None) -> Bools | None:
        domain, target = values_of(old), values_of(new)
        if domain is None or target is None:
            return None
        codes = codes_of(target)
        cells = np.zeros((*found.shape[:2], len(target)), dtype=np.bool_)
        cells[:, :, [codes[value_key(v)] for v in domain]] = found
        if default is not None:
            cells[:, :, codes[value_key(default)]] |= exists(self.none, 0)
        return cells


def _as_relation(predicate: Predicate, keys: Type, queries: Type) -> Bools | None:
    """[q, k]: which pairs match. Pairs on which a comparison fails count as no match."""
    key_values, query_values = values_of(keys), values_of(queries)
    assert key_values is not None and query_values is not None
    table = np.zeros((len(query_values), len(key_values)), dtype=np.bool_)
    match predicate:
        case Always(truth):
            table[:] = truth
        case Relation(_, rows):
            codes = codes_of(key_values)
            for q, row in enumerate(rows):
                table[q, [codes[value_key(v)] for v in row if value_key(v) in codes]] = True
        case Comparison(op):
            if table.size > _MAX_PAIRS:
                return None
            for q, query in enumerate(query_values):
                for k, key in enumerate(key_values):
                    try:
                        table[q, k] = bool(apply_binary(op, key, query))
                    except Failure:
                        continue
    return table
