"""``aggregate``, ``aggregate_sum`` and ``selector_width``: what is made of the selected values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import MEAN_OF_WORDS, MIXED_TYPES, NOT_A_NUMBER
from tpir.ir.infer import has_means, lacks_default
from tpir.ir.types import (
    Bool,
    Categorical,
    Integer,
    Real,
    Type,
    is_integral,
    number_bounds,
    values_of,
)
from tpir.ir.values import Value
from tpir.semantics.columns import (
    BOOL,
    FLOAT,
    INT,
    Column,
    code_dtype,
    encode,
    numbers,
    tag_of,
)
from tpir.semantics.failures import Codes, marked
from tpir.semantics.selection import HardSelection, Matrix, selection_of

Entry = TypeVar("Entry", bound=np.generic)
Counts = NDArray[np.uint8] | NDArray[np.int32]
Result = tuple[Column, Codes | None]


def aggregate(selector: object, values: Column, default: Value | None, type_: Type) -> Result:
    """One selected: its value. None: the default. Several: the mean, or a failure for words."""
    unheld = lacks_default(type_, default)
    filler = 0 if unheld else default
    if isinstance(selector, HardSelection):
        missing = marked(selector.position < 0, MIXED_TYPES) if unheld else None
        return _gather(selector, values, filler, type_), missing
    assert default is not None
    counts: list[Counts] = []
    firsts: list[NDArray[np.intp]] = []
    totals: list[NDArray[np.int64] | NDArray[np.float64]] = []
    add = _adder(values) if has_means(values.type, type_) else None
    for _, matrix in selection_of(selector).blocks():
        counts.append(_count(matrix))
        firsts.append(matrix.argmax(axis=1))
        if add is not None:
            shape = (len(matrix), max(matrix.shape[2], values.data.shape[1]))
            totals.append(add(matrix) if (counts[-1] > 1).any() else np.zeros(shape))
    count = np.concatenate(counts).astype(np.int32)
    first = HardSelection(np.where(count > 0, np.concatenate(firsts), -1), total=False)
    single = _gather(first, values, filler, type_)
    several = count > 1
    if add is None:
        return single, marked(several, MEAN_OF_WORDS)
    total = np.concatenate(totals)
    means: NDArray[np.float64] = np.divide(total, np.maximum(count, 1), dtype=np.float64)
    if isinstance(type_, Categorical):
        codes = np.where(several, _codes_of_means(means, type_), single.data)
        return Column(type_, codes.astype(code_dtype(len(type_.domain)))), None
    data = np.where(several, means, single.data)
    failed = marked(~np.isfinite(total), NOT_A_NUMBER)
    if unheld:
        failed = np.where(count == 0, marked(count == 0, MIXED_TYPES), failed)
    if single.tags is None:
        return Column(type_, data), failed
    tags = np.where(several, np.uint8(FLOAT), single.tags)
    return Column(type_, data, tags if tags.any() else None), failed


def _codes_of_means(means: NDArray[np.float64], type_: Categorical) -> NDArray[np.intp]:
    """Means as codes of a type that lists them last, sorted."""
    listed = np.array([value for value in type_.domain if isinstance(value, float)])
    codes: NDArray[np.intp] = np.searchsorted(listed, means) + len(type_.domain) - len(listed)
    return codes


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


def _adder(values: Column) -> Callable[[Matrix], NDArray[np.int64] | NDArray[np.float64]]:
    """What sums the selected values: ints exactly, floats from left to right, starting at 0.0."""
    numeric, bounds = numbers(values), number_bounds(values.type)
    if bounds is None or not is_integral(values.type):
        return lambda matrix: _sum_of_floats(matrix, numeric)
    # The narrowest type that holds the sums; sums beyond 2^53 there are none.
    most = len(numeric) * int(max(map(abs, bounds)))
    fitting = (t for t in (np.int8, np.int16, np.int32) if most <= np.iinfo(t).max)
    narrow = next(fitting, np.int64)
    exact = numeric.astype(narrow)
    return lambda matrix: np.multiply(matrix, exact[None], dtype=narrow).sum(axis=1, dtype=narrow)


def _sum_of_floats(matrix: Matrix, numeric: NDArray[np.generic]) -> NDArray[np.float64]:
    with np.errstate(over="ignore", invalid="ignore"):
        # A running sum adds one key after the other; a plain sum would add them pairwise.
        running: NDArray[np.float64] = np.multiply(matrix, numeric[None]).cumsum(axis=1)
    return running[:, -1] + 0.0  # nothing, and nothing but -0.0, is 0.0


def aggregate_sum(selector: object, values: Column, type_: Type) -> Result:
    """The sum of the selected values."""
    add = _adder(values)
    total = np.concatenate([add(matrix) for _, matrix in selection_of(selector).blocks()])
    if isinstance(type_, Integer):
        return Column(
            type_, (total.astype(np.int64) - type_.lo).astype(code_dtype(type_.hi - type_.lo + 1))
        ), None
    return Column(type_, total), marked(~np.isfinite(total), NOT_A_NUMBER)


def selector_width(selector: object, type_: Type) -> Column:
    """How many keys are selected."""
    assert isinstance(type_, Integer)
    count = np.concatenate([_count(matrix) for _, matrix in selection_of(selector).blocks()])
    codes = count - count.dtype.type(type_.lo)
    return Column(type_, codes.astype(code_dtype(type_.hi - type_.lo + 1), copy=False))


def _count(matrix: Matrix) -> Counts:
    """How many keys each query selects: (query, batch)."""
    few = matrix.shape[1] < 2**8
    count: Counts = matrix.sum(axis=1, dtype=np.uint8 if few else np.int32)
    return count
