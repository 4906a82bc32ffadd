"""Hypothesis strategies for programs that read less of their variables than these say.

``coarse_programs()``: tables, relations and readouts have few different rows, so that values are
alike to all that reads them, arguments do not matter, and tables are rules. What random tables
never are, and trained ones are after a few passes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tpir.ir.builder import Builder
from tpir.ir.expressions import BinaryOp
from tpir.ir.functions import Relation, ReluFunction, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    Choose,
    Classify,
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
from tpir.ir.types import size_of, values_of
from tpir.ir.values import Value, sorted_values
from tpir.ir.verify import verify

MANY: tuple[tuple[Value, ...], ...] = ((0, 1, 2, 3), ("w", "x", "y", "z"), (5, "x", 6, "y"))
FEW: tuple[tuple[Value, ...], ...] = ((0, 1), ("yes", "no"), (True, False), (2,))
MAX_ROWS = 64


@dataclass
class _Maker:
    pick: Callable[[int], int]
    """An integer from 0 to n - 1."""
    noise: random.Random
    builder: Builder
    variables: list[Node] = field(default_factory=list)

    def variable(self) -> Node:
        """Often one of the last, so that programs are deep."""
        last = self.variables[-3:] if self.pick(2) else self.variables
        return last[self.pick(len(last))]

    def domain(self, node: Node) -> tuple[Value, ...]:
        values = values_of(node.type)
        assert values is not None
        return values

    def table(self, results: tuple[Value, ...]) -> Node:
        """A table of one or two variables, which does not tell all values of the first apart."""
        operands = [self.variable() for _ in range(1 + self.pick(2))]
        if (size_of(operands[0].type) or 0) * (size_of(operands[-1].type) or 0) > MAX_ROWS:
            operands = operands[:1]
        first, *rest = (self.domain(o) for o in operands)
        count = len(rest[0]) if rest else 1
        kinds = [[self.noise.choice(results) for _ in range(count)] for _ in range(2)]
        if len(results) > 2:
            kinds += [[self.noise.choice(results) for _ in range(count)] for _ in first]
        rows = [self.noise.choice(kinds) for _ in first]
        table = Table((first, *rest), tuple(v for row in rows for v in row))
        return self.builder.add(Map(table), operands)

    def selector(self) -> Node:
        """A comparison or a relation of two different rows."""
        keys, queries = self.variable(), self.variable()
        if self.pick(3) == 0 and keys.type == queries.type:
            equal = BinaryOp.EQUAL if self.pick(2) else BinaryOp.NOT_EQUAL
            return self.builder.add(Select(Comparison(equal)), [keys, queries])
        pool = self.domain(keys)
        kinds = [sorted_values(v for v in pool if self.noise.random() < 0.5) for _ in range(2)]
        rows = tuple(self.noise.choice(kinds) for _ in self.domain(queries))
        return self.builder.add(Select(Relation(self.domain(queries), rows)), [keys, queries])

    def head(self) -> Node:
        order = (Preference.CLOSEST, Preference.FIRST, Preference.LAST)[self.pick(3)]
        otherwise = (Otherwise.FIRST, Otherwise.FIRST, Otherwise.NONE)[self.pick(3)]
        chosen = self.builder.add(Choose(order, None, otherwise), [self.selector()])
        values = self.variable()
        default = None if otherwise is Otherwise.FIRST else ("none", 9)[self.pick(2)]
        return self.builder.add(Aggregate(default), [chosen, values])

    def relu(self) -> Node:
        """A relu function of one or two numbers."""
        counted = self.builder.add(SelectorWidth(), [self.selector()])
        operands = [counted, self.variables[1]][: 1 + self.pick(2)]

        def weights(count: int) -> tuple[float, ...]:
            return tuple(self.noise.choice((-1.0, 0.5, 1.0)) for _ in range(count))

        v, w = [weights(len(operands)) for _ in range(2)], [weights(2) for _ in range(3)]
        function = ReluFunction(tuple(v), weights(2), tuple(w), weights(3))
        return self.builder.add(Map(function), operands)

    def readout(self) -> Node:
        """Two or three labels, by weights that are alike for many values."""
        labels = ("A", "B", "C")[: 2 + self.pick(2)]
        features = list(dict.fromkeys(self.variable() for _ in range(1 + self.pick(3))))
        weights = []
        for feature in features:
            kinds = [tuple(self.noise.choice((0.0, 0.5, 1.0, -1.0)) for _ in labels)] * 2
            kinds.append(tuple(self.noise.choice((0.0, 2.0)) for _ in labels))
            domain = self.domain(feature)
            weights.append(TableWeights(domain, tuple(self.noise.choice(kinds) for _ in domain)))
        bias = tuple(self.noise.choice((0.0, 0.25)) for _ in labels)
        return self.builder.add(Classify(labels, bias, tuple(weights)), features)

    def add(self) -> None:
        kind = self.pick(10)
        if kind < 4:
            made = self.table(MANY[self.pick(len(MANY))])
        elif kind == 4:
            made = self.table(FEW[self.pick(len(FEW))])
        elif kind < 7:
            made = self.head()
        elif kind == 7:
            made = self.builder.add(SelectorWidth(), [self.selector()])
        elif kind == 8:
            made = self.relu()
        else:
            again = self.variable()
            made = self.builder.add(again.op, again.operands)
        self.variables.append(made)


@st.composite
def coarse_programs(draw: st.DrawFn, *, max_nodes: int = 6, max_context: int = 4) -> Program:
    """A verified program of finite variables. Inputs: every sequence over its small vocabulary."""

    def pick(n: int) -> int:
        return draw(st.integers(0, n - 1)) if n > 1 else 0

    vocabulary = (("a", "b", "c"), ("a", "b", "c", "d"), (0, 1, 2), ("a", "b"))[pick(4)]
    header = Header(vocabulary, 1 + pick(max_context), causal=pick(4) == 3, labels=())
    maker = _Maker(pick, random.Random(draw(st.integers(0, 2**32 - 1))), Builder(header))
    maker.variables += [maker.builder.add(Tokens()), maker.builder.add(Indices())]
    for _ in range(1 + pick(max_nodes)):
        maker.add()
    outputs = {}
    for k in range(1 + pick(2)):
        kind = pick(3)
        if kind == 0:
            outputs[f"out{k}"] = maker.table(FEW[pick(len(FEW))])
        elif kind == 1:
            outputs[f"out{k}"] = maker.readout()
        else:
            outputs[f"out{k}"] = maker.builder.add(SelectorWidth(), [maker.selector()])
    program = maker.builder.build(outputs)
    verify(program)
    return program
