"""What a conjunction asks of keys and of queries: equal keys, tests, and limits in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tpir.backends.python.forms import (
    POSITIONS,
    SIGNS,
    KeyTest,
    Match,
    Outcome,
    Pair,
    QueryTest,
    Term,
)
from tpir.backends.python.layout import Code, Comprehension, literal
from tpir.backends.python.loops import loop
from tpir.backends.python.writer import Writer

_LONGEST_TEST = 50
"""Tests longer than this go into variables of their own."""

_LONGEST_LITERAL = 20


@dataclass(frozen=True)
class Limit:
    """A limit of the keys of each query: ``queries``, itself included or not."""

    queries: str
    included: bool


@dataclass
class Order:
    """A column by which keys are sorted, and the lower and upper limits that queries set."""

    column: str
    lower: list[Limit] = field(default_factory=list)
    upper: list[Limit] = field(default_factory=list)


@dataclass
class Conditions:
    """A conjunction, sorted out. ``name`` goes into the names of variables."""

    writer: Writer
    name: str
    equal: list[Match] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    key_tests: list[tuple[str, str]] = field(default_factory=list)
    query_tests: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, writer: Writer, name: str, term: Term) -> Conditions:
        """The conditions of a term."""
        found = cls(writer, name)
        for subject, outcome in term.facts:
            match subject:
                case Match():
                    found.equal.append(subject)
                case Pair(keys, queries) if outcome == Outcome.EQUAL:
                    found.equal.append(Match(keys, queries, "x"))
                case Pair(keys, queries):
                    found._limit(keys, queries, outcome)
                case KeyTest(column, constant):
                    found.key_tests.append((column, found._test(outcome, literal(constant))))
                case QueryTest(column, constant):
                    found.query_tests.append((column, found._test(outcome, literal(constant))))
        return found

    def _limit(self, keys: str, queries: str, outcome: Outcome) -> None:
        order = self.orders.setdefault(keys, Order(keys))
        limits = order.upper if Outcome.LESS in outcome else order.lower
        limits.append(Limit(queries, Outcome.EQUAL in outcome))

    def _test(self, outcome: Outcome, constant: str) -> str:
        if len(constant) > _LONGEST_LITERAL:
            constant = self.writer.constant(f"{self.name}_constant", constant)
        return f"{SIGNS[outcome]} {constant}"

    def keys(self) -> str:
        """The column of keys, of several a tuple; empty where a test fails. ``equal`` has some."""
        return self._joined("keys", [match.keys for match in self.equal], self.key_tests, "()")

    def wanted(self) -> str:
        """The column of what queries want of ``keys``; None where a test fails."""
        wanted = []
        for match in self.equal:
            if match.want == "x":
                wanted.append(match.queries)
            else:
                queries = self.writer.text(match.queries)
                each = Comprehension("[]", match.want, f"for x in {queries}")
                wanted.append(self.writer.stored(f"wanted_{self.name}", each))
        return self._joined("wanted", wanted, self.query_tests, "None")

    def _joined(
        self, kind: str, columns: list[str], tests: list[tuple[str, str]], nothing: str
    ) -> str:
        if len(columns) == 1 and not tests:
            return columns[0]
        tests = self.short(tests)
        names, clause = loop([*columns, *(column for column, _ in tests)])
        element = ", ".join(names[column] for column in columns)
        element = f"({element})" if len(columns) > 1 else element
        if tests:
            element = f"{element} if {condition(names, tests)} else {nothing}"
        return self.writer.stored(f"{kind}_{self.name}", Comprehension("[]", element, clause))

    def members(self) -> str:
        """The positions of the keys that pass the tests, ascending."""
        if not self.key_tests:
            return POSITIONS
        tests = self.short(self.key_tests)
        names, clause = loop([*(column for column, _ in tests), POSITIONS])
        clause = replace(clause, condition=condition(names, tests))
        return self.writer.stored(f"keys_{self.name}", Comprehension("[]", "i", clause))

    def short(self, tests: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Tests of columns: these or, where they are long, others of columns of truth values."""
        if sum(len(test) + 4 for _, test in tests) <= _LONGEST_TEST:
            return list(tests)
        found = []
        for column, test in tests:
            names, clause = loop([column])
            code: Code = Comprehension("[]", f"{names[column]} {test}", clause)
            found.append((self.writer.stored(f"test_{self.name}", code), ""))
        return found


def condition(names: dict[str, str], tests: Sequence[tuple[str, str]]) -> str:
    """The tests as one condition on the variables that hold the elements of their columns."""
    return " and ".join(f"{names[column]} {test}".rstrip() for column, test in tests)
