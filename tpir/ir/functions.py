"""Finite functions and learned weights: what ops carry besides their operands.

Each is *total over the domains it lists*, and the verifier demands that those are the domains of
the operands, in the same order. So a table never lacks a row, and text can leave rows to a default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from tpir.errors import TpirError
from tpir.ir.values import Key, Structural, Value, check_value, sorted_values, value_key

Domain = tuple[Value, ...]


def codes_of(domain: Domain) -> dict[Key, int]:
    """Position of each value of a domain."""
    return {value_key(v): i for i, v in enumerate(domain)}


def floats(row: Sequence[float]) -> tuple[float, ...]:
    """Weights are floats: an int given for one is the same weight."""
    return tuple(float(x) for x in row)


@dataclass(frozen=True, eq=False)
class Table(Structural):
    """A function of k finite arguments, k >= 0.

    ``results`` holds one value for each row of the product of ``domains``, the last argument
    running fastest (C order).
    """

    domains: tuple[Domain, ...]
    results: tuple[Value, ...]

    def __post_init__(self) -> None:
        if math.prod(len(d) for d in self.domains) != len(self.results):
            raise TpirError(
                f"a table over domains of sizes {[len(d) for d in self.domains]} "
                f"cannot have {len(self.results)} rows"
            )
        for value in self.results:
            check_value(value, "table")

    @classmethod
    def tabulate(cls, domains: Sequence[Domain], function: Callable[..., Value]) -> Table:
        """The table of a Python function over the product of the domains."""
        return cls(tuple(domains), tuple(function(*row) for row in product(*domains)))

    @cached_property
    def _codes(self) -> tuple[dict[Key, int], ...]:
        return tuple(codes_of(d) for d in self.domains)

    def __call__(self, *arguments: Value) -> Value:
        """The result for one row. Raises KeyError outside the domains."""
        index = 0
        for codes, domain, value in zip(self._codes, self.domains, arguments, strict=True):
            index = index * len(domain) + codes[value_key(value)]
        return self.results[index]

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.domains)


@dataclass(frozen=True, eq=False)
class Relation(Structural):
    """For each query value, the set of key values that match it, sorted.

    Key values may lie outside the domain of the keys; those never match anything.
    """

    queries: Domain
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        if len(self.queries) != len(self.rows):
            raise TpirError(f"{len(self.queries)} query values, but {len(self.rows)} rows")
        for row in self.rows:
            if [value_key(v) for v in row] != [value_key(v) for v in sorted_values(row)]:
                raise TpirError("the key values of a relation's row must be sorted and distinct")

    def matches(self, query: Value, key: Value) -> bool:
        """Whether a key value is in the row of a query value. KeyError outside the queries."""
        row = self.rows[codes_of(self.queries)[value_key(query)]]
        return value_key(key) in {value_key(v) for v in row}


@dataclass(frozen=True, eq=False)
class ScoreTable(Structural):
    """A score for each pair of query value (rows) and key value (columns); higher is better."""

    queries: Domain
    keys: Domain
    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.queries) or any(len(r) != len(self.keys) for r in self.rows):
            raise TpirError("a score table needs one number for each query value and key value")
        object.__setattr__(self, "rows", tuple(map(floats, self.rows)))
        for row in self.rows:
            for entry in row:
                check_value(entry, "score table")


@dataclass(frozen=True, eq=False)
class ReluFunction(Structural):
    """argmax_l(c_l + sum_h w_lh * relu(b_h + sum_k v_hk * x_k)), ties to the first l.

    What a numerical MLP over real numbers is: no finite table holds it. Computed in float64 over
    the stored float32 weights; each sum runs left to right, the constant first.
    Shapes: ``v`` hidden x inputs, ``b`` hidden, ``w`` outputs x hidden, ``c`` outputs. Its value
    is l.
    """

    v: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    w: tuple[tuple[float, ...], ...]
    c: tuple[float, ...]

    def __post_init__(self) -> None:
        hidden, outputs = len(self.b), len(self.c)
        if len(self.v) != hidden or len(self.w) != outputs or outputs == 0:
            raise TpirError("the weights of a relu function do not fit each other")
        if any(len(row) != hidden for row in self.w) or len({len(row) for row in self.v}) > 1:
            raise TpirError("the weights of a relu function do not fit each other")
        for name in ("v", "w"):
            object.__setattr__(self, name, tuple(map(floats, getattr(self, name))))
        for name in ("b", "c"):
            object.__setattr__(self, name, floats(getattr(self, name)))
        if not all(math.isfinite(x) for row in (self.b, self.c, *self.v, *self.w) for x in row):
            raise TpirError("the weights of a relu function must be finite numbers")

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.v[0]) if self.v else 0


@dataclass(frozen=True, eq=False)
class TableWeights(Structural):
    """What one categorical feature adds to each label's logit: a row of weights for each value."""

    domain: Domain
    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.domain):
            raise TpirError(f"{len(self.domain)} feature values, but {len(self.rows)} rows")
        object.__setattr__(self, "rows", tuple(map(floats, self.rows)))


@dataclass(frozen=True, eq=False)
class NumberWeights(Structural):
    """What one numerical feature adds: its number times a weight for each label."""

    row: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", floats(self.row))


FeatureWeights = TableWeights | NumberWeights
