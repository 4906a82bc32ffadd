"""Another node instead: what reads it is fitted to its values, more of them or fewer.

An expression is often shorter than a table because it also says something of arguments that never
occur: ``a + b`` may be any number up to 16 where a table knew that it is at most 8. Then tables and
relations that read it get rows for the values that never occur, and these hold what is short.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tpir.errors import TpirError
from tpir.ir.adapt import adapt
from tpir.ir.functions import Domain, Relation, Table, TableWeights, codes_of
from tpir.ir.infer import TypeProblem, infer
from tpir.ir.ops import Aggregate, Choose, Classify, ClassifyPooled, Map, Op, Select
from tpir.ir.program import Node, Program
from tpir.ir.types import Real, Selector, Type, Width, is_integral, values_of
from tpir.ir.values import same_value, value_key
from tpir.passes.dont_cares import fill_table, most_common
from tpir.passes.failing import fails
from tpir.passes.narrowing import fits
from tpir.passes.tables import TableArray

MAX_ROWS = 2**14
"""Tables are not widened to more rows than this."""


def instead(program: Program, old: Node, new: Node) -> Program | None:
    """The program with one node in the place of another, without what is dead then.

    Operands of ``new`` that the program does not have are added before it. None where a reader
    cannot take the values of ``new``, or an output would get values that it did not have. Right
    where, on every accepted input, the two nodes hold the same.
    """
    became = {old: new}
    nodes: list[Node] = []
    for node in program.nodes:
        if node is not old and any(operand in became for operand in node.operands):
            made = _read_again(program, node, tuple(became.get(o, o) for o in node.operands))
            if made is None:
                return None
            became[node] = made
        nodes.append(became.get(node, node))
    if any(not _can_stand(program, a, b) for a, b in became.items()):
        return None
    outputs = {name: became.get(node, node) for name, node in program.outputs.items()}
    place = nodes.index(new)
    nodes[place:place] = _fresh(program, new)
    whole = Program(program.header, tuple(dict.fromkeys(nodes)), outputs)
    return Program(program.header, whole.live, outputs)


def _fresh(program: Program, new: Node) -> list[Node]:
    """What a new node depends on that the program does not have, operands first."""
    found: dict[Node, None] = {}
    for operand in new.operands:
        if operand not in program.users:
            found |= dict.fromkeys((*_fresh(program, operand), operand))
    return list(found)


def _can_stand(program: Program, old: Node, new: Node) -> bool:
    """Whether the readers of a node, once fitted, can read another; outputs keep their values."""
    if fits(new.type, old.type):
        return True
    if old in program.outputs.values() or isinstance(new.type, Selector | Real):
        return False
    return is_integral(new.type) == is_integral(old.type)


def _read_again(program: Program, node: Node, operands: tuple[Node, ...]) -> Node | None:
    """A node on other operands. None where it could fail on them, or would be something else."""
    types = [operand.type for operand in operands]
    if types == [operand.type for operand in node.operands]:
        return replace(node, operands=operands)
    if isinstance(node.op, Aggregate) and operands[0].type == Selector(Width.MANY):
        return None
    try:
        op = fitted(node.op, types)
        if op is None:
            return None
        made = replace(
            node, op=op, operands=operands, type=infer(op, types, program.header.surroundings)
        )
    except (TypeProblem, TpirError):
        return None
    return None if fails(made) and not fails(node) else made


def fitted(op: Op, types: list[Type]) -> Op | None:
    """An op whose finite functions have a row for each value of the types, known or not.

    None where that would be too large, or nothing can be said of the values that are new.
    """
    match op:
        case Map(Table() as table):
            wide = _wide_table(table, types)
            return None if wide is None else Map(wide)
        case Select(Relation() as relation):
            queries = values_of(types[1])
            return None if queries is None else Select(_wide_relation(relation, queries))
        case Choose(score=None):
            return op
        case Classify() | ClassifyPooled():
            pairs = zip(op.weights, types, strict=True)
            weights = [_wide_weights(w, t) if isinstance(w, TableWeights) else w for w, t in pairs]
            return replace(op, weights=tuple(weights))
    return adapt(op, types)


def _places(old: Domain, new: Domain) -> list[int]:
    """For each new value its place among the old ones, -1 for none."""
    codes = codes_of(old)
    return [codes.get(value_key(v), -1) for v in new]


def _same(old: Domain, new: Domain) -> bool:
    return len(old) == len(new) and all(map(same_value, old, new))


def _wide_table(table: Table, types: list[Type]) -> Table | None:
    found = [values_of(t) for t in types]
    domains = tuple(domain for domain in found if domain is not None)
    if len(domains) < len(found) or math.prod(map(len, domains)) > MAX_ROWS:
        return None
    if all(map(_same, table.domains, domains)):
        return table
    array = TableArray.of(table)
    places = [np.array(_places(*pair)) for pair in zip(table.domains, domains, strict=True)]
    codes = array.codes[np.ix_(*(np.maximum(p, 0) for p in places))]
    known = np.ones((1,) * len(places), dtype=np.bool_)
    for axis, place in enumerate(places):
        shape = [1] * len(places)
        shape[axis] = -1
        known = known & (place >= 0).reshape(shape)
    wide = TableArray(domains, codes, array.values).table()
    return fill_table(wide, known, [False] * len(domains)).table if known.any() else None


def _wide_relation(relation: Relation, queries: Domain) -> Relation:
    common = most_common(relation.rows, [True] * len(relation.rows))
    places = _places(relation.queries, queries)
    return Relation(queries, tuple(relation.rows[k] if k >= 0 else common for k in places))


def _wide_weights(weights: TableWeights, type_: Type) -> TableWeights:
    domain = values_of(type_)
    if domain is None:
        raise TpirError("a table of weights needs finitely many values")
    common = most_common(weights.rows, [True] * len(weights.rows))
    places = _places(weights.domain, domain)
    return TableWeights(domain, tuple(weights.rows[k] if k >= 0 else common for k in places))


def node_instead(
    program: Program, old: Node, op: Op, operands: tuple[Node, ...], *, name: str | None = None
) -> Node | None:
    """A node to put in the place of another, or (with a name of its own) to read there."""
    try:
        type_ = infer(op, [o.type for o in operands], program.header.surroundings)
    except TypeProblem:
        return None
    made = Node(op, operands, type_, name or old.name, old.origin, () if name else old.comments)
    return None if fails(made) else made
