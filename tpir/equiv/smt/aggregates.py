"""``aggregate``, ``aggregate_sum`` and ``selector_width`` of one query, on circuits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tpir.equiv.smt.circuit import FALSE, TRUE, Circuit, Literal
from tpir.equiv.smt.summaries import Summary, gathered
from tpir.equiv.smt.words import chosen_word, decoded, running, summed
from tpir.ir.infer import has_means, lacks_default
from tpir.ir.ops import Aggregate
from tpir.ir.program import Node
from tpir.ir.types import Integer, Selector, Width
from tpir.ir.values import Value

MANY_TOTALS = 64
"""Sums of more totals than this are added in binary."""

Cases = list[tuple[Value, Literal]]


def counted(circuit: Circuit, row: Sequence[Literal]) -> Summary:
    """How many keys are selected."""
    states = {0: TRUE}
    for selected in row:
        if selected == FALSE:
            continue
        following: dict[int, list[Literal]] = {}
        for count, literal in states.items():
            following.setdefault(count, []).append(circuit.both(literal, selected ^ 1))
            following.setdefault(count + 1, []).append(circuit.both(literal, selected))
        states = {count: circuit.any(cases) for count, cases in following.items()}
    return gathered(circuit, states.items(), total=True)


def totalled(
    circuit: Circuit, node: Node, row: Sequence[Literal], values: Sequence[Summary]
) -> Summary:
    """The sum of the selected values: of whole numbers exactly, of floats from left to right."""
    total = all(v.total for x, v in zip(row, values, strict=True) if x != FALSE)
    steps = list(zip(row, values, strict=True))
    if not isinstance(node.type, Integer):
        states = running(circuit, (0, 0.0), steps, lambda s, v: (0, s[1] + float(v)))
        return _finite(circuit, [(t, x) for (_, t), x in states.items()], total)
    if _totals(steps) <= MANY_TOTALS:
        states = running(circuit, (0, 0), steps, lambda s, v: (0, s[1] + int(v)))
        return gathered(circuit, ((int(t), x) for (_, t), x in states.items()), total=total)
    return _in_binary(circuit, steps, total)


def _totals(steps: list[tuple[Literal, Summary]]) -> int:
    """An upper bound of how many totals there are."""
    numbers = [[0, *map(int, v.values)] for x, v in steps if x != FALSE]
    return 1 + sum(max(n) for n in numbers) - sum(min(n) for n in numbers)


def _in_binary(circuit: Circuit, steps: list[tuple[Literal, Summary]], total: bool) -> Summary:
    """Each value as a word, less the least one, so that no word is negative."""
    words, lowest = [], 0
    for selected, summary in steps:
        if selected == FALSE:
            continue
        numbers = [int(v) for v in summary.values]
        least = min(0, *numbers)
        lowest += least
        cases = [
            (n - least, circuit.both(selected, x))
            for n, x in zip(numbers, summary.literals, strict=True)
        ]
        words.append(chosen_word(circuit, [*cases, (-least, selected ^ 1)]))
    numbers_of = range(_totals(steps))
    literals = decoded(circuit, summed(circuit, words), numbers_of)
    totals = ((n + lowest, x) for n, x in zip(numbers_of, literals, strict=True))
    return gathered(circuit, totals, total=total)


def _finite(circuit: Circuit, cases: Cases, total: bool) -> Summary:
    """Sums of floats: one that leaves their range is a failure."""
    fine = [(v, x) for v, x in cases if math.isfinite(v)]  # type: ignore[arg-type]
    fails = circuit.any(x for v, x in cases if not math.isfinite(v))  # type: ignore[arg-type]
    return gathered(circuit, fine, fails, total=total and fails == FALSE)


def aggregated(
    circuit: Circuit, node: Node, row: Sequence[Literal], values: Sequence[Summary]
) -> Summary:
    """The selected value, the default where there is none, the mean where there are several."""
    op, selector = node.op, node.operands[0]
    assert isinstance(op, Aggregate) and isinstance(selector.type, Selector)
    none = circuit.all(x ^ 1 for x in row)
    at_most_one = selector.type.width is not Width.MANY
    single = list(row) if at_most_one else _only(circuit, row)
    cases: Cases = [
        (value, circuit.both(one, x))
        for one, summary in zip(single, values, strict=True)
        for value, x in zip(summary.values, summary.literals, strict=True)
    ]
    fails = FALSE
    if selector.type.width is not Width.ONE:
        if lacks_default(node.type, op.default):
            fails = none
        elif op.default is not None:
            cases.append((op.default, none))
    if not at_most_one:
        several = circuit.all([none ^ 1, circuit.any(single) ^ 1])
        if several != FALSE:
            means, failed = _means(circuit, node, row, values, several)
            cases += means
            fails = circuit.either(fails, failed)
    read = all(v.total for x, v in zip(row, values, strict=True) if x != FALSE)
    return gathered(circuit, cases, fails, total=read and fails == FALSE)


def _only(circuit: Circuit, row: Sequence[Literal]) -> list[Literal]:
    """For each key whether it is the only one that is selected."""
    before, after = [TRUE], [TRUE]
    for x, y in zip(row, reversed(row), strict=True):
        before.append(circuit.both(before[-1], x ^ 1))
        after.append(circuit.both(after[-1], y ^ 1))
    after.reverse()
    return [circuit.all([before[j], x, after[j + 1]]) for j, x in enumerate(row)]


def _means(
    circuit: Circuit,
    node: Node,
    row: Sequence[Literal],
    values: Sequence[Summary],
    several: Literal,
) -> tuple[Cases, Literal]:
    """The means of several selected values, and where there is none."""
    if not has_means(node.operands[1].type, node.type):
        return [], several
    whole = all(isinstance(v, int) for summary in values for v in summary.values)

    def add(state: tuple[int, float], value: float) -> tuple[int, float]:
        return state[0] + 1, state[1] + (int(value) if whole else float(value))

    start: tuple[int, float] = (0, 0 if whole else 0.0)
    states = running(circuit, start, list(zip(row, values, strict=True)), add)
    cases: Cases = []
    failed = []
    for (count, total), literal in states.items():
        if count > 1:
            met = circuit.both(literal, several)
            if math.isfinite(total):
                cases.append((total / count, met))
            else:
                failed.append(met)
    return cases, circuit.any(failed)
