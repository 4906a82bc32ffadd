"""Two heads and a table that make one choice: what is selected, or else the first position.

A head that finds nothing writes what the token of beginning holds. So "the best selected key, or
else the first position" takes one head for the key, one for the first position, and a table that
takes the second where the first says that there was none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.ops import Aggregate, Always, Choose, Otherwise, Preference, Select
from tpir.ir.program import Node
from tpir.ir.values import value_key
from tpir.lowering.transformer.numbers import Codes, Floats
from tpir.lowering.transformer.stream import Joint, Variable


def choice_of(
    builder: Builder, joint: Joint, classes: Codes, written: Floats, name: str
) -> Variable | None:
    """The one choice, if a table [rows of the joint] with these classes is one; else None."""
    if len(joint.variables) != 2:
        return None
    for found, first in ((0, 1), (1, 0)):
        variable = _chosen(builder, joint, (found, first), classes, written, name)
        if variable is not None:
            return variable
    return None


def _chosen(
    builder: Builder,
    joint: Joint,
    places: tuple[int, int],
    classes: Codes,
    written: Floats,
    name: str,
) -> Variable | None:
    found, first = (joint.variables[p] for p in places)
    source = _source_of(found.node, first.node)
    if source is None or found.values is None or first.values is None:
        return None
    nothing = found.node.op
    assert isinstance(nothing, Aggregate) and nothing.default is not None
    table = np.moveaxis(classes.reshape(joint.sizes), places, (0, 1))
    rows = np.moveaxis(np.arange(len(classes)).reshape(joint.sizes), places, (0, 1))
    found_class = dict(zip(map(value_key, found.values), joint.classes[places[0]], strict=True))
    first_class = dict(zip(map(value_key, first.values), joint.classes[places[1]], strict=True))
    empty = found_class[value_key(nothing.default)]
    picked = []
    for value in first.values:
        own = found_class[value_key(value)]
        here = table[own, :]
        if own == empty or (here != here[0]).any():
            return None
        if table[empty, first_class[value_key(value)]] != here[0]:
            return None
        picked.append(int(rows[own, 0]))
    chosen = found.node.operands[0]
    assert isinstance(chosen.op, Choose)
    whole = builder.add(
        replace(chosen.op, otherwise=Otherwise.FIRST),
        chosen.operands,
        name=chosen.name,
        origin=chosen.origin,
    )
    node = builder.add(Aggregate(), [whole, source], name=name, origin=found.node.origin)
    return Variable(node, first.values, written[picked])


def _source_of(found: Node, first: Node) -> Node | None:
    """What both heads copy, if one may find nothing and the other takes the first position."""
    if not (isinstance(found.op, Aggregate) and isinstance(first.op, Aggregate)):
        return None
    if found.op.default is None or first.op.default is not None:
        return None
    chosen, every = found.operands[0], first.operands[0]
    if not isinstance(chosen.op, Choose) or every.op != Choose(Preference.FIRST):
        return None
    if every.operands[0].op != Select(Always(True)) or found.operands[1] is not first.operands[1]:
        return None
    return found.operands[1]
