"""Heads as a person would write them, of the kinds that a program has.

A trained head asks each query for keys of its own. The simple ones ask all of them for the same, or
compare keys with queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tpir.errors import TpirError
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Choose,
    Comparison,
    Indices,
    Map,
    Op,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program, cone
from tpir.ir.types import Bool, Selector, Type, is_integral, values_of
from tpir.ir.values import Value
from tpir.passes.failing import fails
from tpir.passes.features import Feature, Labelled, length
from tpir.passes.relation_rules import OPERATORS

_MOST_CONSTANTS = 20
_MOST_COMPARED = 16
_NEAR = 2
"""How far from its own position a head may look, to begin with."""

_COMPARED = {BinaryOp.LESS: "less", BinaryOp.GREATER: "more", BinaryOp.EQUAL: "same"}


class SimpleHeads:
    """Makes nodes on top of those of a program; asked twice for the same, it gives the same."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._made: dict[tuple[Op, tuple[Node, ...]], Node] = {}
        self._numbers: dict[str, int] = {}
        for node in program.live:
            self._made.setdefault((node.op, node.operands), node)
        self.tokens = self._sure(Tokens(), (), "tokens")
        self.indices = self._sure(Indices(), (), "indices")
        self.chosen = _choices(program)
        self.counts = any(isinstance(n.op, AggregateSum | SelectorWidth) for n in program.live)

    def first(self) -> list[Node]:
        """Heads that read tokens and positions, and the program's own made simpler."""
        base = (self.tokens, self.indices)
        selectors = list(self._selectors(base, base))
        found = [*base, *self._reading(selectors, base)]
        for node in self.program.live:
            found += self._like(node)
        return list(dict.fromkeys(found))

    def compared(self, numbers: Sequence[Node]) -> list[Node]:
        """Truth values: which of two numbers is less, or whether they are equal."""
        found = []
        for k, left in enumerate(numbers):
            for right in numbers[k + 1 :]:
                for op, name in _COMPARED.items():
                    expression = Binary(op, Argument(0), Argument(1))
                    found.append(self._node(Map(expression), (left, right), name))
        return [node for node in found if node is not None]

    def second(self, known: Sequence[Node]) -> list[Node]:
        """Heads with ``known`` sequences for keys, queries or both."""
        base = (self.tokens, self.indices)
        selectors: list[Node] = []
        for node in known:
            if isinstance(node.type, Bool):
                selectors += self._constants(node, (True,))
                continue
            selectors += self._compared(node, node, (BinaryOp.EQUAL, BinaryOp.LESS))
            for other in base:
                selectors += self._compared(other, node, (BinaryOp.EQUAL,))
        return self._reading(dict.fromkeys(selectors), base)

    # ---- parts

    def _like(self, node: Node) -> list[Node]:
        """The heads that a head of the program becomes with a simpler relation."""
        match node.op:
            case Aggregate() if isinstance(node.operands[0].op, Choose):
                select = node.operands[0].operands[0]
            case AggregateSum() | SelectorWidth():
                select = node.operands[0]
            case _:
                return []
        if not isinstance(select.op, Select):
            return []
        keys, queries = select.operands
        found = []
        for selector in self._selectors((keys,), dict.fromkeys((keys, queries, self.indices))):
            chosen = node.operands[0].op if isinstance(node.op, Aggregate) else None
            first = self._node(chosen, (selector,), "choice") if chosen else selector
            if first is not None:
                found.append(self._node(node.op, (first, *node.operands[1:]), _stem(node.op)))
        return [node for node in found if node is not None]

    def _selectors(self, keys: Iterable[Node], queries: Iterable[Node]) -> Iterator[Node]:
        asked = list(queries)
        for key in keys:
            yield from self._constants(key, values_of(key.type) or ())
            for query in asked:
                yield from self._compared(key, query, OPERATORS)
            if isinstance(key.op, Indices):
                for step in range(1, _NEAR + 1):
                    for op in (BinaryOp.SUBTRACT, BinaryOp.ADD):
                        moved = Map(Binary(op, Argument(0), Literal(step)))
                        wanted = self._node(moved, (self.indices,), "near")
                        if wanted is not None:
                            yield from self._compared(key, wanted, (BinaryOp.EQUAL,))

    def _constants(self, key: Node, values: Sequence[Value]) -> Iterator[Node]:
        for value in values[:_MOST_CONSTANTS]:
            wanted = self._node(Map(Literal(value)), (), "wanted")
            if wanted is not None:
                yield from self._compared(key, wanted, (BinaryOp.EQUAL,))

    def _compared(self, key: Node, query: Node, ops: Iterable[BinaryOp]) -> Iterator[Node]:
        if not _alike(key.type, query.type):
            return
        for op in ops:
            made = self._node(Select(Comparison(op)), (key, query), "select")
            if made is not None:
                yield made

    def _reading(self, selectors: Iterable[Node], values: Sequence[Node]) -> list[Node]:
        """What heads of the program's kinds read with some selectors."""
        found: list[Node | None] = []
        for selector in selectors:
            if self.counts:
                found.append(self._node(SelectorWidth(), (selector,), "count"))
            for choose in self.chosen:
                choice = self._node(choose, (selector,), "choice")
                for value in values if choice else ():
                    assert choice is not None
                    found.append(self._node(Aggregate(), (choice, value), "read"))
        return [node for node in found if node is not None]

    def _sure(self, op: Op, operands: tuple[Node, ...], stem: str) -> Node:
        made = self._node(op, operands, stem)
        assert made is not None
        return made

    def _node(self, op: Op, operands: tuple[Node, ...], stem: str) -> Node | None:
        """The node of an op, if its operands fit it and it cannot fail."""
        known = self._made.get((op, operands))
        if known is not None:
            return known
        try:
            types = [operand.type for operand in operands]
            type_ = infer(op, types, self.program.header.surroundings)
        except (TypeProblem, TpirError):
            return None
        made = Node(op, operands, type_, self._free_name(stem), None)
        if fails(made):
            return None
        self._made[op, operands] = made
        return made

    def _free_name(self, stem: str) -> str:
        while True:
            number = self._numbers[stem] = self._numbers.get(stem, 0) + 1
            name = stem if number == 1 else f"{stem}_{number}"
            if name not in self.program.by_name:
                return name


def candidates(heads: SimpleHeads, data: Labelled) -> list[Feature]:
    """What a readout may read: what the program holds, and simple heads.

    Of those that are equal on the data the shortest.
    """
    own = [node for node in heads.program.live if node not in heads.program.outputs.values()]
    first = heads.first()
    base = {heads.tokens, heads.indices}
    plain = [node for node in first if not cone([node]) & set(own) - base]
    numbers = [f.node for f in data.features(_shortest_first(plain)) if not f.is_table]
    truths = [f.node for f in data.features(heads.compared(numbers[:_MOST_COMPARED]))]
    second = heads.second([*numbers, *truths])
    return data.features(_shortest_first([*own, *first, *truths, *second]))


def _shortest_first(nodes: Iterable[Node]) -> list[Node]:
    sizes = {node: length(cone([node])) for node in nodes}
    return sorted(sizes, key=sizes.__getitem__)


def _choices(program: Program) -> list[Choose]:
    """How the program's heads choose among the keys that are selected."""
    found = [n.op for n in program.live if isinstance(n.op, Choose) and n.op.score is None]
    return list(dict.fromkeys(found))


def _stem(op: Op) -> str:
    return {Aggregate: "read", AggregateSum: "sum"}.get(type(op), "count")


def _alike(keys: Type, queries: Type) -> bool:
    """Whether it says something to compare them: both numbers, or both words."""
    if isinstance(keys, Selector) or isinstance(queries, Selector):
        return False
    return is_integral(keys) == is_integral(queries)
