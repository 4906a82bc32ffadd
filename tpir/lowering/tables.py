"""MLPs that are tables of logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import ReluFunction
from tpir.ir.ops import Map
from tpir.ir.program import Node, Origin
from tpir.ir.types import size_of
from tpir.lowering.mlps import MAX_NUMERIC_ROWS, MAX_ROWS
from tpir.lowering.tensors import Tensors
from tpir.lowering.variables import Stream, Variable, add_table, distinct_operands, domain_of
from tpir.models.config import TransformerProgramConfig


@dataclass(frozen=True, eq=False)
class _Operand:
    """What one input reads: a node, and the place in the table of each of its values."""

    node: Node
    places: Sequence[int]


def value_tables(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Variable]:
    """The variables that the categorical MLPs of a layer add."""
    added = []
    for k in range(config.n_cat_mlps):
        prefix, name = f"blocks.{layer}.cat_mlp.mlps.{k}", f"mlp_{layer}_{k}"
        read = [stream.categorical[r] for r in _reads(config, tensors, prefix, stream.categorical)]
        operands = [_Operand(variable.node, variable.places) for variable in read]
        results = _results(config, tensors, prefix)
        added.append(_variable(builder, operands, results, name, Origin(layer, f"mlp {k}")))
    return added


def number_tables(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Variable]:
    """The variables that the numerical MLPs of a layer add: tables over all values of counts.

    Where those are too many, the table is over numbers that are clipped first, as its rows are.
    """
    added = []
    for k in range(config.n_num_mlps):
        prefix, name = f"blocks.{layer}.num_mlp.mlps.{k}", f"num_mlp_{layer}_{k}"
        origin = Origin(layer, f"num_mlp {k}")
        read = [stream.numerical[r] for r in _reads(config, tensors, prefix, stream.numerical)]
        if math.prod(map(_size, set(read))) > MAX_NUMERIC_ROWS:
            read = [_clipped(builder, node, config.d_var, f"{name}_clip", origin) for node in read]
        operands = []
        for node in read:
            places = np.clip(np.array(domain_of(node), dtype=np.int64), 0, config.d_var - 1)
            operands.append(_Operand(node, places.tolist()))
        results = _results(config, tensors, prefix)
        added.append(_variable(builder, operands, results, name, origin))
    return added


def _reads(
    config: TransformerProgramConfig, tensors: Tensors, prefix: str, variables: Sequence[object]
) -> list[int]:
    name = f"{prefix}.W_read.W"
    reads: list[int] = tensors.choices(name, config.mlp_inputs, len(variables)).tolist()
    return reads


def _results(config: TransformerProgramConfig, tensors: Tensors, prefix: str) -> NDArray[np.intp]:
    """The place of each row's result, with an axis for each input."""
    rows = config.d_var**config.mlp_inputs
    chosen = tensors.choices(f"{prefix}.W_table", rows, config.d_var)
    return chosen.reshape([config.d_var] * config.mlp_inputs)


def _variable(
    builder: Builder,
    operands: Sequence[_Operand],
    results: NDArray[np.intp],
    name: str,
    origin: Origin,
) -> Variable:
    """The table over the values that its operands can have, each operand once."""
    distinct = distinct_operands([operand.node for operand in operands])
    rows = math.prod(map(_size, distinct))
    if rows > MAX_ROWS:
        raise TpirError(
            f"{name} would be a table of {rows} rows, and more than {MAX_ROWS} do not fit: "
            f"it reads {len(distinct)} variables"
        )
    index: list[NDArray[np.intp]] = [np.zeros(0, dtype=np.intp)] * len(operands)
    for axis, inputs in enumerate(distinct.values()):
        shape = [1] * len(distinct)
        shape[axis] = -1
        for k in inputs:
            index[k] = np.array(operands[k].places, dtype=np.intp).reshape(shape)
    node = add_table(builder, list(distinct), results[tuple(index)], name=name, origin=origin)
    return Variable(node, tuple(range(results.shape[0])))


def _clipped(builder: Builder, node: Node, d_var: int, name: str, origin: Origin) -> Node:
    """A whole number, at least 0, as the row of a table that it reads: the nearest one.

    Where it has too many values for a table, the nearest l is that with the greatest 2nl - l².
    """
    size = _size(node)
    if size <= d_var:
        return node
    if size <= MAX_NUMERIC_ROWS:
        rows = np.clip(np.array(domain_of(node), dtype=np.int64), 0, d_var - 1)
        return add_table(builder, [node], rows, name=name, origin=origin)
    nearest = ReluFunction(
        ((1.0,),),
        (0.0,),
        tuple((2.0 * row,) for row in range(d_var)),
        tuple(-float(row**2) for row in range(d_var)),
    )
    return builder.add(Map(nearest), [node], name=name, origin=origin)


def _size(node: Node) -> int:
    size = size_of(node.type)
    assert size is not None, f"{node.name} is not finite"
    return size
