"""Features as nodes of a program, with the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Unary, UnaryOp
from tpir.ir.expressions import Literal as Constant
from tpir.ir.functions import Domain, Table
from tpir.ir.functions import Relation as Pairs
from tpir.ir.ops import (
    Aggregate,
    Always,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, sorted_values
from tpir.training.construct.features import (
    Arithmetic,
    Base,
    Combined,
    Count,
    Feature,
    Fetch,
    Filter,
    Lookup,
    Operator,
    Relation,
    Selector,
    Where,
    is_token,
    operands_of,
)

_COMPARISONS: Mapping[Operator, BinaryOp] = {
    "==": BinaryOp.EQUAL,
    "!=": BinaryOp.NOT_EQUAL,
    "<": BinaryOp.LESS,
    ">": BinaryOp.GREATER,
}

_HOLDS: Mapping[Operator, Callable[[int, int], bool]] = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    ">": int.__gt__,
}

_ARITHMETIC: Mapping[Arithmetic, BinaryOp] = {
    "+": BinaryOp.ADD,
    "-": BinaryOp.SUBTRACT,
    "<": BinaryOp.LESS,
    "==": BinaryOp.EQUAL,
}

_NAMES: Mapping[Operator, str] = {"==": "same", "!=": "other", "<": "less", ">": "more"}


class FeatureNodes:
    """Adds the nodes of features to a program, each once.

    ``begun`` is the token that no token is compared with, if there is one (see ``Batch``). Values
    of features are codes: whole numbers, for tokens their places in the vocabulary.
    """

    def __init__(self, header: Header, begun: int | None) -> None:
        self.builder = Builder(header, share=True)
        self.words: Domain = tuple(header.vocabulary or ())
        self._begun = begun
        self._sorted = list(self.words) == sorted(map(str, self.words))
        self._nodes: dict[Feature, Node] = {}

    def node(self, feature: Feature) -> Node:
        """The node that computes ``feature``."""
        found = self._nodes.get(feature)
        if found is None:
            for operand in operands_of(feature):
                self.node(operand)
            found = self._nodes[feature] = self._made(feature)
        return found

    def codes(self, feature: Feature) -> Sequence[int]:
        """The codes of the values that a feature can have, in the order of its domain."""
        values = domain_of(self.node(feature))
        if is_token(feature):
            return [self.words.index(word) for word in values]
        return [int(value) for value in values]

    def _made(self, feature: Feature) -> Node:
        match feature:
            case Base.TOKEN:
                return self.builder.add(Tokens(), name="tokens")
            case Base.POSITION:
                return self._indices()
            case Count(selector):
                return self.builder.add(SelectorWidth(), [self._selector(selector)], name="count")
            case Fetch(selector, value):
                chosen = self.builder.add(
                    Choose(Preference.CLOSEST), [self._selector(selector)], name="closest"
                )
                return self.builder.add(Aggregate(), [chosen, self.node(value)], name="value")
            case Combined():
                return self._combined(feature)
            case Lookup():
                return self._lookup(feature)
        raise AssertionError(feature)

    def _indices(self) -> Node:
        return self.builder.add(Indices(), name="indices")

    def _value(self, feature: Feature, code: int) -> Value:
        return self.words[code] if is_token(feature) else code

    def _combined(self, feature: Combined) -> Node:
        function = Binary(_ARITHMETIC[feature.operator], Argument(0), Argument(1))
        operands = [self.node(feature.left), self.node(feature.right)]
        if feature.operator in ("<", "=="):
            return self.builder.add(Map(Unary(UnaryOp.INDICATOR, function)), operands, name="is")
        return self.builder.add(Map(function), operands, name="sum")

    def _lookup(self, feature: Lookup) -> Node:
        columns = [self.codes(operand) for operand in feature.operands]
        results = tuple(feature.results[_row(feature, key)] for key in product(*columns))
        domains = tuple(domain_of(self.node(operand)) for operand in feature.operands)
        operands = [self.node(operand) for operand in feature.operands]
        return self.builder.add(Map(Table(domains, results)), operands, name="case")

    def _selector(self, selector: Selector) -> Node:
        parts = []
        if selector.relation is not None:
            parts.append(self._relation(selector.relation))
        if selector.filter is not None:
            parts.append(self._filter(selector.filter))
        if selector.where is not Where.ANYWHERE:
            indices = self._indices()
            operator = BinaryOp.LESS if selector.where is Where.BEFORE else BinaryOp.GREATER
            name = selector.where.value
            parts.append(
                self.builder.add(Select(Comparison(operator)), [indices, indices], name=name)
            )
        if not parts:
            indices = self._indices()
            return self.builder.add(Select(Always(True)), [indices, indices], name="all")
        node = parts[0]
        for part in parts[1:]:
            node = self.builder.add(And(), [node, part], name="both")
        return node

    def _relation(self, relation: Relation) -> Node:
        key, query = self.node(relation.key), self.node(relation.query)
        if relation.offset:
            shift = Binary(BinaryOp.ADD, Argument(0), Constant(relation.offset))
            if relation.offset < 0:
                shift = Binary(BinaryOp.SUBTRACT, Argument(0), Constant(-relation.offset))
            query = self.builder.add(Map(shift), [query], name="shifted")
        op = Select(Comparison(_COMPARISONS[relation.operator]))
        if not self._compares(relation):
            op = Select(Pairs(domain_of(query), self._related(relation)))
        return self.builder.add(op, [key, query], name=_NAMES[relation.operator])

    def _compares(self, relation: Relation) -> bool:
        """Whether comparing values is comparing codes; if not, the keys have to be listed."""
        if is_token(relation.key) != is_token(relation.query):
            return False
        if self._is_apart(relation):
            return False
        by_order = relation.operator in ("<", ">") and is_token(relation.key)
        return self._sorted or not by_order

    def _is_apart(self, relation: Relation) -> bool:
        tokens = relation.key is Base.TOKEN and relation.query is Base.TOKEN
        return tokens and self._begun is not None

    def _related(self, relation: Relation) -> tuple[tuple[Value, ...], ...]:
        """For each value of the query, the keys; an offset has none, for names are not shifted."""
        keys = self.codes(relation.key)
        if self._is_apart(relation):
            keys = [key for key in keys if key != self._begun]
        holds = _HOLDS[relation.operator]
        return tuple(
            sorted_values(self._value(relation.key, key) for key in keys if holds(key, asked))
            for asked in self.codes(relation.query)
        )

    def _filter(self, chosen: Filter) -> Node:
        key = self.node(chosen.key)
        known = set(self.codes(chosen.key))
        values = sorted_values(self._value(chosen.key, v) for v in chosen.values if v in known)
        indices = self._indices()
        rows = (values,) * len(domain_of(indices))
        return self.builder.add(
            Select(Pairs(domain_of(indices), rows)), [key, indices], name="where"
        )


def domain_of(node: Node) -> Domain:
    """The values that a node can have; there are finitely many of each that is made here."""
    values = values_of(node.type)
    assert values is not None
    return values


def _row(table: Lookup, key: Sequence[int]) -> int:
    row = 0
    for value, low, size in zip(key, table.lows, table.sizes, strict=True):
        row = row * size + min(max(value - low, 0), size - 1)
    return row
