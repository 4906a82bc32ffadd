"""Which of the selected keys a head prefers: an order of offsets, scores, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tpir.ir.ops import Order, Preference, canonical_order, offsets_of
from tpir.lowering.transformer.numbers import Floats
from tpir.lowering.transformer.scores import GAP, TIE, Bools, Component, Unclear
from tpir.lowering.transformer.stream import Variable


@dataclass(frozen=True, eq=False)
class Ranking:
    """Keys go by ``scored``, higher first, then by ``order``.

    ``scored``: places of the key and of the query axes of a component, and the ranks [keys,
    queries] over their products.
    """

    order: Order
    scored: tuple[Component, tuple[int, ...], tuple[int, ...], Floats] | None = None


def ranking_of(
    components: list[Component], indices: Variable, context: int, causal: bool
) -> Ranking | None:
    """How the selected keys are ranked; None if they all score the same. Raises Unclear."""
    positions = [p for c in components if (p := _Positions.of(c, indices, causal)) is not None]
    spread = max((p.spread for p in positions), default=0.0)
    scored = [c for c in components if _varies(c.rest, c, c.keys, indices)]
    if not spread and not scored:
        return None
    order: Order | None = None
    if spread:
        order = positions[0].order(context, causal)
    if len(scored) > 1:
        raise Unclear("several variables at the key rank the keys")
    if not scored:
        if order is not None:
            return Ranking(order)
        return Ranking(Preference.FIRST, _ranks(positions[0].component, None))
    lexical = spread > 0 and _steps_are_large(scored[0], positions[0], indices)
    if lexical and order is not None:
        return Ranking(order, _ranks(scored[0], indices))
    component = scored[0]
    if spread and positions[0].component is not component:
        raise Unclear("positions and scores both rank the keys, and neither comes first")
    if indices not in component.keys:
        raise Unclear("it takes the mean of the keys with the best score")
    return Ranking(Preference.FIRST, _ranks(component, None))


@dataclass
class _Positions:
    """How positions rank the selected keys: ``scores`` [key position, queries…]."""

    component: Component
    scores: Floats
    selected: Bools
    spread: float
    query_axis: int | None

    @classmethod
    def of(cls, component: Component, indices: Variable, causal: bool) -> _Positions | None:
        """None where no position is read at the key."""
        if indices not in component.keys:
            return None
        axis = component.keys.index(indices)
        others = tuple(a for a in range(len(component.keys)) if a != axis)
        selected = np.moveaxis(component.selected, axis, 0)
        kept: Bools = np.asarray(
            selected.any(axis=tuple(a + (a < axis) for a in others)) if others else selected
        )
        part = np.moveaxis(component.position, axis, 0)
        part = part.reshape([part.shape[0], *part.shape[len(component.keys) :]])
        scores = np.broadcast_to(part, kept.shape).copy()
        query_axis = None
        if indices in component.queries:
            query_axis = 1 + component.queries.index(indices)
        classes = component.classes[True, indices]
        scores, kept = scores[classes], kept[classes]
        if query_axis is not None:
            own = component.classes[False, indices]
            scores, kept = scores.take(own, axis=query_axis), kept.take(own, axis=query_axis)
            if causal:
                shape = [1] * scores.ndim
                shape[0], shape[query_axis] = len(classes), len(own)
                kept = kept & np.triu(np.ones((len(classes), len(own)), bool)).reshape(shape)
        spread = _spread(scores, kept)
        return cls(component, scores, kept, spread if spread > TIE else 0.0, query_axis)

    def order(self, context: int, causal: bool) -> Order | None:
        """The order of offsets, if there is one that fits all queries."""
        before = np.zeros((2 * context - 1, 2 * context - 1), dtype=bool)
        named = (Preference.CLOSEST, Preference.FIRST, Preference.LAST)
        if self._by_key_alone():
            named = (*named[1:], named[0])
        moved = self.scores, self.selected
        if self.query_axis is not None:
            moved = (
                np.moveaxis(self.scores, self.query_axis, -1),
                np.moveaxis(self.selected, self.query_axis, -1),
            )
        else:
            moved = (
                np.broadcast_to(self.scores[..., None], (*self.scores.shape, context)),
                np.broadcast_to(self.selected[..., None], (*self.scores.shape, context)),
            )
        scores = moved[0].reshape(context, -1, context)
        kept = moved[1].reshape(context, -1, context)
        for i in range(context):
            end = i + 1 if causal else context
            for column in range(scores.shape[1]):
                places = np.flatnonzero(kept[:end, column, i])
                ranked = places[np.argsort(-scores[places, column, i], kind="stable")]
                steps = -np.diff(scores[ranked, column, i])
                if (steps < GAP).any():
                    raise Unclear("positions that it selects together score alike")
                offsets = ranked - i + context - 1
                before[offsets[:-1], offsets[1:]] = True
        return _order_of(before, named, context, causal)

    def _by_key_alone(self) -> bool:
        """Whether the scores of selected keys do not depend on the query."""
        scores = np.where(self.selected, self.scores, np.nan).reshape(len(self.scores), -1)
        scores = scores[self.selected.reshape(scores.shape).any(axis=1)]
        return bool((np.nanmax(scores, axis=1) - np.nanmin(scores, axis=1) <= TIE).all())


def _order_of(
    before: Bools, named: Sequence[Preference], context: int, causal: bool
) -> Order | None:
    """An order with each offset before those it must come before; named ones are tried first."""
    first, second = np.nonzero(before)
    for name in named:
        rank = np.full(2 * context - 1, 2 * context)
        offsets = np.array(offsets_of(name, context, causal))
        rank[offsets + context - 1] = np.arange(len(offsets))
        if (rank[first] < rank[second]).all():
            return name
    waiting = before.sum(axis=0)
    left = set(range(2 * context - 1))
    found: list[int] = []
    while left:
        free = next((k for k in sorted(left) if waiting[k] == 0), None)
        if free is None:
            return None
        left.remove(free)
        found.append(free - context + 1)
        waiting = waiting - before[free]
    reach = range(1 - context, 1 if causal else context)
    return canonical_order(tuple(d for d in found if d in reach), context, causal)


def _varies(
    part: Floats, component: Component, keys: tuple[Variable, ...], indices: Variable
) -> bool:
    """Whether a part of the score tells selected keys of one query apart."""
    count = len(keys)
    scores = np.broadcast_to(part, component.shape)
    flat = scores.reshape(-1, int(np.prod(component.shape[count:], dtype=int)))
    kept = component.selected.reshape(flat.shape)
    return bool(_spread(flat, kept) > TIE)


def _spread(scores: Floats, kept: Bools) -> float:
    """The largest difference of scores that one query selects; keys are the first axis."""
    most = np.where(kept, scores, -np.inf).max(axis=0)
    least = np.where(kept, scores, np.inf).min(axis=0)
    found = (most - least)[kept.any(axis=0)]
    return float(found.max(initial=0.0))


def _steps_are_large(component: Component, positions: _Positions, indices: Variable) -> bool:
    """Whether scores differ by more than positions can make up for, query by query."""
    flat, kept, *_ = _flat(component, indices)
    spreads = np.full(flat.shape[1], positions.spread)
    if positions.component is component:
        axis = component.keys.index(indices)
        shape = (component.shape[axis], *flat.shape)
        part = np.broadcast_to(component.position, component.shape)
        scores = np.moveaxis(part, axis, 0).reshape(shape)
        selected = np.moveaxis(component.selected, axis, 0).reshape(shape)
        places = range(shape[2])
        spreads = np.array([_spread(scores[..., q], selected[..., q]) for q in places])
    for column, chosen, spread in zip(flat.T, kept.T, spreads.tolist(), strict=True):
        steps = np.diff(np.unique(column[chosen]))
        if ((steps > TIE) & (steps < spread + GAP)).any():
            return False
    return True


def _ranks(
    component: Component, without: Variable | None
) -> tuple[Component, tuple[int, ...], tuple[int, ...], Floats]:
    """The ranks of scores, the lowest 0; without the part that reads ``without`` at the key."""
    flat, kept, keys, queries = _flat(component, without)
    ranks = np.zeros(flat.shape)
    for q in range(flat.shape[1]):
        column = flat[:, q]
        order = np.argsort(column, kind="stable")
        chosen = kept[order, q]
        level, last = 0, None
        for place, used in zip(order.tolist(), chosen.tolist(), strict=True):
            if not used:
                continue
            if last is not None and column[place] - last > TIE:
                level += 1
                if without is None and column[place] - last < GAP:
                    raise Unclear("scores that it ranks are not far apart")
            elif last is not None and without is None:
                raise Unclear("keys that it selects together score alike")
            ranks[place, q] = level
            last = column[place]
    return component, keys, queries, ranks


def _flat(
    component: Component, without: Variable | None
) -> tuple[Floats, Bools, tuple[int, ...], tuple[int, ...]]:
    """Scores and selection as [keys, queries], with the axes that they are products of."""
    part = component.scores if without is None else component.rest
    selected = component.selected
    keys = list(range(len(component.keys)))
    part = np.broadcast_to(part, component.shape)
    if without is not None and without in component.keys:
        axis = component.keys.index(without)
        part = np.asarray(part.take(0, axis=axis))
        selected = np.asarray(selected.any(axis=axis))
        keys.remove(axis)
    queries = tuple(range(len(component.keys), len(component.shape)))
    rows = int(np.prod([component.shape[k] for k in keys], dtype=int))
    return part.reshape(rows, -1), selected.reshape(rows, -1), tuple(keys), queries
