"""Sums of what selectors select, by what heads can do: count keys."""

from __future__ import annotations

from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.tables import affine_form
from tpir.ir.functions import Domain, ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, is_number

MOST_SUMMANDS = 64
"""A sum of fractions takes a head for each of them."""


class Sums:
    """Makes sums."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms

    def sum(self, node: Node, selector: Node, values: Node) -> Node:
        """The sum of the values of selected keys. Raises TpirError, naming the node."""
        form = self._added(values)
        if form is not None:
            return self._sum_of_sums(node, selector, values, form)
        domain = self.forms.domains(values)
        if domain is None or not all(map(is_number, domain)):
            raise refusal(node, f"it adds up {values.name}, which has too many values")
        if len(domain) > MOST_SUMMANDS and not all(isinstance(v, int) for v in domain):
            raise refusal(node, f"it adds up {values.name}, {len(domain)} different fractions")
        counts, weights = [], []
        for weight, keys in _summands(domain):
            every = len(keys) == len(domain)
            chosen = selector if every else self.forms.having(node, selector, values, keys)
            counts.append(self.forms.width(node, chosen))
            weights.append(weight)
        total = self.forms.weighted(node, weights, counts)
        listed = values_of(node.type)
        if listed is not None:
            self.forms.domains.restrict(total, listed)
        return total

    def _added(self, values: Node) -> tuple[float, ...] | None:
        """Constant and weights, where what is added up is a sum of whole numbers itself."""
        if not isinstance(values.op, Map) or self.forms.domains(values) is not None:
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
            counts.append(self.forms.width(node, selector))
            weights.append(form[0])
        for operand, weight in zip(values.operands, form[1:], strict=True):
            if weight:
                counts.append(self.sum(node, selector, operand))
                weights.append(weight)
        return self.forms.weighted(node, weights, counts)


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
    base = min(0, *map(int, domain), 0)
    found: list[tuple[Value, tuple[Value, ...]]] = [(base, domain)] if base else []
    for bit in range(max(int(v) - base for v in domain).bit_length()):
        keys = tuple(v for v in domain if (int(v) - base) >> bit & 1)
        if keys:
            found.append((1 << bit, keys))
    return single if len(single) <= len(found) else found
