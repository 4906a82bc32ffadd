"""A shorter program that is as good on data: not the same function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tpir.errors import TpirError
from tpir.ir.ops import Classify
from tpir.ir.program import Node, Program
from tpir.ir.types import Categorical, Pooled
from tpir.passes.base import Pass, PassResult, then, until_stable
from tpir.passes.choosing import chosen_anew
from tpir.passes.failing import can_fail
from tpir.passes.features import length
from tpir.passes.scores import Row, Scores, read_rows
from tpir.passes.search import Search


@dataclass(frozen=True)
class Distill(Pass):
    """Leave out what the labels of some data do not need.  Lossy: the function changes.

    Laws: on ``data`` at most a share ``max_drop`` of the labels more are wrong than before. And
    with ``max_drop=0`` and the same data it changes nothing in its own result, whatever
    ``max_drop`` that was made with. (With more than 0 a second run may lose as much again.)

    The readout is fitted anew to as few features as do, in small whole numbers. It may read what
    the program holds, and heads of the same kinds with simple relations
    (``tpir.passes.simple_heads``): so the result may be another algorithm, and says nothing of how
    the program works. Then rows and nodes are made alike as by ``trim``. Both are done again,
    without further loss, until nothing gets shorter. Every ``held_out``-th example is left out of
    all this and only measured. Positions without a label may get any.

        classify(a, b, c)   →   classify(b), and what only a and c needed is gone

    ``data``: JSON lines of objects with ``tokens`` and ``labels`` (or ``gold``).
    """

    name: ClassVar[str] = "distill"
    data: str = field(default="", metadata={"help": "a file of labelled inputs, JSON lines"})
    max_drop: float = field(default=0.001, metadata={"least": 0, "help": "most accuracy lost"})
    held_out: int = field(default=5, metadata={"least": 2, "help": "one example in so many"})

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read; constants stand where they are read."""
        return (length(program.live),)

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

    The first round may lose that much, those after it nothing; the last one found nothing shorter.
    The notes give the accuracy on both sets, before and after.
    """
    if len(program.outputs) != 1 or not isinstance(_output(program).type, Categorical | Pooled):
        raise TpirError("distill needs a program with one output of labels")
    if can_fail(_output(program)):
        return PassResult(program, False, ("it can fail",))
    scores = Scores(program, train)
    if not scores.total:
        raise TpirError("distill needs labels: the data has none")
    budget = int(max_drop * scores.total)
    first = _shorter(program, train, budget) if budget else PassResult(program, False)
    result = then(first, lambda made: until_stable(made, lambda now: _shorter(now, train, 0)))
    if not result.changed:
        return PassResult(program, False)
    new, held = result.program, Scores(program, test)
    measured = (
        f"right on {_share(scores.right(program), scores)} of the data before, "
        f"{_share(scores.right(new), scores)} after; "
        f"on {_share(held.right(program), held)} and {_share(held.right(new), held)} held out, "
        f"where {_share(held.alike(program, new), held)} get the same label as before"
    )
    return PassResult(new, True, (*result.notes, measured))


def _shorter(program: Program, train: Sequence[Row], budget: int) -> PassResult:
    """One round: with a new readout, or else without, a program that is shorter to read.

    At most ``budget`` labels fewer are right than in the program and with the new readout. The
    result depends on nothing but the program and the data: what one round leaves as it is, the
    same round leaves as it is in another run.
    """
    scores = Scores(program, train)
    right = scores.right(program)
    scores.least = right - budget
    starts = [_with_new_readout(program, scores, train)]
    if starts[0][0] is not program:
        starts.append((program, ["its readout stays: one fitted anew leaves no less to read"]))
    for start, notes in starts:
        scores.least = max(right, scores.right(start)) - budget
        search = Search(scores, start)
        search.shorten()
        if length(search.current.live) < length(program.live):
            done = [f"{edit.node}: {edit.why}" for edit in search.done]
            return PassResult(search.current, True, (*notes, *done))
    return PassResult(program, False)


def _with_new_readout(
    program: Program, scores: Scores, rows: Sequence[Row]
) -> tuple[Program, list[str]]:
    """The program with another readout, if it has one and another is found; and what to say."""
    if not isinstance(_output(program).op, Classify):
        return program, []
    made = chosen_anew(program, scores, rows)
    if made is None or not scores.agrees(made):
        return program, ["its readout stays: none fitted anew is as good"]
    names = ", ".join(operand.name for operand in _output(made).operands)
    return made, [f"{_output(made).name}: fitted anew to {names or 'nothing'}"]


def _output(program: Program) -> Node:
    return next(iter(program.outputs.values()))


def _share(right: int, scores: Scores) -> str:
    return f"{right / max(1, scores.total):.2%}"
