"""The verifier: runs after every parse, lowering and pass."""

from __future__ import annotations

from tpir.errors import TpirError
from tpir.ir.builder import IDENTIFIER
from tpir.ir.infer import TypeProblem, describe, infer
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import check_value, distinct, show_value

PADDING = "<pad>"


def verify(program: Program) -> None:
    """Raise TpirError unless the program is well formed and every type is what its rule gives."""
    _verify_header(program)
    seen: dict[Node, None] = {}
    names: set[str] = set()
    for node in program.nodes:
        _verify_node(program, node, seen, names)
        seen[node] = None
        names.add(node.name)
    if not program.outputs:
        raise TpirError("a program needs at least one output")
    for name, node in program.outputs.items():
        if node not in seen:
            raise TpirError(f"output {name} is not a node of the program")
        if isinstance(node.type, Selector):
            raise TpirError(f"output {name} is a selector; only sequences can be outputs")


def _verify_header(program: Program) -> None:
    header = program.header
    if header.context < 1:
        raise TpirError(f"context {header.context}: a program accepts at least one token")
    if not header.vocabulary:
        raise TpirError("the vocabulary is empty")
    for kind, values in (("vocabulary", header.vocabulary), ("labels", header.labels)):
        for value in values:
            check_value(value, kind)
        if len(distinct(values)) != len(values):
            raise TpirError(f"{kind}: a value is listed twice")
    if PADDING in header.vocabulary:
        raise TpirError(f"{show_value(PADDING)} is padding and never in a program's vocabulary")


def _verify_node(program: Program, node: Node, seen: dict[Node, None], names: set[str]) -> None:
    if not IDENTIFIER.match(node.name):
        raise TpirError(f"{node.name!r} is not a name")
    if node.name in names:
        raise TpirError(f"two nodes are called {node.name}")
    for operand in node.operands:
        if operand not in seen:
            raise TpirError(f"{node.name} uses {operand.name}, which does not come before it")
    try:
        type_ = infer(node.op, [o.type for o in node.operands], program.header.surroundings)
    except TypeProblem as problem:
        raise TpirError(f"type error in {node.name} ({describe(node.op)}): {problem}") from problem
    if type_ != node.type:
        raise TpirError(f"{node.name} is marked {node.type}, but its rule gives {type_}")
