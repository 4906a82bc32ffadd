"""Named tables, relu functions and readouts where they are used: ops that wait for domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tpir.errors import counted
from tpir.ir.functions import FeatureWeights, NumberWeights, ReluFunction
from tpir.ir.ops import Choose, Classify, ClassifyPooled, Map, Op, Select
from tpir.ir.program import Node
from tpir.ir.values import Value, distinct
from tpir.text import syntax
from tpir.text.open import Deferred, Where, domain_of
from tpir.text.rows import RowReader
from tpir.text.source import Source


@dataclass(eq=False)
class NamedTable:
    """A ``table`` or ``relu`` statement, and the text it stands in.

    ``comments`` wait for the first statement that uses it.
    """

    statement: syntax.TableStatement | syntax.ReluStatement
    source: Source
    comments: tuple[str, ...] = ()


def _rows(table: NamedTable, rows: RowReader) -> tuple[syntax.TableStatement, RowReader]:
    """The table of values, and a reader of the text that it stands in."""
    assert isinstance(table.statement, syntax.TableStatement)
    return table.statement, replace(rows, source=table.source)


@dataclass(frozen=True)
class TableMap(Deferred):
    """``name(operands)`` where the name is a table."""

    table: NamedTable

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The map by the table over the operands' values."""
        statement, reader = _rows(self.table, rows)
        for row in statement.rows:
            arity = len(row.patterns[0].cells)
            if arity != len(operands) and row.patterns[0].cells != (None,):
                takes = f"table {statement.name} takes {counted(arity, 'argument')}"
                raise where.error(f"{takes}, found {len(operands)}")
        domains = tuple(domain_of(node, where) for node in operands)
        return Map(reader.table(statement, domains))


@dataclass(frozen=True)
class RelationSelect(Deferred):
    """``select(keys, queries, name)`` where the name is a table."""

    table: NamedTable

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The select by the relation over the query values."""
        statement, reader = _rows(self.table, rows)
        return Select(reader.relation(statement, domain_of(operands[1], where)))


@dataclass(frozen=True)
class ScoredChoose(Deferred):
    """``choose`` with a table of scores."""

    choose: Choose
    table: NamedTable

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The choice by scores over the values of keys and queries."""
        statement, reader = _rows(self.table, rows)
        _, keys, queries = operands
        score = reader.score(statement, domain_of(queries, where), domain_of(keys, where))
        return replace(self.choose, score=score)


@dataclass(frozen=True)
class ReluMap(Deferred):
    """``name(operands)`` where the name is a relu function."""

    table: NamedTable

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The map by the relu function."""
        statement, source = self.table.statement, self.table.source
        assert isinstance(statement, syntax.ReluStatement)
        arity = len(statement.units[0].inputs.numbers) if statement.units else 0
        if arity != len(operands):
            takes = f"{statement.name} takes {counted(arity, 'argument')}"
            raise where.error(f"{takes}, found {len(operands)}")
        if len(statement.biases) != 1 or not statement.biases[0].numbers:
            raise Where.of(source, statement).error(f"{statement.name} needs one line: bias […]")
        return Map(_relu(statement, replace(rows, source=source), arity))


def _relu(statement: syntax.ReluStatement, rows: RowReader, arity: int) -> ReluFunction:
    numbers, float32 = rows.numbers, statement.float32
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


@dataclass(frozen=True)
class OpenReadout(Deferred):
    """``classify { … }`` and ``classify_pooled … { … }``, the features as operands.

    ``labels`` are the header's, for a readout that lists none.
    """

    readout: syntax.Readout
    labels: tuple[Value, ...]

    def resolve(self, operands: Sequence[Node], where: Where, rows: RowReader) -> Op:
        """The readout over the features' values."""
        readout = self.readout
        labels = self._labels(where)
        bias = (0.0,) * len(labels)
        weights: list[FeatureWeights] = []
        features = iter(operands)
        for item in readout.items:
            if item.name is not None:
                weights.append(self._feature(item, next(features), len(labels), where, rows))
            elif isinstance(item.content, syntax.Weights | syntax.Zeros):
                bias = rows.numbers(item.content, len(labels), readout.float32, "label")
        if readout.pool is not None:
            return ClassifyPooled(labels, bias, tuple(weights), readout.pool)
        return Classify(labels, bias, tuple(weights))

    def _labels(self, where: Where) -> tuple[Value, ...]:
        listed = [i for i in self.readout.items if isinstance(i.content, syntax.Values)]
        if len(listed) > 1:
            raise Where.of(where.source, listed[1], where.caller).error(
                "a readout lists its labels once"
            )
        if not listed:
            if not self.labels:
                note = "write labels {…} in the header or in the readout"
                raise where.error("this readout has no labels", note)
            return self.labels
        content = listed[0].content
        assert isinstance(content, syntax.Values)
        if not content.values or len(distinct(content.values)) != len(content.values):
            at = Where.of(where.source, content, where.caller)
            raise at.error("a readout needs at least one label, and none twice")
        return content.values

    def _feature(
        self,
        item: syntax.ReadoutItem,
        node: Node,
        labels: int,
        where: Where,
        rows: RowReader,
    ) -> FeatureWeights:
        content, float32 = item.content, self.readout.float32
        if isinstance(content, syntax.Weights | syntax.Zeros):
            return NumberWeights(rows.numbers(content, labels, float32, "label"))
        assert isinstance(content, tuple)
        domain = domain_of(node, Where.of(where.source, item, where.caller))
        return rows.feature(content, domain, labels, float32, (item.start, item.end))
