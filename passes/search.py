"""Looking for a shorter program, one edit after another."""

from __future__ import annotations

from typing import Protocol

from tpir.ir.program import Program
from tpir.passes.edits import Edit, candidates, edited
from tpir.passes.failing import can_fail
from tpir.passes.reading import reading_size


class Judge(Protocol):
    """Whoever says whether a changed program is good enough."""

    def agrees(self, program: Program) -> bool:
        """Whether it is."""

    def keep(self, program: Program) -> None:
        """Only what is known of this program is needed any more."""


class Search:
    """A program being edited: every edit so far is right, as far as the judge can tell.

    At most ``tries`` edits are tried, the right ones included; then none is found any more.
    """

    def __init__(self, judge: Judge, program: Program, tries: int | None = None) -> None:
        self.judge, self.current = judge, program
        self.done: list[Edit] = []
        self._left = tries
        self._refused: dict[object, int] = {}
        """Edits that were wrong, and after how many right ones."""

    def shorten(self, *, again: bool = False) -> bool:
        """Make every edit that leaves less to read; whether there was one.

        What was refused once is not tried any more, unless ``again``: an edit since then may have
        made room for it.
        """
        if again:
            now = len(self.done)
            self._refused = {key: then for key, then in self._refused.items() if then == now}
        size, changed, progress = reading_size(self.current), False, True
        while progress:
            progress = False
            for edit in candidates(self.current):
                if edit.key in self._refused:
                    continue
                made = edited(self.current, edit)
                if made is None or (new_size := reading_size(made)) >= size:
                    continue
                if self._left == 0:
                    return changed
                self._left = None if self._left is None else self._left - 1
                if _agrees(made, self.judge):
                    self.current, size = made, new_size
                    self.done.append(edit)
                    changed = progress = True
                else:
                    self._refused[edit.key] = len(self.done)
                self.judge.keep(self.current)
        return changed

    def replay(self, program: Program) -> None:
        """Begin again with the edits that are still right."""
        edits, self.done, self.current = self.done, [], program
        for edit in edits:
            made = edited(self.current, edit)
            if made is not None and _agrees(made, self.judge):
                self.current = made
                self.done.append(edit)
            else:
                self._refused[edit.key] = len(self.done)
            self.judge.keep(self.current)


def _agrees(program: Program, judge: Judge) -> bool:
    return not any(map(can_fail, program.outputs.values())) and judge.agrees(program)
