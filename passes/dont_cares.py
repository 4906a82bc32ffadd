"""Filling in what never occurs: rows that no input reaches may hold anything, so they hold what is
short.

Everything here depends on the rows that are reached and on which ones these are, never on what the
other rows held before: filling again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Table
from tpir.passes.tables import Codes, TableArray
from tpir.semantics.reach_heads import exists

Bools = NDArray[np.bool_]
Row = TypeVar("Row")


@dataclass(frozen=True, eq=False)
class Filled:
    """A table without don't-cares, over the arguments ``kept`` (places in the old list)."""

    table: Table
    kept: tuple[int, ...]


def fill_table(table: Table, reached: Bools, droppable: Sequence[bool]) -> Filled:
    """Choose the rows that are not reached.

    First so that arguments (those that may go) do not matter: large ones first. Then so that values
    of an argument behave alike where they can. What is left gets the most common result. So the
    results are those of reached rows only. At least one row must be reached.
    """
    array = TableArray.of(table)
    codes, known = array.codes, reached
    kept = list(range(len(array.domains)))
    by_size = sorted(kept, key=lambda k: (-len(array.domains[k]), -k))
    for argument in by_size:
        merged = _merge_axis(codes, known, kept.index(argument)) if droppable[argument] else None
        if merged is not None:
            codes, known = merged
            kept.remove(argument)
    common = int(np.bincount(codes[known]).argmax())
    for axis in range(codes.ndim):
        codes, known = _merge_alike(codes, known, axis)
    filled = np.where(known, codes, common)
    domains = tuple(array.domains[k] for k in kept)
    return Filled(TableArray(domains, filled, array.values).table(), tuple(kept))


def _merge_axis(codes: Codes, known: Bools, axis: int) -> tuple[Codes, Bools] | None:
    """The table without an argument, if all known rows that differ in it alone agree."""
    high = np.where(known, codes, -1).max(axis=axis)
    low = np.where(known, codes, codes.max() + 1).min(axis=axis)
    some = exists(known, axis)
    if (high != low)[some].any():
        return None
    return np.where(some, high, 0), some


def _merge_alike(codes: Codes, known: Bools, axis: int) -> tuple[Codes, Bools]:
    """Give values of an argument that agree where both are known the union of what is known."""
    moved, moved_known = np.moveaxis(codes, axis, 0), np.moveaxis(known, axis, 0)
    groups: list[tuple[Codes, Bools]] = []
    member = np.zeros(len(moved), dtype=np.intp)
    for k, (row, row_known) in enumerate(zip(moved, moved_known, strict=True)):
        member[k] = _join(groups, row, row_known)
    merged = np.stack([groups[g][0] for g in member])
    merged_known = np.stack([groups[g][1] for g in member])
    return np.moveaxis(merged, 0, axis), np.moveaxis(merged_known, 0, axis)


def _join(groups: list[tuple[Codes, Bools]], row: Codes, known: Bools) -> int:
    """Add a slice to the first group that it agrees with, or start one."""
    for g, (codes, group_known) in enumerate(groups):
        if not (codes != row)[known & group_known].any():
            groups[g] = (np.where(known, row, codes), known | group_known)
            return g
    groups.append((row, known))
    return len(groups) - 1


def most_common(rows: Sequence[Row], counted: Sequence[bool]) -> Row:
    """The most frequent of the counted rows (of all, if none is counted), the first of equals."""
    chosen = [row for row, counts in zip(rows, counted, strict=True) if counts] or list(rows)
    tally: dict[Row, int] = {}
    for row in chosen:
        tally[row] = tally.get(row, 0) + 1
    return max(tally, key=lambda row: tally[row])
