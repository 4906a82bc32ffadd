"""What is said of a node that the Transformer Program architecture has no place for."""

from __future__ import annotations

from tpir.errors import TpirError
from tpir.ir.program import Node


def refusal(node: Node, why: str) -> TpirError:
    """The error for a node that the architecture has no place for."""
    span = node.origin.span if node.origin else None
    return TpirError(f"{node.name} has no place in a Transformer Program: {why}", span=span)
