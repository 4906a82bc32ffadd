"""MLPs as tables, or as relu functions where no table of reasonable size holds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.functions import ReluFunction
from tpir.ir.ops import Map
from tpir.ir.program import Node, Origin
from tpir.ir.types import size_of
from tpir.lowering.embeddings import is_one
from tpir.lowering.tensors import Floats, Tensors
from tpir.lowering.variables import (
    Stream,
    Variable,
    add_table,
    distinct_operands,
    domain_of,
    is_exact_sum,
)
from tpir.models.config import TransformerProgramConfig

MAX_NUMERIC_ROWS = 65_536
"""A numerical MLP over more rows than this becomes a relu function."""

MAX_ROWS = 2**22
"""A categorical MLP over more rows than this is refused."""

_CHUNK = 2**22
_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Layer:
    """A hidden ReLU layer: ``b`` [hidden], ``w`` [output, hidden], ``c`` [output], float64."""

    b: Floats
    w: Floats
    c: Floats

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which hidden units some output reads; the others add exactly nothing."""
        return np.asarray(self.w.any(axis=0))

    def restricted(self, units: NDArray[np.bool_]) -> Layer:
        """The layer with some of its hidden units."""
        return Layer(self.b[units], self.w[:, units], self.c)

    def choices(self, inputs: Sequence[Floats]) -> NDArray[np.int64]:
        """The output that wins for every combination of operand values, ties to the first.

        ``inputs`` holds for each operand what each of its values adds to the hidden units,
        [value, hidden]. The result has one axis for each operand. As for relu functions, sums run
        left to right: rows where another order of summation might choose differently are redone.
        """
        shape = tuple(len(part) for part in inputs)
        rows, hidden = math.prod(shape), len(self.b)
        chosen = np.empty(rows, dtype=np.int64)
        step = max(1, _CHUNK // max(1, hidden))
        for start in range(0, rows, step):
            numbers = np.arange(start, min(start + step, rows))
            places = np.unravel_index(numbers, shape) if shape else ()
            active = np.tile(self.b, (len(numbers), 1))
            for part, place in zip(inputs, places, strict=True):
                active += part[place]
            np.maximum(active, 0.0, out=active)
            chosen[start : start + step] = self._winners(active)
        return chosen.reshape(shape)

    def _winners(self, active: Floats) -> NDArray[np.int64]:
        logits = active @ self.w.T + self.c
        winners: NDArray[np.int64] = logits.argmax(axis=1)
        if logits.shape[1] == 1:
            return winners
        best = np.partition(logits, -2, axis=1)
        size = np.abs(self.c).max() + active @ np.abs(self.w).max(axis=0, initial=0.0)
        close = np.flatnonzero(best[:, -1] - best[:, -2] <= _TIE * size)
        sums = np.tile(self.c, (len(close), 1))
        for unit in range(active.shape[1]):
            sums += active[close, unit : unit + 1] * self.w[:, unit]
        winners[close] = sums.argmax(axis=1)
        return winners


def categorical_mlps(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Variable]:
    """The variables that the categorical MLPs of a layer add."""
    added = []
    for k in range(config.n_cat_mlps):
        prefix = f"blocks.{layer}.cat_mlp.mlps.{k}"
        reads, w_in, hidden = _read(config, tensors, prefix, len(stream.categorical), config.d_var)
        operands = [stream.categorical[r] for r in reads]
        used = hidden.used
        by_place = w_in[used].reshape(-1, config.mlp_inputs, config.d_var)
        inputs = []
        distinct = distinct_operands([variable.node for variable in operands])
        for places in distinct.values():
            summed = by_place[:, places].sum(axis=1)
            inputs.append(summed[:, operands[places[0]].places].T)
        name, origin = f"mlp_{layer}_{k}", Origin(layer, f"mlp {k}")
        rows = math.prod(len(part) for part in inputs)
        if rows > MAX_ROWS:
            raise TpirError(
                f"{name} would be a table of {rows} rows, and more than {MAX_ROWS} do not fit: "
                f"tensor {prefix}.W_in reads {len(inputs)} variables"
            )
        chosen = hidden.restricted(used).choices(inputs)
        node = add_table(builder, list(distinct), chosen, name=name, origin=origin)
        added.append(Variable(node, tuple(range(config.d_var))))
    return added


def numerical_mlps(
    builder: Builder,
    config: TransformerProgramConfig,
    tensors: Tensors,
    layer: int,
    stream: Stream,
) -> list[Variable]:
    """The variables that the numerical MLPs of a layer add."""
    added = []
    for k in range(config.n_num_mlps):
        prefix = f"blocks.{layer}.num_mlp.mlps.{k}"
        reads, w_in, hidden = _read(config, tensors, prefix, len(stream.numerical), 1)
        distinct = distinct_operands([stream.numerical[r] for r in reads])
        weights = {node: w_in[:, places].sum(axis=1) for node, places in distinct.items()}
        name, origin = f"num_mlp_{layer}_{k}", Origin(layer, f"num_mlp {k}")
        node = _numerical(builder, weights, hidden, name, origin)
        added.append(Variable(node, tuple(range(config.d_var))))
    return added


def _read(
    config: TransformerProgramConfig, tensors: Tensors, prefix: str, variables: int, width: int
) -> tuple[list[int], Floats, Layer]:
    """Which variables an MLP reads, its input weights [hidden, input * width], and the rest."""
    inputs, units, outputs = config.mlp_inputs, config.d_mlp, config.d_var
    reads = tensors.choices(f"{prefix}.W_read.W", inputs, variables)
    w_in = tensors.read(f"{prefix}.W_in", units, inputs * width)
    layer = Layer(
        tensors.read(f"{prefix}.b_in", units),
        tensors.read(f"{prefix}.W_out", outputs, units),
        tensors.read(f"{prefix}.b_out", outputs),
    )
    return reads.tolist(), w_in, layer


def _numerical(
    builder: Builder, weights: dict[Node, Floats], layer: Layer, name: str, origin: Origin
) -> Node:
    """A numerical MLP whose operand ``node`` has the input weights ``weights[node]`` [hidden].

    What cannot matter goes: units that feed nothing, operands that feed none, the constant 1
    (into the bias, where that sum is exact), and last outputs that an earlier one always beats.
    """
    used = layer.used
    weights = {node: v[used] for node, v in weights.items() if v[used].any()}
    layer = _without_beaten(layer.restricted(used))
    for node in [node for node in weights if is_one(node)]:
        if is_exact_sum(layer.b, weights[node]):
            layer = replace(layer, b=layer.b + weights.pop(node))
    sizes = [size_of(node.type) for node in weights]
    finite = [size for size in sizes if size is not None]
    if len(finite) == len(sizes) and math.prod(finite) <= MAX_NUMERIC_ROWS:
        inputs = [
            np.outer(np.array(domain_of(node), dtype=np.float64), v) for node, v in weights.items()
        ]
        return add_table(builder, list(weights), layer.choices(inputs), name=name, origin=origin)
    function = ReluFunction(
        tuple(zip(*(v.tolist() for v in weights.values()), strict=True)),
        tuple(layer.b.tolist()),
        tuple(map(tuple, layer.w.tolist())),
        tuple(layer.c.tolist()),
    )
    return builder.add(Map(function), list(weights), name=name, origin=origin)


def _without_beaten(layer: Layer) -> Layer:
    """Without last outputs that never win: none of their weights is above those of an earlier one.

    Hidden units are never negative and rounding is monotonic, so the earlier sum is never smaller.
    """
    outputs = len(layer.c)
    while outputs > 1:
        last = outputs - 1
        above = (layer.w[:last] >= layer.w[last]).all(axis=1) & (layer.c[:last] >= layer.c[last])
        if not above.any():
            break
        outputs -= 1
    return Layer(layer.b, layer.w[:outputs], layer.c[:outputs])
