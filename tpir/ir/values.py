"""Scalar values, told apart by type and value: ``1``, ``True``, ``1.0`` and ``"1"`` are four."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property

from tpir.errors import TpirError
from tpir.span import shortened

Value = str | int | float | bool
"""One element of a sequence (``bool`` is listed for the reader: it is a kind of ``int``)."""

MAX_INTEGER = 2**53
"""Integers stay within this, so that a float64 holds each one exactly and division rounds once."""

Key = tuple[str, Value]
"""What two values are compared by: the name of the type, and the value."""

_TYPE_ORDER = {"bool": 0, "int": 1, "float": 2, "str": 3}


def value_key(value: Value) -> Key:
    """The identity of a value: ``value_key(1) != value_key(True) != value_key(1.0)``."""
    return (type(value).__name__, value)


def same_value(left: Value, right: Value) -> bool:
    """Whether two values are the same, type included (``0.0`` and ``-0.0`` are the same)."""
    return type(left) is type(right) and left == right


def distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    """The values without repeats, in order of first appearance."""
    values = tuple(values)
    if are_alike(values):
        return tuple(dict.fromkeys(values))
    return tuple({value_key(v): v for v in values}.values())


def are_alike(values: Iterable[Value]) -> bool:
    """Whether all values are words, or all are ints: then they are their own identity."""
    return len(kinds := set(map(type, values))) == 1 and bool(kinds & {int, str})


def places_of(values: Sequence[Value], domain: Sequence[Value]) -> list[int]:
    """For each value its place in a domain.  Raises KeyError where it has none.

    Tables may have many thousand rows: of words or ints alone, no keys are made.
    """
    if are_alike((*domain, *values)):
        place = {v: k for k, v in enumerate(domain)}
        return [place[v] for v in values]
    keys = {value_key(v): k for k, v in enumerate(domain)}
    return [keys[value_key(v)] for v in values]


def sorted_values(values: Iterable[Value]) -> tuple[Value, ...]:
    """The distinct values in the canonical order: bools, ints, floats, words; each ascending."""
    return tuple(sorted(distinct(values), key=lambda v: (_TYPE_ORDER[type(v).__name__], v)))


def is_number(value: Value) -> bool:
    """Whether arithmetic may use the value. Bools count as 0 and 1."""
    return not isinstance(value, str)


def check_value(value: object, what: str) -> None:
    """Raise TpirError unless ``value`` is a scalar that a program may hold."""
    if not isinstance(value, str | int | float):
        raise TpirError(f"{what}: {value!r} is not a word, a number or a truth value")
    if isinstance(value, float) and not math.isfinite(value):
        raise TpirError(f"{what}: {value!r} is not a finite number")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise TpirError(
            f"{what}: {shortened(repr(value))} is beyond 2^53, where ints are not exact in float64"
        )
    if isinstance(value, str) and not value.isprintable() and _is_surrogate(value):
        raise TpirError(f"{what}: {value!r} cannot be written as UTF-8")


def _is_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def show_value(value: Value) -> str:
    """The value as ``.rasp`` text spells it: words quoted, floats with a point or an exponent.

    A word stands between quotes as it is; where it cannot, with escapes: ``e"…"``.
    """
    if not isinstance(value, str):
        return repr(value)
    plain = value.translate(_ESCAPES) == value.replace("\\", "\\\\")
    return f'"{value}"' if plain else "e" + escaped(value)


def escaped(word: str) -> str:
    """A word between quotes, with the escapes of JSON."""
    return '"' + word.translate(_ESCAPES) + '"'


_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\"}
    | {chr(c): f"\\u{c:04x}" for c in [*range(32), 127, 0x85, 0x2028, 0x2029]}
    | {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
)


class Structural:
    """Base of immutable dataclasses that compare by structure, with values told apart by type.

    Dataclass equality would compare the values with ``==``, and so take ``1`` for ``True``.
    """

    @cached_property
    def key(self) -> tuple[object, ...]:
        """What equality, hashing and fingerprints are made of."""
        assert is_dataclass(self)
        return (
            type(self).__name__,
            *(_key_of(getattr(self, f.name)) for f in fields(self) if f.compare),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structural) and self.key == other.key

    @cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __hash__(self) -> int:
        return self._hash


def _key_of(part: object) -> object:
    if isinstance(part, Structural):
        return part.key
    if isinstance(part, tuple):
        return tuple(_key_of(p) for p in part)
    if isinstance(part, float):
        return ("float", part + 0.0)  # -0.0 becomes 0.0
    if isinstance(part, str | int):
        return value_key(part)
    return part
