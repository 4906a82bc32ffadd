"""What an artefact is run from in another process."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tpir.equiv.artefact import Artefact
from tpir.equiv.runners import ProgramRunner, Runner
from tpir.text import parse, print_program

if TYPE_CHECKING:
    from tpir.ir.program import Program


@dataclass(frozen=True)
class Source:
    """One side: the text of a program, or the artefact itself. ``name`` is a hash of it."""

    name: str
    text: str | None = None
    artefact: Artefact | None = None

    @classmethod
    def of(cls, artefact: Artefact) -> Source:
        """The source of an artefact."""
        if artefact.program is not None:
            return cls.of_program(artefact.program)
        return cls(_name(artefact), None, artefact)

    @classmethod
    def of_program(cls, program: Program) -> Source:
        """The source of a program, as text: a graph of nodes does not go to other processes."""
        return cls(program.fingerprint, print_program(program))

    def runner(self) -> Runner:
        """Something that runs it; close it after use."""
        if self.text is not None:
            return ProgramRunner(parse(self.text))
        assert self.artefact is not None
        return self.artefact.runner()

    def __repr__(self) -> str:
        return f"<source {self.name}>"


@dataclass(frozen=True)
class Sides:
    """A recipe for both sides of a check."""

    left: Source
    right: Source

    def __call__(self) -> tuple[Runner, Runner]:
        """Make both. What the first holds is let go of if the second cannot be made."""
        first = self.left.runner()
        try:
            return first, self.right.runner()
        except BaseException:
            first.close()
            raise


def _name(artefact: Artefact) -> str:
    """A hash of the files of an artefact; of what it holds, where it is in no file."""
    digest = hashlib.sha256()
    path = artefact.path
    if not path.exists():
        digest.update(pickle.dumps((artefact.checkpoint, artefact.transformer)))
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    for file in files:
        digest.update(str(file.relative_to(path.parent)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    digest.update(repr((artefact.vocabulary, artefact.context, artefact.accepts)).encode())
    return digest.hexdigest()
