"""What a rewritten program is made of: values that are listed, conjunctions, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from tpir.backends.transformer.domains import Domains
from tpir.backends.transformer.fitting import fitted
from tpir.backends.transformer.selection import (
    Bools,
    ChosenKey,
    Conjunction,
    Pair,
    Polynomial,
    Selections,
    TooManyTerms,
)
from tpir.backends.transformer.tables import weighted
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    DictIndex,
    Expression,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import Domain, Relation
from tpir.ir.ops import (
    Aggregate,
    Always,
    And,
    Choose,
    Indices,
    Map,
    Op,
    Otherwise,
    Select,
    SelectorWidth,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Bool, Selector, number_bounds, values_of
from tpir.ir.values import Value, sorted_values, value_key


def refusal(node: Node, why: str) -> TpirError:
    """The error for a node that the weights cannot compute exactly."""
    span = node.origin.span if node.origin else None
    return TpirError(f"{node.name} cannot be compiled to a Transformer: {why}", span=span)


class Forms:
    """Makes nodes; ``domains`` and ``selections`` know what those are.

    What is made for a node of the program bears its name.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.builder = Builder(program.header, share=True)
        self.domains = Domains(program.context, self.is_mean)
        self.selections = Selections(self.finite, self.domains.root, self.indices, program.causal)

    def add(self, old: Node, op: Op, *operands: Node, suffix: str = "") -> Node:
        """A node, its functions fitted to its operands."""
        new = self.builder.add(
            fitted(op, operands), operands, name=old.name + suffix, origin=old.origin
        )
        if not isinstance(new.type, Selector):
            self.domains(new)  # operands first: a deep program is no deep recursion
        return new

    def map(self, old: Node, expression: Expression, *operands: Node, suffix: str = "") -> Node:
        """A map by an expression."""
        return self.add(old, Map(expression), *operands, suffix=suffix)

    def finite(self, node: Node) -> Domain:
        """The values of a node. Raises TpirError if they are not listed."""
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

    def everything(self, node: Node) -> Node:
        """The selector of all keys."""
        every = (self.indices(), self.indices())
        return self.add(node, Select(Always(True)), *every, suffix="_all")

    def indices(self) -> Node:
        """The positions."""
        return self.builder.add(Indices(), name="indices")

    def listed(self, node: Node) -> Node:
        """The node, or the places of its values in their list, where its type has none."""
        if values_of(node.type) is not None:
            return node
        values = self.finite(node)
        if len(set(values)) < len(values):
            raise refusal(node, "some of its values are equal numbers of different kinds")
        place = DictIndex(values, tuple(range(len(values))), Argument(0))
        return self.map(node, place, node, suffix="_place")

    def is_mean(self, node: Node) -> bool:
        """Whether an aggregate may be the mean of several numbers."""
        selector, values = node.operands
        return not isinstance(selector.op, Choose) and self.may_be_mean(selector, values)

    def may_be_mean(self, selector: Node, values: Node) -> bool:
        """Whether several numbers may be selected at once."""
        if number_bounds(values.type) is None or isinstance(values.type, Bool):
            return False
        terms = self.terms(selector, selector)
        return not (len(terms) == 1 and any(map(_is_one_position, terms[0][1].blocks.items())))

    def width(self, node: Node, selector: Node) -> Node:
        """How many keys a selector selects: the sum of what its conjunctions do."""
        if isinstance(selector.op, Choose):
            if selector.op.otherwise is Otherwise.FIRST:
                return self.map(node, Literal(1))
            count = self.width(node, selector.operands[0])
            return self.map(node, _minimum(Argument(0), Literal(1)), count)
        terms = self.terms(node, selector)
        if len(terms) == 1 and terms[0][0] == 1:
            return self._counted(node, self.conjunction(node, terms[0][1]))
        counts = [
            self._counted(node, self.conjunction(node, t), suffix=f"_{k + 1}")
            for k, (_, t) in enumerate(terms)
        ]
        return self.weighted(node, [c for c, _ in terms], counts, real=False)

    def _counted(self, node: Node, selector: Node, suffix: str = "") -> Node:
        """How many keys a conjunction selects; of one position at most, a copy, which is exact."""
        blocks = self.terms(node, selector)[0][1].blocks
        if any(map(_is_one_position, blocks.items())):
            true = self.map(node, Literal(True), suffix="_true")
            found = self.add(node, Aggregate(False), selector, true, suffix=suffix + "_found")
            return self.map(node, Unary(UnaryOp.INDICATOR, Argument(0)), found, suffix=suffix)
        return self.add(node, SelectorWidth(), selector, suffix=suffix)

    def weighted(
        self, node: Node, weights: Sequence[Value], counts: Sequence[Node], real: bool
    ) -> Node:
        """The sum of counts, each with its weight; as a float where that is asked for."""
        if list(weights) == [1] and not real:
            return counts[0]
        expression = weighted(weights)
        if real:
            expression = Unary(UnaryOp.FLOAT, expression)
        return self.map(node, expression, *counts)

    def conjunction(self, node: Node, term: Conjunction) -> Node:
        """A conjunction as a node."""
        selectors = []
        for (key_node, query_node), matrix in term.blocks.items():
            keys, queries = self.listed(key_node), self.listed(query_node)
            key_values, query_values = self.finite(keys), self.finite(queries)
            rows = tuple(
                tuple(v for v, m in zip(key_values, column, strict=True) if m)
                for column in matrix.T.tolist()
            )
            relation = Relation(query_values, tuple(sorted_values(row) for row in rows))
            selectors.append(self.add(node, Select(relation), keys, queries, suffix="_select"))
        if not selectors:
            return self.everything(node)
        return reduce(lambda a, b: self.add(node, And(), a, b, suffix="_and"), selectors)

    def having(self, node: Node, selector: Node, values: Node, keys: tuple[Value, ...]) -> Node:
        """The selected keys whose value is one of some; of a function of positions, by position."""
        if isinstance(values.op, Map) and [type(o.op) for o in values.operands] == [Indices]:
            kept, table = {value_key(k) for k in keys}, self.domains.table(values)
            values = values.operands[0]
            made = zip(self.finite(values), table.results if table else (), strict=True)
            keys = tuple(position for position, v in made if value_key(v) in kept)
        positions = values_of(self.indices().type) or ()
        listed = self.listed(values)
        place = dict(zip(map(value_key, self.finite(values)), self.finite(listed), strict=True))
        wanted = sorted_values(tuple(place[value_key(key)] for key in keys))
        relation = Relation(positions, (wanted,) * len(positions))
        has_it = self.add(node, Select(relation), listed, self.indices(), suffix="_having")
        return self.add(node, And(), selector, has_it, suffix="_both")


def _minimum(left: Expression, right: Expression) -> Expression:
    return IfElse(left, Binary(BinaryOp.LESS, left, right), right)


def _is_one_position(block: tuple[Pair, Bools]) -> bool:
    """Whether a block holds of one position at most, for each query."""
    (keys, _), holds = block
    return isinstance(keys.op, Indices) and bool((holds.sum(axis=0) <= 1).all())
