"""What no accepted input can tell apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tpir.ir.program import Program
from tpir.passes.base import Pass, PassResult
from tpir.passes.edits import Edit, candidates, edited
from tpir.passes.failing import can_fail
from tpir.passes.reading import reading_size
from tpir.passes.trials import Trials, can_be_tried
from tpir.semantics.program_space import space_of

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
    tried on a few inputs first, and those found wrong on all of them join these. Programs that can
    fail stay as they are.
    """

    name: ClassVar[str] = "trim"
    inputs: int = field(
        default=400_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Try edits until none is right that leaves less to read."""
        space = space_of(program)
        if not can_be_tried(program) or space.count() > self.inputs:
            why = "it can fail, or has too many inputs to run all of them"
            return PassResult(program, False, (why,))
        search = _Search(Trials(program, space), program)
        for _ in range(_ROUNDS):
            search.shorten()
            if not search.done:
                break
            wrong = search.trials.counterexamples(search.current)
            if wrong:
                search.trials.add(wrong)
                search.replay(program)
            elif not search.shorten(again=True):
                return _result(program, search)
        return PassResult(program, False)


def _result(program: Program, search: _Search) -> PassResult:
    new = search.current
    if reading_size(new) >= reading_size(program):
        return PassResult(program, False)
    notes = tuple(f"{edit.node}: {edit.why}" for edit in search.done)
    witness = {name: name for name in program.by_name if name in new.by_name}
    return PassResult(new, True, notes, witness)


class _Search:
    """A program being edited: every edit so far is right on the inputs tried."""

    def __init__(self, trials: Trials, program: Program) -> None:
        self.trials, self.current = trials, program
        self.done: list[Edit] = []
        self._refused: set[object] = set()

    def shorten(self, *, again: bool = False) -> bool:
        """Make every edit that leaves less to read; whether there was one.

        What was refused once is not tried any more, unless ``again``: an edit may make room for
        another.
        """
        if again:
            self._refused.clear()
        size, changed, progress = reading_size(self.current), False, True
        while progress:
            progress = False
            for edit in candidates(self.current):
                if edit.key in self._refused:
                    continue
                made = edited(self.current, edit)
                if made is None or (new_size := reading_size(made)) >= size:
                    continue
                if _agrees(made, self.trials):
                    self.current, size = made, new_size
                    self.done.append(edit)
                    changed = progress = True
                else:
                    self._refused.add(edit.key)
                self.trials.keep(self.current)
        return changed

    def replay(self, program: Program) -> None:
        """Begin again with the edits that are still right."""
        edits, self.done, self.current = self.done, [], program
        for edit in edits:
            made = edited(self.current, edit)
            if made is not None and _agrees(made, self.trials):
                self.current = made
                self.done.append(edit)
            else:
                self._refused.add(edit.key)
            self.trials.keep(self.current)


def _agrees(program: Program, trials: Trials) -> bool:
    return not any(map(can_fail, program.outputs.values())) and trials.agrees(program)
