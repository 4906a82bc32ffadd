"""Hypothesis strategies for well-typed programs.

``programs()`` reaches every op and every type. Structure (which op, which operands) is drawn, so it
shrinks; the rows of tables and weights come from a drawn seed, so drawing stays cheap.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from tpir.ir.builder import Builder
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    IfElse,
    ListIndex,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import (
    NumberWeights,
    Relation,
    ReluFunction,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Pool,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import (
    Pooled,
    Selector,
    Width,
    is_mixed,
    number_bounds,
    size_of,
    values_of,
)
from tpir.ir.values import Value, sorted_values
from tpir.ir.verify import verify

VOCABULARIES: tuple[tuple[Value, ...], ...] = (
    ("a", "b"),
    ("a", "b", "c"),
    ("<s>", "0", "1", "</s>"),
    ("a",),
    (0, 1, 2),
    (1, True, 1.0, "1"),
    ("it's", 'say "hi"', "back\\slash", "é\n"),
    (False, True),
    (0.5, -1.5, 2),
    ("12", "3", "x"),
)
PALETTES: tuple[tuple[Value, ...], ...] = (
    ("x", "y", "z"),
    (0, 1, 2, 3),
    (-2, 5),
    (False, True),
    (0.5, -0.25, 3.0, 0.0),
    (1, True, 1.0, "1"),
    ("x",),
    (0,),
    (0.1, 0.2, 0.3, 1e-7),
    ("x", 1, 2),
)
FLOATS = (0.5, -0.25, 1.0, 0.0, -3.0, 0.1, 2.5, 1e-3)
MAX_ROWS = 64


@dataclass
class _Maker:
    """Grows one program; every choice of structure goes through ``pick``."""

    pick: Callable[[int], int]
    """An integer from 0 to n - 1."""
    noise: random.Random
    builder: Builder
    sequences: list[Node] = field(default_factory=list)
    selectors: list[Node] = field(default_factory=list)

    def one(self, options: tuple[object, ...] | list[object]) -> object:
        return options[self.pick(len(options))]

    def sequence(self, fits: Callable[[Node], bool] = lambda node: True) -> Node:
        fitting = [node for node in self.sequences if fits(node)] or self.sequences[:2]
        return fitting[self.pick(len(fitting))]

    def finite(self, limit: int = MAX_ROWS) -> Node:
        return self.sequence(lambda n: (size_of(n.type) or limit + 1) <= limit)

    def number(self) -> Node | None:
        node = self.sequence(lambda n: number_bounds(n.type) is not None)
        return node if number_bounds(node.type) is not None else None

    def selector(self) -> Node:
        if not self.selectors or self.pick(4) == 0:
            return self.add_select()
        return self.selectors[-1 - self.pick(min(3, len(self.selectors)))]

    def add(self, op: Op, operands: list[Node]) -> Node:
        node = self.builder.add(op, operands)
        (self.selectors if isinstance(node.type, Selector) else self.sequences).append(node)
        return node

    def fits(self, op: Op, operands: list[Node]) -> bool:
        try:
            infer(op, [o.type for o in operands], self.builder.header.surroundings)
        except TypeProblem:
            return False
        return True

    def shuffled(self, first: Node, second: Node) -> tuple[Node, Node]:
        return (first, second) if self.pick(2) == 0 else (second, first)

    def palette(self) -> tuple[Value, ...]:
        return PALETTES[self.pick(len(PALETTES))]

    # one method for each kind of node

    def add_table(self) -> Node:
        operands, rows = [], 1
        for _ in range((1, 2, 0, 1, 2, 3)[self.pick(6)]):
            node = self.finite()
            size = size_of(node.type) or MAX_ROWS + 1
            if rows * size <= MAX_ROWS:
                operands.append(node)
                rows *= size
        palette = self.palette()
        domains = tuple(values_of(o.type) or () for o in operands)
        results = tuple(self.noise.choice(palette) for _ in range(rows))
        return self.add(Map(Table(domains, results)), operands)

    def add_expression(self) -> Node:
        operands = [self.sequence() for _ in range(1 + self.pick(2))]
        for _ in range(4):
            op = Map(self.expression(len(operands), 2))
            if self.fits(op, operands):
                return self.add(op, operands)
        return self.add(Map(Binary(BinaryOp.EQUAL, Argument(0), Literal(1))), operands)

    def expression(self, arity: int, depth: int) -> Expression:
        kind = self.pick(9) if depth else self.pick(2)
        if kind == 0:
            return Argument(self.pick(arity))
        if kind == 1:
            return Literal(self.one(self.palette()))
        if kind == 2:
            op = list(UnaryOp)[self.pick(len(UnaryOp))]
            return Unary(op, self.expression(arity, depth - 1))
        if kind == 8:
            return self.indexed(self.expression(arity, depth - 1))
        left, right = self.expression(arity, depth - 1), self.expression(arity, depth - 1)
        if kind == 3:
            condition = Binary(BinaryOp.LESS_EQUAL, Argument(self.pick(arity)), Literal(1))
            return IfElse(left, condition, right)
        return Binary(list(BinaryOp)[self.pick(len(BinaryOp))], left, right)

    def indexed(self, index: Expression) -> Expression:
        items = tuple(self.noise.choice(self.palette()) for _ in range(1 + self.pick(4)))
        if self.pick(2) == 0:
            return ListIndex(items, index)
        keys = tuple(dict.fromkeys((0, "a", True, 1.0, "x", 2)[: len(items)]))
        return DictIndex(keys, items[: len(keys)], index)

    def add_uniform(self) -> Node:
        """A sequence checked for mixing words with other values, often one that can."""
        return self.add(Uniform(), [self.sequence(lambda n: is_mixed(n.type))])

    def add_relu(self) -> Node:
        node = self.number()
        if node is None:
            return self.add_table()
        operands = [node, *([node] if self.pick(3) == 0 else [])]
        hidden, outputs = 1 + self.pick(3), 1 + self.pick(3)

        def weights(n: int) -> tuple[float, ...]:
            return tuple(float(np.float32(self.noise.gauss(0, 1))) for _ in range(n))

        function = ReluFunction(
            tuple(weights(len(operands)) for _ in range(hidden)),
            weights(hidden),
            tuple(weights(hidden) for _ in range(outputs)),
            weights(outputs),
        )
        return self.add(Map(function), operands)

    def add_failing(self) -> Node:
        """What fails on some inputs, or would if the program were less careful."""
        node = self.sequence(lambda n: number_bounds(n.type) is not None)
        mixed = IfElse(Literal("a"), Binary(BinaryOp.EQUAL, Argument(0), Literal(0)), Literal(1))
        for function in (
            Binary(BinaryOp.DIVIDE, Literal(1), Argument(0)),
            Binary(BinaryOp.MODULO, Argument(0), Argument(0)),
            Binary(BinaryOp.LESS, mixed, Literal(1)),
        )[self.pick(3) :]:
            if self.fits(Map(function), [node]):
                return self.add(Map(function), [node])
        return self.add(Map(mixed), [node])

    def add_from_failing_selector(self) -> Node:
        """What reads a selector that holds everything, nothing or the like, and can fail."""
        keys, queries = self.shuffled(self.add_failing(), self.sequence())
        predicates = (Always(True), Always(False), Comparison(BinaryOp.EQUAL))
        selector = self.add(Select(predicates[self.pick(3)]), [keys, queries])
        kind = self.pick(4)
        if kind == 0:
            return self.add(Aggregate(), [self.add(Choose(), [selector]), self.sequence()])
        if kind == 1:
            return self.add(SelectorWidth(), [self.add(Not(), [selector])])
        op = And() if kind == 2 else Or()
        both = [selector, self.add_select()][:: 1 - 2 * self.pick(2)]
        return self.add(SelectorWidth(), [self.add(op, both)])

    def add_select(self) -> Node:
        keys, queries = self.sequence(), self.sequence()
        if self.pick(3) == 2:
            keys, queries = self.shuffled(self.add_failing(), self.sequence())
        kind = self.pick(4)
        if kind == 0:
            op = Select(Always(self.pick(2) == 0))
            return self.add(op, [keys, queries])
        if kind == 1:
            comparisons = [o for o in BinaryOp if o.value in ("==", "!=", "<", "<=", ">", ">=")]
            op = Select(Comparison(comparisons[self.pick(len(comparisons))]))
            if self.fits(op, [keys, queries]):
                return self.add(op, [keys, queries])
        return self.add_relation(keys, queries, one_hot=kind == 2)

    def add_relation(self, keys: Node, queries: Node, *, one_hot: bool) -> Node:
        keys, queries = (
            node if (size_of(node.type) or MAX_ROWS + 1) <= MAX_ROWS else self.finite()
            for node in (keys, queries)
        )
        domain = values_of(keys.type) or (0,)
        pool: list[Value] = [*domain, "elsewhere"]
        asked = values_of(queries.type) or (0,)
        most = 1 if one_hot else 3
        rows = tuple(
            sorted_values(self.noise.sample(pool, min(len(pool), self.noise.randint(0, most))))
            for _ in asked
        )
        return self.add(Select(Relation(asked, rows)), [keys, queries])

    def add_logic(self) -> Node:
        op = (And(), Or(), Not())[self.pick(3)]
        operands = [self.selector()] + ([] if isinstance(op, Not) else [self.selector()])
        return self.add(op, operands)

    def add_choose(self) -> Node:
        selector = self.selector()
        context = self.builder.header.context
        offsets = tuple(
            self.noise.sample(range(1 - context, context), self.noise.randint(0, context))
        )
        order = (*Preference, offsets)[self.pick(4)]
        otherwise = (Otherwise.FIRST, Otherwise.NONE)[self.pick(2)]
        if self.pick(4):
            return self.add(Choose(order, None, otherwise), [selector])
        keys, queries = self.finite(8), self.finite(8)
        columns, rows = values_of(keys.type) or (0,), values_of(queries.type) or (0,)
        scores = tuple(tuple(self.noise.choice((0, 1, 2, 0.5)) for _ in columns) for _ in rows)
        score = ScoreTable(rows, columns, scores)
        return self.add(Choose(order, score, otherwise), [selector, keys, queries])

    def add_aggregate(self) -> Node:
        selector, values = self.selector(), self.sequence()
        assert isinstance(selector.type, Selector)
        default = None if selector.type.width is Width.ONE else self.one(self.palette())
        op = Aggregate(default)
        if self.fits(op, [selector, values]):
            return self.add(op, [selector, values])
        return self.add(SelectorWidth(), [selector])

    def add_sum(self) -> Node:
        selector, values = self.selector(), self.number()
        if values is None:
            return self.add(SelectorWidth(), [selector])
        return self.add(AggregateSum(), [selector, values])

    def add_width(self) -> Node:
        return self.add(SelectorWidth(), [self.selector()])

    def add_readout(self, *, pooled: bool) -> Node:
        labels: tuple[Value, ...] = ("A", "B", "C", 0)[: 1 + self.pick(4)]
        features, weights = [], []
        for _ in range(self.pick(4)):
            node = self.sequence()
            small = (size_of(node.type) or MAX_ROWS + 1) <= MAX_ROWS
            domain = values_of(node.type) if small else None
            if domain is not None:
                features.append(node)
                weights.append(TableWeights(domain, tuple(self.row(labels) for _ in domain)))
            elif number_bounds(node.type) is not None:
                features.append(node)
                weights.append(NumberWeights(self.row(labels)))
        bias = self.row(labels)
        if pooled:
            over = (Pool.ALL, Pool.FIRST)[self.pick(2)]
            op: Op = ClassifyPooled(labels, bias, tuple(weights), over)
        else:
            op = Classify(labels, bias, tuple(weights))
        if pooled:
            return self.builder.add(op, features)
        return self.add(op, features)

    def row(self, labels: tuple[Value, ...]) -> tuple[float, ...]:
        return tuple(self.noise.choice(FLOATS) for _ in labels)


@st.composite
def programs(
    draw: st.DrawFn, *, max_nodes: int = 10, max_context: int = 4, may_pool: bool = True
) -> Program:
    """A verified program of any shape. Inputs: every sequence over its small vocabulary."""

    def pick(n: int) -> int:
        return draw(st.integers(0, n - 1)) if n > 1 else 0

    vocabulary = VOCABULARIES[pick(len(VOCABULARIES))]
    header = Header(vocabulary, 1 + pick(max_context), causal=pick(3) == 2, labels=())
    maker = _Maker(pick, random.Random(draw(st.integers(0, 2**32 - 1))), Builder(header))
    maker.add(Tokens(), [])
    maker.add(Indices(), [])
    steps: list[Callable[[], Node]] = [
        maker.add_aggregate,
        maker.add_table,
        maker.add_select,
        maker.add_expression,
        maker.add_choose,
        maker.add_sum,
        maker.add_width,
        maker.add_logic,
        maker.add_relu,
        lambda: maker.add_readout(pooled=False),
        maker.add_aggregate,
        maker.add_expression,
        maker.add_logic,
        maker.add_sum,
        maker.add_from_failing_selector,
        maker.add_uniform,
    ]
    for _ in range(1 + pick(max_nodes)):
        steps[pick(len(steps))]()
    last = maker.sequences[::-1][:4]
    outputs = {f"out{k}": last[pick(len(last))] for k in range(1 + pick(2))}
    if may_pool and pick(6) == 5:
        outputs["pooled"] = maker.add_readout(pooled=True)
    program = maker.builder.build(outputs)
    verify(program)
    return program


def has_pooled_output(program: Program) -> bool:
    """Whether some output is one label for the whole input."""
    return any(isinstance(node.type, Pooled) for node in program.outputs.values())
