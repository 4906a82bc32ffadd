"""Directions of a residual stream that are alike, as one row of a picture or a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tpir.view.boxes import Role
from tpir.view.stream import Stream, runs

if TYPE_CHECKING:  # it brings torch
    from tpir.models.stored_transformer import Variable


@dataclass(frozen=True)
class Band:
    """Directions that hold the same variables at the same times and are read and written alike.

    ``reads`` by time: by whom. ``written`` and ``cleared``: times at which a part does so.
    """

    directions: tuple[int, ...]
    variables: tuple[Variable, ...]
    reads: Mapping[int, tuple[tuple[Role, int], ...]]
    written: frozenset[int]
    cleared: frozenset[int]


def bands_of(stream: Stream) -> list[Band]:
    """All directions, those alike together, in the order of their first."""
    bands: dict[object, list[int]] = {}
    for direction in range(stream.d_model):
        bands.setdefault(_history(stream, direction), []).append(direction)
    return [_band(stream, directions) for directions in bands.values()]


def _history(stream: Stream, direction: int) -> object:
    """What makes directions alike."""
    band = _band(stream, [direction])
    return band.variables, tuple(band.reads.items()), band.written, band.cleared


def _band(stream: Stream, directions: Sequence[int]) -> Band:
    first = directions[0]
    reads: dict[int, tuple[tuple[Role, int], ...]] = {}
    for part in stream.parts:
        found = tuple((role, part.number) for role in part.reads_of(first))
        if found:
            reads[part.time] = tuple(dict.fromkeys((*reads.get(part.time, ()), *found)))
    return Band(
        tuple(directions),
        tuple(
            sorted((v for v in stream.variables if first in v.directions), key=lambda v: v.written)
        ),
        reads,
        frozenset(part.time for part in stream.parts if part.writes_to(first)),
        frozenset(part.time for part in stream.parts if first in part.clears),
    )


WORDS = {
    Role.QUERIES: "q",
    Role.KEYS: "k",
    Role.VALUES: "v",
    Role.ARGUMENT: "in",
    Role.FEATURE: "out",
}
"""What each way of reading is called in pictures and tables."""


def readers(found: Iterable[tuple[Role, int]]) -> list[tuple[Role, str]]:
    """Who reads, in short: ``q0 k0–2`` for queries and keys of heads, ``in``, ``out``."""
    heads: dict[Role, set[int]] = {}
    for role, number in found:
        heads.setdefault(role, set()).add(number)
    return [
        (role, word + (runs(heads[role]).replace(" ", ",") if len(word) == 1 else ""))
        for role, word in WORDS.items()
        if role in heads
    ]
