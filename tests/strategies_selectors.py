"""Hypothesis strategies for programs about selectors: comparisons combined, and what reads them.

``selector_programs()`` draws few columns, so that the same comparison comes up again in a selector:
contradictions, repeats and the selectors people write (sort, rank in a group, all but oneself).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.functions import Relation, Table
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Selector, Width, number_bounds, values_of
from tpir.ir.values import Value, sorted_values
from tpir.ir.verify import verify

VOCABULARIES: tuple[tuple[Value, ...], ...] = (
    ("a", "b", "c"),
    ("a", "b"),
    (0, 1, 2),
    (False, True),
    (1, 1.0, True),
    ("a", 1),
)
PALETTES: tuple[tuple[Value, ...], ...] = (
    (0, 1, 2),
    ("a", "b"),
    (True, False),
    (0.5, -1.25, 3.0),
    (0.1, 0.7, 1e17),
    (True, 1, 0.5),
    ("a", 1),
)
COMPARISONS = [BinaryOp(sign) for sign in ("==", "<", "!=", "<=", ">", ">=")]


@dataclass
class _Maker:
    pick: Callable[[int], int]
    """An integer from 0 to n - 1."""
    builder: Builder
    columns: list[Node] = field(default_factory=list)
    selectors: list[Node] = field(default_factory=list)

    def one(self, options: Sequence[Node]) -> Node:
        return options[self.pick(len(options))]

    def fits(self, op: Op, operands: list[Node]) -> bool:
        try:
            infer(op, [o.type for o in operands], self.builder.header.surroundings)
        except TypeProblem:
            return False
        return True

    def add_column(self) -> None:
        tokens, indices = self.columns[:2]
        kind = self.pick(6)
        if kind < 3:
            palette = PALETTES[self.pick(len(PALETTES))]
            domain = values_of(tokens.type) or ()
            results = tuple(palette[self.pick(len(palette))] for _ in domain)
            node = self.builder.add(Map(Table((domain,), results)), [tokens])
        elif kind == 3:
            shift = (1, -1, 2)[self.pick(3)]
            node = self.builder.add(
                Map(Binary(BinaryOp.ADD, Argument(0), Literal(shift))), [indices]
            )
        elif kind == 4:
            palette = (0, 1, "a", True, 0.5)
            node = self.builder.add(Map(Literal(palette[self.pick(len(palette))])), [])
        else:
            halves = Map(Binary(BinaryOp.DIVIDE, Argument(0), Literal((2, 3)[self.pick(2)])))
            node = self.builder.add(halves, [indices])
        self.columns.append(node)

    def add_comparison(self) -> Node:
        """Often of a column with itself, or of positions."""
        if self.pick(3) == 0:
            keys = queries = self.columns[1]
        elif self.pick(2) == 0:
            keys = queries = self.one(self.columns)
        else:
            keys, queries = self.one(self.columns), self.one(self.columns)
        op = Select(Comparison(COMPARISONS[self.pick(len(COMPARISONS))]))
        if not self.fits(op, [keys, queries]):
            op = Select(Comparison(BinaryOp.EQUAL))
        return self.builder.add(op, [keys, queries])

    def add_relation(self) -> Node:
        keys, queries = self.one(self.columns), self.one(self.columns)
        domain, asked = values_of(keys.type), values_of(queries.type)
        if domain is None or asked is None:
            return self.add_comparison()
        most = 1 + self.pick(2)
        rows = tuple(
            sorted_values(domain[self.pick(len(domain))] for _ in range(self.pick(most + 1)))
            for _ in asked
        )
        return self.builder.add(Select(Relation(asked, rows)), [keys, queries])

    def add_choice(self) -> Node:
        op = Choose(
            list(Preference)[self.pick(3)], None, (Otherwise.FIRST, Otherwise.NONE)[self.pick(2)]
        )
        return self.builder.add(op, [self.selector()])

    def selector(self) -> Node:
        if self.selectors and self.pick(2):
            return self.one(self.selectors[-3:])
        return self.add_selector(1)

    def add_selector(self, depth: int) -> Node:
        kind = self.pick(12) if depth else self.pick(6)
        if kind < 4:
            node = self.add_comparison()
        elif kind == 4:
            node = self.add_relation()
        elif kind == 5 and (depth == 0 or not self.selectors):
            node = self.builder.add(Select(Always(self.pick(2) == 0)), self.columns[:2])
        elif kind == 5:
            node = self.add_choice()
        elif kind == 6:
            node = self.builder.add(Not(), [self.add_selector(depth - 1)])
        else:
            left, right = self.add_selector(depth - 1), self.add_selector(depth - 1)
            node = self.builder.add(And() if kind < 10 else Or(), [left, right])
        self.selectors.append(node)
        return node

    def add_reader(self) -> Node:
        kind = self.pick(5)
        selector = self.selector()
        values = self.one(self.columns)
        if kind == 4 and isinstance(selector.type, Selector):
            selector = self.add_choice()
        assert isinstance(selector.type, Selector)
        if kind == 1 and number_bounds(values.type) is not None:
            return self.builder.add(AggregateSum(), [selector, values])
        if kind >= 2:
            default = None if selector.type.width is Width.ONE else (0, "none", 0.5)[self.pick(3)]
            if self.fits(Aggregate(default), [selector, values]):
                return self.builder.add(Aggregate(default), [selector, values])
        return self.builder.add(SelectorWidth(), [selector])


@st.composite
def selector_programs(draw: st.DrawFn, *, max_context: int = 4, depth: int = 3) -> Program:
    """A verified program over a small vocabulary."""
    return make_program(lambda n: draw(st.integers(0, n - 1)) if n > 1 else 0, max_context, depth)


def make_program(pick: Callable[[int], int], max_context: int, depth: int) -> Program:
    """A verified program; ``pick(n)`` gives an integer from 0 to n - 1."""
    vocabulary = VOCABULARIES[pick(len(VOCABULARIES))]
    header = Header(vocabulary, max_context - pick(2), causal=pick(3) == 2)
    maker = _Maker(pick, Builder(header))
    maker.columns += [maker.builder.add(Tokens()), maker.builder.add(Indices())]
    for _ in range(1 + pick(3)):
        maker.add_column()
    outputs = {}
    for k in range(1 + pick(2)):
        maker.add_selector(depth)
        for reader in range(1 + pick(3)):
            outputs[f"out{k}{reader}"] = maker.add_reader()
        if pick(2):
            maker.columns.append(outputs[f"out{k}0"])
    program = maker.builder.build(outputs)
    verify(program)
    return program
