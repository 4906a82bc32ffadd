"""Tables that only one other table reads become part of it, where that takes no more units.

A table takes an MLP, and one that reads it a later one: ``a and b and c`` would take two blocks. As
one table of three arguments it takes one hidden unit. Tables of real numbers become part of all
tables that read them: what can be told from fractions can be told from the whole numbers that they
are made of, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tpir.backends.transformer.domains import Domains
from tpir.backends.transformer.fitting import keeps_kind
from tpir.backends.transformer.tables import (
    boxes_of,
    gates_of,
    line_of,
    result_codes,
    shape_of,
    sum_form,
)
from tpir.ir.functions import ReluFunction, Table, codes_of
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import Real, values_of
from tpir.ir.values import Value, distinct, value_key

MOST_ROWS = 256
"""The largest table that is put together."""

MOST_REAL_ROWS = 2**13
"""The same where real numbers are left out so."""


@dataclass(frozen=True)
class Fused:
    """A table, and what it reads."""

    table: Table
    operands: tuple[Node, ...]


def fused(domains: Domains, node: Node, inner: Node) -> Fused | None:
    """A map with the map ``inner``, one of its operands, as part of it; None if that is no gain.

    What adds up operands is no table, and what reads only one is none of several arguments.
    """
    outer_table, inner_table = _table(domains, node), _table(domains, inner)
    if outer_table is None or inner_table is None or len(inner.operands) < 2:
        return None
    found = _together(domains, node, outer_table, inner, inner_table, MOST_ROWS)
    if found is None or _units(found.table) > _units(outer_table) + _units(inner_table):
        return None
    return found


def without_fractions(domains: Domains, node: Node, inner: Node) -> Fused | None:
    """A map of real numbers, as a map of what they are made of; None if they are no table.

    Whole numbers are exact in weights, and so is what is told from them; fractions are rounded.
    """
    outer_table, inner_table = domains.table(node), _table_of_reals(domains, inner)
    if outer_table is None or inner_table is None or _adds_up(node):
        return None
    return _together(domains, node, outer_table, inner, inner_table, MOST_REAL_ROWS)


def without_sum(domains: Domains, node: Node, inner: Node) -> Fused | None:
    """A map that reads a sum, as a map of what is added up; None if it would have too many rows.

    A table reads a class of a sum, which takes an MLP, but of a count alone it is looked up so.
    """
    outer_table, inner_table = domains.table(node), domains.table(inner)
    if outer_table is None or inner_table is None or not _adds_up(inner):
        return None
    return _together(domains, node, outer_table, inner, inner_table, MOST_ROWS)


def _together(
    domains: Domains, node: Node, outer: Table, inner_node: Node, inner: Table, most: int
) -> Fused | None:
    """Two tables as one; None if it has more than ``most`` rows, or no results like the node's."""
    operands = tuple(dict.fromkeys([*node.operands, *inner_node.operands]))
    operands = tuple(operand for operand in operands if operand is not inner_node)
    listed = [domains(operand) or () for operand in operands]
    if math.prod(map(len, listed)) > most or any(values_of(o.type) is None for o in operands):
        return None
    places = dict(zip(operands, np.indices(list(map(len, listed))), strict=True))
    code = codes_of(domains(inner_node) or ())
    codes = np.array([code.get(value_key(v), 0) for v in inner.results])
    places[inner_node] = codes.reshape(shape_of(inner))[
        tuple(places[o] for o in inner_node.operands)
    ]
    rows = np.arange(len(outer.results)).reshape(shape_of(outer))
    wanted = rows[tuple(places[operand] for operand in node.operands)].reshape(-1)
    results = tuple(outer.results[k] for k in wanted.tolist())
    return Fused(Table(tuple(listed), results), operands) if keeps_kind(node, results) else None


def _table_of_reals(domains: Domains, node: Node) -> Table | None:
    """A map that gives real numbers, and reads listed values."""
    if not isinstance(node.op, Map) or not isinstance(node.type, Real) or _adds_up(node):
        return None
    return domains.table(node)


def _adds_up(node: Node) -> bool:
    """Whether a map adds multiples of several operands, which takes no table."""
    return len(node.operands) > 1 and sum_form(node) is not None


def _table(domains: Domains, node: Node) -> Table | None:
    """A map as a table that takes an MLP and is small."""
    if not isinstance(node.op, Map) or isinstance(node.op.function, ReluFunction):
        return None
    if sum_form(node) is not None:
        return None
    table = domains.table(node)
    return table if table is not None and len(table.results) <= MOST_ROWS else None


def _units(table: Table) -> int:
    """How many hidden units a table takes that tells all its results apart."""
    results: tuple[Value, ...] = distinct(table.results)
    if len(results) == 1:
        return 0
    values = np.eye(len(results))[result_codes(table, results)][..., 1:]
    ways = [len(ridges.ridges) for ridges in (boxes_of(values), *gates_of(values))]
    return min(line_of(values).units, *ways)
