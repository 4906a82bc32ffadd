"""Heads that choose the leftmost selected key, or the first position where none is selected.

Nothing stands for "no key" in such a head: what is not selected scores less, all of it the same,
and the leftmost of what scores alike is preferred. Where nothing is selected that is position 0.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tpir.lowering.transformer.numbers import Floats
from tpir.lowering.transformer.scores import TIE, Bools, Component
from tpir.lowering.transformer.stream import Variable


def first_in_reserve(components: list[Component], indices: Variable) -> list[Component] | None:
    """The components with what is selected, if every key is attended to and scores so; else None.

    Where all keys of a query score alike none counts as selected: the first is chosen either way.
    """
    if not all(c.selected.all() for c in components):
        return None
    there = [c for c in components if indices in c.keys]
    others = [c for c in components if indices not in c.keys]
    if len(there) != 1 or len(others) > 1:
        return None
    (component,) = there
    axis = component.keys.index(indices)
    scores = np.moveaxis(component.scores, axis, 0)[component.classes[True, indices]]
    if others:
        step = _falling(scores.reshape(len(scores), -1))
        selected = None if step is None else _better(others[0], step * len(scores))
        return None if selected is None else [replace(others[0], selected=selected)]
    if len(component.keys) > 1:
        return None
    found = _above(scores.reshape(len(scores), -1))
    if found is None:
        return None
    first = np.unique(component.classes[True, indices], return_index=True)[1]
    if (found != found[first][component.classes[True, indices]]).any():
        return None
    return [replace(component, selected=found[first].reshape(component.shape))]


def _falling(scores: Floats) -> float | None:
    """By how much each position [positions, queries] scores less than the one to its left."""
    steps = -np.diff(scores, axis=0)
    if not steps.size or steps.min() <= TIE or np.ptp(steps) > TIE * steps.max():
        return None
    return float(steps.mean())


def _better(component: Component, spread: float) -> Bools | None:
    """Which keys score the better of two scores, further apart than positions can make up for."""
    count = len(component.keys)
    keys = int(np.prod(component.shape[:count], dtype=int))
    scores = component.scores.reshape(keys, -1)
    most, least = scores.max(axis=0), scores.min(axis=0)
    high, low = most - scores <= TIE, scores - least <= TIE
    apart = most - least
    if not (high | low).all() or (apart[apart > TIE] < 1.5 * spread).any():
        return None
    selected: Bools = high & ~low
    return selected.reshape(component.shape) if selected.any() else None


def _above(scores: Floats) -> Bools | None:
    """The same for one score of all, with the preference for what is further to the left in it."""
    count = len(scores)
    ordered = np.sort(scores, axis=0)
    smallest = np.diff(ordered, axis=0)
    if not smallest.size or smallest.min() <= TIE:
        return None
    places = np.arange(count)[:, None]
    for parts in range(1, count):
        step = float(smallest.min()) / parts
        rest = scores + step * places
        high = rest.max(axis=0) - rest <= TIE * step
        low = rest - rest.min(axis=0) <= TIE * step
        apart = np.ptp(rest, axis=0)
        clear = (apart > 1.5 * step * count) | (apart <= TIE * step)
        if (high | low).all() and clear.all():
            found: Bools = high & ~low
            return found if found.any() else None
    return None
