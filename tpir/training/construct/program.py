"""Constructed features as a program: the same values, node for node, and a table of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, sorted_values
from tpir.ir.verify import verify
from tpir.training.construct.features import (
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
    below,
)

OUTPUT = "output"
"""The name of a constructed program's output."""


@dataclass(frozen=True)
class LabelTable:
    """The label of each combination of values of some features; ``usual`` for those not listed."""

    features: tuple[Feature, ...]
    labels: Mapping[tuple[int, ...], str]
    usual: str


_OPERATORS: Mapping[Operator, BinaryOp] = {
    "==": BinaryOp.EQUAL,
    "!=": BinaryOp.NOT_EQUAL,
    "<": BinaryOp.LESS,
    ">": BinaryOp.GREATER,
}

_COMPARE: Mapping[Operator, Callable[[int, int], bool]] = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    ">": int.__gt__,
}


def program_of(header: Header, table: LabelTable, *, begun: int | None) -> Program:
    """The program that computes a table's features and looks its labels up.

    ``begun`` is the token that no token is compared with, if there is one (see ``Batch``).
    """
    maker = _Maker(header, begun)
    for feature in below(list(table.features)):
        maker.make(feature)
    program = maker.builder.build({OUTPUT: maker.output(table)})
    verify(program)
    return program


class _Maker:
    def __init__(self, header: Header, begun: int | None) -> None:
        self.builder = Builder(header, share=True)
        self.words: Domain = tuple(header.vocabulary or ())
        self.begun = begun
        self.sorted = list(self.words) == sorted(map(str, self.words))
        self.nodes: dict[Feature, Node] = {}

    def make(self, feature: Feature) -> None:
        """Add the node of a feature whose operands are there."""
        match feature:
            case Base.TOKEN:
                node = self.builder.add(Tokens(), name="tokens")
            case Base.POSITION:
                node = self.builder.add(Indices(), name="indices")
            case Count(selector):
                node = self.builder.add(SelectorWidth(), [self._selector(selector)], name="count")
            case Fetch(selector, value):
                chosen = self.builder.add(
                    Choose(Preference.CLOSEST), [self._selector(selector)], name="closest"
                )
                operands = [chosen, self.nodes[value]]
                node = self.builder.add(Aggregate(), operands, name="value")
            case Combined():
                node = self._combined(feature)
            case Lookup():
                node = self._lookup(feature)
        self.nodes[feature] = node

    def output(self, table: LabelTable) -> Node:
        """The labels: two features at a time, so that each step is one small table."""
        rest = list(table.features)
        first = rest.pop(0)
        if not rest and self._is_itself(first, table):
            return self.nodes[first]
        node, codes = self.nodes[first], self._codes(first)
        rows = dict(table.labels)
        while len(rest) > 1:
            node, codes, rows = self._merged(node, codes, rest.pop(0), rows, table.usual)
        domains, columns = [_values(node)], [codes]
        for feature in rest:
            domains.append(_values(self.nodes[feature]))
            columns.append(self._codes(feature))
        results = tuple(rows.get(key, table.usual) for key in product(*columns))
        operands = [node, *(self.nodes[feature] for feature in rest)]
        return self.builder.add(Map(Table(tuple(domains), results)), operands, name=OUTPUT)

    def _is_itself(self, feature: Feature, table: LabelTable) -> bool:
        """Whether the labels are the tokens that a feature gives."""
        return _is_word(feature) and all(
            label == self.words[code] for (code,), label in table.labels.items()
        )

    def _merged(
        self,
        node: Node,
        codes: Sequence[int],
        second: Feature,
        rows: Mapping[tuple[int, ...], str],
        usual: str,
    ) -> tuple[Node, Sequence[int], dict[tuple[int, ...], str]]:
        """Two features as one: combinations that the labels do not tell apart get one number."""
        others = self._codes(second)
        profiles: dict[tuple[int, int], dict[tuple[int, ...], str]] = {}
        for key, label in rows.items():
            profiles.setdefault((key[0], key[1]), {})[key[2:]] = label
        classes: list[dict[tuple[int, ...], str]] = []
        number: dict[tuple[int, int], int] = {}
        for pair, profile in profiles.items():
            for k, known in enumerate(classes):
                if all(known.get(rest, label) == label for rest, label in profile.items()):
                    known.update(profile)
                    number[pair] = k
                    break
            else:
                number[pair] = len(classes)
                classes.append(dict(profile))
        results = tuple(number.get(pair, 0) for pair in product(codes, others))
        table = Table((_values(node), _values(self.nodes[second])), results)
        merged = self.builder.add(Map(table), [node, self.nodes[second]], name="case")
        found = {
            (k, *rest): label for k, known in enumerate(classes) for rest, label in known.items()
        }
        return merged, [int(v) for v in _values(merged)], found

    def _codes(self, feature: Feature) -> Sequence[int]:
        """The numbers that stand for the values of a feature, in the order of its domain."""
        values = _values(self.nodes[feature])
        if _is_word(feature):
            return [self.words.index(word) for word in values]
        return [int(value) for value in values]

    def _value(self, feature: Feature, code: int) -> Value:
        return self.words[code] if _is_word(feature) else code

    def _combined(self, feature: Combined) -> Node:
        operators = {
            "+": BinaryOp.ADD,
            "-": BinaryOp.SUBTRACT,
            "<": BinaryOp.LESS,
            "==": BinaryOp.EQUAL,
        }
        function = Binary(operators[feature.operator], Argument(0), Argument(1))
        operands = [self.nodes[feature.left], self.nodes[feature.right]]
        if feature.operator in ("<", "=="):
            return self.builder.add(Map(Unary(UnaryOp.INDICATOR, function)), operands, name="is")
        return self.builder.add(Map(function), operands, name="sum")

    def _lookup(self, feature: Lookup) -> Node:
        columns = [self._codes(operand) for operand in feature.operands]
        results = tuple(feature.results[_row(feature, key)] for key in product(*columns))
        domains = tuple(_values(self.nodes[operand]) for operand in feature.operands)
        operands = [self.nodes[operand] for operand in feature.operands]
        return self.builder.add(Map(Table(domains, results)), operands, name="case")

    def _selector(self, selector: Selector) -> Node:
        parts = []
        if selector.relation is not None:
            parts.append(self._relation(selector.relation))
        if selector.filter is not None:
            parts.append(self._filter(selector.filter))
        if selector.where is not Where.ANYWHERE:
            indices = self.builder.add(Indices(), name="indices")
            operator = BinaryOp.LESS if selector.where is Where.BEFORE else BinaryOp.GREATER
            name = selector.where.value
            parts.append(
                self.builder.add(Select(Comparison(operator)), [indices, indices], name=name)
            )
        if not parts:
            indices = self.builder.add(Indices(), name="indices")
            return self.builder.add(Select(Always(True)), [indices, indices], name="all")
        node = parts[0]
        for part in parts[1:]:
            node = self.builder.add(And(), [node, part], name="both")
        return node

    def _relation(self, relation: Relation) -> Node:
        key, query = self.nodes[relation.key], self.nodes[relation.query]
        if relation.offset:
            shift = Binary(BinaryOp.ADD, Argument(0), Constant(relation.offset))
            if relation.offset < 0:
                shift = Binary(BinaryOp.SUBTRACT, Argument(0), Constant(-relation.offset))
            query = self.builder.add(Map(shift), [query], name="shifted")
        words = relation.key is Base.TOKEN and relation.query is Base.TOKEN
        ordered = relation.operator in ("<", ">") and _is_word(relation.key)
        if not (words and self.begun is not None) and not (ordered and not self.sorted):
            op = Select(Comparison(_OPERATORS[relation.operator]))
            return self.builder.add(op, [key, query], name=_named(relation))
        keys, rows = self._codes(relation.key), []
        for asked in self._codes(relation.query):
            wanted = [k for k in keys if _COMPARE[relation.operator](k, asked)]
            if words:
                wanted = [k for k in wanted if k != self.begun]
            rows.append(sorted_values(self._value(relation.key, k) for k in wanted))
        op = Select(Pairs(_values(query), tuple(rows)))
        return self.builder.add(op, [key, query], name=_named(relation))

    def _filter(self, chosen: Filter) -> Node:
        key = self.nodes[chosen.key]
        known = set(self._codes(chosen.key))
        values = sorted_values(self._value(chosen.key, v) for v in chosen.values if v in known)
        indices = self.builder.add(Indices(), name="indices")
        rows = (values,) * len(_values(indices))
        return self.builder.add(Select(Pairs(_values(indices), rows)), [key, indices], name="where")


def _values(node: Node) -> Domain:
    values = values_of(node.type)
    assert values is not None
    return values


def _is_word(feature: Feature) -> bool:
    """Whether its values are tokens; all others are whole numbers."""
    while isinstance(feature, Fetch):
        feature = feature.value
    return feature is Base.TOKEN


def _row(table: Lookup, key: Sequence[int]) -> int:
    row = 0
    for value, low, size in zip(key, table.lows, table.sizes, strict=True):
        row = row * size + min(max(value - low, 0), size - 1)
    return row


def _named(relation: Relation) -> str:
    names = {"==": "same", "!=": "other", "<": "less", ">": "more"}
    return names[relation.operator]
