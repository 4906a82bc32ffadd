"""The module under construction: names, constants, helpers in use, statements of ``run``."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tpir.backends.python.forms import POSITIONS
from tpir.backends.python.layout import INDENT, Code, assign, lay_out
from tpir.backends.python.runtime import HELPERS, IMPORTED
from tpir.ir.ops import Indices
from tpir.ir.program import Node, Program
from tpir.ir.values import Value, value_key

LONGEST_NAME = 32
HEADER = (
    *("PROGRAM", "VOCABULARY", "LABELS", "CONTEXT", "CAUSAL", "ACCEPTS", "FINGERPRINT"),
    *("KNOWN", "run"),
)
VARIABLES = (
    *("tokens", "n", "i", "j", "x", "y", "z", "w", "key", "query", "row", "rows", "sums"),
    *("start", "stop"),
)
"""What the statements of ``run`` call the elements that they go through."""


class Namer:
    """Gives each thing a Python name of its own."""

    def __init__(self) -> None:
        self._taken = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
        self._taken |= {*HELPERS, *IMPORTED, *HEADER, *VARIABLES}

    def name(self, wanted: str) -> str:
        """A free name like the wanted one."""
        base = wanted[:LONGEST_NAME]
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


@dataclass
class Writer:
    """Collects the parts of the module.

    ``columns`` says which variable holds each sequence, ``rows`` which holds the positions that
    each query selects, of selectors that are written so.
    """

    program: Program
    namer: Namer = field(default_factory=Namer)
    columns: dict[Node, str] = field(default_factory=dict)
    rows: dict[Node, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    positions: str = POSITIONS
    """The column of positions: a variable from where that is assigned."""
    _spare: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, ...], str] = field(default_factory=dict)
    _shared: dict[tuple[str, ...], str] = field(default_factory=dict)
    _indent: int = 1

    def use(self, helper: str) -> str:
        """Have a helper written out; its name."""
        self.helpers.add(helper)
        return helper

    def constant(self, wanted: str, code: Code) -> str:
        """A module constant of this value; constants of equal text are one."""
        text = tuple(lay_out(code))
        if text not in self._known:
            name = self.namer.name(wanted.upper())
            self._known[text] = name
            self.constants.extend(assign(name, code))
        return self._known[text]

    def assign(self, wanted: str, code: Code) -> str:
        """A statement of ``run`` that puts a value into a new variable; the variable."""
        name = self.namer.name(wanted)
        self.put(name, code)
        return name

    def assign_spare(self, wanted: str, code: Code) -> str:
        """As ``assign``, but the statement is left out where nothing mentions the variable."""
        before = len(self.body)
        name = self.assign(wanted, code)
        if len(self.body) == before + 1:
            self._spare[name] = self.body[before]
        return name

    def statements(self, outputs: Iterable[str]) -> list[str]:
        """The statements of ``run`` that the outputs need."""
        mentioned = Counter(word for line in self.body for word in words(line))
        unused = self._spare.keys() - {*outputs}
        left_out = {self._spare[name] for name in unused if mentioned[name] == 1}
        return [line for line in self.body if line not in left_out]

    def put(self, name: str, code: Code) -> None:
        """A statement of ``run`` that puts a value into this variable."""
        self.body.extend(assign(name, code, indent=self._indent))

    def stored(self, wanted: str, code: Code) -> str:
        """A variable that holds a value, made when a value of this text is first asked for."""
        if isinstance(code, str) and code.isidentifier():
            return code
        text = tuple(lay_out(code))
        if text not in self._shared:
            self._shared[text] = self.assign(wanted, code)
        return self._shared[text]

    def statement(self, line: str) -> None:
        """A statement of ``run``."""
        self.body.append(INDENT * self._indent + line)

    @contextmanager
    def under(self, line: str) -> Iterator[None]:
        """Statements that stand under this line; what they make is not shared with others."""
        self.statement(line)
        shared, rows = dict(self._shared), dict(self.rows)
        self._indent += 1
        yield
        self._indent -= 1
        self._shared, self.rows = shared, rows

    def column(self, node: Node) -> str:
        """The name of a sequence in forms: POSITIONS for positions, else the variable."""
        return POSITIONS if isinstance(node.op, Indices) else self.columns[node]

    def text(self, column: str) -> str:
        """The variable that holds a column, if there is one."""
        return self.positions if column == POSITIONS else column

    def word(self, column: str) -> str:
        """A column in names of variables."""
        text = self.text(column)
        return text if text.isidentifier() else "positions"

    def comment(self, text: str) -> None:
        """A comment line in ``run``."""
        line = "    # " + " ".join(text.split())
        self.body.append(line[:100].rstrip())


def words(line: str) -> set[str]:
    """The names in a line of source, among other words."""
    return set("".join(c if c.isalnum() or c == "_" else " " for c in line).split())


def collides(domain: Sequence[Value]) -> bool:
    """Whether Python takes two of these values for equal, so that a dict would mix them up."""
    return len(set(domain)) < len({value_key(v) for v in domain})
