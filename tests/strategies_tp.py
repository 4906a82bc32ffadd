"""Hypothesis strategies for programs that the Transformer Program architecture can express."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from tpir.ir.builder import Builder
from tpir.ir.functions import (
    NumberWeights,
    Relation,
    ReluFunction,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Otherwise,
    Pool,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    canonical_order,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Real, size_of, values_of
from tpir.ir.values import Value, sorted_values
from tpir.ir.verify import verify

MAX_ROWS = 48


@dataclass
class _Maker:
    pick: Callable[[int], int]
    noise: random.Random
    builder: Builder
    scored: bool
    sets: bool
    categorical: list[Node] = field(default_factory=list)
    numerical: list[Node] = field(default_factory=list)

    def variable(self) -> Node:
        return self.categorical[self.pick(len(self.categorical))]

    def domain(self, node: Node) -> tuple[Value, ...]:
        values = values_of(node.type)
        assert values is not None
        return values

    def matches(self) -> Node:
        """A selector of a head: with sets of key values, up to three relations that all hold."""
        selector = self.relation()
        for _ in range(self.pick(3) if self.sets else 0):
            pair = [selector, self.relation()][:: 1 - 2 * self.pick(2)]
            selector = self.builder.add(And(), pair)
        return selector

    def relation(self) -> Node:
        """What a predicate can make: one key value for each query value, or sets."""
        keys, queries = self.variable(), self.variable()
        targets = [(v,) for v in self.domain(keys)] + [()]
        rows = tuple(self.noise.choice(targets) for _ in self.domain(queries))
        if self.sets:
            values = self.domain(keys)
            chosen = [[v for v in values if self.noise.random() < 0.5] for _ in rows]
            rows = tuple(map(sorted_values, chosen))
        return self.builder.add(Select(Relation(self.domain(queries), rows)), [keys, queries])

    def head(self) -> Node:
        context, causal = self.builder.header.context, self.builder.header.causal
        values = self.variable()
        if self.scored:
            keys, queries = self.variable(), self.variable()
            rows = tuple(
                tuple(self.noise.randint(0, 3) for _ in self.domain(keys))
                for _ in self.domain(queries)
            )
            score = ScoreTable(self.domain(queries), self.domain(keys), rows)
            tokens = self.categorical[0]
            every = self.builder.add(Select(Always(True)), [tokens, tokens])
            op = Choose(Preference.FIRST, score, Otherwise.FIRST)
            chosen = self.builder.add(op, [every, keys, queries])
        else:
            offsets = tuple(self.noise.sample(range(1 - context, context), context - 1))
            order = (Preference.CLOSEST, Preference.FIRST, offsets)[self.pick(3)]
            order = canonical_order(order, context, causal)
            chosen = self.builder.add(Choose(order), [self.matches()])
        return self.builder.add(Aggregate(), [chosen, values])

    def count(self) -> Node:
        selector = self.matches()
        if self.numerical and self.pick(3) == 0:
            values = self.numerical[self.pick(len(self.numerical))]
            return self.builder.add(AggregateSum(), [selector, values])
        return self.builder.add(SelectorWidth(), [selector])

    def embedding(self) -> Node:
        """A learned numerical embedding: a number for each token."""
        tokens = self.categorical[0]
        numbers = tuple(float(np.float32(self.noise.gauss(0, 1))) for _ in self.domain(tokens))
        return self.builder.add(Map(Table((self.domain(tokens),), numbers)), [tokens])

    def table(self, pool: list[Node]) -> Node | None:
        operands, rows = [], 1
        for _ in range((2, 1, 2, 0, 3)[self.pick(5)]):
            node = pool[self.pick(len(pool))]
            size = size_of(node.type)
            if size is not None and rows * size <= MAX_ROWS and node not in operands:
                operands.append(node)
                rows *= size
        if not operands and pool is self.numerical:
            return None
        results = tuple(self.noise.randint(0, 3) for _ in range(rows))
        domains = tuple(self.domain(o) for o in operands)
        return self.builder.add(Map(Table(domains, results)), operands)

    def relu(self) -> Node:
        operands = [self.numerical[self.pick(len(self.numerical))] for _ in range(1 + self.pick(2))]

        def weights(n: int) -> tuple[float, ...]:
            return tuple(float(np.float32(self.noise.gauss(0, 1))) for _ in range(n))

        hidden, outputs = 3, 2 + self.pick(2)
        function = ReluFunction(
            tuple(weights(len(operands)) for _ in range(hidden)),
            weights(hidden),
            tuple(weights(hidden) for _ in range(outputs)),
            weights(outputs),
        )
        return self.builder.add(Map(function), operands)

    def readout(self, labels: tuple[Value, ...], *, pooled: bool) -> Node:
        features, weights = [], []
        for node in dict.fromkeys([*self.categorical, *self.numerical]):
            if self.pick(3) == 0:
                continue
            features.append(node)
            if node in self.numerical:
                weights.append(NumberWeights(self.row(labels)))
            else:
                rows = tuple(self.row(labels) for _ in self.domain(node))
                weights.append(TableWeights(self.domain(node), rows))
        op = Classify(labels, self.row(labels), tuple(weights))
        if pooled:
            over = Pool.FIRST if self.builder.header.causal else Pool.ALL
            return self.builder.add(ClassifyPooled(op.labels, op.bias, op.weights, over), features)
        return self.builder.add(op, features)

    def row(self, labels: tuple[Value, ...]) -> tuple[float, ...]:
        return tuple(float(np.float32(self.noise.gauss(0, 1))) for _ in labels)


@st.composite
def transformer_programs(draw: st.DrawFn, *, max_nodes: int = 6, max_context: int = 4) -> Program:
    """A verified program of heads, tables and a readout, as a Transformer Program computes them.

    Not in the normal form of lowering: tables may ignore an argument, relations a query.
    """

    def pick(n: int) -> int:
        return draw(st.integers(0, n - 1)) if n > 1 else 0

    vocabulary = (("a", "b"), ("<s>", "0", "1", "</s>"), ("a",))[pick(3)]
    masked = pick(2) == 0
    labels: tuple[Value, ...] = ("<pad>", "A", "B", "C")
    header = Header(vocabulary, 1 + pick(max_context), pick(3) == 2, labels)
    noise = random.Random(draw(st.integers(0, 2**32 - 1)))
    kind = pick(4)
    maker = _Maker(pick, noise, Builder(header), scored=kind == 3, sets=kind in (1, 2))
    maker.categorical += [maker.builder.add(Tokens()), maker.builder.add(Indices())]
    for _ in range(1 + pick(max_nodes)):
        kind = pick(6)
        if kind in (0, 4):
            maker.categorical.append(maker.head())
        elif kind == 1:
            maker.numerical.append(maker.count())
        elif kind == 2:
            made = maker.table(maker.categorical)
            assert made is not None
            maker.categorical.append(made)
        elif kind == 3 and maker.numerical:
            finite = [n for n in maker.numerical if not isinstance(n.type, Real)]
            made = maker.table(finite) if finite and pick(2) == 0 else maker.relu()
            maker.categorical.extend([made] if made is not None else [])
        else:
            maker.numerical.append(maker.embedding())
    output = maker.readout(labels[1:] if masked else labels, pooled=pick(5) == 4)
    program = maker.builder.build({"output": output})
    verify(program)
    return program
