"""Constant folding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tpir.ir.expressions import Argument, Expression, Failure, Literal, evaluate, renumbered
from tpir.ir.functions import Relation, ReluFunction, Table
from tpir.ir.ops import Aggregate, AggregateSum, Always, Map, Select, SelectorWidth, Uniform
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Selector, Width, is_integral, is_mixed
from tpir.ir.values import Value, same_value
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite, until_stable
from tpir.passes.expressible import constant_is_welcome
from tpir.passes.failing import can_fail
from tpir.passes.tables import TableArray, table_of_relu


@dataclass(frozen=True)
class Constants(Pass):
    """Compute what does not depend on the input.

    Laws: a map of constants is a constant; a constant argument can be written into a table or an
    expression; one selected value of a constant sequence is the constant; the sum of ones is a
    width, the sum of zeros zero; a hard selector selects one key; an empty selector sums to zero
    and aggregates to the default; ``uniform`` of words only, or of none, is its operand.

        one = map() {1};  n = aggregate_sum(s, one)   →   n = selector_width(s)

    Sound: the ops' definitions. Constant terms of a readout are folded by ``readout``, where they
    are exact. What can fail is not folded away.
    """

    name: ClassVar[str] = "constants"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Operands read, then nodes that are not yet computed."""
        constants = sum(constant_of(node) is not None for node in program.nodes)
        return (sum(len(node.operands) for node in program.nodes), -constants)

    def run(self, program: Program) -> PassResult:
        """Fold constants from the operands up."""
        return until_stable(program, lambda p: rewrite(p, _fold))


def constant_of(node: Node) -> Value | None:
    """The value of a node that is the same at every position of every input, or None."""
    match node.op:
        case Map(Table((), (value,))):
            return value
        case Map(Literal(value)) if not any(map(can_fail, node.operands)):
            return value
    return None


def constant_op(value: Value) -> Map:
    """The map that is always this value."""
    return Map(Table((), (value,)))


def is_empty(selector: Node) -> bool:
    """Whether a selector never selects anything and never fails, whatever it reads."""
    match selector.op:
        case Select(Always(False)):
            return not can_fail(selector)
        case Select(Relation(_, rows)):
            return not any(rows) and not can_fail(selector)
    return False


def _fold(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    if isinstance(node.op, Uniform) and not is_mixed(operands[0].type):
        return rewriting.alias(node, operands[0], "never mixes words with other values")
    value, why = _constant_value(rewriting, node, operands)
    if value is not None:
        if any(map(can_fail, operands)):
            return None
        if not constant_is_welcome(rewriting.program, node, value):
            rewriting.refuse(node, f"a number that is always {value} has no place in weights")
            return None
        return rewriting.replace(node, constant_op(value), (), why)
    if isinstance(node.op, AggregateSum):
        one = constant_of(operands[1])
        if one is not None and not isinstance(one, float) and one == 1:
            return rewriting.replace(node, SelectorWidth(), operands[:1], "adds ones: a width")
    if isinstance(node.op, Map):
        return _fold_arguments(rewriting, node, operands)
    return None


def _constant_value(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...]
) -> tuple[Value | None, str]:
    """The one value of a node, if it has, and why."""
    op = rewriting.fitted(node, operands)
    match op:
        case Map(Table((), _)) | Map(Literal()) if not operands:
            return None, ""
        case Map(function):
            return _map_value(function, operands), "a map of constants"
        case Aggregate(default):
            return _aggregate_value(default, operands), "aggregates to a constant"
        case AggregateSum() if is_integral(operands[1].type):
            zero = constant_of(operands[1])
            if is_empty(operands[0]) or (zero is not None and zero == 0):
                return 0, "a sum of nothing"
        case SelectorWidth():
            if is_empty(operands[0]):
                return 0, "selects nothing"
            if operands[0].type == Selector(Width.ONE):
                return 1, "selects one key always"
    return None, ""


def _map_value(
    function: Table | Expression | ReluFunction, operands: tuple[Node, ...]
) -> Value | None:
    values = [constant_of(operand) for operand in operands]
    arguments = tuple(v for v in values if v is not None)
    if len(arguments) < len(values):
        if isinstance(function, Table) and all(
            same_value(r, function.results[0]) for r in function.results
        ):
            return function.results[0]
        return None
    if isinstance(function, Table):
        return function(*arguments)
    if isinstance(function, ReluFunction):
        if not all(is_integral(operand.type) for operand in operands):
            return None
        table = table_of_relu(function, [Categorical((v,)) for v in arguments])
        return table.results[0]
    try:
        return evaluate(function, arguments)
    except Failure:
        return None


def _aggregate_value(default: Value | None, operands: tuple[Node, ...]) -> Value | None:
    selector, values = operands
    if default is not None and is_empty(selector):
        return default
    if not isinstance(selector.type, Selector) or selector.type.width is Width.MANY:
        return None
    value = constant_of(values)
    if value is None or (default is not None and not same_value(value, default)):
        return None
    return value


def _fold_arguments(rewriting: Rewriting, node: Node, operands: tuple[Node, ...]) -> Node | None:
    """Write constant arguments into the function. Relu functions keep theirs: sums may round."""
    values = [constant_of(operand) for operand in operands]
    places = [k for k, v in enumerate(values) if v is not None and not can_fail(operands[k])]
    op = rewriting.fitted(node, operands)
    assert isinstance(op, Map)
    if not places or isinstance(op.function, ReluFunction):
        return None
    kept = tuple(o for k, o in enumerate(operands) if k not in places)
    why = "reads " + ", ".join(operands[k].name for k in places) + ", which is constant"
    if isinstance(op.function, Table):
        array = TableArray.of(op.function)
        for k in reversed(places):
            at = next(i for i, v in enumerate(array.domains[k]) if same_value(v, _known(values[k])))
            array = array.without_axis(k, np.take(array.codes, at, axis=k))
        return rewriting.replace(node, Map(array.table()), kept, why)
    new: dict[int, Expression] = {}
    for k, value in enumerate(values):
        new[k] = Literal(_known(value)) if k in places else Argument(kept.index(operands[k]))
    return rewriting.replace(node, Map(renumbered(op.function, new)), kept, why)


def _known(value: Value | None) -> Value:
    assert value is not None
    return value
