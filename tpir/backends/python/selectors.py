"""Selectors, written so that time grows with the length of the input and not with its square.

A select whose keys must equal one wanted key (an equality, a relation with one key a row, always)
is *keyed*: the positions of each key are found once. The rest are rows: lists of positions.
"""

from __future__ import annotations

from dataclasses import dataclass

from tpir.backends.python.expressions import GUARDED, is_safe
from tpir.backends.python.layout import WIDTH, Call, Code, Comprehension, display, flat
from tpir.backends.python.tables import asked, dictionary, key_of, table_row
from tpir.backends.python.writer import Writer, collides
from tpir.ir.expressions import ORDERINGS, BinaryOp
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import Always, And, Comparison, Indices, Not, Or, Select
from tpir.ir.program import Node
from tpir.ir.types import Categorical, Integer, Type
from tpir.ir.values import Value, same_value, value_key


@dataclass(frozen=True)
class Keyed:
    """The keys that equal what each query wants.

    ``keys`` is the column of keys, ``want`` the wanted key as an expression in ``x``, where ``x``
    goes through the column ``queries``; it is None where no key is wanted. ``at_index`` says that
    the keys are the positions themselves.
    """

    keys: str
    queries: str
    want: str
    at_index: bool


@dataclass(frozen=True)
class Rows:
    """A variable that holds a list of ascending positions for each query."""

    name: str


@dataclass(frozen=True)
class Chosen:
    """A variable that holds one position for each query; None for none unless ``total``."""

    name: str
    total: bool


Selection = Keyed | Rows | Chosen


@dataclass
class Selectors:
    """The selectors written so far."""

    writer: Writer

    def __post_init__(self) -> None:
        self.found: dict[Node, Selection] = {}

    @property
    def causal(self) -> bool:
        """Whether positions see only what is up to them."""
        return self.writer.program.causal

    def write(self, node: Node) -> None:
        """What ``run`` needs for a select, and, or, not."""
        match node.op:
            case Select(Relation() as relation):
                self.found[node] = self._relation(node, relation)
            case Select(Always(truth)):
                zeros = self.writer.shared("zeros", "n", "[0] * n")
                self.found[node] = Keyed(zeros, zeros, "x" if truth else "None", False)
            case Select(Comparison(BinaryOp.EQUAL)):
                keys, queries = (self.writer.columns[o] for o in node.operands)
                self.found[node] = Keyed(keys, queries, "x", False)
            case Select(Comparison(op)):
                self.found[node] = self._comparison(node, op)
            case And() | Or() | Not():
                self.found[node] = self._algebra(node)

    # Rows of any selector.

    def rows(self, node: Node) -> str:
        """A variable that holds the selected positions, ascending, for each query."""
        code: Code
        match self.found[node]:
            case Rows(name):
                return name
            case Chosen(name, total):
                row = "(j,)" if total else "() if j is None else (j,)"
                code = Comprehension("[]", row, f"for j in {name}")
                return self.writer.shared("rows", name, code)
            case Keyed() as keyed:
                code = self.keyed_rows(keyed)
                return self.writer.shared("rows", f"{node.name}", code)

    def keyed_rows(self, keyed: Keyed, nothing: str = "()") -> Code:
        """The positions that hold the wanted key, for each query."""
        found = f"{self.where(keyed)}.get({keyed.want}, {nothing})"
        if not self.causal:
            return Comprehension("[]", found, f"for x in {keyed.queries}")
        row = f"[j for j in {found} if j <= i]"
        return Comprehension("[]", row, f"for i, x in enumerate({keyed.queries})")

    def where(self, keyed: Keyed) -> str:
        """The variable that holds the positions of each key."""
        return self.writer.shared("where", keyed.keys, f"{self.writer.use('places')}({keyed.keys})")

    # Selects.

    def _relation(self, node: Node, relation: Relation) -> Selection:
        key_node, query_node = node.operands
        domain = key_node.type.domain if isinstance(key_node.type, Categorical) else ()
        rows = reachable_rows(relation, key_node.type)
        keys = self._typed_column(key_node, domain)
        queries = self.writer.columns[query_node]
        typed = collides(domain)
        if all(len(row) <= 1 for row in rows):
            want = self._want(node, relation.queries, rows, typed)
            at_index = isinstance(key_node.op, Indices)
            return Keyed(keys, queries, want, at_index)
        sets: list[Code] = [
            display("{}", [key_of(v, typed) for v in row]) if row else "()" for row in rows
        ]
        table = self.writer.constant(node.name, dictionary(relation.queries, sets))
        holds = f"lambda key, query: key in {table}[query]"
        return self._matching(node, keys, self._typed_column(query_node, relation.queries), holds)

    def _want(self, node: Node, queries: Domain, rows: list[tuple[Value, ...]], typed: bool) -> str:
        """The wanted key as an expression in ``x``."""
        if all(len(row) == len(rows[0]) for row in rows) and (
            not rows[0] or all(same_value(row[0], rows[0][0]) for row in rows)
        ):
            return key_of(rows[0][0], typed) if rows[0] else "None"
        x = asked(self.writer, "x", queries)
        full = all(rows)
        if full and all(same_value(q, row[0]) for q, row in zip(queries, rows, strict=True)):
            return f"{self.writer.use('typed')}(x)" if typed else "x"
        name = node.name
        kept = [(q, row[0]) for q, row in zip(queries, rows, strict=True) if row]
        entries = dictionary_of(kept, collides(queries), typed)
        at_index = isinstance(node.operands[0].op, Indices)
        if full or len(flat(entries)) > WIDTH - len(name) - 3:
            nowhere = "CONTEXT" if at_index else "None"  # CONTEXT is no position of any input
            values = [key_of(row[0], typed) if row else nowhere for row in rows]
            return f"{self.writer.constant(name, table_row(self.writer, queries, values))}[{x}]"
        return f"{self.writer.constant(name, entries)}.get({x})"

    def _comparison(self, node: Node, op: BinaryOp) -> Selection:
        key_node, query_node = node.operands
        keys, queries = (self.writer.columns[o] for o in node.operands)
        if op in ORDERINGS and not is_safe(op, key_node.type, query_node.type):
            holds = self.writer.use(GUARDED[op])
        else:
            holds = f"lambda key, query: key {op.value} query"
        return self._matching(node, keys, queries, holds)

    def _matching(self, node: Node, keys: str, queries: str, holds: str) -> Rows:
        helper = self.writer.use("matching_so_far" if self.causal else "matching")
        return Rows(self.writer.assign(node.name, Call(helper, (keys, queries, holds))))

    def _typed_column(self, node: Node, domain: Domain) -> str:
        column = self.writer.columns[node]
        if not collides(domain):
            return column
        code = Comprehension("[]", f"{self.writer.use('typed')}(x)", f"for x in {column}")
        return self.writer.shared("typed", column, code)

    def _algebra(self, node: Node) -> Rows:
        names = [self.rows(operand) for operand in node.operands]
        if isinstance(node.op, Not):
            universe = "range(i + 1)" if self.causal else "range(n)"
            row = f"[j for j in {universe} if j not in row]"
            clause = f"for i, row in enumerate(map(set, {names[0]}))"
            if not self.causal:
                clause = f"for row in map(set, {names[0]})"
            return Rows(self.writer.assign(node.name, Comprehension("[]", row, clause)))
        sign = "&" if isinstance(node.op, And) else "|"
        element = f"sorted({{*x}} {sign} {{*y}})"
        clause = f"for x, y in zip({names[0]}, {names[1]})"
        return Rows(self.writer.assign(node.name, Comprehension("[]", element, clause)))


def reachable_rows(relation: Relation, keys: Type) -> list[tuple[Value, ...]]:
    """The rows of a relation without the values that no key can have."""
    return [tuple(v for v in row if _holds(keys, v)) for row in relation.rows]


def _holds(type_: Type, value: Value) -> bool:
    """Whether the value is one of the type's; a range of ints is not spelled out for that."""
    match type_:
        case Integer(lo, hi):
            return type(value) is int and lo <= value <= hi
        case Categorical():
            return value_key(value) in type_.codes
    return isinstance(value, bool)


def dictionary_of(pairs: list[tuple[Value, Value]], typed_keys: bool, typed_values: bool) -> Code:
    """A dict display from values to values."""
    return display("{}", [f"{key_of(k, typed_keys)}: {key_of(v, typed_values)}" for k, v in pairs])
