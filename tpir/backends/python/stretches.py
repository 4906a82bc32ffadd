"""Keys between limits: sorted, what a query selects is a stretch from a start to a stop.

The keys are all, those that pass a test, or those of one group, which equal what the query wants.
Sums of values in that order are made once; the sum of a stretch is the difference of two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tpir.backends.python.conditions import Conditions, Limit, Order, condition
from tpir.backends.python.forms import POSITIONS
from tpir.backends.python.layout import Call, Code, Comprehension
from tpir.backends.python.loops import loop
from tpir.backends.python.writer import Writer
from tpir.ir.ops import Preference

AFTER_POSITIONS = "range(1, n + 1)"
"""The column of positions, each plus 1."""


@dataclass(frozen=True)
class Same:
    """A number that is the same for all queries."""

    number: str


@dataclass(frozen=True, eq=False)
class Sorted:
    """The keys of a conjunction in the order of a column, which POSITIONS leaves as they stand.

    ``groups`` is the column of groups that they are kept apart by, None for one group of all keys
    that pass the tests.
    """

    conditions: Conditions
    by: str
    groups: str | None

    @property
    def writer(self) -> Writer:
        """The module under construction."""
        return self.conditions.writer

    def row(self, group: str) -> str:
        """What the keys are sorted by, in order, for the group that an expression gives."""
        if self.groups is None:
            return self._row()
        if self.by == POSITIONS:
            code = Call(self.writer.use("places"), (self.writer.text(self.groups),))
            where = self.writer.stored(f"where_{self.writer.word(self.groups)}", code)
            return f"{where}.get({group}, ())"
        places = self.places()
        columns = tuple(self.at(places, column) for column in (self.groups, self.by))
        code = Call(self.writer.use("gather"), columns)
        return f"{self.writer.stored(f'sorted_{self.by}', code)}.get({group}, ())"

    def _row(self) -> str:
        if self.by == POSITIONS:
            return self.places()
        code: Code = Call("sorted", (self.by,))
        if self.conditions.key_tests:
            code = self.at(self.places(), self.by)
        return self.writer.stored(f"sorted_{self.by}", code)

    def places(self) -> str:
        """The positions of the keys, in order; of all groups together."""
        places = POSITIONS if self.groups else self.conditions.members()
        if self.by == POSITIONS:
            return places
        code = Call("sorted", (places, f"key={self.by}.__getitem__"))
        return self.writer.stored(f"by_{self.by}", code)

    def sums(self, values: str, zero: str, group: str) -> str:
        """The sums of no values, of the first, of the first two …, in order, of a group."""
        places = self.places()
        values_there = self.at(places, values)
        name = f"sums_{self.writer.word(values)}"
        if self.groups is None:
            code = Call(self.writer.use("running"), (values_there, zero))
            return self.writer.stored(name, code)
        arguments = (self.at(places, self.groups), values_there, zero)
        code = Call(self.writer.use("running_by_key"), arguments)
        return f"{self.writer.stored(name, code)}.get({group}, ({zero},))"

    def at(self, places: str, column: str) -> Code:
        """A column at these positions."""
        if places == POSITIONS:
            return self.writer.text(column)
        if column in (POSITIONS, self.writer.positions):
            return places
        return Comprehension("[]", f"{column}[j]", f"for j in {places}")


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of sorted keys for each query.

    ``wanted`` is the column of the groups that queries want, None without groups; ``starts`` and
    ``stops`` are columns of places in the sorted keys, None for the first and behind the last.
    """

    keys: Sorted
    wanted: str | None
    starts: str | None
    stops: str | None

    @classmethod
    def of(cls, conditions: Conditions) -> Stretch:
        """The stretches of a conjunction with at most one order."""
        order = next(iter(conditions.orders.values()), Order(POSITIONS))
        grouped = bool(conditions.equal)
        keys = Sorted(conditions, order.column, conditions.keys() if grouped else None)
        wanted = conditions.wanted() if grouped else None
        starts, stops = limits_of(keys, wanted, order)
        if conditions.query_tests and not grouped:
            stops = _tested(conditions, stops or f"[{_length(keys.row(''))}] * n")
        return cls(keys, wanted, starts, stops)

    @property
    def in_key_order(self) -> bool:
        """Whether the sum of a stretch is made by adding its values from left to right."""
        return self.keys.by == POSITIONS and self.starts is None

    def counts(self) -> Code | Same:
        """How many keys each query selects."""
        if self.starts is None:
            return Same(_length(self.keys.row(""))) if self.stops is None else self.stops
        if self.stops is not None:
            return self._each("max(0, stop - start)")
        names, clause = loop(self._wanted, {self.starts: "start"})
        row = self.keys.row(names.get(self.wanted or "", ""))
        return Comprehension("[]", f"{_length(row)} - start", clause)

    def sums(self, values: str, zero: str) -> Code | Same:
        """The sum of the values that each query selects."""
        names, _ = loop(self._wanted)
        sums = self.keys.sums(values, zero, names.get(self.wanted or "", ""))
        if self.starts is None:
            return Same(f"{sums}[-1]") if self.stops is None else self._each(f"{sums}[stop]")
        if self.stops is not None:
            return self._each(Call(self.keys.writer.use("between"), (sums, "start", "stop")))
        if self.wanted is not None:
            return self._each(f"(row := {sums})[-1] - row[start]")
        return self._each(f"{sums}[-1] - {sums}[start]")

    def chosen(self, order: Preference, *, total: bool) -> Code:
        """The first, last or closest position; where there is none the first of all, or None.

        The keys must be as they stand.
        """
        nothing = "0" if total else "None"
        ends = {self.starts: "start", self.stops: "stop"}
        row, column = self.keys.row("x"), None
        if self.wanted is not None:
            column, row = f"[{row} for x in {self.keys.writer.text(self.wanted)}]", "row"
        start = "0" if self.starts is None else "start"
        stop = _length(row) if self.stops is None else "stop"
        named = {column: "row"} if column else {}
        if order is Preference.CLOSEST:
            helper = self.keys.writer.use("nearest_between")
            own = ends.get(POSITIONS, "i")
            element: Code = Call(helper, (row, own, start, stop, nothing))
            return self._each(element, named, [POSITIONS])
        last = "-1" if self.stops is None else "stop - 1"
        place = start if order is Preference.FIRST else last
        there = f"{start} < {stop}" if self.starts else stop
        return self._each(f"{row}[{place}] if {there} else {nothing}", named)

    @property
    def _wanted(self) -> list[str]:
        return [self.wanted] if self.wanted else []

    def _each(
        self, element: Code, named: dict[str, str] | None = None, more: Sequence[str] = ()
    ) -> Code:
        """An element for each query, in terms of ``x`` (the group), ``start`` and ``stop``."""
        ends = {self.starts: "start", self.stops: "stop"}
        names = {**(named or {}), **{c: name for c, name in ends.items() if c is not None}}
        _, clause = loop([*([] if named else self._wanted), *more], names)
        return Comprehension("[]", element, clause)


def limits_of(keys: Sorted, wanted: str | None, order: Order) -> tuple[str | None, str | None]:
    """Columns of the places in sorted keys where each query starts and stops."""
    return (
        _places(keys, wanted, "starts", order.lower),
        _places(keys, wanted, "stops", order.upper),
    )


def _places(keys: Sorted, wanted: str | None, kind: str, limits: Sequence[Limit]) -> str | None:
    if not limits:
        return None
    upper = kind == "stops"
    helpers = ["bisect_right" if limit.included is upper else "bisect_left" for limit in limits]
    row = keys.row("x")
    if row == POSITIONS and [limit.queries for limit in limits] == [POSITIONS]:
        return AFTER_POSITIONS if helpers == ["bisect_right"] else POSITIONS
    names, clause = loop([*([wanted] if wanted else []), *(limit.queries for limit in limits)])
    if wanted is not None:
        row = keys.row(names[wanted])
    found = [
        f"{keys.writer.use(helper)}({row}, {names[limit.queries]})"
        for helper, limit in zip(helpers, limits, strict=True)
    ]
    code: Code = found[0]
    if len(found) > 1:
        code = Call("min" if upper else "max", tuple(found))
    return keys.writer.stored(f"{kind}_{keys.conditions.name}", Comprehension("[]", code, clause))


def _tested(conditions: Conditions, stops: str) -> str:
    """Where stretches stop: at the start, for queries that fail a test."""
    tests = conditions.short(conditions.query_tests)
    names, clause = loop([column for column, _ in tests], {stops: "stop"})
    element = f"stop if {condition(names, tests)} else 0"
    return conditions.writer.stored(
        f"stops_{conditions.name}", Comprehension("[]", element, clause)
    )


def _length(row: str) -> str:
    return "n" if row == POSITIONS else f"len({row})"
