"""The module under construction: names, constants, helpers in use, statements of ``run``."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Sequence
from dataclasses import dataclass, field

from tpir.backends.python.layout import Code, assign, lay_out
from tpir.backends.python.runtime import HELPERS
from tpir.ir.program import Node, Program
from tpir.ir.values import Value, value_key

LONGEST_NAME = 32
HEADER = (
    *("PROGRAM", "VOCABULARY", "LABELS", "CONTEXT", "CAUSAL", "ACCEPTS", "FINGERPRINT"),
    *("KNOWN", "run"),
)
VARIABLES = ("tokens", "n", "i", "j", "x", "y", "z", "w", "key", "query", "row", "rows", "sums")
"""What the statements of ``run`` call the elements that they go through."""


class Namer:
    """Gives each thing a Python name of its own."""

    def __init__(self) -> None:
        self._taken = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
        self._taken |= {*HELPERS, *HEADER, *VARIABLES}

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
    """Collects the parts of the module; ``columns`` says which variable holds each sequence."""

    program: Program
    namer: Namer = field(default_factory=Namer)
    columns: dict[Node, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    constants: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    _known: dict[tuple[str, ...], str] = field(default_factory=dict)
    _shared: dict[tuple[str, str], str] = field(default_factory=dict)

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
        self.body.extend(assign(name, code, indent=1))
        return name

    def shared(self, kind: str, of: str, code: Code) -> str:
        """A variable derived from another one, made when it is first asked for."""
        if (kind, of) not in self._shared:
            self._shared[kind, of] = self.assign(f"{kind}_{of}", code)
        return self._shared[kind, of]

    def comment(self, text: str) -> None:
        """A comment line in ``run``."""
        line = "    # " + " ".join(text.split())
        self.body.append(line[:100].rstrip())


def collides(domain: Sequence[Value]) -> bool:
    """Whether Python takes two of these values for equal, so that a dict would mix them up."""
    return len(set(domain)) < len({value_key(v) for v in domain})
