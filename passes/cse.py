"""Common subexpressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tpir.ir.builder import Builder
from tpir.ir.program import Node, Program
from tpir.passes.base import Pass, PassResult


@dataclass(frozen=True)
class Cse(Pass):
    """Compute once what several nodes compute alike; the first of them stays.

    Law: ops are pure, so the same op on the same operands is the same sequence.

        a = map(tokens) f;  b = map(tokens) f;  output g(a, b)
            →   a = map(tokens) f;  output g(a, a)

    Sound, failures included: the first of two equal nodes fails exactly where the second does.
    """

    name: ClassVar[str] = "cse"

    def measure(self, program: Program) -> tuple[int, ...]:
        """Nodes."""
        return (len(program.nodes),)

    def run(self, program: Program) -> PassResult:
        """Merge equal nodes, operands first, so that what reads merged nodes can merge too."""
        builder = Builder(program.header, share=True)
        new: dict[Node, Node] = {}
        notes: list[str] = []
        for node in program.nodes:
            before = len(builder.nodes)
            new[node] = builder.copy(node, [new[operand] for operand in node.operands])
            if len(builder.nodes) == before:
                notes.append(f"{node.name}: the same as {new[node].name}")
        if not notes:
            return PassResult(program, False)
        outputs = {name: new[node] for name, node in program.outputs.items()}
        witness = {old.name: made.name for old, made in new.items()}
        return PassResult(builder.build(outputs), True, tuple(notes), witness)
