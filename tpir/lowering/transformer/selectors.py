"""Selectors as nodes: relations between single variables where they are all there is to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp, Failure, apply_binary
from tpir.ir.functions import Domain, Relation, ScoreTable
from tpir.ir.ops import Always, And, Choose, Comparison, Otherwise, Predicate, Select
from tpir.ir.program import Node, Origin
from tpir.ir.types import values_of
from tpir.ir.values import Value, sorted_values
from tpir.lowering.transformer.numbers import Codes, by_appearance, firsts
from tpir.lowering.transformer.ranking import Ranking
from tpir.lowering.transformer.scores import Axis, Bools, Component
from tpir.lowering.transformer.stream import Joint, Stream, Variable, class_node

COMPARISONS = (
    BinaryOp.EQUAL,
    BinaryOp.LESS,
    BinaryOp.LESS_EQUAL,
    BinaryOp.GREATER,
    BinaryOp.GREATER_EQUAL,
    BinaryOp.NOT_EQUAL,
)


class Selectors:
    """Makes the selectors of one head."""

    def __init__(self, stream: Stream, name: str, origin: Origin) -> None:
        self.stream, self.name, self.origin = stream, name, origin

    @property
    def builder(self) -> Builder:
        """Where nodes go."""
        return self.stream.builder

    def all_of(self, components: Sequence[Component]) -> Node | None:
        """The selector of pairs that all components select; None if that is everything."""
        found: Node | None = None
        for component in components:
            for selector in self._component(component):
                both = found is None or self.builder.add(
                    And(), [found, selector], name=f"{self.name}_both", origin=self.origin
                )
                found = selector if both is True else both
        return found

    def everything(self) -> Node:
        """The selector of everything."""
        return self._select(Always(True), self.stream.indices.node, self.stream.indices.node)

    def nothing(self) -> Node:
        """The selector of nothing."""
        return self._select(Always(False), self.stream.indices.node, self.stream.indices.node)

    def chosen(self, selector: Node, ranking: Ranking, otherwise: Otherwise) -> Node:
        """The best selected key."""
        operands, table = [selector], None
        if ranking.scored is not None:
            component, keys, queries, ranks = ranking.scored
            axes = component.axes
            key, key_codes = self._side(component, [axes[k] for k in keys])
            query, query_codes = self._side(component, [axes[k] for k in queries])
            rows = ranks[np.ix_(key_codes, query_codes)].T
            table = ScoreTable(
                _domain(query), _domain(key), tuple(tuple(map(float, r)) for r in rows)
            )
            operands += [key, query]
        op = Choose(ranking.order, table, otherwise)
        return self.builder.add(op, operands, name=f"{self.name}_key", origin=self.origin)

    def _component(self, component: Component) -> list[Node]:
        selected, axes = component.selected, component.axes
        if selected.all():
            return []
        count = len(component.keys)
        pairs = [(k, q) for k in range(count) for q in range(count, len(axes))]
        pairs = pairs or [(k, -1) for k in range(count)] or [(-1, q) for q in range(len(axes))]
        kept = {pair: _projected(selected, pair) for pair in pairs}
        kept = {pair: m for pair, m in kept.items() if not m.all()}
        if not _is_product(selected, kept):
            return [self._joint(component)]
        for pair in list(kept):
            rest = {p: m for p, m in kept.items() if p != pair}
            if _is_product(selected, rest):
                kept = rest
        return [self._pair(component, k, q, m) for (k, q), m in kept.items()]

    def _pair(self, component: Component, k: int, q: int, matrix: Bools) -> Node:
        """A relation of one variable at the key and one at the query; -1 stands for none."""
        axes, shape = component.axes, component.shape
        small = matrix.reshape(shape[k] if k >= 0 else 1, shape[q] if q >= 0 else 1)
        if (small == small[:, :1]).all():
            q, small = -1, small[:, :1]
        if (small == small[:1]).all():
            k, small = -1, small[:1]
        keys, key_codes = self._side(component, [axes[k]] if k >= 0 else [])
        queries, query_codes = self._side(component, [axes[q]] if q >= 0 else [])
        return self._related(keys, queries, small[np.ix_(key_codes, query_codes)])

    def _side(self, component: Component, axes: Sequence[Axis]) -> tuple[Node, Codes]:
        """A node of finite type for some axes, and the row of their product for each value."""
        if not axes:
            indices = self.stream.indices.node
            return indices, np.zeros(len(_domain(indices)), dtype=np.intp)
        if len(axes) == 1:
            variable, classes = axes[0][1], component.classes[axes[0]]
            if variable.typed:
                return variable.node, classes
            node = class_node(self.builder, variable, classes, self._class(variable), self.origin)
            return node, np.array([int(v) for v in _domain(node)])
        joint = Joint(tuple(v for _, v in axes), tuple(component.classes[a] for a in axes))
        results: list[Value] = list(range(len(joint.places)))
        node = joint.node(self.builder, results, self.name, self.origin, "_joint")
        return node, np.array([int(v) for v in _domain(node)])

    @staticmethod
    def _class(variable: Variable) -> str:
        return f"{variable.node.name}_class"

    def _joint(self, component: Component) -> Node:
        """One relation of the classes of all keys and of all queries together."""
        count = len(component.keys)
        rows = int(np.prod(component.shape[:count], dtype=int))
        matrix = component.selected.reshape(rows, -1)
        sides = []
        for axes, lines in ((component.axes[:count], matrix), (component.axes[count:], matrix.T)):
            _, classes = np.unique(lines, axis=0, return_inverse=True)
            codes = by_appearance(classes)
            joint = Joint(tuple(v for _, v in axes), tuple(component.classes[a] for a in axes))
            if len(axes) == 1 and axes[0][1].typed:
                node, at = self._side(component, axes)
                sides.append((node, at))
                continue
            suffix = "_keys" if lines is matrix else "_queries"
            node = joint.node(self.builder, codes.tolist(), self.name, self.origin, suffix)
            sides.append((node, firsts(codes)[[int(v) for v in _domain(node)]]))
        (keys, key_rows), (queries, query_rows) = sides
        return self._related(keys, queries, matrix[np.ix_(key_rows, query_rows)])

    def _related(self, keys: Node, queries: Node, matrix: Bools) -> Node:
        """``matrix`` [key values, query values] as a predicate, a comparison where it is one."""
        if matrix.all():
            return self.everything()
        if not matrix.any():
            return self.nothing()
        key_values, query_values = _domain(keys), _domain(queries)
        for op in COMPARISONS:
            if _compares(op, key_values, query_values, matrix):
                return self._select(Comparison(op), keys, queries)
        rows = tuple(
            sorted_values(v for v, m in zip(key_values, column, strict=True) if m)
            for column in matrix.T.tolist()
        )
        return self._select(Relation(query_values, rows), keys, queries)

    def _select(self, predicate: Predicate, keys: Node, queries: Node) -> Node:
        name = f"{self.name}_match"
        return self.builder.add(Select(predicate), [keys, queries], name=name, origin=self.origin)


def _compares(op: BinaryOp, keys: Domain, queries: Domain, matrix: Bools) -> bool:
    """Whether an operator between words, or between numbers, gives just this matrix."""
    if len({isinstance(v, str) for v in (*keys, *queries)}) != 1:
        return False
    try:
        return all(
            bool(apply_binary(op, key, query)) == bool(matrix[k, q])
            for k, key in enumerate(keys)
            for q, query in enumerate(queries)
        )
    except Failure:
        return False


def _projected(selected: Bools, pair: tuple[int, int]) -> Bools:
    """What some rows of the other axes select."""
    others = tuple(a for a in range(selected.ndim) if a not in pair)
    found: Bools = np.asarray(selected.any(axis=others, keepdims=True))
    return found


def _is_product(selected: Bools, parts: dict[tuple[int, int], Bools]) -> bool:
    total: Bools = np.ones(selected.shape, dtype=bool)
    for part in parts.values():
        total = np.asarray(total & part)
    return bool((total == selected).all())


def _domain(node: Node) -> Domain:
    domain = values_of(node.type)
    assert domain is not None, f"{node.name} is not finite"
    return domain
