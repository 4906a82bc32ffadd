"""Tables as arrays: what passes cut, merge and fill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Domain, ReluFunction, Table
from tpir.ir.types import Categorical, Type, values_of
from tpir.ir.values import Value, places_of, sorted_values
from tpir.semantics.columns import Column
from tpir.semantics.maps import ReluKernel

Codes = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TableArray:
    """A table with its results as codes: ``codes`` has one axis for each argument.

    ``values`` lists the distinct results in canonical order; a code is a place in it.
    """

    domains: tuple[Domain, ...]
    codes: Codes
    values: tuple[Value, ...]

    @classmethod
    def of(cls, table: Table) -> TableArray:
        """From a table."""
        values = sorted_values(table.results)
        flat = np.array(places_of(table.results, values), dtype=np.intp)
        return cls(table.domains, flat.reshape([len(d) for d in table.domains]), values)

    def table(self) -> Table:
        """Back to a table."""
        return Table(self.domains, tuple(self.values[k] for k in self.codes.ravel().tolist()))

    def without_axis(self, axis: int, codes: Codes) -> TableArray:
        """The table of one argument less; ``codes`` are its results."""
        domains = self.domains[:axis] + self.domains[axis + 1 :]
        return TableArray(domains, codes, self.values)

    def merged(self, places: Sequence[int]) -> TableArray:
        """The table whose argument ``places[k]`` is what was argument k (repeats merged)."""
        domains: list[Domain] = [()] * (max(places, default=-1) + 1)
        for domain, place in zip(self.domains, places, strict=True):
            domains[place] = domain
        grids = np.ix_(*(np.arange(len(d)) for d in domains)) if domains else ()
        index = tuple(grids[place] for place in places)
        shape = tuple(len(d) for d in domains)
        return TableArray(tuple(domains), np.broadcast_to(self.codes[index], shape), self.values)


def distinct_places(items: Sequence[object]) -> list[int]:
    """For each item, its place in the list of distinct items (compared by identity)."""
    seen: dict[int, int] = {}
    return [seen.setdefault(id(item), len(seen)) for item in items]


def table_of_relu(function: ReluFunction, types: Sequence[Type]) -> Table:
    """A relu function over finite types of numbers as a table, computed as the interpreter does."""
    domains = [values_of(t) or () for t in types]
    shape = tuple(map(len, domains))
    places = np.indices(shape).reshape(len(shape), -1)
    columns = [Column(t, p[None].astype(np.int64)) for t, p in zip(types, places, strict=True)]
    labels = Categorical(tuple(range(len(function.c))))
    column, _ = ReluKernel(function, labels).run(columns, 1)
    flat = np.broadcast_to(column.data, (1, math.prod(shape)))[0]
    return Table(tuple(domains), tuple(flat.tolist()))
