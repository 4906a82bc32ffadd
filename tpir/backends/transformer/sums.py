"""Sums and means of what is selected, by what heads can do: count keys, and copy from one."""

from __future__ import annotations

from functools import partial

import numpy as np

from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.fusing import without_sum
from tpir.backends.transformer.selection import Polynomial
from tpir.backends.transformer.tables import sum_form
from tpir.ir.functions import Domain, Table
from tpir.ir.ops import Aggregate, Map
from tpir.ir.program import Node
from tpir.ir.types import Real, values_of
from tpir.ir.values import Value, distinct, is_number

MOST_SUMMANDS = 64
"""A sum of fractions takes a head for each of them, or for each position."""

MOST_MEANS = 2**9
"""The most pairs of a sum and a count whose quotients are listed."""


class Sums:
    """Makes sums and means."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms

    def sum(self, node: Node, selector: Node, values: Node) -> Node:
        """The sum of the values of selected keys. Raises TpirError, naming the node."""
        domain = self.forms.domains(values)
        if isinstance(node.type, Real) and not _are_whole(domain):
            fractions = self._sum_of_fractions(node, selector, values, domain)
            if fractions is not None:
                return fractions
        form = self._added(values)
        if form is not None:
            return self._sum_of_sums(node, selector, values, form)
        if domain is None or not all(map(is_number, domain)):
            raise refusal(node, f"it adds up {values.name}, which has too many values")
        if len(domain) > MOST_SUMMANDS and not _are_whole(domain):
            raise refusal(node, f"it adds up {values.name}, {len(domain)} different fractions")
        total = self._by_value(node, selector, values, domain, isinstance(node.type, Real))
        listed = values_of(node.type)
        if listed is not None:
            self.forms.domains.restrict(total, listed)
        return total

    def _by_value(
        self, node: Node, selector: Node, values: Node, domain: Domain, real: bool
    ) -> Node:
        """A sum of listed numbers, by how many keys have them."""
        counts, weights = [], []
        for weight, keys in _summands(domain):
            every = len(keys) == len(domain)
            chosen = selector if every else self.forms.having(node, selector, values, keys)
            counts.append(self.forms.width(node, chosen))
            weights.append(weight)
        return self.forms.weighted(node, weights, counts, real)

    def _sum_of_fractions(
        self, node: Node, selector: Node, values: Node, domain: Domain | None
    ) -> Node | None:
        """A sum of real numbers by what is selected, or by position; None if by value is less."""
        table = self._by_query(node, selector, values)
        if table is not None:
            return table
        terms = self.forms.terms(node, selector)
        heads = self.forms.program.context * len(terms)
        fewer = MOST_SUMMANDS if domain is None else sum(bool(v) for v in domain)
        return self._by_position(node, terms, values) if heads <= fewer else None

    def _by_query(self, node: Node, selector: Node, values: Node) -> Node | None:
        """A sum of equal numbers: a table of the query's value and how many keys there are.

        None unless the selector compares one variable of the keys, of which the numbers are a
        function, the same for all keys that one query value selects.
        """
        terms = self.forms.terms(node, selector)
        if len(terms) != 1 or terms[0][0] != 1 or len(terms[0][1].blocks) != 1:
            return None
        (((key, query), matrix),) = terms[0][1].blocks.items()
        numbers = self._function_of(values, key)
        if numbers is None:
            return None
        choices = [distinct(tuple(numbers[k] for k in np.flatnonzero(c))) for c in matrix.T]
        if any(len(choice) > 1 for choice in choices):
            return None
        query, count = self.forms.listed(query), self.forms.width(node, selector)
        domains = (self.forms.finite(query), self.forms.finite(count))
        most = self.forms.program.context
        totals = [  # added one by one, as the interpreter does
            np.cumsum([0.0] + [float(choice[0])] * most if choice else [0.0] * (most + 1)).tolist()
            for choice in choices
        ]
        results = tuple(row[int(n)] for row in totals for n in domains[1])
        return self.forms.add(node, Map(Table(domains, results)), query, count)

    def _function_of(self, values: Node, key: Node) -> Domain | None:
        """The value for each value of ``key``, if that is all it depends on."""
        if values == key:
            return self.forms.finite(key)
        if isinstance(values.op, Map) and values.operands == (key,):
            table = self.forms.domains.table(values)
            return table.results if table is not None else None
        return None

    def _by_position(self, node: Node, terms: Polynomial, values: Node) -> Node:
        """A sum of numbers, a head for each position that they may stand at."""
        domain = self.forms.domains(values) or ()
        nothing = next((v for v in domain if v == 0), 0.0)
        weights: list[Value] = []
        copies = []
        for coefficient, term in terms:
            selector = self.forms.conjunction(node, term)
            for position in self.forms.finite(self.forms.indices()):
                there = self.forms.having(node, selector, self.forms.indices(), (position,))
                copies.append(self.forms.add(node, Aggregate(nothing), there, values, suffix="_at"))
                weights.append(coefficient)
        return self.forms.weighted(node, weights, copies, real=True)

    def _added(self, values: Node) -> tuple[float, ...] | None:
        """Constant and weights, where what is added up is a sum of whole numbers itself."""
        return sum_form(values) if self.forms.domains(values) is None else None

    def _sum_of_sums(
        self, node: Node, selector: Node, values: Node, form: tuple[float, ...]
    ) -> Node:
        """The sum of a weighted sum: the weighted sum of sums."""
        counts: list[Node] = []
        weights: list[Value] = []
        if form[0]:
            counts.append(self.forms.width(node, selector))
            weights.append(form[0])
        for operand, weight in zip(values.operands, form[1:], strict=True):
            if weight:
                counts.append(self.sum(node, selector, operand))
                weights.append(weight)
        return self.forms.weighted(node, weights, counts, isinstance(node.type, Real))

    def mean(self, node: Node, default: Value | None, selector: Node, values: Node) -> Node | None:
        """The mean of whole numbers by a selector of several conjunctions: their sum by its width.

        No classes of keys and queries are made for it, and what reads it reads counts. None if
        there are too many sums and counts.
        """
        terms = self.forms.terms(node, selector)
        domain = self.forms.domains(values)
        if len(terms) < 2 or domain is None or not all(type(v) is int for v in domain):
            return None
        total = self._by_value(node, selector, values, domain, real=False)
        count = self.forms.width(node, selector)
        sums, counts = self.forms.domains(total), self.forms.finite(count)
        if sums is None or len(sums) * len(counts) > MOST_MEANS:
            return None
        table = Table.tabulate((sums, counts), partial(_mean, default))
        made = self.forms.add(node, Map(table), total, count)
        for part in (total, count):
            found = without_sum(self.forms.domains, made, part)
            if found is not None:
                made = self.forms.add(node, Map(found.table), *found.operands)
        return made


def _summands(domain: Domain) -> list[tuple[Value, tuple[Value, ...]]]:
    """Weights, and values of which keys are counted: a sum is that of the weighted counts.

    Value by value, or for whole numbers bit by bit where that takes fewer counts.
    """
    by_value: dict[float, list[Value]] = {}
    for value in domain:
        if value:
            by_value.setdefault(float(value), []).append(value)
    single = [(keys[0], tuple(keys)) for keys in by_value.values()]
    if not all(isinstance(v, int) for v in domain):
        return single
    base = min(0, *map(int, domain))
    found: list[tuple[Value, tuple[Value, ...]]] = [(base, domain)] if base else []
    for bit in range(max(int(v) - base for v in domain).bit_length()):
        keys = tuple(v for v in domain if (int(v) - base) >> bit & 1)
        if keys:
            found.append((1 << bit, keys))
    return single if len(single) <= len(found) else found


def _are_whole(domain: Domain | None) -> bool:
    return domain is not None and all(isinstance(v, int) for v in domain)


def _mean(default: Value | None, total: int, count: int) -> Value:
    """The mean; beside a word values are labels, and that of a single key keeps its kind."""
    if isinstance(default, str):
        return total / count if count > 1 else total if count else default
    return total / count if count else float(default or 0)
