"""Which inputs of a batch have different outcomes, found on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.types import Categorical, Pooled, Type, values_of
from tpir.ir.values import Value, distinct, value_key
from tpir.semantics.approximate import far_apart
from tpir.semantics.columns import Column, tag_of
from tpir.semantics.interpreter import BatchResult


def differences(left: BatchResult, right: BatchResult) -> NDArray[np.bool_]:
    """For each input whether the outcomes differ: values told apart by type, failures all alike.

    Numbers that one side gives up to rounding only are alike if they are close, whatever the type.

    Raises TpirError if the outputs cannot be matched: by name, or one with one.
    """
    fails_left, fails_right = left.failures != 0, right.failures != 0
    if (fails_left | fails_right).all():
        only_one: NDArray[np.bool_] = np.not_equal(fails_left, fails_right)
        return only_one
    differ = np.zeros(len(fails_left), dtype=np.bool_)
    for first, second, approximate in _paired(left, right):
        if first.data.shape[0] != second.data.shape[0]:
            raise TpirError("one side gives a label for each position, the other one for the input")
        unequal = _far_apart if approximate else _unequal
        differ |= unequal(first, second).any(axis=0)
    differ[fails_left | fails_right] = False
    result: NDArray[np.bool_] = differ | (fails_left != fails_right)
    return result


def _paired(left: BatchResult, right: BatchResult) -> list[tuple[Column, Column, bool]]:
    """The outputs that belong together, and whether one of the two is approximate."""
    approximate = left.approximate | right.approximate
    if len(left.outputs) == 1 and len(right.outputs) == 1:
        (first,), (second,) = left.outputs.values(), right.outputs.values()
        return [(first, second, bool(approximate))]
    if set(left.outputs) != set(right.outputs):
        raise TpirError(
            f"the outputs differ: {', '.join(left.outputs)} against {', '.join(right.outputs)}"
        )
    return [(left.outputs[name], right.outputs[name], name in approximate) for name in left.outputs]


def _unequal(left: Column, right: Column) -> NDArray[np.bool_]:
    first, second = _domain(left.type), _domain(right.type)
    if first is not None and second is not None:
        if tuple(map(value_key, first)) == tuple(map(value_key, second)):
            same_domain: NDArray[np.bool_] = np.not_equal(left.data, right.data)
            return same_domain
        both = Categorical(distinct(first + second)).codes
        recoded: NDArray[np.bool_] = np.not_equal(
            _recoded(left, first, both), _recoded(right, second, both)
        )
        return recoded
    a, b = _as_numbers(left, first), _as_numbers(right, second)
    unequal: NDArray[np.bool_] = np.not_equal(a[0], b[0]) | np.not_equal(a[1], b[1])
    return unequal


def _far_apart(left: Column, right: Column) -> NDArray[np.bool_]:
    """Where numbers are not even close; a word is close to nothing."""
    first, second = _domain(left.type), _domain(right.type)
    a, b = _as_numbers(left, first), _as_numbers(right, second)
    apart: NDArray[np.bool_] = far_apart(a[0], b[0]) | (a[1] == _WORD) | (b[1] == _WORD)
    return apart


def _domain(type_: Type) -> tuple[Value, ...] | None:
    return type_.domain if isinstance(type_, Pooled) else values_of(type_)


def _recoded(
    column: Column, domain: tuple[Value, ...], codes: dict[tuple[str, Value], int]
) -> NDArray[np.intp]:
    lookup = np.array([codes[value_key(v)] for v in domain], dtype=np.intp)
    return lookup[column.data.astype(np.intp)]


_WORD = 9
"""A tag that no number has: a word is equal to no number."""


def _as_numbers(
    column: Column, domain: tuple[Value, ...] | None
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Floats and tags, as a Real column has them."""
    if domain is None:
        data = column.data.astype(np.float64)
        tags = np.zeros(data.shape, np.uint8) if column.tags is None else column.tags
        return data, tags
    data, tags = np.zeros(len(domain)), np.full(len(domain), _WORD, dtype=np.uint8)
    for code, value in enumerate(domain):
        if not isinstance(value, str):
            data[code], tags[code] = float(value), tag_of(value)
    index = column.data.astype(np.intp)
    return data[index], tags[index]
