"""Type rules: from an op and the types of its operands to the type of its result."""

from __future__ import annotations

import math
from collections.abc import Sequence as Listing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tpir.errors import TpirError
from tpir.ir.expression_types import ExpressionTypeError, check_ordered, type_of_expression
from tpir.ir.expressions import ORDERINGS
from tpir.ir.functions import Domain, ReluFunction, Table, TableWeights
from tpir.ir.ops import (
    SPECS,
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Kind,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Readout,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
    operand_kinds,
)
from tpir.ir.types import (
    MAX_JOINED,
    Bool,
    Categorical,
    Integer,
    Pooled,
    Real,
    Selector,
    Sequence,
    Type,
    Width,
    is_integral,
    join,
    number_bounds,
    size_of,
    type_of_values,
    values_of,
)
from tpir.ir.values import Value, same_value


@dataclass(frozen=True)
class Surroundings:
    """What type rules know of the program: its vocabulary, context and whether it is causal."""

    vocabulary: tuple[Value, ...]
    context: int
    causal: bool


class TypeProblem(Exception):
    """Why an op does not take operands of these types; the builder adds where."""


def infer(op: Op, types: Listing[Type], around: Surroundings) -> Type:
    """The type of ``op`` applied to operands of these types. Raises TypeProblem."""
    check_operands(op, types)
    try:
        return _result(op, types, around)
    except (ExpressionTypeError, TpirError) as error:
        raise TypeProblem(str(error)) from error


def check_operands(op: Op, types: Listing[Type]) -> None:
    """Raise TypeProblem unless number and kind of the operands fit."""
    kinds = operand_kinds(op, len(types))
    if len(kinds) != len(types):
        raise TypeProblem(f"expected {len(kinds)} operands, found {len(types)}")
    for (role, kind), found in zip(kinds, types, strict=True):
        is_selector = isinstance(found, Selector)
        if isinstance(found, Pooled):
            raise TypeProblem(f"{role} is a pooled label, which can only be an output")
        if is_selector != (kind is Kind.SELECTOR):
            raise TypeProblem(f"expected {kind.value} for {role}, found {found}")


def _result(op: Op, types: Listing[Type], around: Surroundings) -> Type:
    match op:
        case Tokens():
            return Categorical(around.vocabulary)
        case Indices():
            return Integer(0, around.context - 1)
        case Map():
            return _map(op, types)
        case Select():
            return _select(op, types)
        case And():
            widths = [t.width for t in types if isinstance(t, Selector)]
            narrow = any(w is not Width.MANY for w in widths)
            return Selector(Width.AT_MOST_ONE if narrow else Width.MANY)
        case Or() | Not():
            return Selector(Width.MANY)
        case Choose():
            return _choose(op, types)
        case Aggregate():
            return _aggregate(op, types[0], types[1], around.context)
        case Uniform():
            found = types[0]
            assert isinstance(found, Categorical | Integer | Real | Bool)
            return found
        case AggregateSum():
            return _aggregate_sum(types[0], types[1], around.context)
        case SelectorWidth():
            return _selector_width(types[0], around.context)
        case Classify():
            _check_readout(op, types)
            return Categorical(op.labels)
        case ClassifyPooled():
            _check_readout(op, types)
            return Pooled(op.labels)


def expect_domain(found: Type, domain: Domain, what: str) -> None:
    """Raise TypeProblem unless ``domain`` lists exactly the values of the type, in its order."""
    values = values_of(found)
    if values is None:
        raise TypeProblem(f"{what} needs a finite set of values, found {found}")
    if len(values) != len(domain) or not all(map(same_value, values, domain)):
        raise TypeProblem(f"{what} covers {_brief(domain)}, but its operand is of type {found}")


def _brief(domain: Domain) -> str:
    try:
        return str(type_of_values(domain) if len(domain) != 1 else Categorical(domain))
    except TpirError:
        return "nothing"


def _map(op: Map, types: Listing[Type]) -> Sequence:
    function = op.function
    if isinstance(function, Table):
        if function.arity != len(types):
            raise TypeProblem(f"a table of {function.arity} arguments, {len(types)} operands")
        for k, (found, domain) in enumerate(zip(types, function.domains, strict=True)):
            expect_domain(found, domain, f"column {k + 1} of the table")
        return type_of_values(function.results)
    if isinstance(function, ReluFunction):
        if function.arity != len(types) or not types:
            raise TypeProblem(f"a relu function of {function.arity} inputs, {len(types)} operands")
        for found in types:
            if number_bounds(found) is None:
                raise TypeProblem(f"a relu function expects numbers, found {found}")
        return Categorical(tuple(range(len(function.c))))
    return type_of_expression(function, tuple(types))


def _select(op: Select, types: Listing[Type]) -> Selector:
    keys, queries = types
    match op.predicate:
        case Comparison(operator) if operator in ORDERINGS:
            check_ordered(operator, keys, queries)
        case Comparison() | Always():
            pass
        case relation:
            expect_domain(queries, relation.queries, "the relation")
            if size_of(keys) is None:
                raise TypeProblem(f"a relation needs keys from a finite set, found {keys}")
    return Selector(Width.MANY)


def _choose(op: Choose, types: Listing[Type]) -> Selector:
    if isinstance(op.order, tuple) and len(set(op.order)) < len(op.order):
        raise TypeProblem("an order lists an offset twice")
    if op.score is not None:
        expect_domain(types[1], op.score.keys, "the score's keys")
        expect_domain(types[2], op.score.queries, "the score's queries")
    if op.otherwise is Otherwise.FIRST or types[0] == Selector(Width.ONE):
        return Selector(Width.ONE)
    return Selector(Width.AT_MOST_ONE)


def _aggregate(op: Aggregate, selector: Type, values: Type, context: int) -> Sequence:
    assert isinstance(selector, Selector)
    assert isinstance(values, Categorical | Integer | Real | Bool)
    if selector.width is Width.ONE:
        if op.default is not None:
            raise TypeProblem("a hard selector selects one key always: no default")
        return values
    if op.default is None:
        raise TypeProblem("a default is needed: the selector may select nothing")
    joined = join(values, type_of_values((op.default,))) or join(values, Categorical((op.default,)))
    if joined is None:
        return Real()  # words among unbounded numbers: the default itself is a failure
    if selector.width is Width.AT_MOST_ONE or not _are_averaged(values):
        return joined  # several selected keys are a failure
    if isinstance(op.default, str):
        return _means_and_word(values, op.default, context) or joined
    if is_integral(values):
        _aggregate_sum(selector, values, context)  # the total before the division must be exact
    return Real()


def has_means(values: Type, result: Type) -> bool:
    """Whether the mean of several selected values is defined: of numbers, not of truth values.

    Beside a word as the default it is where the type of the result lists all means.
    """
    if isinstance(result, Categorical):
        return is_integral(values) and any(isinstance(value, float) for value in result.domain)
    return isinstance(result, Real) and _are_averaged(values)


def _are_averaged(values: Type) -> bool:
    return number_bounds(values) is not None and not isinstance(values, Bool)


def lacks_default(result: Type, default: Value | None) -> bool:
    """Whether the type of an ``aggregate`` cannot hold its default, so that using it is a failure.

    It is so for a word beside unbounded numbers.
    """
    return isinstance(result, Real) and isinstance(default, str)


def _means_and_word(values: Type, word: str, context: int) -> Categorical | None:
    """Whole numbers, a word and the means of up to ``context`` of them, which come last, sorted.

    None if they are too many for a finite type.
    """
    domain, bounds = values_of(values) or (), number_bounds(values)
    if not is_integral(values) or bounds is None or size_of(values) != len(domain):
        return None
    means = _means(int(bounds[0]), int(bounds[1]), context)
    return None if means is None else Categorical((*domain, word, *means))


@lru_cache(maxsize=64)
def _means(lo: int, hi: int, most: int) -> tuple[float, ...] | None:
    """The means of 2 to ``most`` whole numbers between two, sorted; None for too many."""
    found = np.empty(0)
    for count in range(2, most + 1):
        if count * (hi - lo) > MAX_JOINED or len(found) > MAX_JOINED:
            return None
        found = np.union1d(found, np.arange(count * lo, count * hi + 1) / count)
    return tuple(found.tolist()) if len(found) <= MAX_JOINED else None


def _aggregate_sum(selector: Type, values: Type, context: int) -> Sequence:
    bounds = number_bounds(values)
    if bounds is None:
        raise TypeProblem(f"a sum expects numbers, found {values}")
    if not is_integral(values):
        return Real()
    lo, hi = int(bounds[0]), int(bounds[1])
    assert isinstance(selector, Selector)
    if selector.width is Width.ONE:
        return Integer(lo, hi)
    most = context if selector.width is Width.MANY else 1
    return Integer(min(0, most * lo), max(0, most * hi))


def _selector_width(selector: Type, context: int) -> Integer:
    assert isinstance(selector, Selector)
    match selector.width:
        case Width.ONE:
            return Integer(1, 1)
        case Width.AT_MOST_ONE:
            return Integer(0, 1)
    return Integer(0, context)


def _check_readout(op: Readout, types: Listing[Type]) -> None:
    if not op.labels:
        raise TypeProblem("a readout needs at least one label")
    if len(op.weights) != len(types):
        raise TypeProblem(f"weights for {len(op.weights)} features, {len(types)} operands")
    rows = [op.bias]
    for k, (found, weights) in enumerate(zip(types, op.weights, strict=True)):
        if isinstance(weights, TableWeights):
            expect_domain(found, weights.domain, f"feature {k + 1}")
            rows.extend(weights.rows)
        else:
            if number_bounds(found) is None:
                raise TypeProblem(f"feature {k + 1} is weighted by number, found {found}")
            rows.append(weights.row)
    if any(len(row) != len(op.labels) for row in rows):
        raise TypeProblem(
            f"each row of weights needs one number for each of {len(op.labels)} labels"
        )
    if not all(math.isfinite(w) for row in rows for w in row):
        raise TypeProblem("the weights of a readout must be finite numbers")


def describe(op: Op) -> str:
    """The op's name, as error messages and text spell it."""
    return SPECS[type(op)].name
