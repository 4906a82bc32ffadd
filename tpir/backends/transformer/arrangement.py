"""The order of heads and tables in a plan: by what they read, not by how a program was written."""

from __future__ import annotations

from typing import TypeVar

from tpir.backends.transformer.features import Coordinate, Feature
from tpir.backends.transformer.plan import Head, Mlp, Plan

Key = tuple[object, ...]
Part = TypeVar("Part", Head, Mlp)


def arrange(plan: Plan) -> dict[Coordinate, int]:
    """Sort the heads and tables of each half block. Returns the place of each coordinate."""
    places: dict[Coordinate, int] = {}
    if plan.bos is not None:
        places[plan.bos] = 0
    for embedded in plan.embedded:
        places[embedded.coordinate] = len(places)
    heads, mlps = _by_slot(plan.heads), _by_slot(plan.mlps)
    plan.heads, plan.mlps = [], []
    for slot in sorted({*heads, *mlps}):
        for head in heads.get(slot, []):
            head.written.sort(key=lambda w: (_read(w.value, places), w.at_sink))
        new_heads = sorted(heads.get(slot, []), key=lambda h: _head(h, places))
        new_mlps = sorted(mlps.get(slot, []), key=lambda m: _mlp(m, places))
        for coordinate in [w.coordinate for h in new_heads for w in h.written]:
            places[coordinate] = len(places)
        for coordinate in [c for mlp in new_mlps for c in mlp.constants]:
            places[coordinate] = len(places)
        plan.heads += new_heads
        plan.mlps += new_mlps
    return places


def _by_slot(parts: list[Part]) -> dict[int, list[Part]]:
    found: dict[int, list[Part]] = {}
    for part in parts:
        found.setdefault(part.slot, []).append(part)
    return found


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
