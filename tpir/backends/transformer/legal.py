"""Programs in the forms that heads and MLPs have a place for."""

from __future__ import annotations

import math

from tpir.backends.transformer.domains import MAX_ROWS, MAX_VALUES
from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.fusing import Fused, fused, without_fractions
from tpir.backends.transformer.joint import conjunctive
from tpir.backends.transformer.labels import labels_of
from tpir.backends.transformer.ratios import Ratio, ratio_of
from tpir.backends.transformer.sums import Sums
from tpir.backends.transformer.tables import sum_form, weighted
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Failure,
    IfElse,
    Literal,
    Unary,
    UnaryOp,
)
from tpir.ir.functions import Domain, Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Map,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Uniform,
    offsets_of,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Real, Selector, Width, number_bounds, values_of
from tpir.ir.values import Value
from tpir.semantics.observed import observed_numbers

NOTHING = "<nothing>"
"""What stands for "no key was selected" where two heads are put together."""


class Legaliser:
    """Rewrites a program; ``forms`` then knows the new nodes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.forms = Forms(program)
        self.sums = Sums(self.forms)
        self.outputs = frozenset(program.outputs.values())
        self.new: dict[Node, Node] = {}
        self.observed: dict[Node, Domain | None] = {}

    def run(self) -> Program:
        """The program of forms with a place. Raises TpirError, naming the node."""
        for node in self.program.live:
            operands = tuple(self.new[operand] for operand in node.operands)
            try:
                if _tells_apart(node):
                    pairs = zip(node.operands, operands, strict=True)
                    operands = tuple(self._observed(old, new) for old, new in pairs)
                self.new[node] = self._rewrite(node, operands)
            except Failure as failure:
                raise refusal(node, f"it can fail: {failure.kind}") from failure
        outputs = {n: self.new[o] for n, o in self.program.outputs.items()}
        return self.forms.builder.build(outputs)

    def _rewrite(self, node: Node, operands: tuple[Node, ...]) -> Node:
        match node.op:
            case Uniform():  # where it fails, any values will do
                return operands[0]
            case Aggregate(default):
                return self._aggregate(node, default, operands)
            case AggregateSum() if isinstance(operands[0].op, Choose):
                return self._sum_of_one(node, operands)
            case AggregateSum():
                return self.sums.sum(node, *operands)
            case SelectorWidth():
                return self.forms.width(node, operands[0])
            case Classify() if self.program.users[node]:
                return self._labels(node, operands)
            case ClassifyPooled() if self.program.users[node]:
                raise refusal(node, "its label is used inside the program, and sums all positions")
        ratio = ratio_of(node, self.new, self.program.causal)
        if ratio is not None and (mean := self._ratio(node, ratio)) is not None:
            return mean
        new = self.forms.add(node, node.op, *operands)
        return self._put_together(node, new, operands) if isinstance(node.op, Map) else new

    def _put_together(self, node: Node, new: Node, operands: tuple[Node, ...]) -> Node:
        """A map with what it reads as part of it, where that is exact or takes fewer units."""
        for operand in operands:
            new = self._joined(node, new, without_fractions(self.forms.domains, new, operand))
        for operand in node.operands:
            if self._is_inner(operand):
                new = self._joined(node, new, fused(self.forms.domains, new, self.new[operand]))
        return new

    def _joined(self, node: Node, new: Node, found: Fused | None) -> Node:
        return new if found is None else self.forms.add(node, Map(found.table), *found.operands)

    def _observed(self, old: Node, new: Node) -> Node:
        """A number of too many values to list, as a map of those that occur on any input."""
        if self.forms.domains(new) is not None or number_bounds(new.type) is None:
            return new
        if old not in self.observed:  # once: it runs all inputs
            self.observed[old] = observed_numbers(self.program, old, MAX_VALUES)
        values = self.observed[old]
        if values is None:
            return new
        seen = self.forms.map(old, Argument(0), new, suffix="_seen")
        self.forms.domains.restrict(seen, values)
        return seen

    def _is_inner(self, node: Node) -> bool:
        """Whether a node has a single reader."""
        return len(self.program.users[node]) == 1 and node not in self.outputs

    def _aggregate(self, node: Node, default: Value | None, operands: tuple[Node, ...]) -> Node:
        chosen, values = operands
        if default is not None and self._is_nothing(node, chosen):
            return self.forms.map(node, Literal(default))
        if not isinstance(chosen.op, Choose):
            mean = self.sums.mean(node, default, chosen, values)
            if mean is not None:
                return mean
            selector = conjunctive(self.forms, node, chosen)
            if isinstance(default, str) and self.forms.may_be_mean(selector, values):
                return self._mean_or_word(node, default, selector, values)
            return self.forms.add(node, Aggregate(default), selector, values)
        selector = conjunctive(self.forms, node, chosen.operands[0])
        op, scored = chosen.op, chosen.operands[1:]
        if op.otherwise is Otherwise.NONE or self._needs_no_otherwise(op, selector):
            chosen = self.forms.add(chosen, op, selector, *scored)
            return self.forms.add(node, Aggregate(default), chosen, values)
        maybe = Choose(op.order, op.score, Otherwise.NONE)
        if values_of(values.type) is None:
            raise refusal(node, f"{values.name} is {values.type}, and nothing may be selected")
        chosen = self.forms.add(chosen, maybe, selector, *scored)
        found = self.forms.add(node, Aggregate(NOTHING), chosen, values, suffix="_found")
        positions = self.forms.indices()
        every = self.forms.add(node, Select(Always(True)), positions, positions)
        leftmost = self.forms.add(node, Choose(Preference.FIRST), every)
        first = self.forms.add(node, Aggregate(), leftmost, values, suffix="_first")
        domains = (values_of(found.type) or (), values_of(first.type) or ())
        table = Table.tabulate(domains, lambda value, other: other if value == NOTHING else value)
        return self.forms.add(node, Map(table), found, first)

    def _sum_of_one(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """The sum of what one key has: the number itself, as sums have it."""
        found = self._aggregate(node, None if _is_one(operands[0]) else 0, operands)
        wanted, kind = (float, UnaryOp.FLOAT) if isinstance(node.type, Real) else (int, UnaryOp.INT)
        if all(type(value) is wanted for value in self.forms.domains(found) or (None,)):
            return found
        return self.forms.map(node, Unary(kind, Argument(0)), found)

    def _labels(self, node: Node, operands: tuple[Node, ...]) -> Node:
        """A readout that the program reads itself: a table of its features together."""
        listed = [self.forms.listed(operand) for operand in operands]
        sizes = [len(self.forms.finite(operand)) for operand in listed]
        if math.prod(sizes) > MAX_ROWS:
            raise refusal(node, f"its labels are read, and its features have {sizes} values")
        results = labels_of(node, [self.forms.finite(operand) for operand in operands])
        table = Table(tuple(self.forms.finite(operand) for operand in listed), results)
        return self.forms.add(node, Map(table), *listed)

    def _ratio(self, node: Node, ratio: Ratio) -> Node | None:
        """The mean that a ratio is; None if its readers need its values listed, and cannot."""
        selector = conjunctive(self.forms, node, self.new[ratio.selector])
        values = [self.new[v] for v in ratio.weights]
        number = weighted(tuple(ratio.weights.values()))
        summed = self.forms.map(node, Unary(UnaryOp.FLOAT, number), *values, suffix="_values")
        mean = self.forms.add(node, Aggregate(0.0), selector, summed)
        listed = self.forms.domains(mean) is not None
        return mean if listed or not self.program.users[node] else None

    def _is_nothing(self, node: Node, selector: Node) -> bool:
        """Whether nothing is ever selected."""
        if isinstance(selector.op, Choose):
            nothing = selector.op.otherwise is Otherwise.NONE
            return nothing and not self.forms.terms(node, selector.operands[0])
        return not self.forms.terms(node, selector)

    def _mean_or_word(self, node: Node, default: str, selector: Node, values: Node) -> Node:
        """The mean, a word where nothing is selected."""
        mean = self.forms.add(node, Aggregate(0), selector, values, suffix="_mean")
        count = self.forms.width(node, selector)
        nothing = Binary(BinaryOp.EQUAL, Argument(1), Literal(0))
        return self.forms.map(node, IfElse(Literal(default), nothing, Argument(0)), mean, count)

    def _needs_no_otherwise(self, op: Choose, selector: Node) -> bool:
        """Whether the first position wins where nothing is selected, or something always is."""
        terms = self.forms.terms(selector, selector)
        blocks = len(terms[0][1].blocks) if len(terms) == 1 else 2
        if blocks != 1:
            return blocks == 0
        header = self.program.header
        first = offsets_of(Preference.FIRST, header.context, header.causal)
        return op.score is None and offsets_of(op.order, header.context, header.causal) == first


def _tells_apart(node: Node) -> bool:
    """Whether a node does more with numbers than to add multiples of them."""
    if isinstance(node.op, Select):
        return not isinstance(node.op.predicate, Always)
    return isinstance(node.op, Map) and sum_form(node) is None


def _is_one(selector: Node) -> bool:
    return isinstance(selector.type, Selector) and selector.type.width is Width.ONE
