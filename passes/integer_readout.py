"""Readouts in small whole numbers, or as a table: only the label counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import Table, TableWeights
from tpir.ir.ops import Classify, Map
from tpir.ir.program import Node, Program, cone
from tpir.ir.types import size_of, values_of
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite
from tpir.passes.dont_cares import fill_table
from tpir.passes.failing import can_fail
from tpir.passes.fewer_features import MOST_CELLS, fewer_features
from tpir.passes.reading import reading_size, reading_size_of_node, reading_size_of_op
from tpir.passes.votes import (
    Cells,
    Votes,
    merged_rows,
    settled,
    small_votes,
    weights_of,
)
from tpir.semantics.columns import Column
from tpir.semantics.joint import distinct_columns, joint_values
from tpir.semantics.program_space import space_of
from tpir.semantics.readout import readout
from tpir.semantics.space import InputSpace
from tpir.text.printer import print_program

MAX_TABLE = 256
"""A readout becomes a table of at most this many rows."""

MAX_TABLE_CELLS = 200_000
"""Readouts of which more tuples of features occur than this are not tried as tables."""

MOST_CELLS_OF_ALL = 100_000
"""Of more tuples, only the readouts of all and of the fewest features are written out."""


@dataclass(frozen=True)
class IntegerReadout(Pass):
    """Write a readout in small whole numbers, or as a table where few features decide.

    Law: a readout gives the label with the highest sum, so weights may be any that give every tuple
    of feature values that occurs the same label, and a feature may go if there are any without it;
    where the label is a function of a few features, it is a table of them.

        classify(n: 0.81, -1.2; bias -2.3, 1.1)   →   classify(n: 1, 0; bias 0, 3)

    Sound: all inputs are run, where there are at most ``inputs``, and the labels compared, with the
    readout computed as the interpreter does (which features can go: ``fewer_features``). Where
    there are more, all tuples of values are looked at, if that gives a shorter table. Readouts of
    whole numbers stay, unless a table will do. A feature that can fail stays.
    """

    name: ClassVar[str] = "integer-readout"
    inputs: int = field(
        default=400_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Readouts, features, readouts with fractions, different rows."""
        ops = [n.op for n in program.nodes if isinstance(n.op, Classify)]
        tables = [w for op in ops for w in op.weights if isinstance(w, TableWeights)]
        return (
            len(ops),
            sum(len(op.weights) for op in ops),
            sum(not _is_whole(op) for op in ops),
            sum(len(set(w.rows)) for w in tables),
        )

    def run(self, program: Program) -> PassResult:
        """Rewrite every readout that an output reaches."""
        if not any(isinstance(node.op, Classify) for node in program.live):
            return PassResult(program, False)
        space = space_of(program)
        some = space if space.count() <= self.inputs else None
        return rewrite(program, lambda r, node, operands: _rule(r, node, operands, some))


def _rule(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], space: InputSpace | None
) -> Node | None:
    op, program = node.op, rewriting.program
    if not isinstance(op, Classify) or node not in program.live or len(op.labels) < 2:
        return None
    columns = None if space is None else joint_values(program, (*node.operands, node), space)
    if columns is None:
        made = _table_of_all(node)
        if made is None or reading_size_of_op(Map(made[0])) > reading_size_of_op(op):
            rewriting.refuse(node, "its inputs or features are too many to run all of them")
            return None
        return _with_table(rewriting, node, operands, *made)
    features, label = columns[:-1], columns[-1]
    made = _as_table(node, range(len(features)), features, label)
    if made is not None:
        return _with_table(rewriting, node, operands, *made)
    if _is_whole(op):
        return None
    return _in_whole_numbers(rewriting, node, operands, features, label)


def _table_of_all(node: Node) -> tuple[Table, tuple[int, ...]] | None:
    """The label as a table over all tuples of values of its features, whether they occur or not."""
    sizes = [size_of(operand.type) for operand in node.operands]
    if None in sizes or math.prod(size or 1 for size in sizes) > MAX_TABLE:
        return None
    codes = np.indices([size or 1 for size in sizes]).reshape(len(sizes), 1, -1)
    features = [Column(o.type, c) for o, c in zip(node.operands, codes, strict=True)]
    return _as_table(node, range(len(sizes)), tuple(features), readout(node, features, 1))


def _is_whole(op: Classify) -> bool:
    rows = [op.bias]
    for weights in op.weights:
        rows.extend(weights.rows if isinstance(weights, TableWeights) else (weights.row,))
    return all(x == math.floor(x) for row in rows for x in row)


# ---- as a table


def _with_table(
    rewriting: Rewriting,
    node: Node,
    operands: tuple[Node, ...],
    table: Table,
    kept: tuple[int, ...],
) -> Node | None:
    names = ", ".join(node.operands[k].name for k in kept) or "nothing"
    op = rewriting.cut(Map(table), tuple(operands[k] for k in kept))
    why = f"depends on {names} alone: a table"
    return rewriting.replace(node, op, tuple(operands[k] for k in kept), why)


def _as_table(
    node: Node, places: Sequence[int], features: tuple[Column, ...], label: Column
) -> tuple[Table, tuple[int, ...]] | None:
    """The label as a table of some features, if a small one holds.

    ``places`` in the operand list, of which some are chosen.
    """
    sizes = {k: size_of(node.operands[k].type) for k in places}
    if any(size is None for size in sizes.values()):
        return None
    columns: Sequence[NDArray[np.generic]] = [*(features[k].data[0] for k in places), label.data[0]]
    if len(places) < len(features):
        columns = list(distinct_columns(np.stack([column.astype(np.int32) for column in columns])))
    count = len(columns[-1])
    if count > MAX_TABLE_CELLS:
        return None
    index = {k: column.astype(np.int64) for k, column in zip(places, columns[:-1], strict=True)}
    codes = columns[-1].astype(np.intp)
    widths = {k: size or 1 for k, size in sizes.items()}
    kept = list(places)
    for k in sorted(kept, key=lambda k: (-_weight(node.operands[k]), k)):
        left = [j for j in kept if j != k]
        if not can_fail(node.operands[k]) and _decides([index[j] for j in left], codes):
            kept = left
    if math.prod(widths[k] for k in kept) > MAX_TABLE:
        return None
    shape = tuple(widths[k] for k in kept)
    rows: NDArray[np.intp] = np.zeros(count, dtype=np.intp)
    for k in kept:
        rows = rows * widths[k] + index[k]
    results = np.zeros(math.prod(shape), dtype=np.intp)
    reached = np.zeros(math.prod(shape), dtype=np.bool_)
    results[rows], reached[rows] = codes, True
    labels = node.op.labels  # type: ignore[union-attr]
    domains = tuple(values_of(node.operands[k].type) or () for k in kept)
    table = Table(domains, tuple(labels[c] for c in results.tolist()))
    droppable = [not can_fail(node.operands[k]) for k in kept]
    filled = fill_table(table, reached.reshape(shape), droppable)
    return filled.table, tuple(kept[k] for k in filled.kept)


def _weight(node: Node) -> int:
    """How much is below a node: what depends on much is left out first."""
    seen, stack = {node}, [node]
    while stack:
        for operand in stack.pop().operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)
    return len(seen)


def _decides(index: list[NDArray[np.int64]], label: NDArray[np.intp]) -> bool:
    """Whether equal tuples always have equal labels."""
    order = np.lexsort((label, *index)) if index else np.argsort(label)
    changes = np.zeros(len(label) - 1, dtype=np.bool_)
    for row in index:
        row = row[order]
        changes |= row[1:] != row[:-1]
    found = label[order]
    return not ((found[1:] != found[:-1]) & ~changes).any()


# ---- in whole numbers


def _in_whole_numbers(
    rewriting: Rewriting,
    node: Node,
    operands: tuple[Node, ...],
    features: tuple[Column, ...],
    label: Column,
) -> Node | None:
    op = node.op
    assert isinstance(op, Classify)
    found = _shortest(rewriting.program, node, Cells.of(op, features, label))
    if found is None:
        rewriting.refuse(node, "no small whole weights give the same labels")
        return None
    new, kept = found
    if len(kept) < len(operands) and (made := _as_table(node, kept, features, label)) is not None:
        return _with_table(rewriting, node, operands, *made)
    checked = readout(_like(node, new, kept), [features[k] for k in kept], 1)
    if (checked.data != label.data).any():
        rewriting.refuse(node, "whole weights give the same labels only in another order of sums")
        return None
    kept_operands = tuple(operands[k] for k in kept)
    gone = ", ".join(o.name for k, o in enumerate(node.operands) if k not in kept)
    why = "in small whole numbers" + (f", without {gone}" if gone else "")
    return rewriting.replace(node, rewriting.cut(new, kept_operands), kept_operands, why)


def _shortest(program: Program, node: Node, cells: Cells) -> tuple[Classify, list[int]] | None:
    """The readout, and the features it keeps, with which the program is shortest to read."""
    op = node.op
    assert isinstance(op, Classify)
    size = _Size(program, node)
    may_go = [not can_fail(operand) for operand in node.operands]
    found = fewer_features(Votes.of(op), cells, may_go, size.freed)
    if cells.count > MOST_CELLS_OF_ALL:
        found = found[:1] + found[1:][-1:]
    made = list[tuple[Classify, list[int]]]()
    for votes, kept in reversed(found):
        if not made or cells.count <= MOST_CELLS:
            small = _in_small_numbers(node, votes, kept, cells)
            made += [small] if small is not None else []
    return min(made, key=lambda m: size.of(*m), default=None)


def _in_small_numbers(
    node: Node, votes: Votes, kept: list[int], cells: Cells
) -> tuple[Classify, list[int]] | None:
    """The readout in small whole numbers, less the features that then have only zeros."""
    op, cells = node.op, cells.features(kept)
    assert isinstance(op, Classify)
    small = small_votes(votes, cells)
    if small is None:
        return None
    votes = settled(merged_rows(small, cells), cells)
    new = weights_of(votes, Classify(op.labels, op.bias, tuple(op.weights[k] for k in kept)))
    used = [
        place
        for place, (k, table) in enumerate(zip(kept, votes.tables, strict=True))
        if table.any() or can_fail(node.operands[k])
    ]
    weights = tuple(new.weights[place] for place in used)
    return Classify(new.labels, new.bias, weights), [kept[place] for place in used]


class _Size:
    """How long a program is to read with this or that readout."""

    def __init__(self, program: Program, node: Node) -> None:
        others = [o for o in program.outputs.values() if o is not node]
        self._program, self._node, self._needed = program, node, cone(others)
        self._cones = [cone([operand]) for operand in node.operands]

    def of(self, op: Classify, kept: Sequence[int]) -> tuple[int, int]:
        """Lines and characters of the program with that readout."""
        program, new = self._program, _like(self._node, op, kept)
        outputs = {name: new if n is self._node else n for name, n in program.outputs.items()}
        made = Program(program.header, (*program.nodes, new), outputs)
        return print_program(made).count("\n"), reading_size(made)

    def freed(self, kept: Sequence[int], feature: int) -> int:
        """Characters that go if of some features one goes."""
        rest = self._needed.union(*(self._cones[k] for k in kept if k != feature))
        weights = self._node.op.weights[feature]  # type: ignore[union-attr]
        rows = len(set(weights.rows)) if isinstance(weights, TableWeights) else 1
        fresh = self._cones[feature] - rest
        return 32 * rows + sum(map(reading_size_of_node, fresh))


def _like(node: Node, op: Classify, kept: Sequence[int]) -> Node:
    return Node(op, tuple(node.operands[k] for k in kept), node.type, node.name)
