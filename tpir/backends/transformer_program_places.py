"""Where the values of categorical variables stand in their one-hot vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tpir.backends.transformer_program_legal import reads_numbers
from tpir.ir.functions import Relation, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Select,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, value_key

OWN_PLACE = 1024
"""Ints below this stand at the place of their own number in a one-hot vector."""

Places = Mapping[Node, tuple[int, ...]]


def own_places(program: Program) -> dict[Node, tuple[int, ...]]:
    """Where the values of each categorical node stand, the tokens and copies of them apart."""
    places: dict[Node, tuple[int, ...]] = {}
    for node in program.live:
        values = values_of(node.type)
        if isinstance(node.op, Indices | Map) and values is not None:
            places[node] = _by_number(values)
    return places | copied_places(program, places)


def copied_places(program: Program, places: Places) -> dict[Node, tuple[int, ...]]:
    """The values that heads copy stand where they stood."""
    copied: dict[Node, tuple[int, ...]] = {}
    for node in program.live:
        if isinstance(node.op, Aggregate):
            source = node.operands[1]
            found = copied.get(source, places.get(source))
            if found is not None:
                copied[node] = found
    return copied


def narrowed_places(program: Program, places: Places, width: int) -> dict[Node, tuple[int, ...]]:
    """The same with values in one place that all readers take alike, where that saves width.

    So the sum of two counts takes no more places than what it is compared with has values.
    ``width`` is what is needed in any case.
    """
    groups = alike_values(program)
    maps = [node for node in places if isinstance(node.op, Map)]
    wide = [node for node in maps if max(places[node]) >= width]
    width = max([width, *(max(groups[node]) + 1 for node in wide)])
    new = dict(places)
    for node in wide:
        own, group = places[node], groups[node]
        first = tuple(own[group.index(g)] for g in group)
        new[node] = next(p for p in (own, first, group) if max(p) < width)
    return new | copied_places(program, new)


def alike_values(program: Program) -> dict[Node, tuple[int, ...]]:
    """For each categorical node, the number of the group that each of its values is in.

    Values of one group are the same to all that reads them: relations, tables, scores, the readout,
    and the readers of copies. Groups are numbered in the order of their first values.
    """
    groups: dict[Node, tuple[int, ...]] = {}
    live = set(program.live)
    for node in reversed(program.live):
        values = values_of(node.type)
        if values is None:
            continue
        read = [np.zeros((len(values), 1))]
        for user in (user for user in program.users[node] if user in live):
            for place, operand in enumerate(user.operands):
                found = _reading(user, place, groups) if operand is node else None
                if found is not None:
                    read.append(found.reshape(len(values), -1))
        rows = [row.tobytes() for row in np.concatenate(read, axis=1)]
        number = {row: k for k, row in enumerate(dict.fromkeys(rows))}
        groups[node] = tuple(number[row] for row in rows)
    return groups


def _reading(
    user: Node, place: int, groups: Mapping[Node, tuple[int, ...]]
) -> NDArray[np.float64] | None:
    """What a node makes of each value of one operand, first axis; None if it reads no place."""
    op = user.op
    match op:
        case Select(Relation() as relation):
            keys = values_of(user.operands[0].type)
            assert keys is not None
            rows = [set(map(value_key, row)) for row in relation.rows]
            holds = np.array([[value_key(key) in row for key in keys] for row in rows], float)
            return holds if place else holds.T
        case Choose(score=score) if score is not None and place:
            scores = np.array(score.rows)
            return scores.T if place == 1 else scores
        case Aggregate() if place:
            return np.array(groups[user], float)
        case Map(Table() as table) if not reads_numbers(user):
            values = values_of(user.type)
            if values is None:
                return None  # real numbers: those of tokens, embedded
            group = dict(zip(map(value_key, values), groups[user], strict=True))
            results = np.array([group[value_key(value)] for value in table.results], float)
            return np.moveaxis(results.reshape([len(d) for d in table.domains]), place, 0)
        case Classify() | ClassifyPooled():
            weights = op.weights[place]
            return np.array(weights.rows) if isinstance(weights, TableWeights) else None
    return None


def result_places(node: Node, places: Places) -> NDArray[np.intp]:
    """The places of a table's results, with an axis for each operand."""
    assert isinstance(node.op, Map) and isinstance(node.op.function, Table)
    function, values = node.op.function, values_of(node.type)
    assert values is not None
    place_of = dict(zip(map(value_key, values), places[node], strict=True))
    found = np.array([place_of[value_key(v)] for v in function.results], dtype=np.intp)
    return found.reshape([len(domain) for domain in function.domains])


def lacks_spare(program: Program, places: Places, width: int) -> bool:
    """Whether some query must match no key, but the keys take up every place."""
    return any(
        isinstance(node.op, Select)
        and isinstance(node.op.predicate, Relation)
        and () in node.op.predicate.rows
        and len(set(places[node.operands[0]])) == width
        for node in program.live
    )


def _by_number(values: Sequence[Value]) -> tuple[int, ...]:
    own = [v for v in values if type(v) is int and 0 <= v < OWN_PLACE]
    return tuple(own) if len(own) == len(values) else tuple(range(len(values)))
