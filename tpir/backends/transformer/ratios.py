"""A sum divided by the number of its keys is a mean, which a single head computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tpir.backends.transformer.tables import affine_form, sum_form
from tpir.ir.expressions import Binary, BinaryOp
from tpir.ir.ops import AggregateSum, Always, Comparison, Indices, Map, Select, SelectorWidth
from tpir.ir.program import Node
from tpir.ir.types import Integer


@dataclass(frozen=True)
class Ratio:
    """The sum over what ``selector`` selects of weighted variables, over how much that is."""

    selector: Node
    weights: Mapping[Node, int]


@dataclass
class _Affine:
    """A constant plus weighted variables."""

    constant: float = 0.0
    weights: dict[Node, float] = field(default_factory=dict)


def ratio_of(node: Node, selected: Mapping[Node, Node], causal: bool) -> Ratio | None:
    """How a map divides a sum by a count of the same keys; None if it does not.

    ``selected`` gives selectors that are the same the same node. Sums of whole numbers only: their
    mean is one division too, so nothing is rounded differently.
    """
    function = node.op.function if isinstance(node.op, Map) else None
    if not isinstance(function, Binary) or function.op is not BinaryOp.DIVIDE:
        return None
    arity = len(node.operands)
    above = _affine(affine_form(function.left, arity), node.operands)
    below = _affine(affine_form(function.right, arity), node.operands)
    if above is None or below is None:
        return None
    above = _unfolded(above)
    if above.constant or not all(map(_is_whole, above.weights.items())):
        return None
    selectors = {selected[summed.operands[0]]: summed.operands[0] for summed in above.weights}
    if len(selectors) != 1:
        return None
    ((same, selector),) = selectors.items()
    ((count, once), *others) = below.weights.items() or [(node, 0.0)]
    if others or once != 1:
        return None
    if isinstance(count.op, SelectorWidth):
        counts = below.constant == 0 and selected[count.operands[0]] is same
    else:
        so_far = isinstance(count.op, Indices) and below.constant == 1
        counts = so_far and _selects_so_far(selector, causal)
    if not counts:
        return None
    weights: dict[Node, int] = {}
    for summed, weight in above.weights.items():
        values = summed.operands[1]
        weights[values] = weights.get(values, 0) + int(weight)
    return Ratio(selector, weights)


def _affine(form: tuple[float, ...] | None, operands: tuple[Node, ...]) -> _Affine | None:
    if form is None:
        return None
    found = _Affine(form[0])
    for operand, weight in zip(operands, form[1:], strict=True):
        if weight:
            found.weights[operand] = found.weights.get(operand, 0.0) + weight
    return found


def _unfolded(form: _Affine) -> _Affine:
    """With operands that are sums of others written as these; one level, so cost stays linear."""
    found = _Affine(form.constant)
    for node, weight in form.weights.items():
        inner = _affine(sum_form(node), node.operands) or _Affine(0.0, {node: 1.0})
        found.constant += weight * inner.constant
        for operand, w in inner.weights.items():
            found.weights[operand] = found.weights.get(operand, 0.0) + weight * w
    return found


def _is_whole(term: tuple[Node, float]) -> bool:
    """Whether a term is a whole multiple of a sum of whole numbers."""
    node, weight = term
    summed = isinstance(node.op, AggregateSum) and isinstance(node.operands[1].type, Integer)
    return summed and weight == int(weight)


def _selects_so_far(selector: Node, causal: bool) -> bool:
    """Whether a selector says outright that it selects the positions up to its own."""
    if not isinstance(selector.op, Select):
        return False
    if selector.op.predicate == Always(True):
        return causal
    positions = all(isinstance(operand.op, Indices) for operand in selector.operands)
    return positions and selector.op.predicate == Comparison(BinaryOp.LESS_EQUAL)
