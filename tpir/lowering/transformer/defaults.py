"""Words for what a head found nothing: weights do not hold them, but an output may say them."""

from __future__ import annotations

from dataclasses import replace

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import Table
from tpir.ir.ops import Aggregate, Map
from tpir.ir.program import Node
from tpir.ir.values import Value, same_value


def with_default(builder: Builder, output: Node) -> Node:
    """A head that copies, with the default that a table after it gives; else the output as it is.

    The table must change the default and nothing else.
    """
    if not (isinstance(output.op, Map) and isinstance(output.op.function, Table)):
        return output
    if len(output.operands) != 1 or not isinstance(output.operands[0].op, Aggregate):
        return output
    (copy,) = output.operands
    assert isinstance(copy.op, Aggregate)
    default = _changed(output.op.function, copy.op.default)
    if default is None:
        return output
    try:
        return builder.add(
            replace(copy.op, default=default), copy.operands, name=output.name, origin=copy.origin
        )
    except TpirError:  # words and numbers that may not meet
        return output


def _changed(table: Table, default: Value | None) -> Value | None:
    """What the table makes of the default, if it leaves all else as it is."""
    if default is None:
        return None
    found = None
    for value, result in zip(table.domains[0], table.results, strict=True):
        if same_value(value, default):
            found = result
        elif not same_value(value, result):
            return None
    return found
