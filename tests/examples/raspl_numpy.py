"""RASP-L as its paper defines it (arXiv 2310.16028, appendix), read into NumPy: the oracle.

Sequences are arrays of whole numbers, selectors boolean matrices of shape (query, key).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Matrix = NDArray[np.bool_]
Predicate = Callable[[Numbers, Numbers], Matrix]

NULL = -999
"""The paper's null_val: a number that no input holds."""


def full(x: Numbers, const: int) -> Numbers:
    return np.full(len(x), const)


def indices(x: Numbers) -> Numbers:
    return np.arange(len(x))


def select(k: Numbers, q: Numbers, predicate: Predicate) -> Matrix:
    return np.tril(np.broadcast_to(predicate(k[None, :], q[:, None]), (len(k), len(k))))


def sel_width(matrix: Matrix) -> Numbers:
    return matrix.sum(axis=1)


def aggr(matrix: Matrix, v: Numbers, default: int, reduction: str) -> Numbers:
    reduce = {"mean": np.mean, "max": np.max, "min": np.min}[reduction]
    # int() cuts off what is behind the point, as the paper's astype(int) does.
    return np.array([int(reduce(v[row])) if row.any() else default for row in matrix])


def kqv(
    k: Numbers,
    q: Numbers,
    v: Numbers,
    predicate: Predicate = np.equal,
    default: int = 0,
    reduction: str = "mean",
) -> Numbers:
    return aggr(select(k, q, predicate), v, default, reduction)


def everything(k: Numbers, q: Numbers) -> Matrix:
    return np.ones((q.size, k.size), dtype=bool)


def is_key(k: Numbers, q: Numbers) -> Matrix:
    return (k != 0) & (q == q)


def shift_right(x: Numbers, n: int, default: int = 0) -> Numbers:
    return kqv(indices(x) + n, indices(x), x, default=default)


def cumsum(x: Numbers) -> Numbers:
    return sel_width(select(x, x, is_key))


def maximum(x: Numbers) -> Numbers:
    return kqv(x, x, x, everything, reduction="max")


def minimum(x: Numbers) -> Numbers:
    return -maximum(-x)


def argmax(x: Numbers) -> Numbers:
    """With the comparison that the paper's listing leaves out."""
    return kqv(x, maximum(x), indices(x), reduction="max")


def argmin(x: Numbers) -> Numbers:
    return argmax(-x)


def num_prev(x: Numbers, queries: Numbers) -> Numbers:
    return sel_width(select(x, queries, np.equal))


def has_seen(x: Numbers, queries: Numbers) -> Numbers:
    return kqv(x, queries, full(x, 1))


def firsts(x: Numbers, queries: Numbers, default: int = -1) -> Numbers:
    return kqv(x, queries, indices(x), default=default, reduction="min")


def lasts(x: Numbers, queries: Numbers, default: int = -1) -> Numbers:
    return kqv(x, queries, indices(x), default=default, reduction="max")


def index_select(x: Numbers, idx: Numbers, default: int = 0) -> Numbers:
    return kqv(indices(x), idx, x, default=default)


def first_true(x: Numbers, default: int = -1) -> Numbers:
    seen = kqv(x, full(x, 1), full(x, 1))
    begins = np.where((seen != 0) & (shift_right(seen, 1) == 0), 1, 0)
    return kqv(begins, full(x, 1), indices(x), default=default)


def mode(x: Numbers) -> Numbers:
    return index_select(x, argmax(num_prev(x, x)))


def binary_mode(x: Numbers) -> Numbers:
    return (num_prev(x, full(x, 1)) > num_prev(x, full(x, 0))).astype(int)


def induct_kqv(k: Numbers, q: Numbers, v: Numbers, offset: int, default: int = 0) -> Numbers:
    return index_select(v, firsts(shift_right(k, offset, NULL), q, NULL), default)


def induct(k: Numbers, q: Numbers, offset: int, default: int = 0) -> Numbers:
    return induct_kqv(k, q, k, offset, default)


def induct_prev(k: Numbers, q: Numbers, offset: int, default: int = 0) -> Numbers:
    return index_select(k, firsts(k, q, NULL) + offset, default)


@dataclass(frozen=True)
class Call:
    """An expression over x, the tokens as numbers, and what it has to give."""

    text: str
    oracle: Callable[[Numbers], Numbers] = field(repr=False)


CALLS = [
    Call("full(x, 3)", lambda x: full(x, 3)),
    Call("tok_map(x, double)", lambda x: 2 * x),
    Call("seq_map(x, indices, plus)", lambda x: x + indices(x)),
    Call("sel_width(select_causal(x, x, equals))", lambda x: sel_width(select(x, x, np.equal))),
    Call("sel_width(select_causal(x, x, leq))", lambda x: sel_width(select(x, x, np.less_equal))),
    Call("sel_width(select_causal(x, x, lt))", lambda x: sel_width(select(x, x, np.less))),
    Call(
        "sel_width(select_causal(x, x, geq))", lambda x: sel_width(select(x, x, np.greater_equal))
    ),
    Call("sel_width(select_causal(x, x, gt))", lambda x: sel_width(select(x, x, np.greater))),
    Call("sel_width(select_causal(x, x, always))", lambda x: sel_width(select(x, x, everything))),
    Call(
        "sel_width(select_causal(x, 1, own))", lambda x: sel_width(select(x, x, lambda k, q: k > 1))
    ),
    Call(
        "aggr_mean(select_causal(x, x, gt), x, -7)",
        lambda x: kqv(x, x, x, np.greater, -7, "mean"),
    ),
    Call("aggr_max(select_causal(x, x, lt), x, -7)", lambda x: kqv(x, x, x, np.less, -7, "max")),
    Call("aggr_min(select_causal(x, x, gt), x, 7)", lambda x: kqv(x, x, x, np.greater, 7, "min")),
    Call(
        'kqv(x, indices, x - 3, leq, 5, "mean")',
        lambda x: kqv(x, indices(x), x - 3, np.less_equal, 5, "mean"),
    ),
    Call(
        'kqv(x, x, indices, equals, 0, "max")',
        lambda x: kqv(x, x, indices(x), np.equal, 0, "max"),
    ),
    Call(
        'kqv(x, 2, indices, equals, -1, "min")',
        lambda x: kqv(x, full(x, 2), indices(x), np.equal, -1, "min"),
    ),
    Call("shift_right(x, 1, 0)", lambda x: shift_right(x, 1)),
    Call("shift_right(x, 3, -5)", lambda x: shift_right(x, 3, -5)),
    Call("shift_right(x, -1, -5)", lambda x: shift_right(x, -1, -5)),
    Call("cumsum(x)", cumsum),
    Call("cumsum(x > 0)", lambda x: cumsum((x > 0).astype(int))),
    Call("where(x > 0, x, indices)", lambda x: np.where(x > 0, x, indices(x))),
    Call("where(x, 5, x)", lambda x: np.where(x, 5, x)),
    Call("mask(x, x > 1, -3)", lambda x: np.where(x > 1, x, -3)),
    Call("maximum(x)", maximum),
    Call("minimum(x)", minimum),
    Call("argmax(x)", argmax),
    Call("argmin(x)", argmin),
    Call("num_prev(x, x)", lambda x: num_prev(x, x)),
    Call("num_prev(x, 1)", lambda x: num_prev(x, full(x, 1))),
    Call("has_seen(x, 1)", lambda x: has_seen(x, full(x, 1))),
    Call("has_seen(x, indices - 1)", lambda x: has_seen(x, indices(x) - 1)),
    Call("firsts(x, x, -1)", lambda x: firsts(x, x)),
    Call("firsts(x, indices - 1, -1)", lambda x: firsts(x, indices(x) - 1)),
    Call("lasts(x, 2, -1)", lambda x: lasts(x, full(x, 2))),
    Call("lasts(x, indices - 1, -9)", lambda x: lasts(x, indices(x) - 1, -9)),
    Call("index_select(x, x, 0)", lambda x: index_select(x, x)),
    Call("index_select(indices, x + 1, -9)", lambda x: index_select(indices(x), x + 1, -9)),
    Call("first_true(x, -1)", first_true),
    Call("first_true(x > 1, -1)", lambda x: first_true((x > 1).astype(int))),
    Call("mode(x)", mode),
    Call("binary_mode(x)", binary_mode),
    Call("induct(x, x, 1, -7)", lambda x: induct(x, x, 1, -7)),
    Call("induct(x, x, 2, 0)", lambda x: induct(x, x, 2)),
    Call("induct(x, x, 0, 0)", lambda x: induct(x, x, 0)),
    Call("induct(x, x, -1, -7)", lambda x: induct(x, x, -1, -7)),
    Call(
        "induct_kqv(x, indices - 1, indices, 1, -1)",
        lambda x: induct_kqv(x, indices(x) - 1, indices(x), 1, -1),
    ),
    Call("induct_prev(x, x, -1, -9)", lambda x: induct_prev(x, x, -1, -9)),
    Call("induct_prev(x, 2, -2, -9)", lambda x: induct_prev(x, full(x, 2), -2, -9)),
    Call("induct_prev(x, x, 1, -9)", lambda x: induct_prev(x, x, 1, -9)),
]

HELPERS = """
x = tokens_int;
def double(a) {
    return 2 * a;
}
def plus(a, b) {
    return a + b;
}
def own(k, q) {
    return select(k, q, >);
}
"""
"""What the calls use beside the library."""
