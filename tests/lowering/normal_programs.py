"""Random programs in the form in which weights lower: what comes back is the same program."""

from __future__ import annotations

from itertools import product
from random import Random

from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.functions import Table
from tpir.ir.ops import (
    Aggregate,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import is_number

OPERATORS = (
    BinaryOp.EQUAL,
    BinaryOp.LESS,
    BinaryOp.LESS_EQUAL,
    BinaryOp.GREATER,
    BinaryOp.GREATER_EQUAL,
    BinaryOp.NOT_EQUAL,
)


class _Maker:
    def __init__(self, noise: Random) -> None:
        self.noise = noise
        self.builder = Builder(Header(("a", "b", "c"), noise.randint(3, 4)), share=True)
        self.tokens = self.builder.add(Tokens(), name="tokens")
        self.indices = self.builder.add(Indices(), name="indices")
        self.made = [self.tokens, self.indices]

    def selector(self) -> Node:
        """Comparisons of one variable with itself, each of another variable."""
        count = self.noise.randint(1, 2)
        variables = sorted(self.noise.sample(self.made, count), key=self.made.index)
        selectors = [self.comparison(variable) for variable in variables]
        if len(selectors) == 1:
            return selectors[0]
        return self.builder.add(And(), selectors)

    def comparison(self, variable: Node) -> Node:
        op = self.noise.choice(OPERATORS)
        if variable is self.indices:  # only itself, or all but itself, would be a choice of one
            op = self.noise.choice(OPERATORS[1:5])
        return self.builder.add(Select(Comparison(op)), [variable, variable])

    def count(self) -> Node:
        return self.builder.add(SelectorWidth(), [self.selector()])

    def copy(self) -> Node:
        """The first or last selected key's value, or one that no key has."""
        order = self.noise.choice((Preference.FIRST, Preference.LAST))
        chosen = self.builder.add(Choose(order, None, Otherwise.NONE), [self.selector()])
        source = self.noise.choice(self.made)
        values = values_of(source.type) or ()
        numbers = [int(v) for v in values if is_number(v)]
        default = max(numbers) + 1 if numbers else "none"
        while default in values:
            default = f"<{default}>"
        return self.builder.add(Aggregate(default), [chosen, source])

    def table(self) -> Node:
        """The sum of the places of two values, modulo: it is told apart which values they are."""
        pair = self.noise.sample([n for n in self.made if not isinstance(n.op, Map)], 2)
        pair.sort(key=self.made.index)
        domains = tuple(values_of(node.type) or () for node in pair)
        size = max(map(len, domains))
        rows = tuple((i + j) % size for i, j in product(*(range(len(d)) for d in domains)))
        return self.builder.add(Map(Table(domains, rows)), pair)


def normal_program(noise: Random) -> Program:
    """Counts, copies and tables of two variables, by what compares variables with themselves."""
    maker = _Maker(noise)
    for _ in range(noise.randint(1, 4)):
        step = noise.choice((maker.count, maker.copy, maker.table))
        node = step()
        if node not in maker.made:
            maker.made.append(node)
    return maker.builder.build({"out": maker.made[-1]})
