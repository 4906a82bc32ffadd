"""Named tables, relu functions and readouts where they are used."""

from __future__ import annotations

from tpir.ir.functions import FeatureWeights, NumberWeights, ReluFunction
from tpir.ir.ops import Classify, ClassifyPooled, Map, Readout
from tpir.ir.program import Node
from tpir.ir.values import Value, distinct
from tpir.text import syntax
from tpir.text.evaluate import Evaluator


def apply_function(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    """``name(operands)`` where the name is a table or a relu function."""
    assert isinstance(call, syntax.Call) and isinstance(call.function, syntax.Name)
    function = evaluator.lookup(call.function)
    operands: list[Node] = []
    for argument in call.arguments:
        if isinstance(argument, syntax.Keyword | syntax.Operator):
            raise evaluator.error("a table is applied to sequences only", argument)
        operands.append(evaluator.node(argument))
    if isinstance(function, syntax.ReluStatement):
        relu = _relu(evaluator, function, len(operands), call)
        return evaluator.add(Map(relu), operands, call, root)
    assert isinstance(function, syntax.TableStatement)
    _check_arity(evaluator, function, len(operands), call)
    domains = tuple(
        evaluator.domain(node, argument)
        for node, argument in zip(operands, call.arguments, strict=True)
    )
    return evaluator.add(Map(evaluator.rows.table(function, domains)), operands, call, root)


def _check_arity(
    evaluator: Evaluator, table: syntax.TableStatement, count: int, call: syntax.Call
) -> None:
    for row in table.rows:
        arity = len(row.patterns[0].cells)
        if arity != count and row.patterns[0].cells != (None,):
            raise evaluator.error(
                f"table {table.name} takes {arity} arguments, found {count}", call
            )


def _relu(
    evaluator: Evaluator, statement: syntax.ReluStatement, count: int, call: syntax.Call
) -> ReluFunction:
    arity = len(statement.units[0].inputs.numbers) if statement.units else 0
    if arity != count:
        raise evaluator.error(f"{statement.name} takes {arity} arguments, found {count}", call)
    if len(statement.biases) != 1 or not statement.biases[0].numbers:
        raise evaluator.error(f"{statement.name} needs one line: bias […]", statement)
    numbers, float32 = evaluator.rows.numbers, statement.float32
    bias = statement.biases[0]
    outputs = len(bias.numbers)
    v: list[tuple[float, ...]] = []
    b: list[float] = []
    w: list[tuple[float, ...]] = []
    for unit in statement.units:
        v.append(numbers(unit.inputs, arity, float32, "input"))
        w.append(numbers(unit.outputs, outputs, float32, "output"))
        own = syntax.Weights(unit.start, unit.end, (unit.bias,))
        b.extend(numbers(own, 1, float32, "unit"))
    columns = tuple(tuple(row[k] for row in w) for k in range(outputs))
    return ReluFunction(tuple(v), tuple(b), columns, numbers(bias, outputs, float32, "output"))


def classify(evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
    """``classify { … }`` and ``classify_pooled … { … }``."""
    assert isinstance(call, syntax.Readout)
    labels = _labels(evaluator, call)
    bias: tuple[float, ...] | None = None
    operands: list[Node] = []
    weights: list[FeatureWeights] = []
    for item in call.items:
        content = item.content
        if item.name is not None and not isinstance(content, syntax.Values):
            node = evaluator.lookup(syntax.Name(item.start, item.end, item.name))
            if not isinstance(node, Node):
                raise evaluator.error(f"{item.name} is not a sequence", item)
            operands.append(node)
            weights.append(_feature(evaluator, call, item, node, len(labels)))
        elif isinstance(content, syntax.Weights):
            if bias is not None:
                raise evaluator.error("a readout has one bias", item)
            numbers = evaluator.rows.numbers
            bias = numbers(content, len(labels), call.float32, "label")
    bias = (0.0,) * len(labels) if bias is None else bias
    op: Readout = Classify(labels, bias, tuple(weights))
    if call.pool is not None:
        op = ClassifyPooled(labels, bias, tuple(weights), call.pool)
    return evaluator.add(op, operands, call, root)


def _labels(evaluator: Evaluator, expression: syntax.Readout) -> tuple[Value, ...]:
    listed = [i for i in expression.items if isinstance(i.content, syntax.Values)]
    if len(listed) > 1:
        raise evaluator.error("a readout lists its labels once", listed[1])
    if not listed:
        labels = evaluator.builder.header.labels
        if not labels:
            note = "write labels {…} in the header or in the readout"
            raise evaluator.error("this readout has no labels", expression, note)
        return labels
    content = listed[0].content
    assert isinstance(content, syntax.Values)
    if not content.values or len(distinct(content.values)) != len(content.values):
        raise evaluator.error("a readout needs at least one label, and none twice", content)
    return content.values


def _feature(
    evaluator: Evaluator,
    readout: syntax.Readout,
    item: syntax.ReadoutItem,
    node: Node,
    labels: int,
) -> FeatureWeights:
    content = item.content
    if isinstance(content, syntax.Weights):
        numbers = evaluator.rows.numbers(content, labels, readout.float32, "label")
        return NumberWeights(numbers)
    assert isinstance(content, tuple)
    domain = evaluator.domain(node, item)
    place = (item.start, item.end)
    return evaluator.rows.feature(content, domain, labels, readout.float32, place)
