"""Logits as outputs: numbers, values that tables give, or a linear readout."""

from __future__ import annotations

import math

import numpy as np

from tpir.errors import TpirError
from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, Literal, Unary, UnaryOp
from tpir.ir.floats import gives_floats
from tpir.ir.functions import FeatureWeights, NumberWeights, Table, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Map, Pool
from tpir.ir.program import Node, Origin
from tpir.ir.types import number_bounds, size_of, values_of
from tpir.ir.values import Value, distinct
from tpir.lowering.tensors import Tensors
from tpir.lowering.transformer.defaults import with_default
from tpir.lowering.transformer.numbers import Floats, firsts, snapped
from tpir.lowering.transformer.stream import (
    Joint,
    Read,
    Stream,
    Variable,
    class_node,
    joint_of,
    map_values,
)
from tpir.lowering.transformer.sums import with_sums
from tpir.models.stored_transformer import MOST_LABELS, Output, TransformerCheckpoint

MOST_ROWS = 65_536
"""A readout of more joint values is linear."""

ORIGIN = Origin(part="unembed")


def outputs_of(stream: Stream, tensors: Tensors, outputs: tuple[Output, ...]) -> dict[str, Node]:
    """A node for each output. Raises TpirError, naming the output."""
    count = sum(o.width for o in outputs)
    matrix = tensors.read("unembed.W_U", len(stream.base), count)
    bias = tensors.read("unembed.b_U", count)
    found: dict[str, Node] = {}
    start = 0
    for output in outputs:
        end = start + output.width
        read = with_sums(stream, stream.read(matrix[:, start:end], bias[start:end]))
        averages = {
            v: rows @ matrix[:, start:end] for v, rows in stream.averages.items() if output.pooled
        }
        averages = {v: rows for v, rows in averages.items() if rows.any()}
        node = _Readout(stream, output, read, averages).node()
        found[output.name] = with_default(stream.builder, node)
        start = end
    return found


def pooled_directions(checkpoint: TransformerCheckpoint) -> frozenset[int]:
    """Directions that no head and no MLP reads, only the logits of pooled outputs."""
    state, blocks = checkpoint.state, range(checkpoint.blocks)
    pooled = [o.pooled for o in checkpoint.outputs for _ in range(o.width)]
    if checkpoint.causal or not any(pooled):
        return frozenset()
    used = state["unembed.W_U"].detach().cpu().double().numpy() != 0
    elsewhere = used[:, ~np.array(pooled)].any(axis=1)
    for block in blocks:
        inputs = state[f"blocks.{block}.mlp.W_in"].detach().cpu().double().numpy()
        elsewhere = elsewhere | inputs.any(axis=1)
        for name in "QKV":
            read = state[f"blocks.{block}.attn.W_{name}"].detach().cpu().double().numpy()
            elsewhere = elsewhere | read.any(axis=(0, 2))
    return frozenset(np.flatnonzero(used[:, pooled].any(axis=1) & ~elsewhere).tolist())


class _Readout:
    def __init__(
        self, stream: Stream, output: Output, read: Read, averages: dict[Variable, Floats]
    ) -> None:
        self.stream, self.output, self.read = stream, output, read
        self.averages = averages
        self.builder, self.name = stream.builder, output.name
        self.noise = float(read.noise.max())

    def node(self) -> Node:
        """The node of the output."""
        if self.output.pooled and self.averages and self.read.rows:
            raise TpirError(f"output {self.name} is read of all positions and of the first")
        if self.output.pooled:
            rows = self.averages or self.read.rows
            return self._linear(Read(self.read.base, rows, self.read.noise))
        if self.output.values is None:
            return self._number()
        read = _relative(self.read)
        if not read.rows:
            return self._value(self.output.values[int(read.base.argmax())])
        if all(v.values is not None for v in read.rows):
            joint = joint_of(read)
            fits = math.prod(joint.sizes) <= MOST_ROWS
            if fits and (len(read.rows) == 1 or _is_code(self.read)):
                return self._table(joint, read)
        return self._linear(read)

    def _table(self, joint: Joint, read: Read) -> Node:
        logits = read.base + joint.sum(list(read.rows.values()))
        assert self.output.values is not None
        results = [self.output.values[k] for k in logits.argmax(axis=1).tolist()]
        if len(distinct(results)) == 1:
            return self._value(results[0])
        return joint.node(self.builder, results, self.name, ORIGIN)

    def _value(self, value: Value) -> Node:
        """A constant."""
        return self.builder.add(Map(Table((), (value,))), [], name=self.name, origin=ORIGIN)

    def _linear(self, read: Read) -> Node:
        """The label with the greatest sum of weights."""
        labels = self.output.values
        assert labels is not None
        operands, weights = [], list[FeatureWeights]()
        for variable, rows in read.rows.items():
            if variable.values is None:
                operands.append(variable.node)
                weights.append(NumberWeights(tuple(rows[0].tolist())))
                continue
            node, own = self._feature(variable, rows, read)
            domain = values_of(node.type)
            assert domain is not None
            operands.append(node)
            weights.append(TableWeights(domain, tuple(map(tuple, own.tolist()))))
        bias = tuple(read.base.tolist())
        op: Classify | ClassifyPooled = Classify(labels, bias, tuple(weights))
        if self.output.pooled:
            over = Pool.ALL if self.averages else Pool.FIRST
            op = ClassifyPooled(labels, bias, tuple(weights), over)
        return self.builder.add(op, operands, name=self.name, origin=ORIGIN)

    def _feature(self, variable: Variable, rows: Floats, read: Read) -> tuple[Node, Floats]:
        if variable.typed:
            return variable.node, rows
        classes = joint_of(read, [variable]).classes[0]
        name = f"{variable.node.name}_class"
        node = class_node(self.builder, variable, classes, name, ORIGIN)
        small = rows[firsts(classes)]
        return node, small[[int(v) for v in values_of(node.type) or ()]]

    def _number(self) -> Node:
        """The one logit as a number: of a real type, as few whole numbers would be labels."""
        node = self._sum()
        if self.output.floats:
            return self._float(node)
        size = size_of(node.type)
        if size is None or size > MOST_LABELS:
            return node
        as_real = Map(Unary(UnaryOp.ROUND, Unary(UnaryOp.FLOAT, Argument(0))))
        return self.builder.add(as_real, [node], name=self.name, origin=ORIGIN)

    def _float(self, node: Node) -> Node:
        """The number as a float, where it may be a whole number that is selected."""
        if gives_floats(node.op):
            return node
        as_float = Map(Unary(UnaryOp.FLOAT, Argument(0)))
        return self.builder.add(as_float, [node], name=self.name, origin=ORIGIN)

    def _sum(self) -> Node:
        read = self.read
        base, terms = float(read.base[0]), list(read.rows.items())
        if len(terms) == 1 and terms[0][0].values is not None:
            ((variable, rows),) = terms
            return self._number_of(variable, base + rows[:, 0])
        if not terms:
            return self._constant(base)
        total: Expression | None = None
        operands: list[Node] = []
        for variable, rows in terms:
            node, slope, shift = self._line(variable, rows[:, 0]) or (
                self._tabled(variable, rows[:, 0], f"{variable.node.name}_number"),
                1.0,
                0.0,
            )
            base += shift
            argument = Argument(len(operands))
            operands.append(node)
            total = _plus(total, argument, slope)
        assert total is not None
        rest = snapped(base, self.noise)
        if rest:
            sign = BinaryOp.ADD if rest > 0 else BinaryOp.SUBTRACT
            total = Binary(sign, total, Literal(_value(abs(rest))))
        return self.builder.add(Map(total), operands, name=self.name, origin=ORIGIN)

    def _number_of(self, variable: Variable, numbers: Floats) -> Node:
        line = self._line(variable, numbers)
        if line is not None and line[1] == 1.0 and snapped(line[2], self.noise) == 0.0:
            return line[0]
        return self._tabled(variable, numbers, self.name)

    def _line(self, variable: Variable, numbers: Floats) -> tuple[Node, float, float] | None:
        """The variable's number, a slope and a shift that give the numbers; None if none do."""
        if variable.values is None:
            return (
                variable.node,
                snapped(float(numbers[0]), self.stream.unit * abs(numbers[0])),
                0.0,
            )
        if number_bounds(variable.node.type) is None:
            return None
        values = np.array([float(v) for v in variable.values])
        far = int(np.abs(values - values[0]).argmax())
        if values[far] == values[0]:
            return None
        slope = (numbers[far] - numbers[0]) / (values[far] - values[0])
        slope = snapped(float(slope), self.noise / abs(values[far] - values[0]))
        shift = float(numbers[0] - slope * values[0])
        off = np.abs(shift + slope * values - numbers).max()
        return (variable.node, slope, shift) if off <= 2 * self.noise else None

    def _tabled(self, variable: Variable, numbers: Floats, name: str) -> Node:
        """The numbers as a table: floats, or whole numbers where they all are."""
        near = [snapped(float(x), self.noise) for x in numbers]
        whole = all(x == int(x) for x in near)
        results: list[Value] = [int(x) if whole else x for x in near]
        return map_values(self.builder, variable, results, name, ORIGIN)

    def _constant(self, base: float) -> Node:
        return self._value(_value(snapped(base, self.noise)))


def _plus(total: Expression | None, argument: Expression, slope: float) -> Expression:
    if abs(slope) == 1.0 and total is not None:
        return Binary(BinaryOp.ADD if slope > 0 else BinaryOp.SUBTRACT, total, argument)
    if slope != 1.0:
        argument = Binary(BinaryOp.MULTIPLY, Literal(_value(slope)), argument)
    return argument if total is None else Binary(BinaryOp.ADD, total, argument)


def _value(number: float) -> Value:
    return int(number) if number == int(number) else number


def _relative(read: Read) -> Read:
    """The same readout without what a variable adds to all labels alike."""
    kept = {}
    for variable, rows in read.rows.items():
        if (np.ptp(rows, axis=1) > read.noise.max()).any():
            kept[variable] = rows
    return Read(read.base, kept, read.noise)


def _is_code(read: Read) -> bool:
    """Whether the logits are those of the number nearest to a sum x: 2 c x - c^2, in some unit."""
    rows = np.concatenate(list(read.rows.values()))
    slopes = rows[int(np.abs(rows).max(axis=1).argmax())]
    if np.linalg.matrix_rank(rows, tol=1e-5 * np.abs(rows).max()) > 1:
        return False
    # Along a parabola the biases' differences are a quadratic function of the slopes.
    fitted = np.polynomial.polynomial.polyfit(slopes, read.base, 2)
    found = np.polynomial.polynomial.polyval(slopes, fitted)
    return bool(np.abs(found - read.base).max() <= 1e-4 * (1 + np.abs(read.base).max()))
