"""How many layers and attention heads a program takes, counted as in Weiss et al. (2021).

A sequence is computed as early as it can be. Tokens, indices and constants stand on layer 0, maps
on the layer of their latest operand; a selector stands one layer above what it compares, and what
it aggregates stands on the selector's layer and above the values that it reads. Each selector
that is aggregated on a layer is one head there, however many sequences it carries. A selector made
with ``and``, ``or`` or ``not`` is a head of its own, and its parts are none.

``selector_width(s)`` counts as the library of the original RASP computes it: with two heads,
``s or first`` and ``s and first`` where ``first`` is the selector of position 0. One head is
enough, ``s`` itself, where position 0 is selected whatever the input.

The original counts selectors as they were written: the same condition written twice is two heads.
``HeadCount.heads`` does too. ``HeadCount.shared`` counts selectors that are the same op on the
same operands, all the way down, as one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass

from tpir.ir.expressions import BinaryOp, Literal, apply_binary
from tpir.ir.functions import Relation
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Comparison,
    Indices,
    Map,
    Op,
    Or,
    Predicate,
    Select,
    SelectorWidth,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import number_bounds
from tpir.ir.values import Value, value_key


@dataclass(frozen=True)
class HeadCount:
    """Heads of layer 1, layer 2 and so on: as written, and with equal selectors shared."""

    heads: tuple[int, ...]
    shared: tuple[int, ...]

    @property
    def layers(self) -> int:
        """How many layers of attention there are."""
        return len(self.heads)

    @property
    def total(self) -> int:
        """Heads on all layers, as written."""
        return sum(self.heads)

    @property
    def total_shared(self) -> int:
        """Heads on all layers, equal selectors counted once a layer."""
        return sum(self.shared)

    def __str__(self) -> str:
        heads, shared = ("+".join(map(str, counts)) or "0" for counts in (self.heads, self.shared))
        return f"layers {self.layers}, heads {heads} (shared {shared})"


def count_heads(program: Program) -> HeadCount:
    """The layers and heads that the outputs of a program take."""
    layers = layers_of(program)
    numbers, selecting_first = _Numbers(program.live), _selecting_first(program.live)
    found: dict[int, dict[Hashable, int]] = {}
    for node, layer in layers.items():
        found.setdefault(layer, {}).update(_heads(node, selecting_first, numbers))
    per_layer = [found.get(k + 1, {}) for k in range(max(layers.values(), default=0))]
    return HeadCount(
        tuple(len(heads) for heads in per_layer),
        tuple(len(set(heads.values())) for heads in per_layer),
    )


def layers_of(program: Program) -> dict[Node, int]:
    """The layer on which each live node is computed at the earliest; 0 is before all attention."""
    layers: dict[Node, int] = {}
    for node in program.live:
        layers[node] = _layer(node.op, [layers[operand] for operand in node.operands])
    return layers


def _layer(op: Op, operands: Sequence[int]) -> int:
    match op:
        case Select():
            return 1 + max(operands)
        case Choose():
            selector, *scored = operands
            return max(selector, *(1 + layer for layer in scored), 1)
        case Aggregate() | AggregateSum():
            selector, values = operands
            return max(selector, values + 1)
    return max(operands, default=0)


class _Numbers:
    """A number for each node, the same for nodes of the same op on operands of the same numbers."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._made: dict[tuple[Op, tuple[int, ...]], int] = {}
        self.of_node: dict[Node, int] = {}
        for node in nodes:
            self.of_node[node] = self.of(node.op, *(self.of_node[o] for o in node.operands))

    def of(self, op: Op, *operands: int) -> int:
        """The number of an op on operands, whether or not a node computes it."""
        return self._made.setdefault((op, operands), len(self._made))

    @property
    def first(self) -> int:
        """The number of the selector of position 0."""
        equal = Select(Comparison(BinaryOp.EQUAL))
        return self.of(equal, self.of(Indices()), self.of(Map(Literal(0))))


def _heads(node: Node, selecting_first: Set[Node], numbers: _Numbers) -> dict[Hashable, int]:
    """What tells the heads of a node apart as they are written, and the number of each."""
    if not isinstance(node.op, Aggregate | AggregateSum | SelectorWidth):
        return {}
    selector = node.operands[0]
    number = numbers.of_node[selector]
    if not isinstance(node.op, SelectorWidth) or selector in selecting_first:
        return {selector: number}
    return {(node, op): numbers.of(op, number, numbers.first) for op in (Or(), And())}


def _selecting_first(nodes: Sequence[Node]) -> frozenset[Node]:
    """The selectors that are sure to select position 0, whatever the input and the query."""
    found: set[Node] = set()
    for node in nodes:
        match node.op:
            case Select(predicate):
                holds = _holds_at_first(predicate, *node.operands)
            case Or():
                holds = any(operand in found for operand in node.operands)
            case And():
                holds = all(operand in found for operand in node.operands)
            case _:
                holds = False
        if holds:
            found.add(node)
    return frozenset(found)


def _holds_at_first(predicate: Predicate, keys: Node, queries: Node) -> bool:
    """Whether a predicate holds of the key at position 0 and every query."""
    if isinstance(predicate, Always):
        return predicate.truth
    key = _value_at_first(keys)
    if key is None:
        return False
    if isinstance(predicate, Relation):
        return all(value_key(key) in map(value_key, row) for row in predicate.rows)
    bounds = number_bounds(queries.type)
    if bounds is None or isinstance(key, str):
        return False
    least, most = bounds
    nearest = min(max(least, key), most)  # a comparison with the key can only change next to it
    return all(apply_binary(predicate.op, key, query) for query in (least, nearest, most))


def _value_at_first(node: Node) -> Value | None:
    """The value of a sequence at position 0, where it is the same for all inputs."""
    match node.op:
        case Indices():
            return 0
        case Map(Literal(value)):
            return value
    return None
