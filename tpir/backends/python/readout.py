"""The readout: rows of weights added up, then the first label with the highest sum.

The order of additions is part of the meaning, so the features are taken in operand order. Only a
first stretch of them whose sums are proved never to round goes to the builtin ``sum``, which from
Python 3.12 on compensates for rounding: where nothing rounds it gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tpir.backends.python.layout import (
    Call,
    Code,
    Comprehension,
    Display,
    lay_out,
    values_tuple,
)
from tpir.backends.python.numbers import sums_are_exact, weight_rows
from tpir.backends.python.tables import asked, dictionary
from tpir.backends.python.writer import Writer
from tpir.ir.functions import NumberWeights, TableWeights
from tpir.ir.ops import Classify, ClassifyPooled, Pool
from tpir.ir.program import Node
from tpir.ir.types import Integer, is_integral, number_bounds

MOST_MULTIPLES = 2**12
"""Up to this many values of a number, its products with the weights are made once, beforehand."""

NUMBERS_AT_ONCE = 6
"""So many numbers times weights are added in one expression."""


@dataclass(frozen=True)
class Feature:
    """An operand of a readout with its weights."""

    weights: TableWeights | NumberWeights
    node: Node

    @property
    def sizes(self) -> tuple[Sequence[float], float] | None:
        """Its weights and what they are multiplied by at most; None if that is no whole number."""
        if isinstance(self.weights, TableWeights):
            return [w for row in self.weights.rows for w in row], 1
        bounds = number_bounds(self.node.type)
        if not is_integral(self.node.type) or bounds is None:
            return None
        return self.weights.row, max(map(abs, bounds))

    @property
    def is_real(self) -> bool:
        """Whether it adds a number, of no small set of numbers, times weights."""
        return isinstance(self.weights, NumberWeights) and _multiples(self.node) is None


def write_readout(writer: Writer, node: Node) -> None:
    """The statements that compute a label for each position, or one for all."""
    op = node.op
    assert isinstance(op, Classify | ClassifyPooled)
    labels = "LABELS"
    if op.labels != writer.program.labels:
        labels = writer.constant(f"{node.name}_names", values_tuple(op.labels))
    features = [Feature(w, o) for w, o in zip(op.weights, node.operands, strict=True)]
    exact = exact_features(op.bias, features)
    first = [f for f in features[:exact] if not f.is_real]
    sums = _sums_of(writer, node, op.bias, first, exact=True)
    # What does not round may come in any order, so its numbers can wait for the other numbers.
    rest = [*(f for f in features[:exact] if f.is_real), *features[exact:]]
    for is_real, group in groupby(rest, key=lambda f: f.is_real):
        stretch = list(group)
        if is_real:
            for k in range(0, len(stretch), NUMBERS_AT_ONCE):
                sums = _add_numbers(writer, node, sums, stretch[k : k + NUMBERS_AT_ONCE])
        else:
            sums = _sums_of(writer, node, sums, stretch, exact=False)
    label: Code
    if isinstance(op, ClassifyPooled):
        total = f"{sums}[0]" if op.over is Pool.FIRST else f"{writer.use('add_up')}({sums})"
        pooled = writer.assign(f"{node.name}_total", total)
        label = Display("[]", (f"{labels}[{pooled}.index(max({pooled}))]",))
    else:
        best = f"{labels}[sums.index(max(sums))]"
        label = Comprehension("[]", best, f"for sums in {sums}")
    writer.columns[node] = writer.assign(node.name, label)


def exact_features(bias: Sequence[float], features: Sequence[Feature]) -> int:
    """How many of the features, from the first on, can be added to the bias without rounding."""
    rows: list[tuple[Sequence[float], float]] = [(bias, 1)]
    for count, feature in enumerate(features):
        sizes = feature.sizes
        if sizes is None or not sums_are_exact([*rows, sizes]):
            return count
        rows.append(sizes)
    return len(features)


def _sums_of(
    writer: Writer,
    node: Node,
    start: str | Sequence[float],
    features: Sequence[Feature],
    *,
    exact: bool,
) -> str:
    """A variable: for each position the start (a bias, or earlier sums) and the features added."""
    if not isinstance(start, str):
        bias = writer.constant(f"{node.name}_bias", weight_rows(writer, [start])[0])
        start = f"[{bias}] * n"
    if not features:
        return writer.assign(f"{node.name}_sums", start)
    rows = Call("zip", (start, *(_rows(writer, feature) for feature in features)))
    columns = writer.assign(f"{node.name}_rows", rows)
    total = "list(map(sum, zip(*rows)))" if exact else f"{writer.use('add_up')}(rows)"
    each = Comprehension("[]", total, f"for rows in {columns}")
    return writer.assign(f"{node.name}_sums", each)


def _rows(writer: Writer, feature: Feature) -> Code:
    """A row of weights for each position."""
    column = writer.columns[feature.node]
    if isinstance(feature.weights, TableWeights):
        rows = weight_rows(writer, feature.weights.rows)
        table = writer.constant(f"{column}_weights", dictionary(feature.weights.domain, rows))
        x = asked(writer, "x", feature.weights.domain)
        return Comprehension("[]", f"{table}[{x}]", f"for x in {column}")
    row = writer.constant(f"{column}_weights", weight_rows(writer, [feature.weights.row])[0])
    product = f"tuple(x * w for w in {row})"
    multiples = _multiples(feature.node)
    if multiples is None:
        return Comprehension("[]", product, f"for x in {column}")
    products = Comprehension("{}", f"x: {product}", f"for x in {multiples}")
    name = writer.constant(f"{column}_multiples", products)
    return Comprehension("[]", f"{name}[x]", f"for x in {column}")


def _multiples(node: Node) -> str | None:
    """The values of a number, if they are few."""
    if isinstance(node.type, Integer) and node.type.hi - node.type.lo < MOST_MULTIPLES:
        lo, hi = node.type.lo, node.type.hi
        return f"range({hi + 1})" if lo == 0 else f"range({lo}, {hi + 1})"
    return None


def _add_numbers(writer: Writer, node: Node, sums: str, features: Sequence[Feature]) -> str:
    """A variable: the sums with numbers times weights added, one number after the other."""
    rows = [f.weights.row for f in features if isinstance(f.weights, NumberWeights)]
    by_label = list(zip(*rows, strict=True))
    table = writer.constant(
        f"{node.name}_numbers", Display("()", tuple(weight_rows(writer, by_label)))
    )
    xs = [f"x{k}" for k in range(len(features))]
    ws = [f"w{k}" for k in range(len(features))]
    terms = " + ".join(["s", *(f"{x} * {w}" for x, w in zip(xs, ws, strict=True))])
    weights = ", ".join(ws) if len(ws) > 1 else f"{ws[0]},"
    each = Comprehension("[]", terms, f"for s, ({weights}) in zip(sums, {table})")
    name = writer.namer.name(f"add_to_{node.name}")
    lines = [f"def {name}(sums, {', '.join(xs)}):", *lay_out(each, indent=1, prefix="return ")]
    writer.functions.append("\n".join(lines))
    columns = [writer.columns[f.node] for f in features]
    rows_of = writer.assign(f"{node.name}_rows", Call("zip", (sums, *columns)))
    added = Comprehension("[]", f"{name}(*row)", f"for row in {rows_of}")
    return writer.assign(f"{node.name}_sums", added)
