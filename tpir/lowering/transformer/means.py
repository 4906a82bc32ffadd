"""Heads that take the mean of all selected keys."""

from __future__ import annotations

import numpy as np

from tpir.ir.functions import Table
from tpir.ir.ops import Aggregate, Always, Map, Select
from tpir.ir.program import Node
from tpir.ir.types import number_bounds
from tpir.ir.values import Value, is_number
from tpir.lowering.transformer.copies import fresh, variable_of
from tpir.lowering.transformer.numbers import Codes, Floats, snapped
from tpir.lowering.transformer.scores import Unclear
from tpir.lowering.transformer.stream import Stream, Variable, map_values
from tpir.lowering.transformer.written import Written

MOST_MEANS = 20_000
"""Means of more values than this are numbers of any value."""


def add_means(stream: Stream, written: Written, selector: Node) -> tuple[Floats, list[Variable]]:
    """Variables for the means that a head writes, a direction or a known variable each."""
    base = written.read.base
    added: list[Variable] = []
    for places in written.groups:
        if stream.pooled.issuperset(places.tolist()) and selector.op == Select(Always(True)):
            _average(stream, written, places)
            continue
        group = _Group(stream, written, selector, places)
        added += group.variables()
        base = base + group.offset
    return base, added


def _average(stream: Stream, written: Written, places: Codes) -> None:
    """The mean over all positions of whatever values add."""
    for source, rows in written.read.rows.items():
        mine = np.zeros_like(rows)
        mine[:, places] = rows[:, places]
        if mine.any():
            before = stream.averages.get(source, np.zeros_like(rows))
            stream.averages[source] = before + mine


class _Group:
    """Directions that hold one variable."""

    def __init__(self, stream: Stream, written: Written, selector: Node, group: Codes) -> None:
        self.stream, self.written, self.selector, self.group = stream, written, selector, group
        self.rows = {v: rows for v, rows in written.read.rows.items() if rows[:, group].any()}
        self.name = stream.name(group, written.name).removesuffix(".raw")
        self.moved = np.zeros(len(written.read.base))
        self.offset = np.zeros(len(written.read.base))
        if written.at_sink is not None:
            self.moved[group] = written.moved[group]

    @property
    def place(self) -> tuple[int, int]:
        """The half block and the first direction."""
        return self.stream.slot, int(self.group[0])

    def variables(self) -> list[Variable]:
        """What is written: means, or words of which one at most is ever selected."""
        if not self.rows:
            return self._found()
        if len(self.rows) == 1:
            ((source, rows),) = self.rows.items()
            lone = self.place in self.stream.lone
            if source.values is not None and (lone or _rank(rows[:, self.group]) > 1):
                return [self._words(source)]
        found = []
        moved = self.moved
        for source, rows in self.rows.items():
            for places in _lines(rows, self.group):
                mine = np.zeros(len(moved))
                mine[places] = moved[places]
                moved = moved - mine
                found.append(self._number(source, rows, places, mine))
        if moved.any():
            raise Unclear("what it writes where it finds nothing is no default of a mean")
        return found

    def _found(self) -> list[Variable]:
        if not self.moved.any():
            return []
        builder, origin = self.stream.builder, self.written.origin
        one = builder.add(Map(Table((), (1,))), [], name="one", origin=origin)
        node = builder.add(Aggregate(0), [self.selector, one], name=self.name, origin=origin)
        values: tuple[Value, ...] = (1, 0)
        return [variable_of(node, values, np.stack([0 * self.moved, self.moved]))]

    def _words(self, source: Variable) -> Variable:
        """The values as words: several of them have no mean, so one at most is selected."""
        assert source.values is not None
        builder, origin = self.stream.builder, self.written.origin
        own = np.zeros_like(self.rows[source])
        own[:, self.group] = self.rows[source][:, self.group]
        node, values = source.node, source.values
        if number_bounds(node.type) is not None or any(map(is_number, values)):
            words: list[Value] = [f"v{k}" for k in range(len(values))]
            node = map_values(builder, source, words, f"{node.name}_word", origin)
            values = tuple(words)
        same = np.flatnonzero((np.abs(own - self.moved) <= 2 * self.written.read.noise).all(axis=1))
        filler = values[same[0]] if len(same) else fresh(values)
        rows = own
        if not len(same):
            values, rows = (*values, filler), np.concatenate([own, self.moved[None]])
        op = Aggregate(filler)
        mean = builder.add(op, [self.selector, node], name=self.name, origin=origin)
        return variable_of(mean, values, rows)

    def _number(self, source: Variable, rows: Floats, places: Codes, moved: Floats) -> Variable:
        """The mean of numbers: those that the first of the directions holds."""
        own = np.zeros_like(rows)
        own[:, places] = rows[:, places]
        first = int(places[0])
        builder, origin = self.stream.builder, self.written.origin
        if source.values is None:
            default = moved[first] / own[0, first]
            op = Aggregate(_value(snapped(float(default), 1e-6)))
            node = builder.add(op, [self.selector, source.node], name=self.name, origin=origin)
            return Variable(node, None, own)
        # The number at the first value is what the stream holds there; rows count from it.
        noise = float(self.written.read.noise[first])
        shift = snapped(float(self.written.read.base[first]), noise)
        column = own[:, first] + shift
        numbers = _as_values(column, noise)
        node = map_values(builder, source, numbers, f"{self.name}_values", origin)
        default = snapped(float(moved[first]) + shift, noise)
        op = Aggregate(_value(default))
        mean = builder.add(op, [self.selector, node], name=self.name, origin=origin)
        slope = own[np.abs(own[:, first]).argmax()]
        slope = slope / slope[first]
        expected = np.where(np.arange(len(moved)) == first, 0.0, moved - moved[first] * slope)
        if np.abs(expected).max() > 1e-6 * (1 + np.abs(moved).max()):
            raise Unclear("what it writes where it finds nothing is no default of a mean")
        possible = means_of(numbers, builder.header.context, _value(default))
        if possible is None:
            self.offset = self.offset - shift * slope
            return Variable(mean, None, slope[None])
        self.stream.means[mean] = self.place
        line = np.array([float(v) for v in possible if is_number(v)]) - shift
        return Variable(mean, possible, line[:, None] * slope)


def means_of(numbers: list[Value], context: int, default: Value) -> tuple[Value, ...] | None:
    """All means of up to ``context`` of the numbers, and the default; None where they are many."""
    whole = sorted({v for v in numbers if isinstance(v, int)})
    if len(whole) < len(set(numbers)):
        return None
    sums, found = {0}, set[float]()
    for n in range(1, context + 1):
        sums = {s + v for s in sums for v in whole}
        found |= {s / n for s in sums}
        if len(found) > MOST_MEANS:
            return None
    ordered: list[Value] = sorted(found)
    if is_number(default) and float(default) not in found:
        ordered = sorted([*ordered, default], key=float)
    return tuple(ordered)


def _as_values(column: Floats, noise: float) -> list[Value]:
    """Whole numbers as such, others as the simplest floats near them."""
    near = [snapped(float(x), noise) for x in column]
    if all(x == int(x) for x in near):
        return [int(x) for x in near]
    return list(near)


def _value(number: float) -> Value:
    return int(number) if number == int(number) else number


def _rank(columns: Floats) -> int:
    return int(np.linalg.matrix_rank(columns, tol=1e-6 * (1 + np.abs(columns).max())))


def _lines(rows: Floats, group: Codes) -> list[Codes]:
    """The directions that change, those that are multiples of each other together."""
    found: list[list[int]] = []
    for direction in group.tolist():
        column = rows[:, direction]
        if not column.any():
            continue
        for line in found:
            if _rank(rows[:, [line[0], direction]]) == 1:
                line.append(direction)
                break
        else:
            found.append([direction])
    return [np.array(line, dtype=np.intp) for line in found]
