"""What names stand for while a text is elaborated, and where they are looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from tpir.ir.values import Value
from tpir.text import syntax
from tpir.text.learned import NamedTable
from tpir.text.open import OpenNode
from tpir.text.source import Source

if TYPE_CHECKING:
    from tpir.text.evaluate import Evaluator

Compound: TypeAlias = "list[Thing] | dict[Value, Thing]"
Thing: TypeAlias = "Value | Compound | OpenNode | Function | Builtin | Applied | NamedTable"
"""What an expression can stand for: atoms, lists, dictionaries, sequences and selectors, functions,
and what a sequence is on one input."""

INPUTS = frozenset(
    {"tokens_asis", "tokens_str", "tokens_int", "tokens_float", "tokens_bool", "indices"}
)
RESERVED = INPUTS | frozenset(
    [
        "if",
        "else",
        "not",
        "and",
        "or",
        "out",
        "def",
        "return",
        "range",
        "for",
        "in",
        "zip",
        "len",
        "get",
        "True",
        "False",
    ]
)
"""Names that no program can give to anything."""

KEYWORDS = frozenset(
    {"select", "aggregate", "round", "indicator", "range", "zip", "len", "apply", "classify"}
)
"""Functions that only calls can mean, whatever else has their names (``apply`` is that of a table,
and no call means it or ``classify`` by name)."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the text: its body is run where it was defined, each time it is called."""

    define: syntax.Define
    source: Source
    scope: Scope

    @property
    def name(self) -> str:
        """The name it was defined by."""
        return self.define.name.text

    @property
    def signature(self) -> str:
        """``name(parameters)``."""
        return f"{self.name}({', '.join(p.text for p in self.define.parameters)})"


@dataclass(frozen=True, eq=False)
class Builtin:
    """A function of the language."""

    name: str
    parameters: str
    run: Callable[[Evaluator, syntax.Call], Thing]

    @property
    def signature(self) -> str:
        """``name(parameters)``."""
        return f"{self.name}({self.parameters})"


@dataclass(frozen=True, eq=False)
class Applied:
    """A sequence's values, or a selector's matrix by query and key, on one input."""

    tokens: tuple[Value, ...]
    values: tuple[Value, ...] | tuple[tuple[bool, ...], ...]
    is_selector: bool


@dataclass(eq=False)
class Scope:
    """Names and what they stand for; what is not found here is looked up in the parent.

    ``creator`` is what displays call functions defined here. Names without a leading underscore
    also go to ``exported_to``: the scope that loads this file. ``protected``: names that cannot be
    given away here. ``fallback``: where else to look, asked only if it is needed.
    """

    parent: Scope | None
    creator: str
    exported_to: Scope | None = None
    protected: Callable[[], frozenset[str]] = frozenset
    names: dict[str, Thing] = field(default_factory=dict)
    fallback: Callable[[], Scope] | None = None

    def get(self, name: str) -> Thing | None:
        """What a name stands for, or None."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name)
            if found is None and scope.fallback is not None:
                found = scope.fallback().names.get(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def nested(self) -> Scope:
        """A scope inside this one, for the body of a function or a comprehension."""
        return Scope(self, f"{self.creator}'")

    def set(self, name: str, thing: Thing) -> str | None:
        """Give a name. Returns the name if it is reserved here or where it is exported to."""
        if name in RESERVED or name in self.protected():
            return name
        self.names[name] = thing
        if self.exported_to is not None and not name.startswith("_"):
            return self.exported_to.set(name, thing)
        return None

    def all_names(self) -> Iterator[str]:
        """Every name that can be looked up from here."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent


def describe_thing(thing: Thing, longest: int | None = None) -> str:
    """A thing in a message, as the original describes it; long lists and dictionaries by kind."""
    match thing:
        case OpenNode():
            return thing.title
        case str():
            return f'"{thing}"'
        case list():
            text, kind = f"[{', '.join(map(describe_thing, thing))}]", "(list)"
        case dict():
            pairs = [f"{describe_thing(k)}: {describe_thing(v)}" for k, v in thing.items()]
            text, kind = f"{{{', '.join(pairs)}}}", "(dict)"
        case Function():
            return f"{thing.scope.creator} function: {thing.signature}"
        case Builtin():
            return f"library function: {thing.signature}"
        case NamedTable():
            return f"table {thing.statement.name}"
        case Applied():
            return describe_thing(list(thing.values))  # type: ignore[arg-type]
        case _:
            return str(thing)
    return kind if longest is not None and len(text) > longest else text


def is_atom(thing: object) -> TypeGuard[Value]:
    """Whether a thing is a number, a word or a truth value."""
    return isinstance(thing, str | int | float)


def kind_of(thing: Thing) -> str:
    """What kind of thing it is, in words."""
    match thing:
        case OpenNode():
            return "a selector" if thing.is_selector else "a sequence"
        case list():
            return "a list"
        case dict():
            return "a dictionary"
        case Function() | Builtin():
            return "a function"
        case NamedTable():
            return "a table"
        case Applied():
            return "a sequence on one input"
    return "an atom"
