"""Which selectors and constants stand inside the statement that uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tpir.ir.expressions import Literal
from tpir.ir.ops import Classify, ClassifyPooled, Indices, Map, Select, Tokens
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import Value
from tpir.text.notes import NOWHERE, Place, place_of

DEEPEST = 4
"""How many calls a nested selector may stand in: deeper ones are easier to read by name."""


def tokens_name(vocabulary: Sequence[Value]) -> str:
    """What the tokens are called: ``tokens`` alone are words, whatever the vocabulary holds."""
    return "tokens" if all(isinstance(token, str) for token in vocabulary) else "tokens_asis"


def is_literal(node: Node) -> bool:
    """Whether a node is a word, a whole number or a truth value at every position, written so."""
    match node.op:
        case Map(Literal(value)) if not node.operands:
            return type(value) in (str, int, bool)
    return False


class Nesting:
    """What is a statement, what stands inside one, and what needs no text at all.

    A selector is nested if it has one use, no comments, and no other place in the model than its
    user; so is a constant that a ``select`` compares with. ``tokens`` and ``indices`` need no
    statement where they go by their own names.
    """

    def __init__(self, program: Program) -> None:
        uses = Counter(operand for node in program.nodes for operand in node.operands)
        self._depth: dict[Node, int] = {}
        self._place: dict[Node, Place] = {}
        outputs = set(program.outputs.values())
        input_names = {"tokens", tokens_name(program.vocabulary)}
        self._silent = {
            node
            for node in program.nodes
            if isinstance(node.op, Tokens | Indices)
            and node.name in (input_names if isinstance(node.op, Tokens) else {"indices"})
            and not node.comments
            and (uses[node] or node in outputs)
        }
        for node in reversed(program.nodes):
            users = program.users[node]
            self._depth[node], self._place[node] = 0, place_of(node.origin)
            inner = isinstance(node.type, Selector) or is_literal(node)
            if inner and uses[node] == 1 and not node.comments and node not in outputs:
                self._nest(node, users[0])

    def _nest(self, node: Node, user: Node) -> None:
        near = self._place[node] in (NOWHERE, self._place[user])
        if isinstance(user.op, Classify | ClassifyPooled) or not near:
            return
        if is_literal(node) and not isinstance(user.op, Select):
            return
        if self._depth[user] < DEEPEST:
            self._depth[node], self._place[node] = self._depth[user] + 1, self._place[user]

    def is_nested(self, node: Node) -> bool:
        """Whether the node stands inside its user's statement."""
        return self._depth[node] > 0

    def is_silent(self, node: Node) -> bool:
        """Whether the node is an input that its name alone stands for."""
        return node in self._silent

    def is_statement(self, node: Node) -> bool:
        """Whether the node has a statement of its own."""
        return not self.is_nested(node) and not self.is_silent(node)

    def place(self, node: Node) -> Place:
        """The place in the model that is printed behind a statement."""
        return self._place[node]
