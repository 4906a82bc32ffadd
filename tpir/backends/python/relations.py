"""Relations as selectors: for each query the keys that it wants, as a table."""

from __future__ import annotations

from tpir.backends.python.forms import POSITIONS, Match
from tpir.backends.python.layout import WIDTH, Code, Comprehension, display, flat
from tpir.backends.python.tables import asked, dictionary, key_of, table_row
from tpir.backends.python.writer import Writer, collides
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import Indices
from tpir.ir.program import Node
from tpir.ir.types import Categorical, Integer, Type
from tpir.ir.values import Value, same_value, value_key


def most_wanted(node: Node, relation: Relation) -> int:
    """How many of the keys that there can be a query wants at most."""
    return max(map(len, _rows(node, relation)), default=0)


def matches(writer: Writer, node: Node, relation: Relation) -> list[Match]:
    """A relation as matches: with the first key that each query wants, the second, and so on."""
    rows = _rows(node, relation)
    return [
        _match(writer, node, relation.queries, [row[k : k + 1] for row in rows])
        for k in range(most_wanted(node, relation))
    ]


def membership(writer: Writer, node: Node, relation: Relation) -> tuple[str, str, str]:
    """Columns of keys and of queries, and a lambda of two of their elements: does the key match?"""
    key_node, query_node = node.operands
    domain = _domain(key_node)
    sets: list[Code] = [
        display("{}", [key_of(v, collides(domain)) for v in row]) if row else "()"
        for row in _rows(node, relation)
    ]
    table = writer.constant(node.name, dictionary(relation.queries, sets))
    keys, queries = _typed(writer, key_node, domain), _typed(writer, query_node, relation.queries)
    return keys, queries, f"lambda key, query: key in {table}[query]"


def _match(writer: Writer, node: Node, queries: Domain, rows: list[tuple[Value, ...]]) -> Match:
    key_node, query_node = node.operands
    domain = _domain(key_node)
    at_index = isinstance(key_node.op, Indices)
    keys = POSITIONS if at_index else _typed(writer, key_node, domain)
    want = _want(writer, node, queries, rows, collides(domain))
    return Match(keys, writer.column(query_node), want, at_index)


def _domain(keys: Node) -> Domain:
    return keys.type.domain if isinstance(keys.type, Categorical) else ()


def _typed(writer: Writer, node: Node, domain: Domain) -> str:
    """The column of a node; of pairs of type and value where its values would be mixed up."""
    column = writer.columns[node]
    if not collides(domain):
        return column
    code = Comprehension("[]", f"{writer.use('typed')}(x)", f"for x in {column}")
    return writer.stored(f"typed_{column}", code)


def _want(
    writer: Writer, node: Node, queries: Domain, rows: list[tuple[Value, ...]], typed: bool
) -> str:
    """The wanted key as an expression in ``x``."""
    if all(len(row) == len(rows[0]) for row in rows) and (
        not rows[0] or all(same_value(row[0], rows[0][0]) for row in rows)
    ):
        return key_of(rows[0][0], typed) if rows[0] else "None"
    x = asked(writer, "x", queries)
    full = all(rows)
    if full and all(same_value(q, row[0]) for q, row in zip(queries, rows, strict=True)):
        return f"{writer.use('typed')}(x)" if typed else "x"
    name = node.name
    kept = [(q, row[0]) for q, row in zip(queries, rows, strict=True) if row]
    entries = _pairs(kept, collides(queries), typed)
    at_index = isinstance(node.operands[0].op, Indices)
    if full or len(flat(entries)) > WIDTH - len(name) - 3:
        nowhere = "CONTEXT" if at_index else "None"  # CONTEXT is no position of any input
        values = [key_of(row[0], typed) if row else nowhere for row in rows]
        return f"{writer.constant(name, table_row(writer, queries, values))}[{x}]"
    return f"{writer.constant(name, entries)}.get({x})"


def _rows(node: Node, relation: Relation) -> list[tuple[Value, ...]]:
    """The rows of a relation without the values that no key can have."""
    keys = node.operands[0].type
    return [tuple(v for v in row if _holds(keys, v)) for row in relation.rows]


def _holds(type_: Type, value: Value) -> bool:
    """Whether the value is one of the type's; a range of ints is not spelled out for that."""
    match type_:
        case Integer(lo, hi):
            return type(value) is int and lo <= value <= hi
        case Categorical():
            return value_key(value) in type_.codes
    return isinstance(value, bool)


def _pairs(pairs: list[tuple[Value, Value]], typed_keys: bool, typed_values: bool) -> Code:
    """A dict display from values to values."""
    return display("{}", [f"{key_of(k, typed_keys)}: {key_of(v, typed_values)}" for k, v in pairs])
