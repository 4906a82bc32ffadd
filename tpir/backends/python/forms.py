"""Selectors as sums of conjunctions, so that few ways of counting serve every combination of them.

Write a selector as its indicator, 1 for each pair of a key and a query that it selects and 0 for
the others. Then ``a and b`` is the product ab, ``not a`` is 1 - a, and ``a or b`` is a + b - ab.
Multiplied out, every selector is a *form*: a sum of conjunctions of comparisons, each with a whole
number. How many keys a form selects, or the sum of their values, is that sum for each conjunction.

Columns are named by the variables that hold them, so one comparison is recognised wherever it is
used. Two that contradict each other leave nothing of a conjunction, and equal ones become one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Flag, auto

from tpir.ir.expressions import BinaryOp
from tpir.ir.values import Value

MOST_TERMS = 8
"""A form of more conjunctions is given up: rows of positions serve better."""


class Outcome(Flag):
    """How one value compares with another: the outcomes that a comparison allows."""

    LESS = auto()
    EQUAL = auto()
    GREATER = auto()


UNLIKE = Outcome.LESS | Outcome.GREATER
SIGNS = {
    Outcome.LESS: "<",
    Outcome.LESS | Outcome.EQUAL: "<=",
    Outcome.EQUAL: "==",
    Outcome.EQUAL | Outcome.GREATER: ">=",
    Outcome.GREATER: ">",
    UNLIKE: "!=",
}
OUTCOMES = {BinaryOp(sign): outcome for outcome, sign in SIGNS.items()}
MIRRORED = {
    sign: OUTCOMES[BinaryOp(sign.value.translate(str.maketrans("<>", "><")))] for sign in OUTCOMES
}
"""The outcomes of ``y op x`` in terms of how x compares with y."""


@dataclass(frozen=True)
class Pair:
    """How the column ``keys`` at the key compares with the column ``queries`` at the query."""

    keys: str
    queries: str


@dataclass(frozen=True)
class Match:
    """The key is what the query wants: ``want``, an expression in ``x`` of ``queries``.

    ``at_index``: keys are positions, and what is wanted is one too, if perhaps beyond the input.
    """

    keys: str
    queries: str
    want: str
    at_index: bool = False


@dataclass(frozen=True)
class KeyTest:
    """How a column compares with a constant, at the key."""

    column: str
    constant: Value


@dataclass(frozen=True)
class QueryTest:
    """How a column compares with a constant, at the query."""

    column: str
    constant: Value


Subject = Pair | Match | KeyTest | QueryTest


@dataclass(frozen=True)
class Term:
    """A conjunction: subjects in a fixed order, each with the outcomes that it allows.

    A ``Match`` allows EQUAL only. No conjunction at all is true of every pair.
    """

    facts: tuple[tuple[Subject, Outcome], ...] = ()

    def of(self, kind: type[Subject]) -> list[tuple[Subject, Outcome]]:
        """The facts about subjects of one kind."""
        return [fact for fact in self.facts if isinstance(fact[0], kind)]


Form = Mapping[Term, int]
"""Conjunctions with their factors, none of which is 0."""

POSITIONS = "range(n)"
"""The column of positions."""

OWN_POSITION = Pair(POSITIONS, POSITIONS)

NOTHING: Form = {}
EVERYTHING: Form = {Term(): 1}
UP_TO_THE_QUERY: Form = {
    Term(((OWN_POSITION, Outcome.LESS | Outcome.EQUAL),)): 1,
}
"""The universe of selectors in a causal program."""


class TooManyTerms(Exception):
    """A form has more than MOST_TERMS conjunctions."""


def single(subject: Subject, outcome: Outcome) -> Form:
    """The form of one comparison; its outcomes must not be all or none."""
    if outcome == UNLIKE and not isinstance(subject, KeyTest | QueryTest):
        return negation({Term(((subject, Outcome.EQUAL),)): 1})
    return {Term(((subject, outcome),)): 1}


def total(*parts: tuple[Form, int]) -> Form:
    """The sum of forms, each times a whole number. Raises TooManyTerms."""
    found: dict[Term, int] = {}
    for form, factor in parts:
        for term, count in form.items():
            found[term] = found.get(term, 0) + factor * count
    found = {term: count for term, count in found.items() if count}
    if len(found) > MOST_TERMS:
        raise TooManyTerms
    return found


def both(left: Form, right: Form) -> Form:
    """The form of ``left and right``. Raises TooManyTerms."""
    products: list[tuple[Form, int]] = []
    for first, one in left.items():
        for second, other in right.items():
            term = conjunction(first, second)
            if term is not None:
                products.append(({term: 1}, one * other))
    return total(*products)


def either(left: Form, right: Form) -> Form:
    """The form of ``left or right``, the shortest of those that are easily found.

    Raises TooManyTerms.
    """
    found = [form for form in (_by_counting(left, right), *_by_cases(left, right)) if form]
    if not found and (left or right):
        raise TooManyTerms
    return min(found, key=len, default=NOTHING)


def _by_counting(left: Form, right: Form) -> Form | None:
    """What either selects, less what both select; nothing of that if they exclude each other."""
    try:
        return total((left, 1), (right, 1), (both(left, right), -1))
    except TooManyTerms:
        return None


def _by_cases(left: Form, right: Form) -> Iterator[Form]:
    """What one selects, and what only the other does, where that is easily said."""
    for first, second in ((left, right), (right, left)):
        opposite = _opposite(first)
        if opposite is not None:
            with suppress(TooManyTerms):
                yield total((first, 1), (both(second, opposite), 1))


def negation(form: Form) -> Form:
    """The form of ``not form``. Raises TooManyTerms."""
    return _opposite(form) or total((EVERYTHING, 1), (form, -1))


def _opposite(form: Form) -> Form | None:
    """The negation of a single comparison, where that is one again, or two without common pairs."""
    if len(form) != 1:
        return None
    ((term, count),) = form.items()
    if count != 1 or len(term.facts) != 1:
        return None
    ((subject, outcome),) = term.facts
    if isinstance(subject, Pair) and outcome == Outcome.EQUAL and subject == OWN_POSITION:
        return {Term(((subject, side),)): 1 for side in UNLIKE}  # before and after the query
    if isinstance(subject, Match) or (isinstance(subject, Pair) and outcome == Outcome.EQUAL):
        return None
    return {Term(((subject, ~outcome),)): 1}


def conjunction(left: Term, right: Term) -> Term | None:
    """Both of two conjunctions; None if that cannot hold."""
    facts = dict(left.facts)
    for subject, outcome in right.facts:
        facts[subject] = facts.get(subject, outcome) & outcome
    for subject in [s for s, outcome in facts.items() if outcome == Outcome.EQUAL]:
        if isinstance(subject, KeyTest | QueryTest) and not _fits(subject, facts):
            return None
    if not all(facts.values()):
        return None
    return Term(tuple(sorted(facts.items(), key=lambda fact: repr(fact[0]))))


def _fits(known: KeyTest | QueryTest, facts: dict[Subject, Outcome]) -> bool:
    """Whether a column equal to a constant passes the other tests of it; those are left out."""
    for other, outcome in list(facts.items()):
        if (
            isinstance(other, KeyTest | QueryTest)
            and type(other) is type(known)
            and other.column == known.column
            and other != known
        ):
            if not _compared(known.constant, other.constant) & outcome:
                return False
            del facts[other]
    return True


def _compared(left: Value, right: Value) -> Outcome:
    """How two constants compare; a word and a number are unlike."""
    if isinstance(left, str) != isinstance(right, str):
        return UNLIKE
    if left == right:
        return Outcome.EQUAL
    return Outcome.LESS if left < right else Outcome.GREATER  # type: ignore[operator]
