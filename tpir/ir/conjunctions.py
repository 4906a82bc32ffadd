"""Selectors as conjunctions of relations: what a head whose predicates must all match can hold.

A relation of one pair of variables holds what `and`, `or` and `not` make of relations of that pair.
One that asks for the same keys whatever the query is one of any query variable, and one that asks
for all keys or none is one of any key variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Table, codes_of
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import value_key


@dataclass(frozen=True, eq=False)
class Match:
    """Which values of the sequence ``keys`` match which values of the sequence ``queries``.

    ``holds`` [query value, key value], in the order of the types.
    """

    keys: Node
    queries: Node
    holds: NDArray[np.bool_]

    @property
    def opposite(self) -> Match:
        """What matches where this does not."""
        return Match(self.keys, self.queries, ~self.holds)

    @property
    def ignores_keys(self) -> bool:
        """Whether each query value matches all key values or none."""
        return bool((self.holds == self.holds[:, :1]).all())

    @property
    def ignores_queries(self) -> bool:
        """Whether all query values match the same key values."""
        return bool((self.holds == self.holds[:1]).all())

    def over(self, keys: Node, queries: Node) -> NDArray[np.bool_]:
        """The relation over variables it may be said of; axes that do not matter have size 1."""
        holds = self.holds if keys is self.keys else self.holds[:, :1]
        return holds if queries is self.queries else holds[:1]


Conjunction = tuple[Match, ...]
"""All must match; of none, every key does."""


def conjoin(matches: Iterable[Match]) -> Conjunction:
    """The same with no two that one relation could hold, and none that is true everywhere."""
    found: list[Match] = []
    for match in matches:
        if match.holds.all():
            continue
        # What two relations have in common may be simple enough to go together with a third.
        met = match
        while (other := next((o for o in found if _shared(o, met)), None)) is not None:
            found.remove(other)
            met = _met(other, met)
        found.append(met)
    return tuple(found)


def without_constants(match: Match, indices: Node, *, keys: bool) -> Match:
    """The same, with ``indices`` for a constant query, and where ``keys``, for a constant key.

    The same keys match whatever the query is; of a constant key, all positions match or none.
    """
    positions = len(values_of(indices.type) or ())
    code = _constant(match.queries)
    if code is not None:
        match = Match(match.keys, indices, match.holds[[code] * positions])
    code = _constant(match.keys) if keys else None
    if code is not None:
        match = Match(indices, match.queries, match.holds[:, [code] * positions])
    return match


def _constant(node: Node) -> int | None:
    """Which of its type's values a constant has; None if it is none."""
    if not isinstance(node.op, Map) or node.operands or not isinstance(node.op.function, Table):
        return None
    return codes_of(values_of(node.type) or ())[value_key(node.op.function.results[0])]


def either(left: Conjunction, right: Conjunction) -> Conjunction | None:
    """What either selects, if that is a conjunction of relations again."""
    united: list[Match] = []
    for one in left:
        for other in right:
            both = _shared(one, other)
            if both is None:
                return None
            united.append(Match(*both, one.over(*both) | other.over(*both)))
    return conjoin(united)


def _met(left: Match, right: Match) -> Match:
    both = _shared(left, right)
    assert both is not None
    return Match(*both, left.over(*both) & right.over(*both))


def _shared(left: Match, right: Match) -> tuple[Node, Node] | None:
    """Keys and queries that both relations may be said of."""
    keys = _one_of(left.keys, right.keys, left.ignores_keys, right.ignores_keys)
    queries = _one_of(left.queries, right.queries, left.ignores_queries, right.ignores_queries)
    return (keys, queries) if keys is not None and queries is not None else None


def _one_of(left: Node, right: Node, any_left: bool, any_right: bool) -> Node | None:
    if left is right or any_right:
        return left
    return right if any_left else None
