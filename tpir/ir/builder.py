"""Building programs node by node, with types inferred and errors that say where."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tpir.errors import TpirError
from tpir.ir.adapt import adapt
from tpir.ir.infer import TypeProblem, describe, infer
from tpir.ir.ops import Op
from tpir.ir.program import Header, Node, Origin, Program

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Builder:
    """Collects the nodes of one program.

    With ``share`` set, asking for an op on operands that a node already computes gives that node.
    """

    def __init__(self, header: Header, *, share: bool = False) -> None:
        self.header = header
        self._nodes: list[Node] = []
        self._names: set[str] = set()
        self._made: dict[tuple[Op, tuple[Node, ...]], Node] = {}
        self._share = share

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes so far, operands before users."""
        return tuple(self._nodes)

    def add(
        self,
        op: Op,
        operands: Sequence[Node] = (),
        *,
        name: str | None = None,
        origin: Origin | None = None,
        comments: tuple[str, ...] = (),
    ) -> Node:
        """Add a node. Raises TpirError if the op does not take operands of these types.

        A name that is taken gets a number appended.
        """
        made = self._made.get((op, tuple(operands))) if self._share else None
        if made is not None:
            return made
        label = name or describe(op)
        try:
            type_ = infer(op, [operand.type for operand in operands], self.header.surroundings)
        except TypeProblem as problem:
            found = ", ".join(f"{o.name}: {o.type}" for o in operands)
            notes = (f"its operands are {found}",) if operands else ()
            span = origin.span if origin else None
            raise TpirError(
                f"type error in {label} ({describe(op)}): {problem}", span=span, notes=notes
            ) from problem
        node = Node(op, tuple(operands), type_, self._free_name(label), origin, comments)
        self._nodes.append(node)
        self._made.setdefault((op, node.operands), node)
        return node

    def rename_last(self, name: str) -> Node:
        """The node added last under another name, without its comments."""
        last = self._nodes.pop()
        self._names.discard(last.name)
        node = replace(last, name=self._free_name(name), comments=())
        self._nodes.append(node)
        self._made[node.op, node.operands] = node
        return node

    def copy(self, node: Node, operands: Sequence[Node]) -> Node:
        """Add ``node`` again on new operands, its finite functions cut to their types."""
        op = adapt(node.op, [operand.type for operand in operands])
        return self.add(op, operands, name=node.name, origin=node.origin, comments=node.comments)

    def build(self, outputs: Mapping[str, Node]) -> Program:
        """The finished program."""
        return Program(self.header, tuple(self._nodes), outputs)

    def _free_name(self, wanted: str) -> str:
        base = wanted if IDENTIFIER.match(wanted) else re.sub(r"\W", "_", f"_{wanted}", flags=re.A)
        name, count = base, 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        return name


Rewrite = Callable[[Builder, Node, tuple[Node, ...]], Node]
"""Makes the new node for an old one, given the new operands; usually ``builder.copy``."""


def rebuild(
    program: Program,
    rewrite: Rewrite,
    *,
    nodes: Sequence[Node] | None = None,
    share: bool = False,
) -> Program:
    """A new program in which each node (of ``nodes``, default all) is what ``rewrite`` makes of it.

    ``nodes`` must be closed under operands and hold the outputs.
    """
    builder = Builder(program.header, share=share)
    new: dict[Node, Node] = {}
    for node in program.nodes if nodes is None else nodes:
        new[node] = rewrite(builder, node, tuple(new[operand] for operand in node.operands))
    return builder.build({name: new[node] for name, node in program.outputs.items()})
