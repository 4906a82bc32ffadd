"""A shorter program that is as good on data: not the same function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from tpir.errors import TpirError
from tpir.ir.exact_sums import Floats
from tpir.ir.ops import Classify
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Pooled, Real
from tpir.passes.base import Pass, PassResult
from tpir.passes.edits import Edit, edited
from tpir.passes.failing import can_fail
from tpir.passes.fitting import fitted
from tpir.passes.reading import reading_size
from tpir.passes.scores import NONE, OTHER, Row, Scores, read_rows
from tpir.passes.search import Search
from tpir.passes.votes import Cells, Votes, settled, weights_of
from tpir.semantics.columns import Column

_SCALES = (1, 2, 3, 5, 10, 20, 50, 100, 1000, 10_000)


@dataclass(frozen=True)
class Distill(Pass):
    """Leave out what the labels of some data do not need.  Lossy: the function changes.

    Law: none but that on ``data`` at most a share ``max_drop`` of the labels more are wrong than
    before. The readout is fitted anew to as few features as do, in small whole numbers; then rows
    and nodes are made alike as by ``trim``. Every ``held_out``-th example is left out of all this
    and only measured. Positions without a label may get any.

        classify(a, b, c)   →   classify(b), and what only a and c needed is gone

    ``data``: JSON lines of objects with ``tokens`` and ``labels`` (or ``gold``).
    """

    name: ClassVar[str] = "distill"
    data: str = field(default="", metadata={"help": "a file of labelled inputs, JSON lines"})
    max_drop: float = field(default=0.001, metadata={"least": 0, "help": "most accuracy lost"})
    held_out: int = field(default=5, metadata={"least": 2, "help": "one example in so many"})

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Distil. Raises TpirError where the data cannot be read or has no place in the program."""
        if not self.data:
            raise TpirError("distill needs data: distill{data=FILE.jsonl}")
        rows = read_rows(Path(self.data))
        return distilled(
            program,
            [row for k, row in enumerate(rows) if k % self.held_out],
            rows[:: self.held_out],
            self.max_drop,
        )


def distilled(
    program: Program, train: Sequence[Row], test: Sequence[Row], max_drop: float
) -> PassResult:
    """A shorter program that loses at most ``max_drop`` of accuracy on ``train``; see ``Distill``.

    The notes give the accuracy on both sets, before and after.
    """
    if len(program.outputs) != 1 or not isinstance(_output(program).type, Categorical | Pooled):
        raise TpirError("distill needs a program with one output of labels")
    if can_fail(_output(program)):
        return PassResult(program, False, ("it can fail",))
    scores = Scores(program, train)
    if not scores.total:
        raise TpirError("distill needs labels: the data has none")
    before = scores.right(program)
    scores.least = before - int(max_drop * scores.total)
    current = program
    notes: list[str] = []
    if isinstance(_output(program).op, Classify):
        current, notes = _refitted(program, scores)
    new, edits = _settle(current, scores)
    notes += [f"{edit.node}: {edit.why}" for edit in edits]
    if reading_size(new) >= reading_size(program):
        return PassResult(program, False)
    held = Scores(program, test)
    notes.append(
        f"right on {_share(before, scores)} of the data before, "
        f"{_share(scores.right(new), scores)} after; "
        f"on {_share(held.right(program), held)} and {_share(held.right(new), held)} held out"
    )
    return PassResult(new, True, tuple(notes))


def _settle(program: Program, scores: Scores) -> tuple[Program, list[Edit]]:
    """Edit and fit the readout anew, in turn, while that leaves less to read."""
    edits: list[Edit] = []
    while True:
        search = Search(scores, program)
        search.shorten()
        program = search.current
        edits += search.done
        if not isinstance(_output(program).op, Classify):
            return program, edits
        refitted, _ = _refitted(program, scores)
        if reading_size(refitted) >= reading_size(program):
            return program, edits
        program = refitted


def _output(program: Program) -> Node:
    return next(iter(program.outputs.values()))


def _share(right: int, scores: Scores) -> str:
    return f"{right / max(1, scores.total):.2%}"


# ---- the readout


def _refitted(program: Program, scores: Scores) -> tuple[Program, list[str]]:
    """The program with a readout of few features in small whole numbers, if that is good enough."""
    node = _output(program)
    assert isinstance(node.op, Classify)
    cells, weight = _labelled_cells(node, scores)
    if not cells.count:
        return program, []
    best: tuple[Program, Votes, list[int]] | None = None
    kept = list(range(len(node.operands)))
    step = max(1, len(kept) // 2)
    refused: set[int] = set()
    while True:
        made = _attempt(program, node, cells, weight, kept, scores)
        if made is not None:
            best = (*made, kept)
        elif best is None:
            return program, ["its readout stays: none fitted anew is as good"]
        else:
            refused |= set(best[2]) - set(kept) if step == 1 else set()
            step = max(1, step // 2)
        order = [k for k in _weakest(best[1], best[2], cells, weight) if k not in refused]
        if not order:
            break
        step = min(step, len(order))
        gone = set(order[:step])
        kept = [k for k in best[2] if k not in gone]
    names = ", ".join(node.operands[k].name for k in best[2])
    return best[0], [f"{node.name}: fitted anew to {names}"]


def _labelled_cells(node: Node, scores: Scores) -> tuple[Cells, Floats]:
    """The distinct tuples of features and gold labels in the data, and how often each occurs."""
    op = node.op
    assert isinstance(op, Classify)
    parts = []
    for group in scores.groups:
        where = (group.gold != NONE) & (group.gold != OTHER)
        columns = []
        for operand in node.operands:
            state = group.machine.state(operand)
            assert isinstance(state, Column)
            columns.append(np.broadcast_to(state.data, group.gold.shape)[where].astype(np.float64))
        parts.append(np.stack([*columns, group.gold[where].astype(np.float64)]))
    matrix, count = np.unique(np.concatenate(parts, axis=1), axis=1, return_counts=True)
    features = [
        Column(o.type, row[None] if isinstance(o.type, Real) else row[None].astype(np.intp))
        for o, row in zip(node.operands, matrix[:-1], strict=True)
    ]
    label = Column(node.type, matrix[-1][None].astype(np.intp))
    return Cells.of(op, features, label), count.astype(np.float64)


def _attempt(
    program: Program,
    node: Node,
    cells: Cells,
    weight: Floats,
    kept: list[int],
    scores: Scores,
) -> tuple[Program, Votes] | None:
    """The program with a readout of these features; None where it is not good enough."""
    op = node.op
    assert isinstance(op, Classify)
    part = Cells(
        tuple(cells.index[k] for k in kept), tuple(cells.is_table[k] for k in kept), cells.label
    )
    of = Classify(op.labels, op.bias, tuple(op.weights[k] for k in kept))
    sizes = [len(t) for t in Votes.of(of).tables]
    votes = fitted(part, weight, sizes, len(op.labels))
    for made in _whole(votes, part):
        edit = Edit(node.name, weights_of(made, of), tuple(node.operands[k].name for k in kept), "")
        new = edited(program, edit)
        if new is not None and scores.agrees(new):
            scores.keep(program)
            return new, votes
        scores.keep(program)
    return None


def _whole(votes: Votes, cells: Cells) -> Iterator[Votes]:
    """The weights in whole numbers, from coarse to fine."""
    centred = votes.centred()
    largest = max(float(np.abs(t).max(initial=0)) for t in (*centred.tables, centred.bias))
    for scale in _SCALES:
        yield settled(centred.rounded(scale * 3 / (largest or 1)), cells)


def _weakest(votes: Votes, kept: list[int], cells: Cells, weight: Floats) -> list[int]:
    """The features that say least, first: by how much their votes vary over the data."""
    part = Cells(
        tuple(cells.index[k] for k in kept), tuple(cells.is_table[k] for k in kept), cells.label
    )
    spread = []
    for place in range(len(kept)):
        term = votes.term(part, place)
        mean = (term * weight).sum(axis=1, keepdims=True) / weight.sum()
        spread.append(float((((term - mean) ** 2) * weight).sum()))
    return [kept[place] for place in np.argsort(spread, kind="stable").tolist()]
