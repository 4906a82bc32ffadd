"""Names in printed text: the nodes' own, unless the language has taken them."""

from __future__ import annotations

import re

from tpir.ir.ops import Tokens
from tpir.ir.program import Node, Program
from tpir.ir.values import show_value
from tpir.text.builtins import BUILT_IN_NAMES
from tpir.text.nesting import Nesting, tokens_name
from tpir.text.scope import RESERVED as NEVER_ASSIGNED

KEYWORDS = frozenset(
    ("and", "or", "not", "if", "else", "in", "for", "def", "return", "True", "False")
)
RESERVED = KEYWORDS | BUILT_IN_NAMES | NEVER_ASSIGNED
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Names:
    """Hands out names, each once; the same program gets the same names every time."""

    def __init__(self, program: Program, nesting: Nesting) -> None:
        self._taken = set(RESERVED)
        self._of: dict[Node, str] = {}
        wanted = {n.name for n in program.nodes if nesting.is_statement(n)}
        self._taken |= wanted
        tokens = tokens_name(program.vocabulary)
        for node in program.nodes:
            if nesting.is_silent(node):
                self._of[node] = tokens if isinstance(node.op, Tokens) else node.name
            elif nesting.is_statement(node):
                own = node.name not in RESERVED
                self._of[node] = node.name if own else self.free(node.name)

    def of(self, node: Node) -> str:
        """The name of a node that is not nested."""
        return self._of[node]

    def free(self, wanted: str) -> str:
        """``wanted``, or the first of ``wanted_2``, ``wanted_3``, … that nothing is called yet."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def is_taken(self, name: str) -> bool:
        """Whether something is called this."""
        return name in self._taken

    @staticmethod
    def label(text: str) -> str:
        """The name of a program or an output: bare if it can be, else in quotes."""
        return text if _NAME.fullmatch(text) and text not in KEYWORDS else show_value(text)
