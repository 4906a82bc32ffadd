"""From the rows of a table, as written, to a finite function over given domains.

A row with fewer ``_`` wins over one with more, wherever it stands, so a row can be added anywhere.
Rows that would be ignored are errors, and so are arguments without a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

import numpy as np

from tpir.errors import counted
from tpir.ir.functions import Domain, Relation, ScoreTable, Table, TableWeights, codes_of
from tpir.ir.values import Key, Value, distinct, show_value, sorted_values, value_key
from tpir.text.source import Source
from tpir.text.syntax import (
    LIST_OR_ZEROS,
    Cell,
    Element,
    Pattern,
    Range,
    Row,
    TableStatement,
    ValueSet,
    Weights,
    Zeros,
    is_zeros,
)

MOST_ROWS = 2**22
_WIDEST_RANGE = 2**20
Item = TypeVar("Item")


@dataclass(frozen=True)
class RowReader:
    """Reads rows of one text.

    ``strict``: a value that the operand never has is an error. Where the vocabulary is not the
    file's own but that of some input, such a row merely has nothing to do.
    """

    source: Source
    strict: bool

    def table(self, statement: TableStatement, domains: tuple[Domain, ...]) -> Table:
        """The function of a named table. Raises TpirError, as all methods here."""
        self._refuse_keys(statement)
        place = (statement.start, statement.start + 5)
        return Table(domains, tuple(self._fill(statement.rows, domains, self._value, place)))

    def relation(self, statement: TableStatement, queries: Domain) -> Relation:
        """The predicate of a named table: for each query value the key values that match."""
        self._refuse_keys(statement)
        place = (statement.start, statement.start + 5)
        return Relation(queries, tuple(self._fill(statement.rows, (queries,), self._set, place)))

    def score(self, statement: TableStatement, queries: Domain, keys: Domain) -> ScoreTable:
        """The scores of a named table: rows are query values, columns the ``keys`` it lists."""
        place = (statement.start, statement.start + 5)
        if len(statement.keys) != 1:
            raise self.source.error(
                f"table {statement.name} is used as a score: it needs one line keys {{…}} "
                "that says which key value each column is for",
                *place,
            )
        listed = statement.keys[0]
        columns = codes_of(listed.values)
        if len(columns) != len(listed.values):
            raise self.source.error("a key value is listed twice", listed.start, listed.end)
        missing = [v for v in keys if value_key(v) not in columns]
        extra = [v for v in listed.values if value_key(v) not in codes_of(keys)]
        if missing or (extra and self.strict):
            wrong = f"lack {show_value(missing[0])}" if missing else f"hold {show_value(extra[0])}"
            raise self.source.error(
                f"the keys of {statement.name} {wrong}", listed.start, listed.end, _values_are(keys)
            )
        order = [columns[value_key(v)] for v in keys]
        read = self._weights(len(columns), statement.float32)
        rows = self._fill(statement.rows, (queries,), read, place)
        return ScoreTable(queries, keys, tuple(tuple(row[k] for k in order) for row in rows))

    def feature(
        self,
        rows: Sequence[Row],
        domain: Domain,
        labels: int,
        float32: bool,
        place: tuple[int, int],
    ) -> TableWeights:
        """The weights that a categorical feature of a readout adds to each label."""
        read = self._weights(labels, float32)
        return TableWeights(domain, tuple(self._fill(rows, (domain,), read, place)))

    def numbers(
        self, weights: Weights | Zeros, count: int, float32: bool, what: str
    ) -> tuple[float, ...]:
        """A list of weights of a known length."""
        if isinstance(weights, Zeros):
            return (0.0,) * count
        if len(weights.numbers) != count:
            wanted = counted(count, "number")
            message = f"expected {wanted}, one for each {what}, found {len(weights.numbers)}"
            raise self.source.error(message, weights.start, weights.end)
        if not float32:
            return weights.numbers
        with np.errstate(over="ignore"):
            rounded = np.array(weights.numbers, dtype=np.float64).astype(np.float32)
        if not np.isfinite(rounded).all():
            raise self.source.error("a number is too large for float32", weights.start, weights.end)
        return tuple(rounded.astype(np.float64).tolist())

    # ---- what a row gives

    def _value(self, row: Row) -> Value:
        if isinstance(row.result, ValueSet | Weights):
            raise self.source.error(
                "this table is used as a function: each row gives one value", row.start, row.end
            )
        return row.result

    def _set(self, row: Row) -> tuple[Value, ...]:
        if isinstance(row.result, Weights):
            raise self.source.error(
                "this table is used as a predicate: each row gives a set of key values",
                row.start,
                row.end,
            )
        elements = row.result.elements if isinstance(row.result, ValueSet) else (row.result,)
        values = [v for element in elements for v in self._expand(element, row)]
        return sorted_values(distinct(values))

    def _weights(self, count: int, float32: bool) -> Callable[[Row], tuple[float, ...]]:
        def read(row: Row) -> tuple[float, ...]:
            if isinstance(row.result, Weights):
                return self.numbers(row.result, count, float32, "label or key")
            if not isinstance(row.result, ValueSet) and is_zeros(row.result):
                return (0.0,) * count
            raise self.source.error(f"each row here gives {LIST_OR_ZEROS}", row.start, row.end)

        return read

    def _refuse_keys(self, statement: TableStatement) -> None:
        if statement.keys:
            listed = statement.keys[0]
            raise self.source.error("only a table of scores has keys {…}", listed.start, listed.end)

    # ---- which rows apply where

    def _fill(
        self,
        rows: Sequence[Row],
        domains: tuple[Domain, ...],
        read: Callable[[Row], Item],
        place: tuple[int, int],
    ) -> list[Item]:
        total = math.prod(len(d) for d in domains)
        if total > MOST_ROWS:
            message = f"a table over domains of sizes {[len(d) for d in domains]} is too large"
            raise self.source.error(message, *place)
        results = [read(row) for row in rows]
        owner = self._owners(rows, domains, total)
        try:
            missing = owner.index(-1)
        except ValueError:
            return [results[k] for k in owner]
        shown = _show_row(domains, missing)
        raise self.source.error(f"no row for {shown}, and no row _ for the rest", *place)

    def _owners(self, rows: Sequence[Row], domains: tuple[Domain, ...], total: int) -> list[int]:
        """For each argument tuple, in C order, the number of the row that it takes; -1 for none."""
        codes = [codes_of(d) for d in domains]
        strides = [*accumulate((len(d) for d in reversed(domains[1:])), int.__mul__, initial=1)]
        strides.reverse()
        owner = [-1] * total
        patterns: list[list[tuple[int, Pattern]]] = [[] for _ in range(len(domains) + 1)]
        for number, row in enumerate(rows):
            for pattern in row.patterns:
                if pattern.cells == (None,) and domains:
                    pattern = replace(pattern, cells=(None,) * len(domains))
                if len(pattern.cells) != len(domains):
                    cells = f"a row of {counted(len(pattern.cells), 'value')}"
                    raise self.source.error(
                        f"{cells}, where the table takes {counted(len(domains), 'argument')}",
                        pattern.start,
                        pattern.end,
                    )
                patterns[pattern.cells.count(None)].append((number, pattern))
        for wild, group in enumerate(patterns):
            claimed: dict[int, int] = {}
            for number, pattern in group:
                offsets = self._offsets(pattern, domains, codes, strides)
                self._claim(pattern, number, offsets, owner, claimed, domains)
                if not offsets or wild == len(domains):
                    continue
                if all(owner[o] != number for o in offsets):
                    raise self.source.error(
                        "this row has no effect: rows with fewer _ cover all of it",
                        pattern.start,
                        pattern.end,
                    )
        return owner

    def _claim(
        self,
        pattern: Pattern,
        number: int,
        offsets: list[int],
        owner: list[int],
        claimed: dict[int, int],
        domains: tuple[Domain, ...],
    ) -> None:
        for offset in offsets:
            if owner[offset] < 0:
                owner[offset] = claimed[offset] = number
            elif claimed.get(offset, number) != number:
                shown = _show_row(domains, offset)
                raise self.source.error(
                    f"a second row for {shown}", pattern.start, pattern.end, "which one is meant?"
                )

    def _offsets(
        self,
        pattern: Pattern,
        domains: tuple[Domain, ...],
        codes: list[dict[Key, int]],
        strides: list[int],
    ) -> list[int]:
        offsets = [0]
        for axis, cell in enumerate(pattern.cells):
            stride = strides[axis]
            steps = [c * stride for c in self._codes(pattern, cell, domains[axis], codes[axis])]
            offsets = [o + step for o in offsets for step in steps]
        return offsets

    def _codes(
        self, pattern: Pattern, cell: Cell, domain: Domain, codes: dict[Key, int]
    ) -> list[int]:
        if cell is None:
            return list(range(len(domain)))
        found: list[int] = []
        for element in cell:
            for value in self._expand(element, pattern):
                code = codes.get(value_key(value))
                if code is not None:
                    found.append(code)
                elif self.strict:
                    raise self.source.error(
                        f"this row can have no effect: its operand is never {show_value(value)}",
                        pattern.start,
                        pattern.end,
                        _values_are(domain),
                    )
        return found

    def _expand(self, element: Element, where: Row | Pattern) -> Sequence[Value]:
        if not isinstance(element, Range):
            return (element,)
        if element.hi - element.lo >= _WIDEST_RANGE:
            raise self.source.error("this range is too long", where.start, where.end)
        return range(element.lo, element.hi + 1)


def _show_row(domains: tuple[Domain, ...], offset: int) -> str:
    values = []
    for domain in reversed(domains):
        offset, code = divmod(offset, len(domain))
        values.append(show_value(domain[code]))
    shown = ", ".join(reversed(values))
    return shown if len(values) == 1 else f"({shown})"


def _values_are(domain: Domain) -> str:
    shown = [show_value(v) for v in domain]
    if len(shown) > 12:
        shown = [*shown[:9], "…", shown[-1]]
    return f"its values are {', '.join(shown)}"
