"""Programs in the forms that heads and MLPs have a place for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np

from tpir.backends.transformer.domains import MAX_ROWS, Domains
from tpir.backends.transformer.fitting import fitted
from tpir.backends.transformer.fusing import fused
from tpir.backends.transformer.labels import labels_of
from tpir.backends.transformer.ratios import Ratio, ratio_of
from tpir.backends.transformer.selection import (
    MAX_PAIRS,
    Bools,
    ChosenKey,
    Conjunction,
    Pair,
    Polynomial,
    Selections,
    TooManyTerms,
)
from tpir.backends.transformer.summands import summands
from tpir.backends.transformer.tables import affine_form, weighted
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    Failure,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import (
    Domain,
    Relation,
    ReluFunction,
    Table,
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
    Op,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Uniform,
    offsets_of,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Bool, Real, Selector, Width, number_bounds, values_of
from tpir.ir.values import Value, is_number, sorted_values, value_key

NOTHING = "<nothing>"
"""What stands for "no key was selected" where two heads are put together."""

MOST_SUMMANDS = 64
"""A sum of fractions takes a head for each of them."""


def refusal(node: Node, why: str) -> TpirError:
    """The error for a node that the weights cannot compute exactly."""
    span = node.origin.span if node.origin else None
    return TpirError(f"{node.name} cannot be compiled to a Transformer: {why}", span=span)


class Legaliser:
    """Rewrites a program; ``domains`` and ``selections`` then know the new nodes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.builder = Builder(program.header, share=True)
        self.domains = Domains(program.context, self.is_mean)
        self.selections = Selections(self._finite, self.domains.root, self._indices, program.causal)
        self.outputs = frozenset(program.outputs.values())
        self.new: dict[Node, Node] = {}

    def run(self) -> Program:
        """The program of forms with a place. Raises TpirError, naming the node."""
        for node in self.program.live:
            operands = tuple(self.new[operand] for operand in node.operands)
            try:
                self.new[node] = self._rewrite(node, operands)
            except Failure as failure:
                raise refusal(node, f"it can fail: {failure.kind}") from failure
        return self.builder.build({n: self.new[o] for n, o in self.program.outputs.items()})

    def _rewrite(self, node: Node, operands: tuple[Node, ...]) -> Node:
        match node.op:
            case Uniform():  # where it fails, any values will do
                return operands[0]
            case Aggregate(default):
                return self._aggregate(node, default, operands)
            case AggregateSum():
                return self._sum(node, operands)
            case SelectorWidth():
                return self._width(node, operands[0])
            case Classify() if self.program.users[node]:
                return self._labels(node, operands)
            case ClassifyPooled() if self.program.users[node]:
                raise refusal(node, "its label is used inside the program, and sums all positions")
        ratio = ratio_of(node, self.new, self.program.causal)
        if ratio is not None and (mean := self._ratio(node, ratio)) is not None:
            return mean
        new = self._add(node, node.op, *operands)
        for operand in node.operands:
            if self._is_inner(operand) and (found := fused(self.domains, new, self.new[operand])):
                new = self._add(node, Map(found.table), *found.operands)
        return new

    def _is_inner(self, node: Node) -> bool:
        """Whether a node has a single reader."""
        return len(self.program.users[node]) == 1 and node not in self.outputs

    def _add(self, old: Node, op: Op, *operands: Node, suffix: str = "") -> Node:
        new = self.builder.add(
            fitted(op, operands), operands, name=old.name + suffix, origin=old.origin
        )
        if not isinstance(new.type, Selector):
            self.domains(new)  # operands first: a deep program is no deep recursion
        return new

    def _map(self, old: Node, expression: Expression, *operands: Node, suffix: str = "") -> Node:
        return self._add(old, Map(expression), *operands, suffix=suffix)

    def _finite(self, node: Node) -> Domain:
        found = self.domains(node)
        if found is None:
            raise refusal(node, f"a selector compares it, and it is {node.type}: no finite values")
        return found

    def terms(self, user: Node, selector: Node) -> Polynomial:
        """The conjunctions of a selector. Raises TpirError if they are too many."""
        try:
            return self.selections.terms(selector)
        except ChosenKey as error:
            raise refusal(user, f"{selector.name} combines a chosen key with others") from error
        except TooManyTerms as error:
            raise refusal(user, f"{selector.name} combines too many selectors") from error

    def _aggregate(self, node: Node, default: Value | None, operands: tuple[Node, ...]) -> Node:
        chosen, values = operands
        if default is not None and self._is_nothing(node, chosen):
            return self._map(node, Literal(default))
        if not isinstance(chosen.op, Choose):
            selector = self._conjunctive(node, chosen)
            if isinstance(default, str) and self._may_be_mean(selector, values):
                return self._mean_or_word(node, default, selector, values)
            return self._add(node, Aggregate(default), selector, values)
        selector = self._conjunctive(node, chosen.operands[0])
        op, scored = chosen.op, chosen.operands[1:]
        if op.otherwise is Otherwise.NONE or self._needs_no_otherwise(op, selector):
            chosen = self._add(chosen, op, selector, *scored)
            return self._add(node, Aggregate(default), chosen, values)
        maybe = Choose(op.order, op.score, Otherwise.NONE)
        if values_of(values.type) is None:
            raise refusal(node, f"{values.name} is {values.type}, and nothing may be selected")
        chosen = self._add(chosen, maybe, selector, *scored)
        found = self._add(node, Aggregate(NOTHING), chosen, values, suffix="_found")
        every = self._add(node, Select(Always(True)), self._indices(), self._indices())
        leftmost = self._add(node, Choose(Preference.FIRST), every)
        first = self._add(node, Aggregate(), leftmost, values, suffix="_first")
        domains = (values_of(found.type) or (), values_of(first.type) or ())
        table = Table.tabulate(domains, lambda value, other: other if value == NOTHING else value)
        return self._add(node, Map(table), found, first)

    def _labels(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """A readout that the program reads itself: a table of its features together."""
        listed = [self._listed(operand) for operand in operands]
        sizes = [len(self._finite(operand)) for operand in listed]
        if math.prod(sizes) > MAX_ROWS:
            raise refusal(node, f"its labels are read, and its features have {sizes} values")
        results = labels_of(node, [self._finite(operand) for operand in operands])
        table = Table(tuple(self._finite(operand) for operand in listed), results)
        return self._add(node, Map(table), *listed)

    def _ratio(self, node: Node, ratio: Ratio) -> Node | None:
        """The mean that a ratio is; None if its readers need its values listed, and cannot."""
        selector = self._conjunctive(node, self.new[ratio.selector])
        values = [self.new[v] for v in ratio.weights]
        number = weighted(tuple(ratio.weights.values()))
        summed = self._map(node, Unary(UnaryOp.FLOAT, number), *values, suffix="_values")
        mean = self._add(node, Aggregate(0.0), selector, summed)
        return mean if self.domains(mean) is not None or not self.program.users[node] else None

    def _is_nothing(self, node: Node, selector: Node) -> bool:
        """Whether nothing is ever selected."""
        if isinstance(selector.op, Choose):
            nothing = selector.op.otherwise is Otherwise.NONE
            return nothing and not self.terms(node, selector.operands[0])
        return not self.terms(node, selector)

    def is_mean(self, node: Node) -> bool:
        """Whether an aggregate may be the mean of several numbers."""
        selector, values = node.operands
        return not isinstance(selector.op, Choose) and self._may_be_mean(selector, values)

    def _may_be_mean(self, selector: Node, values: Node) -> bool:
        if number_bounds(values.type) is None or isinstance(values.type, Bool):
            return False
        terms = self.terms(selector, selector)
        return not (len(terms) == 1 and any(map(_is_one_position, terms[0][1].blocks.items())))

    def _mean_or_word(self, node: Node, default: str, selector: Node, values: Node) -> Node:
        """The mean, a word where nothing is selected."""
        mean = self._add(node, Aggregate(0), selector, values, suffix="_mean")
        count = self._width(node, selector)
        nothing = Binary(BinaryOp.EQUAL, Argument(1), Literal(0))
        return self._map(node, IfElse(Literal(default), nothing, Argument(0)), mean, count)

    def _needs_no_otherwise(self, op: Choose, selector: Node) -> bool:
        """Whether the first position wins where nothing is selected, or something always is."""
        terms = self.terms(selector, selector)
        blocks = len(terms[0][1].blocks) if len(terms) == 1 else 2
        if blocks != 1:
            return blocks == 0
        header = self.program.header
        first = offsets_of(Preference.FIRST, header.context, header.causal)
        return op.score is None and offsets_of(op.order, header.context, header.causal) == first

    def _everything(self, node: Node) -> Node:
        every = (self._indices(), self._indices())
        return self._add(node, Select(Always(True)), *every, suffix="_all")

    def _indices(self) -> Node:
        return self.builder.add(Indices(), name="indices")

    def _width(self, node: Node, selector: Node) -> Node:
        if isinstance(selector.op, Choose):
            if selector.op.otherwise is Otherwise.FIRST:
                return self._map(node, Literal(1))
            count = self._width(node, selector.operands[0])
            return self._map(node, _minimum(Argument(0), Literal(1)), count)
        terms = self.terms(node, selector)
        if len(terms) == 1 and terms[0][0] == 1:
            return self._add(node, SelectorWidth(), self._as_selector(node, terms[0][1]))
        counts = [
            self._add(node, SelectorWidth(), self._as_selector(node, t), suffix=f"_{k + 1}")
            for k, (_, t) in enumerate(terms)
        ]
        return self._weighted(node, [c for c, _ in terms], counts)

    def _weighted(self, node: Node, weights: Sequence[Value], counts: Sequence[Node]) -> Node:
        """The sum of counts, each with its weight."""
        if list(weights) == [1] and not isinstance(node.type, Real):
            return counts[0]
        expression = weighted(weights)
        if isinstance(node.type, Real):
            expression = Unary(UnaryOp.FLOAT, expression)
        return self._map(node, expression, *counts)

    def _as_selector(self, node: Node, term: Conjunction) -> Node:
        """A conjunction as a node."""
        selectors = []
        for (key_node, query_node), matrix in term.blocks.items():
            keys, queries = self._listed(key_node), self._listed(query_node)
            key_values, query_values = self._finite(keys), self._finite(queries)
            rows = tuple(
                tuple(v for v, m in zip(key_values, column, strict=True) if m)
                for column in matrix.T.tolist()
            )
            relation = Relation(query_values, tuple(sorted_values(row) for row in rows))
            selectors.append(self._add(node, Select(relation), keys, queries, suffix="_select"))
        if not selectors:
            return self._everything(node)
        return reduce(lambda a, b: self._add(node, And(), a, b, suffix="_and"), selectors)

    def _sum(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """A sum of whole numbers, bit by bit: each bit is a count of keys."""
        selector, values = operands
        if isinstance(selector.op, Choose):
            return self._aggregate(node, None if _is_one(selector) else 0, operands)
        form = self._added(values)
        if form is not None:
            return self._sum_of_sums(node, selector, values, form)
        domain = self.domains(values)
        if domain is None or not all(map(is_number, domain)):
            raise refusal(node, f"it adds up {values.name}, which has too many values")
        if len(domain) > MOST_SUMMANDS and not all(isinstance(v, int) for v in domain):
            raise refusal(node, f"it adds up {values.name}, {len(domain)} different fractions")
        counts, weights = [], []
        for weight, keys in summands(domain):
            every = len(keys) == len(domain)
            chosen = selector if every else self._having(node, selector, values, keys)
            counts.append(self._width(node, chosen))
            weights.append(weight)
        total = self._weighted(node, weights, counts)
        listed = values_of(node.type)
        if listed is not None:
            self.domains.restrict(total, listed)
        return total

    def _added(self, values: Node) -> tuple[float, ...] | None:
        """Constant and weights, where what is added up is a sum of whole numbers itself."""
        if not isinstance(values.op, Map) or self.domains(values) is not None:
            return None
        if isinstance(values.op.function, Table | ReluFunction):
            return None
        return affine_form(values.op.function, len(values.operands))

    def _sum_of_sums(
        self, node: Node, selector: Node, values: Node, form: tuple[float, ...]
    ) -> Node:
        """The sum of a weighted sum: the weighted sum of sums."""
        counts: list[Node] = []
        weights: list[Value] = []
        if form[0]:
            counts.append(self._width(node, selector))
            weights.append(form[0])
        for operand, weight in zip(values.operands, form[1:], strict=True):
            if weight:
                counts.append(self._sum(node, (selector, operand)))
                weights.append(weight)
        return self._weighted(node, weights, counts)

    def _having(self, node: Node, selector: Node, values: Node, keys: tuple[Value, ...]) -> Node:
        """The selected keys whose value is one of some."""
        positions = values_of(self._indices().type) or ()
        listed = self._listed(values)
        place = dict(zip(map(value_key, self._finite(values)), self._finite(listed), strict=True))
        wanted = sorted_values(tuple(place[value_key(key)] for key in keys))
        relation = Relation(positions, (wanted,) * len(positions))
        has_it = self._add(node, Select(relation), listed, self._indices(), suffix="_having")
        return self._add(node, And(), selector, has_it, suffix="_both")

    def _conjunctive(self, node: Node, selector: Node) -> Node:
        """The selector, as one relation of two new variables where it is no conjunction."""
        terms = self.terms(node, selector)
        if len(terms) == 1 and terms[0][0] == 1:
            return selector if terms[0][1].blocks else self._everything(node)
        if not terms:
            empty = Select(Always(False))
            return self._add(node, empty, self._indices(), self._indices(), suffix="_none")
        pairs = {pair for _, term in terms for pair in term.blocks}
        keys = list(dict.fromkeys(k for k, _ in sorted(pairs, key=lambda p: p[0].name)))
        queries = list(dict.fromkeys(q for _, q in sorted(pairs, key=lambda p: p[1].name)))
        sizes = [math.prod(len(self._finite(n)) for n in side) for side in (keys, queries)]
        if max(sizes) > MAX_ROWS or math.prod(sizes) > MAX_PAIRS:
            raise refusal(node, f"{selector.name} combines variables of {sizes} joint values")
        matrix = self._joint(terms, keys, queries)
        key, key_class = self._classes(node, keys, matrix, "_keys")
        query, query_class = self._classes(node, queries, matrix.T, "_queries")
        rows = []
        for value in values_of(query.type) or ():
            column = matrix[:, query_class.index(value)]
            matched = {key_class[k] for k in np.flatnonzero(column)}
            rows.append(sorted_values(tuple(matched)))
        relation = Relation(values_of(query.type) or (), tuple(rows))
        return self._add(node, Select(relation), key, query, suffix="_select")

    def _listed(self, node: Node) -> Node:
        """The node, or the places of its values in their list, where its type has none."""
        if values_of(node.type) is not None:
            return node
        values = self._finite(node)
        if len(set(values)) < len(values):
            raise refusal(node, "some of its values are equal numbers of different kinds")
        place = DictIndex(values, tuple(range(len(values))), Argument(0))
        return self._map(node, place, node, suffix="_place")

    def _joint(
        self, terms: Polynomial, keys: list[Node], queries: list[Node]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """The selector over joint values [keys, queries]."""
        key_rows = list(product(*(range(len(self._finite(n))) for n in keys)))
        query_rows = list(product(*(range(len(self._finite(n))) for n in queries)))
        k, q = np.array(key_rows), np.array(query_rows)
        count = np.zeros((len(k), len(q)), dtype=np.int64)
        for coefficient, term in terms:
            holds = np.ones(count.shape, dtype=bool)
            for (key, query), block in term.blocks.items():
                holds &= block[np.ix_(k[:, keys.index(key)], q[:, queries.index(query)])]
            count += coefficient * holds
        return count > 0

    def _classes(
        self, node: Node, operands: list[Node], matrix: np.ndarray, suffix: str
    ) -> tuple[Node, list[Value]]:
        """A node of the class of joint values with equal rows of the matrix, and the classes."""
        _, classes = np.unique(matrix, axis=0, return_inverse=True)
        numbers: list[Value] = [int(c) for c in classes.reshape(-1)]
        operands = [self._listed(n) for n in operands]
        domains = tuple(self._finite(n) for n in operands)
        typed = tuple(values_of(n.type) or () for n in operands)
        known = dict(
            zip((tuple(map(value_key, row)) for row in product(*domains)), numbers, strict=True)
        )
        results = tuple(known.get(tuple(map(value_key, row)), 0) for row in product(*typed))
        return self._add(node, Map(Table(typed, results)), *operands, suffix=suffix), numbers


def _minimum(left: Expression, right: Expression) -> Expression:
    return IfElse(left, Binary(BinaryOp.LESS, left, right), right)


def _is_one_position(block: tuple[Pair, Bools]) -> bool:
    """Whether a block holds of one position at most, for each query."""
    (keys, _), holds = block
    return isinstance(keys.op, Indices) and bool((holds.sum(axis=0) <= 1).all())


def _is_one(selector: Node) -> bool:
    return isinstance(selector.type, Selector) and selector.type.width is Width.ONE
