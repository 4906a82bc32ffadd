"""The types of nodes. Every type but ``Selector`` and ``Pooled`` is the type of one element."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from tpir.errors import TpirError
from tpir.ir.values import (
    MAX_INTEGER,
    Key,
    Structural,
    Value,
    check_value,
    distinct,
    is_number,
    show_value,
    sorted_values,
    value_key,
)

MAX_JOINED = 2**16
"""Finite types up to this size join to a finite type; larger ones only as numbers."""


@dataclass(frozen=True, eq=False)
class Categorical(Structural):
    """A sequence whose elements come from a finite, ordered set of values."""

    domain: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.domain:
            raise TpirError("a categorical type needs at least one value")
        for value in self.domain:
            check_value(value, "categorical type")
        if len(self.codes) != len(self.domain):
            raise TpirError(f"{self}: a value is listed twice")

    @cached_property
    def codes(self) -> dict[Key, int]:
        """Position of each value in the domain."""
        return {value_key(v): i for i, v in enumerate(self.domain)}

    def __str__(self) -> str:
        return "{" + _shortened([show_value(v) for v in self.domain]) + "}"


@dataclass(frozen=True, eq=False)
class Integer(Structural):
    """A sequence of ints between ``lo`` and ``hi``, both included. Integers never wrap."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise TpirError(f"empty integer range {self.lo}..{self.hi}")
        if max(abs(self.lo), abs(self.hi)) > MAX_INTEGER:
            raise TpirError(f"integers {self} leave the range that is exact (2^53 either way)")

    def __str__(self) -> str:
        return f"Integer({self.lo}..{self.hi})"


@dataclass(frozen=True, eq=False)
class Real(Structural):
    """A sequence of numbers of no fixed bound: floats, and ints left as they were."""

    def __str__(self) -> str:
        return "Real"


@dataclass(frozen=True, eq=False)
class Bool(Structural):
    """A sequence of truth values."""

    def __str__(self) -> str:
        return "Bool"


class Width(Enum):
    """How many keys a selector can select for one query."""

    ONE = "one"
    AT_MOST_ONE = "at most one"
    MANY = "many"


@dataclass(frozen=True, eq=False)
class Selector(Structural):
    """For each query position a set of key positions; *hard* when its width is ONE."""

    width: Width = Width.MANY

    def __str__(self) -> str:
        return f"Selector({self.width.value})"


@dataclass(frozen=True, eq=False)
class Pooled(Structural):
    """One label for the whole input. Only an output can have this type."""

    domain: tuple[Value, ...]

    def __str__(self) -> str:
        return "Pooled{" + _shortened([show_value(v) for v in self.domain]) + "}"


Sequence = Categorical | Integer | Real | Bool
Type = Sequence | Selector | Pooled


def size_of(type_: Type) -> int | None:
    """How many values the type has, or None where that is not finite."""
    match type_:
        case Categorical(domain):
            return len(domain)
        case Integer(lo, hi):
            return hi - lo + 1
        case Bool():
            return 2
    return None


def values_of(type_: Type) -> tuple[Value, ...] | None:
    """The values of a finite type, in order; None for ``Real`` and what is not a sequence."""
    match type_:
        case Categorical(domain):
            return domain
        case Integer(lo, hi):
            return tuple(range(lo, hi + 1))
        case Bool():
            return (False, True)
    return None


def number_bounds(type_: Type) -> tuple[float, float] | None:
    """Least and greatest number of a type whose values are all numbers; None if some are words.

    ``Real`` has no bounds: (-inf, inf).
    """
    match type_:
        case Categorical(domain) if all(is_number(v) for v in domain):
            numbers = [v for v in domain if not isinstance(v, str)]
            return (min(numbers), max(numbers))
        case Integer(lo, hi):
            return (lo, hi)
        case Bool():
            return (0, 1)
        case Real():
            return (-float("inf"), float("inf"))
    return None


def is_integral(type_: Type) -> bool:
    """Whether every value is an int or a bool, so that sums are exact."""
    match type_:
        case Categorical(domain):
            return all(isinstance(v, int) for v in domain)
        case Integer() | Bool():
            return True
    return False


def is_mixed(type_: Type) -> bool:
    """Whether words and other values are both among the values."""
    return isinstance(type_, Categorical) and len({isinstance(v, str) for v in type_.domain}) == 2


def type_of_values(values: tuple[Value, ...]) -> Sequence:
    """The type of a sequence of just these values: floats alone are Real, the rest finite."""
    kinds = {type(v) for v in values}
    if kinds == {bool}:
        return Bool()
    if kinds == {float}:
        return Real()
    return Categorical(sorted_values(values))


def join(left: Sequence, right: Sequence) -> Sequence | None:
    """The smallest type that holds both; None if words would meet unbounded numbers."""
    if left == right:
        return left
    match left, right:
        case Integer(a, b), Integer(c, d):
            return Integer(min(a, c), max(b, d))
    sizes = (size_of(left), size_of(right))
    if all(size is not None and size <= MAX_JOINED for size in sizes):
        return Categorical(distinct((values_of(left) or ()) + (values_of(right) or ())))
    if number_bounds(left) is not None and number_bounds(right) is not None:
        return Real()
    return None


def _shortened(parts: list[str]) -> str:
    shown = parts if len(parts) <= 12 else [*parts[:9], f"… {len(parts) - 10} more …", parts[-1]]
    return ", ".join(shown)
