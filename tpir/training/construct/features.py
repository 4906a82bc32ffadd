"""What a constructed program is made of: values at each position, and how they are computed.

A feature is told from another by identity: each is made once, by the search that evaluates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

Operator = Literal["==", "!=", "<", ">"]
Arithmetic = Literal["+", "-", "<", "=="]


class Where(Enum):
    """Which keys a selector may take, by their position relative to the query."""

    ANYWHERE = "anywhere"
    BEFORE = "before"
    AFTER = "after"


class Base(Enum):
    """What every program starts from."""

    TOKEN = "tokens"
    POSITION = "indices"


@dataclass(frozen=True, eq=False)
class Relation:
    """``key at j  operator  query at i + offset``."""

    operator: Operator
    key: Feature
    query: Feature
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Filter:
    """The key at j is one of ``values``."""

    key: Feature
    values: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Selector:
    """Keys that all of its parts select; with no part, every key."""

    relation: Relation | None = None
    filter: Filter | None = None
    where: Where = Where.ANYWHERE

    def reads(self) -> list[Feature]:
        """The features it compares, each once."""
        found: list[Feature] = []
        if self.relation is not None:
            found += [self.relation.key, self.relation.query]
        if self.filter is not None:
            found.append(self.filter.key)
        return list(dict.fromkeys(found))


@dataclass(frozen=True, eq=False)
class Count:
    """How many keys are selected."""

    selector: Selector


@dataclass(frozen=True, eq=False)
class Fetch:
    """The value at the closest selected key; of none, at the first position."""

    selector: Selector
    value: Feature


@dataclass(frozen=True, eq=False)
class Combined:
    """Arithmetic on, or a comparison of, two features at one position; truth values are 0 and 1."""

    operator: Arithmetic
    left: Feature
    right: Feature


@dataclass(frozen=True, eq=False)
class Lookup:
    """A table of features at one position.

    ``lows`` and ``sizes`` say which values each operand can have (others are taken for the nearest
    of those); ``results`` run over their product, the last operand fastest.
    """

    operands: tuple[Feature, ...]
    lows: tuple[int, ...]
    sizes: tuple[int, ...]
    results: tuple[int, ...]


Feature: TypeAlias = Base | Count | Fetch | Combined | Lookup


def operands_of(feature: Feature) -> list[Feature]:
    """The features that ``feature`` is computed from, each once."""
    match feature:
        case Count(selector):
            return selector.reads()
        case Fetch(selector, value):
            return list(dict.fromkeys([*selector.reads(), value]))
        case Combined(_, left, right):
            return list(dict.fromkeys([left, right]))
        case Lookup(operands):
            return list(dict.fromkeys(operands))
    return []


def is_token(feature: Feature) -> bool:
    """Whether its values are tokens; all others are whole numbers."""
    while isinstance(feature, Fetch):
        feature = feature.value
    return feature is Base.TOKEN


def is_ordered(feature: Feature) -> bool:
    """Whether its values are quantities; tokens and what tables give are only names."""
    while isinstance(feature, Fetch):
        feature = feature.value
    return feature is not Base.TOKEN and not isinstance(feature, Lookup)


def describe(feature: Feature) -> str:
    """A feature in one line, for people who watch the search."""
    match feature:
        case Base():
            return feature.value
        case Count(selector):
            return f"#({_selector(selector)})"
        case Fetch(selector, value):
            return f"{describe(value)}@({_selector(selector)})"
        case Combined(operator, left, right):
            return f"({describe(left)} {operator} {describe(right)})"
        case Lookup(operands):
            return f"table({', '.join(map(describe, operands))})"


def _selector(selector: Selector) -> str:
    parts = []
    if (relation := selector.relation) is not None:
        offset = f"{relation.offset:+d}" if relation.offset else ""
        key, query = describe(relation.key), describe(relation.query)
        parts.append(f"k.{key} {relation.operator} {query}{offset}")
    if selector.filter is not None:
        values = ", ".join(map(str, selector.filter.values))
        parts.append(f"k.{describe(selector.filter.key)} in {{{values}}}")
    if selector.where is not Where.ANYWHERE:
        parts.append(selector.where.value)
    return " and ".join(parts) or "all"
