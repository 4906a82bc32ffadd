"""Which values occur together at one position: exactly, by running every input of a space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tpir.ir.program import Node, Program
from tpir.ir.types import Real, size_of
from tpir.semantics.columns import Column, code_dtype
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.selection import CELLS
from tpir.semantics.space import InputSpace

MAX_HELD = 2**27
"""Joint values are not gathered where cells times nodes is more than this."""

_PENDING = 2**19
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
Matrix = NDArray[np.generic]


def joint_values(
    program: Program, nodes: Sequence[Node], space: InputSpace
) -> tuple[Column, ...] | None:
    """The distinct tuples of values that live sequences of a program have at one position.

    One column for each node, of shape (1, tuples): tuple k is entry k of each. All inputs of
    ``space`` are run. Numbers of a ``Real`` lose their tags. None where that is too much to hold.
    """
    cells = sum(length * count for length, count in space.count_by_length().items())
    if cells * len(nodes) > MAX_HELD or not nodes:
        return None
    interpreter = Interpreter(Program(program.header, program.nodes, _named(nodes)))
    dtype = _common_dtype(nodes)
    pending: list[Matrix] = []
    step = max(1, CELLS // max(space.lengths()) ** 2)
    for length, tokens in space.batches(step):
        machine = interpreter.machine(tokens)
        shape = (length, tokens.shape[1])
        pending.append(distinct_columns(_matrix(machine.state, nodes, shape, dtype)))
        if sum(m.shape[1] for m in pending[1:]) > max(_PENDING, pending[0].shape[1]):
            pending = [distinct_columns(np.concatenate(pending, axis=1))]
    matrix = distinct_columns(np.concatenate(pending, axis=1))
    return tuple(_column(node, row) for node, row in zip(nodes, matrix, strict=True))


def distinct_columns(matrix: Matrix) -> Matrix:
    """The distinct columns of a matrix of whole numbers, in an order that depends on them alone."""
    mixed = np.zeros(matrix.shape[1], dtype=np.uint64)
    for row in matrix:
        mixed = (mixed + row.astype(np.uint64)) * _MIX
        mixed ^= mixed >> _SHIFT
    order = np.argsort(mixed, kind="stable")
    found = mixed[order]
    matrix = matrix[:, order]
    same = found[1:] == found[:-1]
    differ = np.zeros(len(same), dtype=np.bool_)
    for row in matrix:
        differ |= row[1:] != row[:-1]
    if (same & differ).any():  # two tuples of one hash: rare, and then sorted the slow way
        return np.asarray(np.unique(matrix, axis=1))
    return matrix[:, np.concatenate([[True], ~same])]


def _named(nodes: Sequence[Node]) -> dict[str, Node]:
    return {str(k): node for k, node in enumerate(nodes)}


def _common_dtype(nodes: Sequence[Node]) -> type[np.generic]:
    """One array type that holds the codes of all nodes, or the bits of their numbers."""
    sizes = [size_of(node.type) for node in nodes]
    if any(size is None for size in sizes):
        return np.int64
    return code_dtype(max(size or 1 for size in sizes))


def _matrix(
    state: object, nodes: Sequence[Node], shape: tuple[int, int], dtype: type[np.generic]
) -> Matrix:
    assert callable(state)
    rows = np.empty((len(nodes), shape[0] * shape[1]), dtype=dtype)
    for k, node in enumerate(nodes):
        column = state(node)
        assert isinstance(column, Column)
        data = np.broadcast_to(column.data, shape).ravel()
        if isinstance(node.type, Real):
            data = (data.astype(np.float64) + 0.0).view(np.int64)  # one zero, not two
        rows[k] = data
    return rows


def _column(node: Node, row: Matrix) -> Column:
    if isinstance(node.type, Real):
        return Column(node.type, row.view(np.float64)[None])
    return Column(node.type, row[None])
