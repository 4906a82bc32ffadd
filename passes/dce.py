"""Dead variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tpir.ir.program import Program
from tpir.passes.base import Pass, PassResult


@dataclass(frozen=True)
class Dce(Pass):
    """Remove the nodes that no output reaches.

    Law: a program's meaning is that of its outputs, and a node depends on nothing but its operands.

        a = map(tokens) f;  b = map(tokens) g;  output b   →   b = map(tokens) g;  output b

    Sound, failures included: nodes that no output reaches are never evaluated, so they cannot fail.
    """

    name: ClassVar[str] = "dce"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Nodes."""
        return (len(program.nodes),)

    def run(self, program: Program) -> PassResult:
        """Keep what the outputs reach."""
        if len(program.live) == len(program.nodes):
            return PassResult(program, False)
        live = set(program.live)
        notes = tuple(
            f"{n.name}: removed, no output reaches it" for n in program.nodes if n not in live
        )
        witness = {node.name: node.name for node in program.live}
        kept = Program(program.header, program.live, program.outputs)
        return PassResult(kept, True, notes, witness)
