"""Tables and relu functions as hidden ReLU layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from tpir.ir.functions import ReluFunction

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Hidden:
    """``w_in`` [unit, input], ``b_in`` [unit], ``w_out`` [output, unit], ``b_out`` [output]."""

    w_in: Floats
    b_in: Floats
    w_out: Floats
    b_out: Floats


def of_categorical_table(
    results: Places, operands: Sequence[Sequence[int]], d_var: int, logit: int
) -> Hidden:
    """One unit for each set of rows that differ from the commonest result in the same way.

    ``results`` has an axis for each operand and holds places; ``operands`` says where the values of
    each operand stand. A unit is 1 where each operand has the value, or one of the values, that it
    asks for, and 0 elsewhere: then it moves ``logit`` from the commonest result to its own. Rows
    that differ in one operand only share a unit; of the operands, the one that saves most.
    """
    default = int(np.bincount(results.ravel()).argmax())
    groups = min(
        (_groups(results, default, axis) for axis in range(results.ndim)), key=len, default=[]
    )
    w_in = np.zeros((len(groups), results.ndim, d_var))
    w_out = np.zeros((d_var, len(groups)))
    for unit, (choices, result) in enumerate(groups):
        for operand, codes in enumerate(choices):
            w_in[unit, operand, [operands[operand][code] for code in codes]] = 1
        w_out[[result, default], unit] = logit, -logit
    b_out = np.zeros(d_var)
    b_out[default] = logit
    b_in = np.full(len(groups), 1.0 - results.ndim)
    return Hidden(w_in.reshape(len(groups), results.ndim * d_var), b_in, w_out, b_out)


_Group = tuple[list[list[int]], int]


def _groups(results: Places, default: int, axis: int) -> list[_Group]:
    """Rows whose result is not the default, together if they differ along ``axis`` only."""
    found: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for row in np.argwhere(results != default).tolist():
        others = (*row[:axis], *row[axis + 1 :])
        found.setdefault((others, int(results[tuple(row)])), []).append(row[axis])
    groups: list[_Group] = []
    for (others, result), codes in found.items():
        single = [[code] for code in others]
        groups.append(([*single[:axis], codes, *single[axis:]], result))
    return groups


def of_numerical_table(results: Places, least: Sequence[int], d_var: int, logit: int) -> Hidden:
    """A table over ints, as a function of one number that is different for each row.

    ``results`` has an axis for each operand and holds places; ``least`` is the smallest value of
    each operand. The number z counts the rows, in the order of operands that gives the fewest
    changes of the result; each output is the piecewise linear function of z that is ``logit`` where
    it is the result and 0 where it is not. Everything is a whole number, so sums are exact.
    """
    orders = list(permutations(range(results.ndim)))
    order = min(orders, key=lambda o: int(np.count_nonzero(np.diff(results.transpose(o).ravel()))))
    line = results.transpose(order).ravel()
    slopes = np.zeros((d_var, len(line)), dtype=np.int64)
    steps = np.flatnonzero(np.diff(line))
    slopes[line[steps + 1], steps] += 1
    slopes[line[steps], steps] -= 1
    bends = np.diff(slopes, axis=1, prepend=0)
    units = np.flatnonzero(bends.any(axis=0))
    strides = np.ones(results.ndim)
    for place in reversed(range(results.ndim - 1)):
        strides[order[place]] = strides[order[place + 1]] * results.shape[order[place + 1]]
    b_out = np.zeros(d_var)
    b_out[line[0]] = logit
    return Hidden(
        np.tile(strides, (len(units), 1)),
        -(units + strides @ np.array(least, dtype=np.float64)),
        bends[:, units] * float(logit),
        b_out,
    )


def of_relu_function(function: ReluFunction, d_var: int, logit: int) -> Hidden:
    """The same weights. Outputs that the function lacks are below its first, so never chosen."""
    missing = d_var - len(function.c)
    w_out = np.array(function.w, dtype=np.float64).reshape(len(function.c), len(function.b))
    below = np.full(missing, np.floor(function.c[0]) - logit)
    return Hidden(
        np.array(function.v, dtype=np.float64).reshape(len(function.b), function.arity),
        np.array(function.b, dtype=np.float64),
        np.vstack([w_out, np.tile(w_out[:1], (missing, 1))]),
        np.concatenate([np.array(function.c, dtype=np.float64), below]),
    )
