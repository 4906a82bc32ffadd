"""What no accepted input can tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tpir.ir.program import Program
from tpir.passes.base import Pass, PassResult
from tpir.passes.reading import reading_size
from tpir.passes.search import Search
from tpir.passes.trials import Trials, can_be_tried
from tpir.semantics.program_space import space_of
from tpir.semantics.space import InputSpace

MAX_WORK = 2**26
"""Programs of which a run of all inputs computes more values of nodes than this stay."""

_ROUNDS = 20


@dataclass(frozen=True)
class Trim(Pass):
    """Make rows and nodes alike where no accepted input can tell.

    Law: two programs with the same outputs on every accepted input are the same function. So a row
    of a table or of a selector may be any other, and a node any other, if no output ever changes by
    it: values that no reader tells apart are merged, and heads that only repeat another go.

        keys {"a" -> 1; "b" -> 2; "c" -> {}}   →   keys {"b" -> 2; _ -> 1}
                          if what is read for "c" never decides

    Sound: all inputs are run before and after, where there are at most ``inputs``. Single edits are
    tried on a few inputs first, and those found wrong on all of them join these; at most ``tries``
    of them. Programs that can fail stay as they are.
    """

    name: ClassVar[str] = "trim"
    inputs: int = field(
        default=400_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    tries: int = field(default=20_000, metadata={"least": 0, "help": "most edits that are tried"})

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Try edits until none is right that leaves less to read."""
        space = space_of(program)
        many = space.count() > self.inputs or _work(program, space) > MAX_WORK
        if many or not can_be_tried(program):
            why = "it can fail, or has too many inputs to run all of them again and again"
            return PassResult(program, False, (why,))
        trials = Trials(program, space)
        search = Search(trials, program, self.tries)
        for _ in range(_ROUNDS):
            search.shorten()
            if not search.done:
                break
            wrong = trials.counterexamples(search.current)
            if wrong:
                trials.add(wrong)
                search.replay(program)
            elif not search.shorten(again=True):
                return _result(program, search)
        return PassResult(program, False)


def _work(program: Program, space: InputSpace) -> int:
    """How many values of nodes one run of all inputs computes."""
    cells = sum(length * count for length, count in space.count_by_length().items())
    return cells * len(program.live)


def _result(program: Program, search: Search) -> PassResult:
    new = search.current
    if reading_size(new) >= reading_size(program):
        return PassResult(program, False)
    notes = tuple(f"{edit.node}: {edit.why}" for edit in search.done)
    witness = {name: name for name in program.by_name if name in new.by_name}
    return PassResult(new, True, notes, witness)
