"""Relu functions as what they are on the numbers that occur: a few comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, IfElse, Literal
from tpir.ir.functions import ReluFunction, Table, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Map
from tpir.ir.program import Node, Program
from tpir.ir.types import Real, is_integral, values_of
from tpir.passes.base import Pass, PassResult, Rewriting, rewrite
from tpir.passes.failing import can_fail
from tpir.passes.tables import TableArray
from tpir.semantics.columns import numbers
from tpir.semantics.joint import joint_values
from tpir.semantics.program_space import space_of
from tpir.semantics.space import InputSpace

MOST_LEAVES = 24
"""Functions that take more cases than this stay."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds(Pass):
    """Write a relu function as comparisons of its numbers with constants.

    Law: a function may be any that gives the tuples of arguments that occur the same results, or
    results that no reader tells apart.

        f = relu(x, y)   →   f = 3 if x <= 4 else 0 if y <= 1 else 2

    Sound: all inputs are run, where there are at most ``inputs``, and every tuple of numbers that
    occurs is decided as before. The tree is grown by the split that leaves the least impurity; it
    is left off where it would have more than ``MOST_LEAVES`` cases.
    """

    name: ClassVar[str] = "thresholds"
    inputs: int = field(
        default=400_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Relu functions."""
        return (sum(map(_is_relu, program.live)),)

    def run(self, program: Program) -> PassResult:
        """Rewrite the relu functions that take few cases."""
        if not any(map(_is_relu, program.live)):
            return PassResult(program, False)
        space = space_of(program)
        if space.count() > self.inputs:
            return PassResult(program, False, ("the inputs are too many to run all of them",))
        return rewrite(program, lambda r, node, operands: _rule(r, node, operands, space))


def _is_relu(node: Node) -> bool:
    if not isinstance(node.op, Map) or not isinstance(node.op.function, ReluFunction):
        return False
    if any(can_fail(o) for o in node.operands):
        return False
    return all(is_integral(o.type) or isinstance(o.type, Real) for o in node.operands)


def _rule(
    rewriting: Rewriting, node: Node, operands: tuple[Node, ...], space: InputSpace
) -> Node | None:
    program = rewriting.program
    if node not in program.live or not _is_relu(node):
        return None
    columns = joint_values(program, (*node.operands, node), space)
    if columns is None:
        return None
    points = np.stack([np.asarray(numbers(c))[0].astype(np.float64) for c in columns[:-1]])
    classes = _classes(program, node)
    result = classes[columns[-1].data[0].astype(np.intp)]
    tree = _tree(points, result, MOST_LEAVES)
    if tree is None:
        rewriting.refuse(node, f"takes more than {MOST_LEAVES} cases")
        return None
    domain = values_of(node.type) or ()
    function = _expression(tree, [int(v) for v in domain])
    return rewriting.replace(node, Map(function), operands, "compares with constants")


def _classes(program: Program, node: Node) -> NDArray[np.intp]:
    """For each value of a node the first that no reader tells from it."""
    size = len(values_of(node.type) or ())
    seen: list[list[object]] = [[] for _ in range(size)]
    for user in program.users[node]:
        views = _views(user, node, size)
        for k in range(size):
            seen[k].append(k if views is None else views[k])
    if node in program.outputs.values():
        return np.arange(size)
    return np.array([seen.index(view) for view in seen], dtype=np.intp)


def _views(user: Node, node: Node, size: int) -> Sequence[object] | None:
    """What a reader makes of each value of an operand; None where it may make anything of it."""
    places = [k for k, operand in enumerate(user.operands) if operand is node]
    match user.op:
        case Classify(weights=weights) | ClassifyPooled(weights=weights):
            read = [weights[k] for k in places]
            if all(isinstance(w, TableWeights) for w in read):
                tables = [w.rows for w in read if isinstance(w, TableWeights)]
                return [tuple(rows[k] for rows in tables) for k in range(size)]
        case Map(Table() as table) if len(places) == 1:
            codes = np.moveaxis(TableArray.of(table).codes, places[0], 0)
            return [tuple(row.ravel().tolist()) for row in codes]
    return None


# ---- trees: a result, or (argument, bound, tree of what is at most that, tree of the rest)

Tree = int | tuple[int, int | float, "Tree", "Tree"]


def _tree(points: Numbers, result: NDArray[np.intp], leaves: int) -> Tree | None:
    """A tree of at most so many results that is right on all points (argument, point)."""
    if leaves < 1:
        return None
    if (result == result[0]).all():
        return int(result[0])
    split = _best_split(points, result)
    if split is None:
        return None
    axis, bound = split
    low = points[axis] <= bound
    first = _tree(points[:, low], result[low], leaves - 1)
    if first is None:
        return None
    second = _tree(points[:, ~low], result[~low], leaves - _leaves(first))
    return None if second is None else (axis, bound, first, second)


def _leaves(tree: Tree) -> int:
    return 1 if isinstance(tree, int) else _leaves(tree[2]) + _leaves(tree[3])


def _best_split(points: Numbers, result: NDArray[np.intp]) -> tuple[int, int | float] | None:
    """The argument and bound that leave the least entropy."""
    kinds = np.eye(int(result.max()) + 1)[result]
    best: tuple[float, int, int | float] | None = None
    for axis, values in enumerate(points):
        bounds, place = np.unique(values, return_inverse=True)
        counts = np.zeros((len(bounds), kinds.shape[1]))
        np.add.at(counts, place, kinds)
        low = counts.cumsum(axis=0)[:-1]
        high = counts.sum(axis=0) - low
        for k, left in enumerate((_bits(low) + _bits(high)).tolist()):
            found = (left, axis, _between(float(bounds[k]), float(bounds[k + 1])))
            best = found if best is None else min(best, found)
    return None if best is None else best[1:]


def _between(low: float, high: float) -> int | float:
    """A short number that is at least ``low`` and less than ``high``."""
    if low == int(low):
        return int(low)
    for digits in range(17):
        bound = round((low + high) / 2, digits)
        if low <= bound < high:
            return bound
    return low


def _bits(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    total = counts.sum(axis=1, keepdims=True)
    shares = np.where(counts > 0, counts / total, 1)
    bits: NDArray[np.float64] = -(counts * np.log2(shares)).sum(axis=1)
    return bits


def _expression(tree: Tree, values: Sequence[int]) -> Expression:
    if isinstance(tree, int):
        return Literal(values[tree])
    axis, bound, low, high = tree
    condition = Binary(BinaryOp.LESS_EQUAL, Argument(axis), Literal(bound))
    return IfElse(_expression(low, values), condition, _expression(high, values))
