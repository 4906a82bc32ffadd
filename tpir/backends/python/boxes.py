"""Keys between limits in two orders at once: positions, or one column, and another column.

Sort by one, rank by the other, and a query selects a box: from a start to a stop, and from a lowest
rank to a highest. Keys of one group have ranks that stand together.
"""

from __future__ import annotations

from dataclasses import dataclass

from tpir.backends.python.conditions import Conditions, Order
from tpir.backends.python.forms import POSITIONS, Match
from tpir.backends.python.layout import Call, Code, Comprehension, display
from tpir.backends.python.loops import loop
from tpir.backends.python.stretches import Sorted, limits_of
from tpir.backends.python.writer import Writer


@dataclass(frozen=True, eq=False)
class Box:
    """A box for each query.

    ``along`` are the keys in one order, ``ranks`` the column of their ranks in the other, ``boxes``
    a column of tuples (start, stop, lowest rank, rank behind the highest).
    """

    writer: Writer
    along: Sorted
    ranks: str
    boxes: str

    in_key_order = False

    @classmethod
    def of(cls, conditions: Conditions) -> Box:
        """The boxes of a conjunction with two orders."""
        writer, name = conditions.writer, conditions.name
        first, second = sorted(conditions.orders.values(), key=lambda o: o.column != POSITIONS)
        along = Sorted(Conditions(writer, name), first.column, None)
        start, stop = limits_of(along, None, first)
        columns: dict[str | None, str] = {start: "start", stop: "stop"}
        if conditions.equal or conditions.key_tests or conditions.query_tests:
            ranks, begin, low, high = grouped(conditions, second)
            columns |= {begin: "x", low: "y", high: "z"}
            lowest, highest = "x" if low is None else "x + y", "x + z"
        else:
            ranks = writer.stored(
                f"ranks_{second.column}", Call(writer.use("ranks"), (second.column,))
            )
            low, high = limits_of(Sorted(conditions, second.column, None), None, second)
            columns |= {low: "y", high: "z"}
            lowest, highest = "0" if low is None else "y", "n" if high is None else "z"
        items = ("start" if start else "0", "stop" if stop else "n", lowest, highest)
        _, clause = loop([], {c: letter for c, letter in columns.items() if c is not None})
        code = Comprehension("[]", display("()", items), clause)
        return cls(writer, along, ranks, writer.stored(f"boxes_{name}", code))

    def counts(self) -> Code:
        """How many keys each query selects."""
        return self._sums("[1] * n", "0")

    def sums(self, values: str, zero: str) -> Code:
        """The sum of the values that each query selects."""
        return self._sums(self.along.at(self.along.places(), values), zero)

    def _sums(self, values: Code, zero: str) -> Code:
        ranks = self.along.at(self.along.places(), self.ranks)
        return Call(self.writer.use("sums_in_boxes"), (ranks, values, self.boxes, zero))


def grouped(conditions: Conditions, order: Order) -> tuple[str, str, str | None, str | None]:
    """Columns: ranks by group and order; where the group that a query wants begins; limits in it.

    The upper limit is never left out.
    """
    writer, name = conditions.writer, conditions.name
    if not conditions.equal:
        zeros = writer.stored("zeros", "[0] * n")
        conditions.equal.append(Match(zeros, zeros, "x"))
    keys, wanted = conditions.keys(), conditions.wanted()
    by_group = Sorted(conditions, order.column, keys)
    low, high = limits_of(by_group, wanted, order)
    names, clause = loop([wanted])
    if high is None:
        lengths = Comprehension("[]", f"len({by_group.row(names[wanted])})", clause)
        high = writer.stored(f"stops_{name}", lengths)
    numbers = writer.stored(f"groups_{name}", Call(writer.use("begins"), (writer.text(keys),)))
    begins = Comprehension("[]", f"{numbers}.get({names[wanted]}, 0)", clause)
    groups = Comprehension("[]", f"{numbers}[x]", f"for x in {writer.text(keys)}")
    ranks = Call(writer.use("ranks"), (writer.text(order.column), groups))
    return (
        writer.stored(f"ranks_{name}", ranks),
        writer.stored(f"begins_{name}", begins),
        low,
        high,
    )
