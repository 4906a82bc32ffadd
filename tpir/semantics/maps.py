"""``map``: tables, expressions and relu functions applied to columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import Expression, Failure, evaluate
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import Bool, Categorical, Integer, Type, size_of
from tpir.ir.values import Value
from tpir.semantics.columns import Column, code_dtype, encode, numbers
from tpir.semantics.failures import Codes, failure_code
from tpir.semantics.vectors import VectorEvaluator

TABULATED = 2**16
"""Expressions over at most this many argument rows become tables."""

Result = tuple[Column, Codes | None]


class MapKernel(Protocol):
    """A map made ready to run."""

    def run(self, operands: list[Column], length: int) -> Result:
        """The column for these operands, and where and how it failed."""
        ...


def map_kernel(node: Node) -> MapKernel:
    """Prepare a map node."""
    assert isinstance(node.op, Map)
    function = node.op.function
    if isinstance(function, ReluFunction):
        return ReluKernel(function, node.type)
    if isinstance(function, Table):
        sizes = tuple(size_of(operand.type) or 0 for operand in node.operands)
        return TableKernel.of(sizes, node.type, function.results)
    types = tuple(operand.type for operand in node.operands)
    return ExpressionKernel(function, types, node.type)


def table_kernel(node: Node) -> TableKernel | None:
    """A map of finite arguments as one array; None where they have too many values for that."""
    kernel = map_kernel(node)
    if isinstance(kernel, ExpressionKernel):
        return kernel.table
    return kernel if isinstance(kernel, TableKernel) else None


def _any_value(type_: Type) -> Value:
    match type_:
        case Categorical(domain):
            return domain[0]
        case Integer(lo, _):
            return lo
        case Bool():
            return False
    return 0.0


@dataclass(frozen=True, eq=False)
class TableKernel:
    """A function of finite arguments as one array, indexed by the codes of a row."""

    sizes: tuple[int, ...]
    type: Type
    lookup: NDArray[np.generic]
    tags: NDArray[np.uint8] | None
    failures: NDArray[np.uint8] | None

    @classmethod
    def of(cls, sizes: tuple[int, ...], type_: Type, results: tuple[Value, ...]) -> TableKernel:
        """From results in row order, the last argument running fastest."""
        lookup, tags = encode(type_, results)
        return cls(sizes, type_, lookup, tags, None)

    def run(self, operands: list[Column], length: int) -> Result:
        """Look every row up."""
        index: NDArray[np.intp] = np.zeros((length, 1), dtype=np.intp)
        for size, operand in zip(self.sizes, operands, strict=True):
            index = index * size + operand.data.astype(np.intp) if size > 1 else index
        tags = None if self.tags is None else self.tags[index]
        failed = None if self.failures is None else self.failures[index]
        return Column(self.type, self.lookup[index], tags), failed


class ExpressionKernel:
    """An expression: a table once as many rows have been asked for as that has, if not too many."""

    def __init__(self, function: Expression, types: tuple[Type, ...], result: Type) -> None:
        self.function, self.types, self.type = function, types, result
        self._evaluator = VectorEvaluator(types)
        sizes = [size_of(type_) or TABULATED + 1 for type_ in types]
        self._sizes = tuple(sizes) if math.prod(sizes) <= TABULATED else None
        self._asked = 0

    def run(self, operands: list[Column], length: int) -> Result:
        """Evaluate the rows of this batch."""
        shape = np.broadcast_shapes((length, 1), *(o.data.shape for o in operands))
        self._asked += math.prod(shape)
        if self._sizes is not None and self._asked >= math.prod(self._sizes):
            assert self.table is not None
            return self.table.run(operands, length)
        return self._evaluate(operands, shape)

    @cached_property
    def table(self) -> TableKernel | None:
        """Every row evaluated; None if they are too many."""
        if self._sizes is None:
            return None
        rows = math.prod(self._sizes)
        codes = np.indices(self._sizes).reshape(len(self._sizes), rows, 1)
        columns = [Column(t, row) for t, row in zip(self.types, codes, strict=True)]
        column, failed = self._evaluate(columns, (rows, 1))
        tags = None if column.tags is None else column.tags[:, 0]
        failures = None if failed is None else failed[:, 0]
        return TableKernel(self._sizes, self.type, column.data[:, 0], tags, failures)

    def _evaluate(self, operands: list[Column], shape: tuple[int, ...]) -> Result:
        """All rows on arrays, and what is left open then in Python."""
        vector = self._evaluator.evaluate(self.function, self._evaluator.arguments(operands))
        data, tags = self._encode(
            np.broadcast_to(vector.data, shape), np.broadcast_to(vector.tags, shape)
        )
        failures: Codes | None = None
        if vector.open.any():
            places = np.nonzero(np.broadcast_to(vector.open, shape))
            data[places], tags[places], kinds = self._in_python(
                [_picked(operand, shape, places) for operand in operands], len(places[0])
            )
            if kinds.any():
                failures = np.zeros(shape, dtype=np.uint8)
                failures[places] = kinds
        return Column(self.type, data, tags if tags.any() else None), failures

    def _encode(
        self, data: NDArray[np.float64], tags: NDArray[np.uint8]
    ) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
        """As a column holds them, tags only where those are of use. Any, where a row is open."""
        untagged = np.zeros(data.shape, dtype=np.uint8)
        match self.type:
            case Categorical(domain):
                keys, codes = self._keys
                places = keys.searchsorted(data + 1j * tags).clip(max=len(domain) - 1)
                return codes[places], untagged
            case Integer(lo, hi):
                within = np.nan_to_num(data).clip(lo, hi).astype(np.int64) - lo
                return within.astype(code_dtype(hi - lo + 1)), untagged
            case Bool():
                return (data != 0).astype(np.uint8), untagged
        return data.copy(), tags.copy()

    @cached_property
    def _keys(self) -> tuple[NDArray[np.complex128], NDArray[np.generic]]:
        """The values of a categorical type, ordered by number and tag, and their codes."""
        assert isinstance(self.type, Categorical)
        data, tags = self._evaluator.encode(self.type.domain)
        keys = data + 1j * tags
        order = keys.argsort()
        return keys[order], order.astype(code_dtype(len(keys)))

    def _in_python(
        self, operands: list[Column], count: int
    ) -> tuple[NDArray[np.generic], NDArray[np.uint8], NDArray[np.uint8]]:
        """Codes (or numbers), tags and kinds of failure of some rows, each distinct one once."""
        first, inverse = _distinct(operands, count)
        columns = [_picked(o, (count, 1), (first,)).decode(1)[0] for o in operands]
        rows = list(zip(*columns, strict=True)) if operands else [()] * len(first)
        filler = _any_value(self.type)
        values: list[Value] = []
        kinds = np.zeros(len(rows), dtype=np.uint8)
        for k, row in enumerate(rows):
            try:
                values.append(evaluate(self.function, row))
            except Failure as failure:
                values.append(filler)
                kinds[k] = failure_code(failure.kind)
        data, tags = encode(self.type, values)
        tags = np.zeros(len(rows), dtype=np.uint8) if tags is None else tags
        return data[inverse], tags[inverse], kinds[inverse]


def _picked(column: Column, shape: tuple[int, ...], places: tuple[NDArray[np.intp], ...]) -> Column:
    """Some entries of a column as one of a batch of one input."""
    data, tags = (
        None if x is None else np.broadcast_to(x, shape)[places].reshape(-1, 1)
        for x in (column.data, column.tags)
    )
    assert data is not None
    return Column(column.type, data, tags)


def _distinct(columns: list[Column], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """A place of each distinct row of some columns, and for each row which of those it is."""
    code = np.zeros(count, dtype=np.intp)
    for column in columns:
        bits = column.data.view(np.int64) if column.data.dtype == np.float64 else column.data
        for part in (bits, column.tags):
            if part is not None:
                _, inverse = np.unique(part.ravel(), return_inverse=True)
                _, code = np.unique(code * count + inverse, return_inverse=True)
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return first, inverse


@dataclass(frozen=True, eq=False)
class ReluKernel:
    """A relu function: float64, each sum from left to right, as its definition says."""

    function: ReluFunction
    type: Type

    def run(self, operands: list[Column], length: int) -> Result:
        """Compute the distinct rows of one or two inputs once; more inputs, every row."""
        shape = np.broadcast_shapes((length, 1), *(o.data.shape for o in operands))
        inputs = [np.broadcast_to(numbers(o), shape).ravel().astype(np.float64) for o in operands]
        if len(inputs) == 1:
            distinct, inverse = np.unique(inputs[0], return_inverse=True)
            codes = self.argmax([distinct])[inverse]
        elif len(inputs) == 2:
            both = np.empty(inputs[0].shape, dtype=np.complex128)
            both.real, both.imag = inputs
            pairs, inverse = np.unique(both, return_inverse=True)
            codes = self.argmax([pairs.real, pairs.imag])[inverse]
        else:
            codes = self.argmax(inputs)
        return Column(self.type, codes.reshape(shape)), None

    def argmax(self, inputs: list[NDArray[np.float64]]) -> NDArray[np.generic]:
        """The value for each row of the inputs, one array for each argument."""
        function = self.function
        count = len(inputs[0]) if inputs else 1
        logits = np.repeat(np.array(function.c, dtype=np.float64)[:, None], count, axis=1)
        weights = np.array(function.w, dtype=np.float64).reshape(len(function.c), -1)
        for h, (bias, row) in enumerate(zip(function.b, function.v, strict=True)):
            hidden = np.full(count, bias, dtype=np.float64)
            for weight, x in zip(row, inputs, strict=True):
                hidden += weight * x
            np.maximum(hidden, 0.0, out=hidden)
            logits += weights[:, h : h + 1] * hidden
        labels: NDArray[np.intp] = logits.argmax(axis=0)
        return labels.astype(code_dtype(len(function.c)))
