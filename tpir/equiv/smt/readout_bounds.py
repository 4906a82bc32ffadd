"""Readouts that give the same label for every value of their features, shown by bounds.

Two readouts A and B over the same sequences differ only if somewhere A picks a label l and B
another one m. Then A_l - A_m >= 0 and B_m - B_l >= 0, and so the two differences add up to no less
than 0. Both are sums over the sequences; so is the most that they can come to, token by token.
Where that is below 0 (or 0, and the ties cannot go that way), nothing has to be solved. A label
also drops out where its own readout never picks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tpir.equiv.smt.cones import Cones
from tpir.equiv.smt.encoder import Merge
from tpir.equiv.smt.readouts import contribution
from tpir.ir.exact_sums import rows_of_feature, sums_are_exact
from tpir.ir.ops import Classify
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LARGEST = 2**50
"""Weights, made whole, stay below this, so that their sums fit 64 bits."""


def label_never_differs(cones: Cones, left: Node, right: Node, lengths: Sequence[int]) -> bool:
    """Whether bounds show that two readouts agree. False where they do not show it.

    Their sums must be exact, and all features functions of nodes whose cells are known.
    """
    made = _Difference.of(cones.merges, left, right)
    if made is None:
        return False
    done: set[bytes] = set()
    for length in lengths:
        cells = [cones.frame(length).cells_of(node) for node in made.nodes]
        for position in range(length):
            rows = [found[position] for found in cells]
            name = b"".join(row.tobytes() for row in rows)
            if name not in done and not made.agree(rows):
                return False
            done.add(name)
    return True


@dataclass(frozen=True, eq=False)
class _Difference:
    """Contributions as whole numbers, for each sequence (value, label), of the left and the right.

    ``labels``: those of either, in the order of the left's where both know them.
    """

    nodes: list[Node]
    left: list[Ints]
    right: list[Ints]
    bias: tuple[Ints, Ints]
    known: tuple[Bools, Bools]
    ranks: tuple[Ints, Ints]
    both: list[Ints]
    """Left less right."""
    _known_most: dict[tuple[int, bytes], Ints] = field(default_factory=dict)

    @classmethod
    def of(cls, merges: Mapping[Node, Merge], left: Node, right: Node) -> _Difference | None:
        """None where bounds do not apply."""
        sides = (left, right)
        for side in sides:
            types = [operand.type for operand in side.operands]
            if not isinstance(side.op, Classify) or not sums_are_exact(side.op, types, 1):
                return None
        ops = [side.op for side in sides if isinstance(side.op, Classify)]
        every = [w for op in ops for w in _weights(op)]
        scale = max((Fraction(w).denominator for w in every), default=1)
        if max((abs(Fraction(w) * scale) for w in every), default=0) > LARGEST:
            return None
        labels = {value_key(label): None for op in ops for label in op.labels}
        place = {key: k for k, key in enumerate(labels)}
        tables: dict[Node, list[Ints]] = {}
        for k, side in enumerate(sides):
            op = ops[k]
            columns = [place[value_key(label)] for label in op.labels]
            for operand, weights in zip(side.operands, op.weights, strict=True):
                merge = merges.get(operand, Merge(operand))
                domain = values_of(merge.of.type)
                if domain is None:
                    return None
                pair = tables.setdefault(
                    merge.of, [np.zeros((len(domain), len(place)), np.int64) for _ in range(2)]
                )
                known = {value_key(v) for v in values_of(operand.type) or ()}
                for row, value in enumerate(domain):
                    image = _image(merge, value)
                    if image is not None and value_key(image) in known:
                        numbers = [int(Fraction(w) * scale) for w in contribution(weights, image)]
                        pair[k][row, columns] += numbers
        bias, listed, ranks = [], [], []
        for op in ops:
            columns = [place[value_key(label)] for label in op.labels]
            one, has, rank = (np.zeros(len(place), np.int64) for _ in range(3))
            one[columns] = [int(Fraction(w) * scale) for w in op.bias]
            has[columns] = 1
            rank[columns] = np.arange(len(columns))
            bias.append(one)
            listed.append(has.astype(np.bool_))
            ranks.append(rank)
        nodes = list(tables)
        return cls(
            nodes,
            [tables[node][0] for node in nodes],
            [tables[node][1] for node in nodes],
            (bias[0], bias[1]),
            (listed[0], listed[1]),
            (ranks[0], ranks[1]),
            [tables[node][0] - tables[node][1] for node in nodes],
        )

    def agree(self, rows: Sequence[Bools]) -> bool:
        """Whether no token at a position lets the labels differ. ``rows``: [t, v] for each node."""
        tokens = max((len(row) for row in rows), default=1)
        for t in range(tokens):
            allowed = [row[min(t, len(row) - 1)] for row in rows]
            if all(found.any() for found in allowed) and not self._agree_at(allowed):
                return False
        return True

    def _agree_at(self, allowed: Sequence[Bools]) -> bool:
        never = [
            self._never(self._most(tables, bias, allowed), known, ranks)
            for tables, bias, known, ranks in zip(
                (self.left, self.right), self.bias, self.known, self.ranks, strict=True
            )
        ]
        return bool(self._excluded(allowed, never).all())

    def _most(self, tables: Sequence[Ints], bias: Ints, allowed: Sequence[Bools]) -> Ints:
        """[l, m]: the most that the sum of the tables can be above for label l than for m."""
        total = bias[:, None] - bias[None, :]
        for table, found in zip(tables, allowed, strict=True):
            name = (id(table), found.tobytes())
            most = self._known_most.get(name)
            if most is None:
                rows = table[found]
                most = (rows[:, :, None] - rows[:, None, :]).max(axis=0)
                self._known_most[name] = most
            total = total + most
        return total

    @staticmethod
    def _never(most: Ints, known: Bools, ranks: Ints) -> Bools:
        """[l]: whether a readout never picks a label: another one is always better."""
        first = ranks[None, :] < ranks[:, None]
        beaten = (most < 0) | ((most == 0) & first)
        others = known[None, :] & ~np.eye(len(known), dtype=np.bool_)
        never: Bools = ~known | (beaten & others).any(axis=1)
        return never

    def _excluded(self, allowed: Sequence[Bools], never: Sequence[Bools]) -> Bools:
        """[l, m]: whether the left cannot pick l where the right picks m."""
        total = self._most(self.both, self.bias[0] - self.bias[1], allowed)
        # With both sums 0 the left ties l with m, and so does the right: l has to come first on the
        # left, m on the right.
        left, right = self.ranks
        ties = (left[:, None] < left[None, :]) & (right[None, :] < right[:, None])
        listed = self.known[0] & self.known[1]
        excluded: Bools = listed[:, None] & listed[None, :] & ((total < 0) | ((total == 0) & ~ties))
        excluded |= never[0][:, None] | never[1][None, :]
        excluded |= np.eye(len(listed), dtype=np.bool_)
        return excluded


def _weights(op: Classify) -> list[float]:
    return [*op.bias, *(w for f in op.weights for row in rows_of_feature(f).tolist() for w in row)]


def _image(merge: Merge, value: Value) -> Value | None:
    return value if merge.function is None else merge.function.get(value_key(value))
