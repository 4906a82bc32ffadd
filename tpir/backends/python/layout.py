"""Python source in the formatter's layout: ``ruff format --line-length 100`` leaves it as it is.

Only the shapes that the backend emits are known here: what fits on a line stays on one; displays
then break into one item a line, calls into arguments, comprehensions into element and clauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tpir.ir.values import Value

WIDTH = 100
INDENT = "    "


@dataclass(frozen=True)
class Call:
    """``function(argument, …)``."""

    function: str
    arguments: tuple[Code, ...]


@dataclass(frozen=True)
class Display:
    """A tuple, list, set or dict display; ``brackets`` are its two brackets."""

    brackets: str
    items: tuple[Code, ...]


@dataclass(frozen=True)
class Entry:
    """``key: value`` in a dict display."""

    key: str
    value: Code


@dataclass(frozen=True)
class Clause:
    """``for targets in iterable``, and ``if condition`` unless that is empty."""

    targets: str
    iterable: Code
    condition: str = ""


@dataclass(frozen=True)
class Comprehension:
    """``[element for … in …]``; ``brackets`` as for displays."""

    brackets: str
    element: Code
    clause: str | Clause


Code = str | Call | Display | Entry | Comprehension
"""An expression to lay out; a string is never broken."""


def flat(code: Code) -> str:
    """The expression on one line."""
    match code:
        case str():
            return code
        case Call(function, arguments):
            return f"{function}({', '.join(map(flat, arguments))})"
        case Entry(key, value):
            return f"{key}: {flat(value)}"
        case Comprehension(brackets, element, clause):
            return f"{brackets[0]}{flat(element)} {_flat_clause(clause)}{brackets[1]}"
        case Display(brackets, items):
            comma = "," if brackets == "()" and len(items) == 1 else ""
            return f"{brackets[0]}{', '.join(map(flat, items))}{comma}{brackets[1]}"


def lay_out(code: Code, *, indent: int = 0, prefix: str = "", suffix: str = "") -> list[str]:
    """The lines of ``prefix code suffix``, ``indent`` levels deep."""
    margin = INDENT * indent
    line = f"{margin}{prefix}{flat(code)}{suffix}"
    if len(line) <= WIDTH or isinstance(code, str):
        return [line]
    match code:
        case Entry(key, value):
            return lay_out(value, indent=indent, prefix=f"{prefix}{key}: ", suffix=suffix)
        case Call(function, arguments):
            inside = INDENT * (indent + 1) + ", ".join(map(flat, arguments))
            opening, closing = f"{function}(", ")"
            inner = [inside] if len(inside) <= WIDTH else _each(arguments, indent + 1)
        case Display(brackets, items):
            opening, closing = brackets[0], brackets[1]
            inner = _each(items, indent + 1)
        case Comprehension(brackets, element, clause):
            opening, closing = brackets[0], brackets[1]
            inner = [f"{margin}{INDENT}{flat(element)} {_flat_clause(clause)}"]
            if len(inner[0]) > WIDTH:
                inner = [*lay_out(element, indent=indent + 1), *_lay_out_clause(clause, indent + 1)]
    return [f"{margin}{prefix}{opening}", *inner, f"{margin}{closing}{suffix}"]


def _flat_clause(clause: str | Clause) -> str:
    if isinstance(clause, str):
        return clause
    condition = f" if {clause.condition}" if clause.condition else ""
    return f"for {clause.targets} in {flat(clause.iterable)}{condition}"


def _lay_out_clause(clause: str | Clause, indent: int) -> list[str]:
    if isinstance(clause, str):
        return lay_out(clause, indent=indent)
    lines = lay_out(clause.iterable, indent=indent, prefix=f"for {clause.targets} in ")
    return [*lines, f"{INDENT * indent}if {clause.condition}"] if clause.condition else lines


def _each(items: Iterable[Code], indent: int) -> list[str]:
    return [line for item in items for line in lay_out(item, indent=indent, suffix=",")]


def assign(name: str, code: Code, *, indent: int = 0) -> list[str]:
    """The lines of ``name = code``; a long string goes into parentheses where that makes it fit."""
    lines = lay_out(code, indent=indent, prefix=f"{name} = ")
    if isinstance(code, str) and len(lines[0]) > WIDTH:
        inside = INDENT * (indent + 1) + code
        if len(inside) <= WIDTH:
            margin = INDENT * indent
            return [f"{margin}{name} = (", inside, f"{margin})"]
    return lines


def literal(value: Value) -> str:
    """A value as a Python literal, strings in the quotes that the formatter prefers."""
    if not isinstance(value, str):
        return repr(value)
    body = "".join(c if c in "'\"" else repr(c)[1:-1] for c in value)
    double = body.replace('"', '\\"')
    single = body.replace("'", "\\'")
    if single.count("\\") < double.count("\\"):
        return f"'{single}'"
    return f'"{double}"'


def display(brackets: str, items: Sequence[Code]) -> Display:
    """A display of these items."""
    return Display(brackets, tuple(items))


def values_tuple(values: Iterable[Value]) -> Display:
    """A tuple of literals."""
    return Display("()", tuple(map(literal, values)))
