"""``select`` and ``choose``: which keys each query selects."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import (
    MIXED_TYPES,
    ORDERINGS,
    BinaryOp,
    Failure,
    apply_binary,
)
from tpir.ir.functions import Relation, ScoreTable, codes_of
from tpir.ir.ops import Always, Choose, Comparison, Otherwise, Predicate, offsets_of
from tpir.ir.program import Program
from tpir.ir.types import number_bounds, values_of
from tpir.ir.values import Value, value_key
from tpir.semantics.columns import Column, DenseSelection, HardSelection, code_dtype, numbers
from tpir.semantics.failures import failure_code

_OPERATORS = {
    BinaryOp.EQUAL: np.equal,
    BinaryOp.NOT_EQUAL: np.not_equal,
    BinaryOp.LESS: np.less,
    BinaryOp.LESS_EQUAL: np.less_equal,
    BinaryOp.GREATER: np.greater,
    BinaryOp.GREATER_EQUAL: np.greater_equal,
}

Matrix = NDArray[np.bool_]
Entry = TypeVar("Entry", bound=np.generic)


def dense(state: object) -> Matrix:
    """A selector as a matrix of shape (query, key, batch)."""
    if isinstance(state, HardSelection):
        length = state.position.shape[0]
        return np.equal(state.position[:, None, :], np.arange(length)[None, :, None])
    assert isinstance(state, DenseSelection)
    return state.matrix


def visible(length: int, causal: bool) -> Matrix:
    """The universe of a selector: all keys, or in a causal program those up to the query."""
    every = np.ones((length, length), dtype=np.bool_)
    return (np.tril(every) if causal else every)[:, :, None]


def select(
    predicate: Predicate, keys: Column, queries: Column, causal: bool
) -> tuple[DenseSelection, NDArray[np.uint8] | None]:
    """The pairs in the universe that satisfy the predicate, and the inputs where it fails."""
    length = keys.data.shape[0]
    universe = visible(length, causal)
    unlike: Matrix | None = None
    match predicate:
        case Always(truth):
            matrix = np.broadcast_to(np.bool_(truth), universe.shape)
        case Comparison(op):
            matrix, unlike = _compare(op, keys, queries)
        case relation:
            matrix = _relate(relation, keys, queries)
    selection = DenseSelection(matrix & universe if causal else matrix)
    if unlike is None:
        return selection, None
    failed = (unlike & universe).any(axis=(0, 1))
    return selection, np.where(failed, failure_code(MIXED_TYPES), 0).astype(np.uint8)


def _relate(relation: Relation, keys: Column, queries: Column) -> Matrix:
    domain = values_of(keys.type)
    assert domain is not None
    codes = codes_of(domain)
    rows = [[codes[value_key(v)] for v in row if value_key(v) in codes] for row in relation.rows]
    if all(len(row) <= 1 for row in rows):
        # One key value for each query value: compare codes; len(domain) is the code of no key.
        dtype = code_dtype(len(domain) + 1)
        targets = np.array([row[0] if row else len(domain) for row in rows], dtype=dtype)
        wanted = targets[queries.data.astype(np.intp)]
        return np.equal(keys.data.astype(dtype, copy=False)[None], wanted[:, None])
    table = np.zeros((len(rows), len(domain)), dtype=np.bool_)
    for query, row in enumerate(rows):
        table[query, row] = True
    return _look_up(table, keys, queries)


def _look_up(table: NDArray[Entry], keys: Column, queries: Column) -> NDArray[Entry]:
    """A (query code, key code) table spread over the pairs of positions."""
    index = queries.data.astype(np.intp)[:, None] * table.shape[1] + keys.data[None]
    entries: NDArray[Entry] = table.ravel()[index]
    return entries


def _compare(op: BinaryOp, keys: Column, queries: Column) -> tuple[Matrix, Matrix | None]:
    """The comparison, and where it fails: ``<`` and its like between a number and a word."""
    types = (keys.type, queries.type)
    if all(number_bounds(t) is not None for t in types):
        return _OPERATORS[op](numbers(keys)[None], numbers(queries)[:, None]), None
    first, second = values_of(keys.type), values_of(queries.type)
    if first is not None and second is not None:
        table, failures = _comparison_table(op, first, second)
        unlike = _look_up(failures, keys, queries) if failures.any() else None
        return _look_up(table, keys, queries), unlike
    # Unbounded numbers on one side, words (perhaps numbers too) on the other: words become NaN,
    # which equals nothing.
    left, right = _with_nan(keys)[None], _with_nan(queries)[:, None]
    words = np.isnan(left) | np.isnan(right)
    matrix = _OPERATORS[op](left, right)
    return matrix, words if op in ORDERINGS else None


def _comparison_table(
    op: BinaryOp, keys: tuple[Value, ...], queries: tuple[Value, ...]
) -> tuple[Matrix, Matrix]:
    table = np.zeros((len(queries), len(keys)), dtype=np.bool_)
    failures = np.zeros_like(table)
    for q, query in enumerate(queries):
        for k, key in enumerate(keys):
            try:
                table[q, k] = apply_binary(op, key, query)
            except Failure:
                failures[q, k] = True
    return table, failures


def _with_nan(column: Column) -> NDArray[np.float64]:
    if number_bounds(column.type) is not None:
        return numbers(column).astype(np.float64)
    domain = values_of(column.type)
    assert domain is not None
    lookup = np.array([np.nan if isinstance(v, str) else float(v) for v in domain])
    return lookup[column.data.astype(np.intp)]


def choose(op: Choose, matrix: Matrix, columns: list[Column], program: Program) -> HardSelection:
    """The most preferred selected key of each query. ``columns``: keys and queries of a score."""
    length = matrix.shape[0]
    ranks, by_rank = _ranks(op, length, program)
    if op.score is None:
        best = np.where(matrix, ranks[:, :, None], ranks.dtype.type(length)).min(axis=1)
    else:
        scores = _look_up(_score_ranks(op.score), columns[0], columns[1])
        worst = int(scores.max(initial=0)) * length + length + 1
        places = np.where(matrix, scores * length + ranks[:, :, None], worst)
        least = places.min(axis=1)
        best = np.where(least == worst, length, least % length)
    position = np.take_along_axis(by_rank, best.astype(np.intp), axis=1)
    return HardSelection(position, op.otherwise is Otherwise.FIRST)


def _ranks(
    op: Choose, length: int, program: Program
) -> tuple[NDArray[np.generic], NDArray[np.intp]]:
    """The rank of each key for each query, and the key of each rank.

    The extra last rank stands for nothing selected: the first position, or -1.
    """
    offsets = offsets_of(op.order, program.context, causal=False)
    place = {offset: rank for rank, offset in enumerate(offsets)}
    positions = np.arange(length)
    raw = np.vectorize(place.__getitem__, otypes=[np.int64])(positions[None] - positions[:, None])
    by_rank = raw.argsort(axis=1)
    ranks = by_rank.argsort(axis=1).astype(code_dtype(length + 1))
    nothing = 0 if op.otherwise is Otherwise.FIRST else -1
    return ranks, np.pad(by_rank, ((0, 0), (0, 1)), constant_values=nothing)


def _score_ranks(score: ScoreTable) -> NDArray[np.int64]:
    """Scores as ranks, the highest 0; equal scores have equal ranks."""
    table = np.array(score.rows, dtype=np.float64).reshape(len(score.queries), len(score.keys))
    _, inverse = np.unique(-table, return_inverse=True)
    return inverse.reshape(table.shape).astype(np.int64)
