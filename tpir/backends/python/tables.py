"""Finite functions as Python: dictionaries; where those grow long, tuples and runs of values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tpir.backends.python.layout import WIDTH, Call, Code, Entry, display, flat, lay_out, literal
from tpir.backends.python.writer import Writer, collides
from tpir.ir.functions import Domain, Table
from tpir.ir.values import Value, value_key

_ROOM = WIDTH - 20
"""A row of a table that is longer than this is written in a shorter way if there is one."""


def key_of(value: Value, typed: bool) -> str:
    """A value as a dictionary key: with its type where Python would mix it up with another."""
    if typed:
        kind, plain = value_key(value)
        return f'("{kind}", {literal(plain)})'
    return literal(value)


def asked(writer: Writer, variable: str, domain: Domain) -> str:
    """The expression that looks ``variable`` up in a table over ``domain``."""
    return f"{writer.use('typed')}({variable})" if collides(domain) else variable


def dictionary(domain: Domain, values: Sequence[Code]) -> Code:
    """A dict display from the values of a domain."""
    typed = collides(domain)
    return display("{}", [Entry(key_of(k, typed), v) for k, v in zip(domain, values, strict=True)])


def table_row(writer: Writer, domain: Domain, values: Sequence[str]) -> Code:
    """What gives, indexed by a value of the domain, one of these literals.

    A dict display if it is short; else for 0, 1, 2, … a tuple, and for others a dict made of two.
    """
    plain = dictionary(domain, list(values))
    if len(flat(plain)) <= _ROOM or collides(domain):
        return plain
    column: Code = display("()", list(values))
    runs = [(value, len(list(group))) for value, group in groupby(values)]
    if len(flat(column)) > _ROOM and 2 * len(runs) < len(values):
        column = Call(writer.use("steps"), tuple(f"({v}, {count})" for v, count in runs))
    if _counts_from(domain) == 0:
        return column
    if len(lay_out(column, indent=1)) > 1:
        return plain
    return Call("dict", (Call("zip", (_keys(writer, domain), column)),))


def _counts_from(domain: Domain) -> int | None:
    """The first of these values if they are consecutive ints."""
    first = domain[0]
    if not all(type(value) is int for value in domain) or not isinstance(first, int):
        return None
    return first if domain == tuple(range(first, first + len(domain))) else None


def _keys(writer: Writer, domain: Domain) -> str:
    first = _counts_from(domain)
    if first is not None:
        return f"range({first}, {first + len(domain)})"
    if domain == writer.program.vocabulary:
        return "VOCABULARY"
    return writer.constant("keys", display("()", [literal(v) for v in domain]))


def table_rows(writer: Writer, table: Table) -> Code:
    """A table: by the leading arguments (a tuple of two or more), then by the last one.

    Where one row serves a stretch of consecutive ints, it is written once.
    """
    *leading, last = table.domains
    size, results = len(last), [literal(v) for v in table.results]
    rows = [table_row(writer, last, results[k : k + size]) for k in range(0, len(results), size)]
    if not leading:
        return rows[0]
    if len(leading) > 1:
        keys = [""]
        for domain in leading:
            typed = collides(domain)
            keys = [f"{k}, {key_of(v, typed)}".removeprefix(", ") for k in keys for v in domain]
        return display("{}", [Entry(f"({k})", r) for k, r in zip(keys, rows, strict=True)])
    if _counts_from(leading[0]) is None:
        return dictionary(leading[0], rows)
    entries: list[Code] = []
    for code, group in groupby(zip(leading[0], rows, strict=True), key=lambda entry: entry[1]):
        keys_of_group = [key for key, _ in group]
        if len(keys_of_group) < 3:
            entries += [Entry(literal(key), code) for key in keys_of_group]
        else:
            first = int(keys_of_group[0])
            stretch = f"range({first}, {first + len(keys_of_group)})"
            entries.append(Call("**dict.fromkeys", (stretch, code)))
    return display("{}", entries)
