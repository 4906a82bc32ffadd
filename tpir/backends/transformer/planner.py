"""From a program to embeddings, heads and MLP units: who needs what, then who makes it.

Two walks over the program. Backwards, each node learns which functions of its value its readers
need (*columns*: one number for each value), and asks its own operands for what it needs in turn.
Forwards, each node makes coordinates from which just these columns can be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tpir.backends.transformer.arrangement import arrange
from tpir.backends.transformer.attention import Attention, needs_order, scores_of
from tpir.backends.transformer.basis import IDENTITY, Column
from tpir.backends.transformer.budget import MOST_OFF, Budget, carried, noisy
from tpir.backends.transformer.cache import Cache
from tpir.backends.transformer.features import Coordinate, Feature, total
from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.held import Held
from tpir.backends.transformer.maps import Mapped, sum_or_table
from tpir.backends.transformer.numbers import Count, Mean
from tpir.backends.transformer.parts import Copied, Embedding, Part, slot_of_head
from tpir.backends.transformer.plan import Plan, Readout, Written
from tpir.backends.transformer.tables import sum_form
from tpir.ir.functions import Domain, NumberWeights, TableWeights
from tpir.ir.ops import (
    Aggregate,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Otherwise,
    Pool,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Real, Selector, number_bounds
from tpir.ir.values import is_number, sorted_values, value_key
from tpir.models.stored_transformer import MOST_LABELS

TOLERANCE = 1e-4
"""A number that is an output may be off by this; by this part of it, where it is larger than 1."""


class Planner:
    """Plans one legalised program."""

    def __init__(
        self,
        forms: Forms,
        program: Program,
        budget: Budget,
        cache: Cache,
        firm: frozenset[Node],
    ) -> None:
        self.budget, self.cache, self.firm = budget, cache, firm
        self.wanted: frozenset[Node] = frozenset()
        """What else has to be firm, as this plan is too inexact."""
        self.behind: dict[Node, frozenset[Node]] = {}
        """For each count the counts that make it inexact."""
        self.forms = forms
        self.program = program
        self.domains = forms.domains
        self.plan = Plan()
        self.tokens = forms.builder.add(Tokens(), name="tokens")
        self.indices = forms.builder.add(Indices(), name="indices")
        self.columns: dict[Node, dict[Column, None]] = {}
        self.bare: defaultdict[Node, set[Column]] = defaultdict(set)
        self.parts: dict[Node, Part] = {}
        everything = [self.indices, self.indices]
        self.everything = forms.builder.add(Select(Always(True)), everything, name="everything")
        self.attention: dict[object, Attention] = {}
        if self._needs_bos():
            self.plan.bos = Coordinate("bos", 0, at_bos=1.0)

    def run(self) -> Plan:
        """The plan. Raises TpirError, naming the node."""
        for output in self.program.outputs.values():
            self._ask_for_output(output)
        # Anything may ask for positions, so the inputs come last here and first below.
        inputs = [self.tokens, self.indices]
        nodes = [*inputs, *(n for n in self.program.live if n not in inputs)]
        for node in reversed(nodes):
            columns = tuple(self.columns.get(node, ()))
            if columns:
                self.parts[node] = self._part(node)
                self.parts[node].ask(columns)
        for node in nodes:
            if node in self.parts:
                self.parts[node].build()
        for name, output in self.program.outputs.items():
            self.plan.readouts.append(self._readout(name, output))
        self.places = arrange(self.plan)
        return self.plan

    def order(self) -> dict[Node, int]:
        """The nodes by their places in the order of the plan; what is read off others is by them.

        Operands come before users.
        """
        found: dict[Node, int] = {}
        for node in self.program.live:
            first = self.parts[node].first() if node in self.parts else None
            below = max((found[operand] for operand in node.operands), default=0)
            found[node] = below if first is None else max(below, self.places[first])
        return found

    def domain(self, node: Node) -> Domain:
        """The values of a node. Raises TpirError if they are not few."""
        found = self.domains(node)
        if found is None:
            raise refusal(node, f"it is {node.type}, and too many values are possible")
        return found

    def held(self, node: Node, columns: tuple[Column, ...]) -> Held:
        """Coordinates for columns of a node, yet to be made."""
        size = len(self.domain(node))
        return Held(node.name, self.cache.basis(columns, size, self.bare[node]))

    def ask(self, node: Node, column: Column, *, bare: bool = False) -> None:
        """Say that a function of a node's value is needed; see ``basis_of`` for ``bare``."""
        if column == IDENTITY or len(set(column)) > 1:
            self.columns.setdefault(node, {})[column] = None
            if bare:
                self.bare[node].add(column)

    def feature(self, node: Node, column: Column) -> Feature:
        """How to read a function that was asked for."""
        if column != IDENTITY and len(set(column)) <= 1:
            return Feature(column[0])
        return self.parts[node].feature(column)

    def identity(self, node: Node) -> Column:
        """A node's number as a column; ``IDENTITY`` where its values are not listed."""
        domain = self.domains(node)
        if domain is None:
            if number_bounds(node.type) is None:
                raise refusal(node, f"it is {node.type}, and too many values are possible")
            return IDENTITY
        if not all(map(is_number, domain)):
            raise refusal(node, "numbers are needed, and some of its values are words")
        return tuple(float(v) for v in domain)

    def too_inexact(self, node: Node, features: Sequence[Feature], what: str) -> None:
        """Say that a node reads features that are too rough, and so what has to be firm.

        Counts first, then tables. Raises TpirError where they are firm already. What was read is
        exact from here on, and the caller goes on as if its node were, so that one plan finds what
        is needed all along a program. What may be solved by what is wanted already waits for the
        next plan.
        """
        more = noisy(features) - self.firm or carried(features) - self.firm
        if not more:
            wider = " or --dtype float64" if self.budget.dtype == "float32" else ""
            raise refusal(node, f"{what}; try a shorter --max-length{wider}")
        if not more.union(*(self.behind.get(n, frozenset()) for n in more)) & self.wanted:
            self.wanted |= more
        for coordinate in {c for feature in features for c in feature.terms}:
            coordinate.error, coordinate.counts = 0.0, frozenset()
            coordinate.tables = frozenset()

    def _needs_bos(self) -> bool:
        """Whether a head must be able to attend to nothing."""
        if any(isinstance(node.op, SelectorWidth) for node in self.firm):
            return True
        for node in self.program.live:
            match node.op:
                case SelectorWidth() if not _is_everything(node.operands[0]):
                    return True
                case Aggregate():
                    selector = node.operands[0]
                    if isinstance(selector.op, Choose):
                        if selector.op.otherwise is Otherwise.NONE:
                            return True
                    elif not _is_everything(selector):
                        return True
        return False

    def _part(self, node: Node) -> Part:
        match node.op:
            case Tokens() | Indices():
                return Embedding(self, node)
            case Map():
                form = self._sum_form(node)
                if form is None:
                    return Mapped(self, node)
                return sum_or_table(self, node, form, tuple(self.columns[node]))
            case SelectorWidth():
                return self._count(node)
            case Aggregate():
                return self._mean(node) if self.forms.is_mean(node) else Copied(self, node)
        raise refusal(node, "it has no place in a Transformer")

    def _sum_form(self, node: Node) -> tuple[float, ...] | None:
        """How a map adds multiples of several numbers, or of one of unlisted values; else None."""
        if len(node.operands) < 2 and self.domains.table(node) is not None:
            return None
        for operand in node.operands:
            domain = self.domains(operand)
            if number_bounds(operand.type) is None or (
                domain is not None and len(set(domain)) < len(domain)
            ):
                return None
        return sum_form(node)

    def _count(self, node: Node) -> Part:
        numbers = self.domain(node)
        selector = node.operands[0]
        if self.plan.bos is None:
            first = tuple(1.0 if i == 0 else 0.0 for i in range(self.program.context))
            self.ask(self.indices, first)
            read = lambda: self.feature(self.indices, first)  # noqa: E731
            points = tuple(1.0 / n if n else 2.0 for n in map(int, numbers))
            return Count(self, node, points, self.attend(node, selector, None), read, 0.0)
        points = tuple(1.0 / (1 + int(n)) for n in numbers)
        counting = self.attend(node, selector, None, counts=True)
        return Count(self, node, points, counting, Feature, 1.0)

    def _mean(self, node: Node) -> Part:
        selector, values = node.operands
        column = self.identity(values)
        self.ask(values, column)
        assert isinstance(node.op, Aggregate)
        default = node.op.default if node.op.default is not None else 0
        attention = self.attend(node, selector, None)
        points = self.identity(node)
        read = lambda: self.feature(values, column)  # noqa: E731
        return Mean(self, node, points, attention, read, float(default))

    def attend(
        self, user: Node, selector: Node, choice: Node | None, *, counts: bool = False
    ) -> Attention:
        """The head that selects so; shared with others that do."""
        terms = self.forms.terms(user, selector)
        term = terms[0][1] if terms else None
        if choice is not None and not needs_order(choice, term):
            choice = None
        key = (term.key if term else None, choice.op if choice else None, counts)
        if choice is not None:
            key = (*key, choice.operands[1:])  # type: ignore[assignment]
        if key not in self.attention:
            self.attention[key] = scores_of(self, user, term, choice, counts)
        return self.attention[key]

    def code(self, node: Node) -> Column:
        """One number for each value of an output, from which a line tells which value it is."""
        part_points = self.points(node)
        if part_points is not None:
            return part_points
        domain = self.domain(node)
        if all(map(is_number, domain)) and len(set(domain)) == len(domain):
            numbers = tuple(float(v) for v in domain)
            nearest = min(np.diff(sorted(numbers)), default=1.0)
            if max(map(abs, numbers)) <= MOST_LABELS * nearest:
                return numbers
        place = {value_key(v): float(k) for k, v in enumerate(sorted_values(domain))}
        return tuple(place[value_key(v)] for v in domain)

    def points(self, node: Node) -> Column | None:
        """The numbers that a head writes for a count."""
        if isinstance(node.op, SelectorWidth):
            scale = 1 if self.plan.bos is not None else 0
            return tuple(
                1.0 / (scale + int(n)) if scale + int(n) else 2.0 for n in self.domain(node)
            )
        return None

    def _ask_for_output(self, node: Node) -> None:
        if isinstance(node.type, Selector):
            raise refusal(node, "a selector is no output")
        match node.op:
            case Classify(weights=weights) | ClassifyPooled(weights=weights):
                for operand, given in zip(node.operands, weights, strict=True):
                    for column in self._label_columns(operand, given):
                        self.ask(operand, column)
            case _ if self._is_number(node):
                self.ask(node, self.identity(node))
            case _:
                self.ask(node, self.code(node))

    def _is_number(self, node: Node) -> bool:
        domain = self.domains(node)
        if domain is not None and len(domain) > MOST_LABELS and not all(map(is_number, domain)):
            raise refusal(node, f"it is an output of {len(domain)} different values")
        return domain is None or isinstance(node.type, Real) or len(domain) > MOST_LABELS

    def _label_columns(self, operand: Node, given: TableWeights | NumberWeights) -> list[Column]:
        if isinstance(given, NumberWeights):
            return [self.identity(operand)]
        by_value = dict(zip(map(value_key, given.domain), given.rows, strict=True))
        rows = [by_value.get(value_key(v), given.rows[0]) for v in self.domain(operand)]
        return [tuple(column) for column in zip(*rows, strict=True)]

    def _label_features(self, operand: Node, given: TableWeights | NumberWeights) -> list[Feature]:
        """What a feature adds to each label."""
        features = [self.feature(operand, c) for c in self._label_columns(operand, given)]
        if isinstance(given, NumberWeights):
            return [features[0].times(weight) for weight in given.row]
        return features

    def _readout(self, name: str, node: Node) -> Readout:
        match node.op:
            case Classify(labels, bias, weights) | ClassifyPooled(labels, bias, weights):
                parts = [
                    self._label_features(o, w) for o, w in zip(node.operands, weights, strict=True)
                ]
                logits = [
                    total([(features[k], 1.0) for features in parts], constant)
                    for k, constant in enumerate(bias)
                ]
                if isinstance(node.op, ClassifyPooled):
                    if node.op.over is Pool.ALL:
                        logits = self._averaged(node, logits)
                    return Readout(name, tuple(logits), labels, pooled=True)
                return Readout(name, tuple(logits), labels)
            case _ if self._is_number(node):
                number = self.feature(node, self.identity(node))
                off = min(self.budget.error(number), self.budget.relative(number))
                if off > MOST_OFF:
                    helpful = noisy([number]) - self.firm
                    if helpful or off > TOLERANCE:
                        self.too_inexact(node, [number], "it is too rough a number")
                return Readout(name, (number,), None)
        code = self.code(node)
        x = self.feature(node, code)
        scale = 1.0 / min(np.diff(np.unique(code)), default=1.0) ** 2
        codes = {value_key(v): c for v, c in zip(self.domain(node), code, strict=True)}
        values = sorted_values(self.domain(node))
        points = [codes[value_key(v)] for v in values]
        nearest = tuple(x.times(2 * c * scale).shifted(-c * c * scale) for c in points)
        return Readout(name, nearest, values)

    def _averaged(self, node: Node, logits: list[Feature]) -> list[Feature]:
        """The mean of features over all positions: the best of them is the best of the sums."""
        if self.program.causal:
            raise refusal(node, "the first position of a causal model sees no other")
        every = self.attend(node, self.everything, None).build()
        slot = slot_of_head(every.slot, logits)
        head = every if slot == every.slot else self.attend(node, self.everything, None).later(slot)
        means = []
        for label, feature in enumerate(logits):
            mean = Coordinate(f"{node.name}#{label}", head.slot, 0.0, *feature.bounds)
            head.written.append(Written(mean, feature, 0.0))
            means.append(Feature(0.0, {mean: 1.0}))
        return means


def _is_everything(selector: Node) -> bool:
    return selector.op == Select(Always(True))
