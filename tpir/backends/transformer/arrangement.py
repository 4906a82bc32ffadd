"""The order of heads and tables in a plan: by what they read, not by how a program was written."""

from __future__ import annotations

from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.plan import Head, Mlp, Plan

Key = tuple[object, ...]


def arrange(plan: Plan) -> dict[Coordinate, int]:
    """Sort the heads and tables of each half block. Returns the place of each coordinate."""
    places: dict[Coordinate, int] = {}
    if plan.bos is not None:
        places[plan.bos] = 0
    for embedded in plan.embedded:
        places[embedded.coordinate] = len(places)
    heads, mlps = plan.heads, plan.mlps
    plan.heads, plan.mlps = [], []
    for slot in range(1, 2 * _blocks(heads, mlps) + 1):
        for head in heads:
            if head.slot == slot:
                head.written.sort(key=lambda w: (_read(w.value, places), w.at_sink))
        new_heads = sorted((h for h in heads if h.slot == slot), key=lambda h: _head(h, places))
        new_mlps = sorted((m for m in mlps if m.slot == slot), key=lambda m: _mlp(m, places))
        for coordinate in [w.coordinate for h in new_heads for w in h.written]:
            places[coordinate] = len(places)
        for coordinate in [c for mlp in new_mlps for c in mlp.constants]:
            places[coordinate] = len(places)
        plan.heads += new_heads
        plan.mlps += new_mlps
    return places


def _blocks(heads: list[Head], mlps: list[Mlp]) -> int:
    slots = [head.slot for head in heads] + [mlp.slot for mlp in mlps]
    return (max(slots, default=0) + 1) // 2


def _read(feature: Feature, places: dict[Coordinate, int]) -> Key:
    terms = sorted((places[c], w) for c, w in feature.terms.items())
    return (*terms, (len(places), feature.constant))


def _head(head: Head, places: dict[Coordinate, int]) -> Key:
    pairs = sorted((_read(p.key, places), _read(p.query, places), p.at_bos) for p in head.pairs)
    sink = () if head.sink is None else _read(head.sink, places)
    written = [(_read(w.value, places), w.at_sink) for w in head.written]
    return pairs, sink, written


def _mlp(mlp: Mlp, places: dict[Coordinate, int]) -> Key:
    own = {coordinate: k for k, coordinate in enumerate(mlp.constants)}
    units = [
        (_read(unit.input, places), [(own[c], w) for c, w in unit.output]) for unit in mlp.units
    ]
    return units, list(mlp.constants.values())
