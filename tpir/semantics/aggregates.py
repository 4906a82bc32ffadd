"""``aggregate``, ``aggregate_sum`` and ``selector_width``: what is made of the selected values."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import MEAN_OF_WORDS, NOT_A_NUMBER
from tpir.ir.types import Bool, Integer, Real, Type, is_integral, values_of
from tpir.ir.values import Value
from tpir.semantics.columns import (
    BOOL,
    FLOAT,
    INT,
    Column,
    HardSelection,
    code_dtype,
    encode,
    numbers,
    tag_of,
)
from tpir.semantics.failures import failure_code
from tpir.semantics.selectors import dense

Entry = TypeVar("Entry", bound=np.generic)
Result = tuple[Column, NDArray[np.uint8] | None]


def aggregate(selector: object, values: Column, default: Value | None, type_: Type) -> Result:
    """One selected: its value. None: the default. Several: the mean, or a failure for words."""
    if isinstance(selector, HardSelection):
        return _gather(selector, values, default, type_), None
    matrix = dense(selector)
    count = matrix.sum(axis=1, dtype=np.int64)
    assert default is not None
    first = HardSelection(np.where(count > 0, matrix.argmax(axis=1), -1), total=False)
    single = _gather(first, values, default, type_)
    if not isinstance(type_, Real):
        failed = (count > 1).any(axis=0)
        return single, np.where(failed, failure_code(MEAN_OF_WORDS), 0).astype(np.uint8)
    several = count > 1
    total, failed = _total(matrix, values)
    data = np.where(several, total / np.maximum(count, 1), single.data)
    if single.tags is None:
        return Column(type_, data), failed
    tags = np.where(several, np.uint8(FLOAT), single.tags)
    return Column(type_, data, tags if tags.any() else None), failed


def _gather(selector: HardSelection, values: Column, default: Value | None, type_: Type) -> Column:
    """The value at the selected position, the default where there is none, as ``type_``."""
    source = values if values.type == type_ else _retyped(values, type_)
    position = selector.position
    data = _take(source.data, position)
    tags = None if source.tags is None else _take(source.tags, position)
    if default is None or selector.total:
        return Column(type_, data, tags)
    filler, filler_tag = encode(type_, [default])
    data = np.where(position < 0, filler[0], data)
    if tags is None and filler_tag is None:
        return Column(type_, data)
    tags = np.zeros(data.shape, np.uint8) if tags is None else tags
    return Column(type_, data, np.where(position < 0, tag_of(default), tags).astype(np.uint8))


def _take(data: NDArray[Entry], position: NDArray[np.intp]) -> NDArray[Entry]:
    return np.take_along_axis(data, np.maximum(position, 0), axis=0)


def _retyped(values: Column, type_: Type) -> Column:
    """The same values in the codes (or numbers and tags) of a wider type."""
    if isinstance(values.type, Real):
        return Column(type_, values.data, values.tags)
    if isinstance(values.type, Integer) and isinstance(type_, Integer):
        shift = values.type.lo - type_.lo
        dtype = code_dtype(type_.hi - type_.lo + 1)
        return Column(type_, (values.data.astype(np.int64) + shift).astype(dtype))
    if isinstance(type_, Real) and isinstance(values.type, Integer | Bool):
        tag = INT if isinstance(values.type, Integer) else BOOL
        data = numbers(values).astype(np.float64)
        return Column(type_, data, np.full(data.shape, tag, dtype=np.uint8))
    lookup, tags = encode(type_, values_of(values.type) or ())
    index = values.data.astype(np.intp)
    return Column(type_, lookup[index], None if tags is None else tags[index])


def _total(
    matrix: NDArray[np.bool_], values: Column
) -> tuple[NDArray[np.int64] | NDArray[np.float64], NDArray[np.uint8] | None]:
    """Sums over the selected keys: ints exactly, floats from left to right, starting at 0.0.

    Beside them the inputs where a sum of floats leaves their range.
    """
    numeric = numbers(values)[None]
    if is_integral(values.type):
        exact: NDArray[np.int64] = np.where(matrix, numeric, 0).sum(axis=1, dtype=np.int64)
        return exact, None
    with np.errstate(over="ignore", invalid="ignore"):
        # A running sum adds one key after the other; a plain sum would add them pairwise.
        running: NDArray[np.float64] = np.where(matrix, numeric, 0.0).cumsum(axis=1)
    total = running[:, -1]
    finite = np.isfinite(total).all(axis=0)
    if finite.all():
        return total, None
    return total, np.where(finite, 0, failure_code(NOT_A_NUMBER)).astype(np.uint8)


def aggregate_sum(selector: object, values: Column, type_: Type) -> Result:
    """The sum of the selected values."""
    total, failed = _total(dense(selector), values)
    if isinstance(type_, Integer):
        codes = (total - type_.lo).astype(code_dtype(type_.hi - type_.lo + 1))
        return Column(type_, codes), failed
    return Column(type_, total), failed


def selector_width(selector: object, type_: Type) -> Column:
    """How many keys are selected."""
    assert isinstance(type_, Integer)
    matrix = dense(selector)
    dtype = np.uint8 if matrix.shape[1] < 2**8 else np.int32
    count = matrix.sum(axis=1, dtype=dtype) - dtype(type_.lo)
    return Column(type_, count.astype(code_dtype(type_.hi - type_.lo + 1), copy=False))
