"""``select`` and ``choose``, ``and``, ``or``, ``not``: which keys each query selects."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tpir.ir.expressions import MIXED_TYPES, ORDERINGS, BinaryOp
from tpir.ir.functions import Relation, ScoreTable, codes_of
from tpir.ir.ops import Always, Choose, Comparison, Otherwise, Predicate, offsets_of
from tpir.ir.types import Categorical, Type, is_integral, number_bounds, values_of
from tpir.ir.values import Value, value_key
from tpir.semantics.columns import Column, code_dtype, numbers
from tpir.semantics.failures import Codes, marked
from tpir.semantics.selection import HardSelection, Matrix, Rule, Selection

_OPERATORS = {
    BinaryOp.EQUAL: np.equal,
    BinaryOp.NOT_EQUAL: np.not_equal,
    BinaryOp.LESS: np.less,
    BinaryOp.LESS_EQUAL: np.less_equal,
    BinaryOp.GREATER: np.greater,
    BinaryOp.GREATER_EQUAL: np.greater_equal,
}

Entry = TypeVar("Entry", bound=np.generic)


def visible(length: int, rows: slice) -> Matrix:
    """The keys that some queries of a causal program see: those up to the query."""
    up_to_query: Matrix = np.tri(rows.stop - rows.start, length, rows.start, dtype=np.bool_)
    return up_to_query[:, :, None]


def select(
    predicate: Predicate, keys: Column, queries: Column, causal: bool
) -> tuple[Selection, Codes | None]:
    """The pairs in the universe that satisfy the predicate, and the queries where it fails."""
    length, batch = keys.data.shape[0], max(keys.data.shape[1], queries.data.shape[1])
    failed: Codes | None = None
    match predicate:
        case Always(truth):
            rule, batch = _constant(length, truth), 1
        case Comparison(op):
            rule = _compare(op, keys, queries)
            failed = _unlike(keys, queries, causal) if op in ORDERINGS else None
        case relation:
            rule = _relate(relation, keys, queries)
    if causal:
        return Selection(
            length, batch, lambda rows, _: rule(rows, []) & visible(length, rows)
        ), failed
    return Selection(length, batch, rule), failed


def both(left: Selection, right: Selection) -> Selection:
    """The keys that both select."""
    return Selection(left.length, 1, lambda _, parts: parts[0] & parts[1], [left, right]).kept()


def either(left: Selection, right: Selection) -> Selection:
    """The keys that either selects."""
    return Selection(left.length, 1, lambda _, parts: parts[0] | parts[1], [left, right]).kept()


def neither(selection: Selection, causal: bool) -> Selection:
    """The keys of the universe that are not selected."""
    length = selection.length

    def rule(rows: slice, parts: list[Matrix]) -> Matrix:
        return ~parts[0] & visible(length, rows) if causal else ~parts[0]

    return Selection(length, 1, rule, [selection]).kept()


def _constant(length: int, truth: bool) -> Rule:
    return lambda rows, _: np.full((rows.stop - rows.start, length, 1), truth)


def _relate(relation: Relation, keys: Column, queries: Column) -> Rule:
    domain = values_of(keys.type)
    assert domain is not None
    codes = codes_of(domain)
    rows = [[codes[value_key(v)] for v in row if value_key(v) in codes] for row in relation.rows]
    if all(len(row) <= 1 for row in rows):
        # One key value for each query value: compare codes; len(domain) is the code of no key.
        dtype = code_dtype(len(domain) + 1)
        targets = np.array([row[0] if row else len(domain) for row in rows], dtype=dtype)
        wanted = targets[queries.data.astype(np.intp)]
        return _comparison(BinaryOp.EQUAL, keys.data.astype(dtype, copy=False), wanted)
    table = np.zeros((len(rows), len(domain)), dtype=np.bool_)
    for query, row in enumerate(rows):
        table[query, row] = True
    return lambda rows, _: _look_up(table, keys, queries, rows)


def _look_up(table: NDArray[Entry], keys: Column, queries: Column, rows: slice) -> NDArray[Entry]:
    """A (query code, key code) table spread over the pairs of some queries and all positions."""
    asked, given = queries.data[rows].astype(np.intp), keys.data.astype(np.intp)
    entries: NDArray[Entry]
    if asked.shape[1] == given.shape[1] == 1:
        if len(table) <= len(asked):  # spread the keys once for each query value
            entries = table[:, given[:, 0]][asked[:, 0]]
        else:
            entries = np.take(table[asked[:, 0]], given[:, 0], axis=1)
        return entries[:, :, None]
    entries = table.ravel()[asked[:, None] * table.shape[1] + given[None]]
    return entries


def _compare(op: BinaryOp, keys: Column, queries: Column) -> Rule:
    if op in ORDERINGS and _mixed(keys.type, queries.type):
        left, right = (_is_word(c) for c in (keys, queries))
        alike = _comparison(BinaryOp.EQUAL, left, right)
        holds = _comparison(op, *_comparable(keys, queries))
        return lambda rows, _: holds(rows, []) & alike(rows, [])
    return _comparison(op, *_comparable(keys, queries))


def _comparison(op: BinaryOp, keys: NDArray[np.generic], queries: NDArray[np.generic]) -> Rule:
    compare = _OPERATORS[op]
    return lambda rows, _: compare(keys[None], queries[rows, None])


def _comparable(keys: Column, queries: Column) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Arrays that compare as the values do; a number and a word are equal to each other never."""
    bounds = [number_bounds(c.type) for c in (keys, queries)]
    if is_integral(keys.type) and is_integral(queries.type):
        # The narrower the type, the more of them are compared at once.
        lo = int(min(b[0] for b in bounds if b))
        dtype = code_dtype(int(max(b[1] for b in bounds if b)) - lo + 1)
        left, right = ((numbers(c).astype(np.int64) - lo).astype(dtype) for c in (keys, queries))
        return left, right
    if all(b is not None for b in bounds):
        return numbers(keys), numbers(queries)
    if isinstance(keys.type, Categorical) and isinstance(queries.type, Categorical):
        ranks = _ranks_of({*keys.type.domain, *queries.type.domain})
        left, right = (_ranked(c, ranks) for c in (keys, queries))
        return left, right
    # Unbounded numbers on one side, words (perhaps numbers too) on the other: words become NaN,
    # which equals nothing.
    return _with_nan(keys), _with_nan(queries)


def _ranks_of(values: set[Value]) -> dict[Value, int]:
    """A place for each value, in order: numbers, then words. Numbers that are equal share one."""
    found = sorted(v for v in values if not isinstance(v, str))
    words = sorted(v for v in values if isinstance(v, str))
    return {value: rank for rank, value in enumerate([*found, *words])}


def _ranked(column: Column, ranks: dict[Value, int]) -> NDArray[np.generic]:
    assert isinstance(column.type, Categorical)
    lookup = np.array([ranks[v] for v in column.type.domain], dtype=code_dtype(len(ranks)))
    return lookup[column.data.astype(np.intp)]


def _with_nan(column: Column) -> NDArray[np.float64]:
    if not isinstance(column.type, Categorical):
        return numbers(column).astype(np.float64)
    domain = column.type.domain
    lookup = np.array([np.nan if isinstance(v, str) else float(v) for v in domain])
    return lookup[column.data.astype(np.intp)]


def _mixed(keys: Type, queries: Type) -> bool:
    """Whether a value of one type may be a word, and one of the other a number."""

    def kinds(type_: Type) -> set[bool]:
        values = type_.domain if isinstance(type_, Categorical) else (0,)
        return {isinstance(v, str) for v in values}

    return len(kinds(keys) | kinds(queries)) > 1


def _is_word(column: Column) -> NDArray[np.bool_]:
    if not isinstance(column.type, Categorical):
        return np.zeros(column.data.shape, dtype=np.bool_)
    lookup = np.array([isinstance(v, str) for v in column.type.domain])
    return lookup[column.data.astype(np.intp)]


def _unlike(keys: Column, queries: Column, causal: bool) -> Codes | None:
    """The queries that see a word where they have a number, or the other way round."""
    if not _mixed(keys.type, queries.type):
        return None
    word, own = _is_word(keys), _is_word(queries)
    seen = [
        np.logical_or.accumulate(k, axis=0) if causal else k.any(axis=0, keepdims=True)
        for k in (word, ~word)
    ]
    failed = (seen[0] & ~own) | (seen[1] & own)
    return marked(failed, MIXED_TYPES)


def choose(op: Choose, selection: Selection, columns: list[Column]) -> HardSelection:
    """The most preferred selected key of each query. ``columns``: keys and queries of a score."""
    length = selection.length
    offsets = np.array(offsets_of(op.order, length, causal=False))
    dtype = next(t for t in (np.uint8, np.uint16, np.uint32) if len(offsets) < np.iinfo(t).max)
    rank = np.empty(len(offsets), dtype=dtype)
    rank[offsets + length - 1] = np.arange(len(offsets))
    # For query i the ranks of the offsets -i .. length - 1 - i: a stretch of the whole list.
    ranks = sliding_window_view(rank, length)[::-1, :, None]
    best = np.concatenate(
        [
            # 0 for a selected key and all bits for another: those have the largest rank.
            (ranks[rows] | np.subtract(matrix, 1, dtype=dtype)).min(axis=1)
            if op.score is None
            else _best_scored(_score_ranks(op.score), columns, rows, matrix, ranks[rows])
            for rows, matrix in selection.blocks()
        ]
    ).astype(np.intp)
    found = best < len(offsets)
    position = np.arange(length)[:, None] + offsets[np.where(found, best, 0)]
    otherwise_first = op.otherwise is Otherwise.FIRST
    return HardSelection(np.where(found, position, 0 if otherwise_first else -1), otherwise_first)


def _best_scored(
    scores: NDArray[np.int64],
    columns: list[Column],
    rows: slice,
    matrix: Matrix,
    ranks: NDArray[np.generic],
) -> NDArray[np.int64]:
    """The rank of the best selected offset; more than any where nothing is selected."""
    many, nothing = 2 * ranks.shape[1], np.iinfo(np.int64).max
    keys, queries = columns
    score = _look_up(scores, keys, queries, rows)
    least = np.where(matrix, score * many + ranks, nothing).min(axis=1)
    best: NDArray[np.int64] = np.where(least == nothing, many, least % many)
    return best


def _score_ranks(score: ScoreTable) -> NDArray[np.int64]:
    """Scores as ranks, the highest 0; equal scores have equal ranks."""
    table = np.array(score.rows, dtype=np.float64).reshape(len(score.queries), len(score.keys))
    _, inverse = np.unique(-table, return_inverse=True)
    return inverse.reshape(table.shape).astype(np.int64)
