"""Choosing among keys that a column limits: the last smaller one before the query, and the like.

Queries are answered in the order of their limits. Then the keys within the limits are those met so
far, and of these the ones of the query's group, and between its positions, stand together.
"""

from __future__ import annotations

from tpir.backends.python.boxes import grouped
from tpir.backends.python.conditions import Conditions, Order
from tpir.backends.python.forms import POSITIONS
from tpir.backends.python.layout import Call, Code, Comprehension, display
from tpir.backends.python.loops import loop
from tpir.backends.python.stretches import Sorted, limits_of
from tpir.ir.ops import Preference


def picked(conditions: Conditions, preference: Preference, *, total: bool) -> Code:
    """The first, last or closest position; where there is none the first of all, or None.

    The keys must have upper or lower limits in one column, and perhaps limits of positions.
    """
    writer, name = conditions.writer, conditions.name
    (order,) = (o for o in conditions.orders.values() if o.column != POSITIONS)
    along = Sorted(Conditions(writer, name), order.column, None)
    start, stop = limits_of(along, None, order)
    columns: dict[str | None, str] = {start: "start", stop: "stop"}
    window = conditions.orders.get(POSITIONS, Order(POSITIONS))
    if conditions.equal or conditions.key_tests or conditions.query_tests:
        ranks, begin, low, high = grouped(conditions, window)
        places = writer.stored(f"by_{ranks}", f"sorted(range(n), key={ranks}.__getitem__)")
        columns |= {begin: "x", low: "y", high: "z"}
        lowest, highest = "x" if low is None else "x + y", "x + z"
    else:
        ranks = places = POSITIONS
        low, high = limits_of(Sorted(conditions, POSITIONS, None), None, window)
        columns |= {low: "y", high: "z"}
        lowest, highest = "0" if low is None else "y", "n" if high is None else "z"
    met = writer.stored(f"met_{name}", along.at(along.places(), ranks))
    if start is not None:
        met = writer.stored(f"met_{name}", f"{met}[::-1]")
    items = ("n - start" if start else "stop", lowest, highest)
    _, clause = loop([], {c: letter for c, letter in columns.items() if c is not None})
    boxes = writer.stored(f"boxes_{name}", Comprehension("[]", display("()", items), clause))
    nothing = "0" if total else "None"
    helper = writer.use("pick_in_boxes")
    return Call(helper, (met, places, boxes, f'"{preference.value}"', nothing))
