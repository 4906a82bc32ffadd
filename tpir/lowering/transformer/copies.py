"""Heads that choose one key and copy its values."""

from __future__ import annotations

import numpy as np

from tpir.ir.functions import Table
from tpir.ir.ops import Aggregate, Map
from tpir.ir.program import Node
from tpir.ir.types import values_of
from tpir.ir.values import Value, is_number, value_key
from tpir.lowering.transformer.numbers import Floats
from tpir.lowering.transformer.scores import Unclear
from tpir.lowering.transformer.stream import Stream, Variable
from tpir.lowering.transformer.written import Written

ONE = Map(Table((), (1,)))


def add_copies(
    stream: Stream, written: Written, chosen: Node, may_fail: bool
) -> tuple[Floats, list[Variable]]:
    """A variable for each one that is copied. ``may_fail``: there may be no key to copy from."""
    rows = written.read.rows
    moved = written.moved if may_fail else np.zeros(len(written.read.base))
    if not rows:
        return _found(stream, written, chosen, moved)
    added = []
    sources = list(rows)
    for source in sources:
        # Where nothing is selected, the last variable makes up for what the others leave.
        default_row = moved if source is sources[-1] else np.zeros(len(moved))
        added.append(_copy(stream, written, chosen, source, default_row if may_fail else None))
    return written.read.base, added


def _copy(
    stream: Stream, written: Written, chosen: Node, source: Variable, default: Floats | None
) -> Variable:
    own = written.read.rows[source]
    name = _name(written, own, stream)
    if source.values is None:
        return _copy_number(stream, written, chosen, source, default)
    values, rows = source.values, own
    filler: Value | None = None
    if default is not None:
        same = np.flatnonzero((np.abs(own - default) <= 2 * written.read.noise).all(axis=1))
        filler = values[same[0]] if len(same) else fresh(values)
        if not len(same):
            values, rows = (*values, filler), np.concatenate([own, default[None]])
    op = Aggregate(filler)
    node = stream.builder.add(op, [chosen, source.node], name=name, origin=written.origin)
    return variable_of(node, values, rows)


def _copy_number(
    stream: Stream, written: Written, chosen: Node, source: Variable, default: Floats | None
) -> Variable:
    """A number of unlisted values: the default is the number that would write the same."""
    own = written.read.rows[source]
    filler: Value | None = None
    if default is not None:
        place = int(np.abs(own[0]).argmax())
        number = float(default[place] / own[0, place])
        if (np.abs(number * own[0] - default) > 1e-6 * (1 + np.abs(default))).any():
            raise Unclear("what it writes where it finds nothing is no value of what it copies")
        filler = int(number) if number == int(number) else number
    node = stream.builder.add(
        Aggregate(filler), [chosen, source.node], name=written.name, origin=written.origin
    )
    return Variable(node, None, own)


def _found(
    stream: Stream, written: Written, chosen: Node, moved: Floats
) -> tuple[Floats, list[Variable]]:
    """A head that copies the same from every key only says whether there was one."""
    if not moved.any():
        return written.read.base, []
    one = stream.builder.add(ONE, [], name="one", origin=written.origin)
    node = stream.builder.add(Aggregate(0), [chosen, one], name=written.name, origin=written.origin)
    return written.read.base, [variable_of(node, (1, 0), np.stack([np.zeros(len(moved)), moved]))]


def variable_of(node: Node, values: tuple[Value, ...], rows: Floats) -> Variable:
    """A variable with rows for the values of the node's type; those that cannot occur have none."""
    domain = values_of(node.type)
    if domain is None:
        return Variable(node, values, rows)
    known = {value_key(v): row for v, row in zip(values, rows, strict=True)}
    nothing = np.zeros(rows.shape[1])
    return Variable(node, domain, np.stack([known.get(value_key(v), nothing) for v in domain]))


def fresh(values: tuple[Value, ...]) -> Value:
    """A value that is not among these: the next number, or a word for nothing."""
    if all(map(is_number, values)):
        return max(int(v) for v in values) + 1
    word = "none"
    while word in values:
        word = f"<{word}>"
    return word


def _name(written: Written, rows: Floats, stream: Stream) -> str:
    return stream.name(np.flatnonzero(rows.any(axis=0)), written.name)
