"""``map``: tables, expressions and relu functions applied to columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import Expression, Failure, evaluate
from tpir.ir.functions import ReluFunction, Table
from tpir.ir.ops import Map
from tpir.ir.program import Node
from tpir.ir.types import Bool, Categorical, Integer, Type, size_of, values_of
from tpir.ir.values import Value
from tpir.semantics.columns import Column, code_dtype, encode, numbers
from tpir.semantics.failures import failure_code

TABULATED = 2**16
"""Expressions over at most this many argument rows are evaluated once for each row, beforehand."""

Result = tuple[Column, NDArray[np.uint8] | None]


class MapKernel(Protocol):
    """A map made ready to run."""

    def run(self, operands: list[Column], length: int) -> Result:
        """The column for these operands, and for each input of the batch how it failed."""
        ...


def map_kernel(node: Node) -> MapKernel:
    """Prepare a map node."""
    assert isinstance(node.op, Map)
    function = node.op.function
    types = [operand.type for operand in node.operands]
    if isinstance(function, ReluFunction):
        return ReluKernel(function, node.type)
    sizes = [size_of(t) for t in types]
    if isinstance(function, Table):
        return TableKernel.of(tuple(s or 0 for s in sizes), node.type, function.results, None)
    rows = 1
    for size in sizes:
        rows = rows * size if size is not None else TABULATED + 1
    if rows <= TABULATED:
        return _tabulated(function, types, node.type)
    return ExpressionKernel(function, node.type)


def _tabulated(function: Expression, types: list[Type], result: Type) -> TableKernel:
    domains = [values_of(t) or () for t in types]
    values, failures = _evaluate_rows(function, list(product(*domains)), result)
    return TableKernel.of(tuple(map(len, domains)), result, values, failures)


def _evaluate_rows(
    function: Expression, rows: list[tuple[Value, ...]], result: Type
) -> tuple[tuple[Value, ...], NDArray[np.uint8] | None]:
    """Values row by row; a row that fails holds any value, and the kind of failure beside it."""
    filler = _any_value(result)
    values: list[Value] = []
    failures = np.zeros(len(rows), dtype=np.uint8)
    for k, row in enumerate(rows):
        try:
            values.append(evaluate(function, row))
        except Failure as failure:
            values.append(filler)
            failures[k] = failure_code(failure.kind)
    return tuple(values), failures if failures.any() else None


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
    def of(
        cls,
        sizes: tuple[int, ...],
        type_: Type,
        results: tuple[Value, ...],
        failures: NDArray[np.uint8] | None,
    ) -> TableKernel:
        """From results in row order, the last argument running fastest."""
        lookup, tags = encode(type_, results)
        return cls(sizes, type_, lookup, tags, failures)

    def run(self, operands: list[Column], length: int) -> Result:
        """Look every row up."""
        index: NDArray[np.intp] = np.zeros((length, 1), dtype=np.intp)
        for size, operand in zip(self.sizes, operands, strict=True):
            index = index * size + operand.data.astype(np.intp) if size > 1 else index
        tags = None if self.tags is None else self.tags[index]
        failed = None if self.failures is None else self.failures[index].max(axis=0)
        return Column(self.type, self.lookup[index], tags), failed


@dataclass(frozen=True, eq=False)
class ExpressionKernel:
    """An expression over arguments too many to tabulate: evaluated once for each distinct row."""

    function: Expression
    type: Type

    def run(self, operands: list[Column], length: int) -> Result:
        """Evaluate the distinct rows of this batch."""
        shape = np.broadcast_shapes((length, 1), *(o.data.shape for o in operands))
        coded: list[NDArray[np.generic]] = []
        for operand in operands:
            coded.append(np.broadcast_to(operand.data, shape).ravel().astype(np.float64))
            if operand.tags is not None:
                coded.append(np.broadcast_to(operand.tags, shape).ravel().astype(np.float64))
        _, first, inverse = np.unique(
            np.stack(coded), axis=1, return_index=True, return_inverse=True
        )
        columns = [
            Column(
                o.type,
                np.broadcast_to(o.data, shape).reshape(-1, 1)[first],
                None if o.tags is None else np.broadcast_to(o.tags, shape).reshape(-1, 1)[first],
            ).decode(1)[0]
            for o in operands
        ]
        rows = list(zip(*columns, strict=True))
        values, failures = _evaluate_rows(self.function, rows, self.type)
        lookup, tags = encode(self.type, values)
        inverse = inverse.reshape(shape)
        failed = None if failures is None else failures[inverse].max(axis=0)
        return Column(self.type, lookup[inverse], None if tags is None else tags[inverse]), failed


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
            codes = self._argmax([distinct])[inverse]
        elif len(inputs) == 2:
            both = np.empty(inputs[0].shape, dtype=np.complex128)
            both.real, both.imag = inputs
            pairs, inverse = np.unique(both, return_inverse=True)
            codes = self._argmax([pairs.real, pairs.imag])[inverse]
        else:
            codes = self._argmax(inputs)
        return Column(self.type, codes.reshape(shape)), None

    def _argmax(self, inputs: list[NDArray[np.float64]]) -> NDArray[np.generic]:
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
