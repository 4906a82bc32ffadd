"""Random programs of exactly so many nodes, as users write them: all values stay few and small.

Each family grows in its own way; every node reaches the one output. With a seed a program is always
the same.

- ``random``: operands from all that is there. Tables, sums, means, counts, copies; selectors that
  compare or relate, and ``and``, ``or`` and ``not`` of them.
- ``deep sharing``: each node reads the one before it and the one before that (x_k+1 = f(x_k,
  x_k-1)), maps and heads by turns. Written out as a tree it is exponential in its nodes.
- ``heads``: each head compares and copies what the head before it made.
- ``counts``: each head counts what the head before it counted.

Most tables are Latin squares: what goes in can be told from what comes out, so that deep programs
do not end in constants.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, IfElse, Literal
from tpir.ir.functions import Relation, Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
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
from tpir.ir.types import Integer, values_of
from tpir.ir.values import Value, sorted_values

VOCABULARY = ("a", "b", "c", "d")
CONTEXT = 8
WORDS, NUMBERS = ("a", "b", "c", "d"), (0, 1, 2, 3)
PALETTES: tuple[tuple[Value, ...], ...] = (WORDS, NUMBERS, (0, 1, 2), (False, True))
MOST_VALUES = 9
"""What is compared and put into tables has no more values; sums and means are brought down."""
STEP = 7
"""Nodes of a step at most: two selects, ``or``, ``not``, a choice, a copy, and one to join it."""


class Grower:
    """Adds nodes until there are ``size``, of which all but the last have users."""

    def __init__(self, size: int, noise: random.Random) -> None:
        self.noise, self.size, self.count = noise, size, 0
        self.builder = Builder(Header(VOCABULARY, CONTEXT))
        self.sequences: list[Node] = []
        self.selectors: list[Node] = []
        self.unused: dict[Node, None] = {}
        self.tokens = self.add(Tokens())
        self.indices = self.add(Indices())

    def add(self, op: Op, *operands: Node) -> Node:
        node = self.builder.add(op, operands, name=f"v{self.count}")
        self.count += 1
        for operand in operands:
            self.unused.pop(operand, None)
        if isinstance(op, Select | And | Or | Not | Choose):
            return node
        self.unused[node] = None
        self.sequences.append(node)
        return node

    @property
    def room(self) -> int:
        """Nodes to come, but for those that join what has no user yet."""
        return self.size - self.count - (len(self.unused) - 1)

    def finish(self) -> Program:
        """Join what has no user, oldest first, and fill up."""
        while len(self.unused) > 1:
            left, right, *_ = self.unused
            self.latin(left, right)
        while self.count < self.size:
            self.latin(self.sequences[-1], self.tokens)
        return self.builder.build({"out": self.sequences[-1]})

    def one(self, fits: Callable[[Node], bool] = lambda _: True) -> Node:
        """Any sequence of few values that fits; positions always do."""
        few = [n for n in self.sequences if 0 < len(values_of(n.type) or ()) <= MOST_VALUES]
        return self.noise.choice([node for node in few if fits(node)])

    def number(self) -> Node:
        return self.one(lambda node: isinstance(node.type, Integer))

    def latin(self, left: Node, right: Node, palette: tuple[Value, ...] = WORDS) -> Node:
        """(p(left) + q(right)) mod the size of the palette, for random orders p and q."""
        domains = [values_of(node.type) or () for node in (left, right)]
        p, q = (self.noise.sample(range(len(d)), len(d)) for d in domains)
        results = tuple(palette[(a + b) % len(palette)] for a in p for b in q)
        return self.add(Map(Table(tuple(domains), results)), left, right)

    def table(self, *operands: Node) -> Node:
        palette = self.noise.choice(PALETTES)
        domains = [values_of(node.type) or () for node in operands]
        table = Table.tabulate(domains, lambda *_: self.noise.choice(palette))
        return self.add(Map(table), *operands)

    def with_itself(self, node: Node) -> Node:
        """A table of a node and itself: where both are the same, a random order of its values."""
        domain = values_of(node.type) or ()
        order = dict(zip(domain, self.noise.sample(domain, len(domain)), strict=True))
        both = Table.tabulate(
            [domain, domain],
            lambda a, b: order[a] if a == b else self.noise.choice(domain),
        )
        return self.add(Map(both), node, node)

    def select(self, keys: Node, queries: Node) -> Node:
        """By equality, or by a random relation."""
        if self.noise.random() < 0.5:
            return self.add(Select(Comparison(BinaryOp.EQUAL)), keys, queries)
        domain, asked = values_of(keys.type) or (), values_of(queries.type) or ()
        rows = tuple(
            sorted_values(tuple(v for v in domain if self.noise.random() < 0.4)) for _ in asked
        )
        return self.add(Select(Relation(asked, rows)), keys, queries)

    def selector(self) -> Node:
        """One that is there already, a new one, or a combination of new ones."""
        kind = self.noise.choice(("old", "old", "select", "select", "and", "or", "not", "nor"))
        if kind == "old" and self.selectors:
            return self.noise.choice(self.selectors)
        found = self.select(self.one(), self.one())
        if kind in ("and", "or", "nor"):
            other = self.select(self.one(), self.one())
            found = self.add(And() if kind == "and" else Or(), found, other)
        if kind in ("not", "nor"):
            found = self.add(Not(), found)
        self.selectors.append(found)
        return found

    def copy(self, selector: Node, values: Node) -> Node:
        """What one of the selected keys holds, or the first value of its domain."""
        order = self.noise.choice(tuple(Preference))
        chosen = self.add(Choose(order, None, Otherwise.NONE), selector)
        return self.add(Aggregate((values_of(values.type) or ())[0]), chosen, values)

    def mean(self) -> Node:
        mean = self.add(Aggregate(0), self.selector(), self.number())
        return self.add(Map(Binary(BinaryOp.LESS, Argument(0), Literal(1))), mean)

    def sum(self) -> Node:
        total = self.add(AggregateSum(), self.selector(), self.number())
        return self.add(Map(Binary(BinaryOp.MODULO, Argument(0), Literal(3))), total)

    def added(self) -> Node:
        plus = Binary(BinaryOp.ADD, Argument(0), Argument(1))
        return self.add(
            Map(Binary(BinaryOp.MODULO, plus, Literal(4))), self.number(), self.number()
        )

    def either(self) -> Node:
        """``x if n == 1 else y``."""
        condition = Binary(BinaryOp.EQUAL, Argument(2), Literal(1))
        gate = IfElse(Argument(0), condition, Argument(1))
        return self.add(Map(gate), self.number(), self.number(), self.number())


def random_program(size: int, noise: random.Random) -> Program:
    """See the family ``random``."""
    grower = Grower(size, noise)
    steps: tuple[Callable[[], Node], ...] = (
        lambda: grower.table(grower.one()),
        lambda: grower.table(grower.one(), grower.one()),
        lambda: grower.latin(grower.one(), grower.one(), noise.choice(PALETTES)),
        grower.added,
        grower.either,
        grower.mean,
        grower.sum,
        lambda: grower.add(SelectorWidth(), grower.selector()),
        lambda: grower.copy(grower.selector(), grower.one()),
    )
    while grower.room > STEP:
        noise.choice(steps)()
    return grower.finish()


def deep_sharing(size: int, noise: random.Random) -> Program:
    """See the family ``deep sharing``."""
    grower = Grower(size, noise)
    x, before = grower.latin(grower.tokens, grower.indices), grower.tokens
    while grower.room >= 5:
        kind = noise.choice(("map", "map", "same", "copy", "count"))
        if kind == "same":
            x = grower.with_itself(x)
            continue
        after = x
        if kind == "copy":
            after = grower.latin(grower.copy(grower.select(before, x), x), x)
        elif kind == "count":
            after = grower.latin(grower.add(SelectorWidth(), grower.select(x, before)), x)
        x, before = grower.latin(after, before), x  # from which both can be told, given the rest
    return grower.finish()


def heads(size: int, noise: random.Random) -> Program:
    """See the family ``heads``."""
    grower = Grower(size, noise)
    x = grower.latin(grower.tokens, grower.indices)
    while grower.room >= 4:
        x = grower.latin(grower.copy(grower.select(x, grower.tokens), x), x)
    return grower.finish()


def counts(size: int, noise: random.Random) -> Program:
    """See the family ``counts``."""
    grower = Grower(size, noise)
    x = grower.latin(grower.tokens, grower.indices)
    while grower.room >= 3:
        x = grower.latin(grower.add(SelectorWidth(), grower.select(x, x)), x)
    return grower.finish()


FAMILIES: dict[str, Callable[[int, random.Random], Program]] = {
    "random": random_program,
    "deep sharing": deep_sharing,
    "heads": heads,
    "counts": counts,
}


def program(family: str, size: int, seed: int) -> Program:
    """A program of a family with exactly ``size`` nodes."""
    return FAMILIES[family](size, random.Random(f"{family} {size} {seed}"))
