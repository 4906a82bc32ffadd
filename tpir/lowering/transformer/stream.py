"""The residual stream as a sum of functions of known variables.

At each half block, a position's vector is ``base`` plus a row for the value of each variable: of
the token, the position, what heads found, what MLPs made of several of them. So whatever reads the
stream linearly is read off the rows, and directions that were freed and used again need no care: a
variable that is taken out has rows of zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Expression, IfElse, Literal
from tpir.ir.functions import Table, codes_of
from tpir.ir.ops import Map
from tpir.ir.program import Node, Origin
from tpir.ir.types import values_of
from tpir.ir.values import Value, distinct, is_number, same_value, value_key
from tpir.lowering.transformer.numbers import Codes, Floats, firsts, grid, row_classes

DIRECT = 512
"""A table of more rows is one of the classes of its arguments, which are tables first."""

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
"""Half a unit in the last place of 1, by the type of the weights."""


@dataclass(eq=False)
class Variable:
    """A node, the values that it can have, and what each adds to the stream.

    ``rows`` [values, d]; the first is zeros, as ``base`` holds it. A number of unlisted values has
    ``values`` None and one row: what is added for each 1.
    """

    node: Node
    values: tuple[Value, ...] | None
    rows: Floats
    never: int | None = None
    """A value that the type has and the node never, if there is one."""

    @property
    def typed(self) -> bool:
        """Whether the values are those of the node's type, so that tables can take it."""
        domain = values_of(self.node.type)
        return (
            domain is not None
            and self.values is not None
            and len(domain) == len(self.values)
            and all(map(same_value, domain, self.values))
        )


@dataclass(frozen=True, eq=False)
class Read:
    """What a matrix reads of the stream: ``base`` [n], and rows of some variables [values, n].

    ``noise`` [n]: how far numbers are off that should be equal, as weights are rounded.
    """

    base: Floats
    rows: dict[Variable, Floats]
    noise: Floats

    @property
    def size(self) -> Floats:
        """The largest that each number can be."""
        total = np.abs(self.base)
        for rows in self.rows.values():
            total = total + np.abs(rows).max(axis=0)
        return total


@dataclass
class Stream:
    """The stream at one time. ``bos`` [d] is the vector at the token of beginning, if there is one.

    ``unit``: the rounding of the weights.
    """

    builder: Builder
    base: Floats
    variables: list[Variable]
    bos: Floats | None
    unit: float
    tokens: Variable
    indices: Variable
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    """By half block and direction: the variable that the file says is written there."""
    slot: int = 0
    pooled: frozenset[int] = frozenset()
    """Directions that only labels of the whole input are read of."""
    averages: dict[Variable, Floats] = field(default_factory=dict)
    """Means over all positions: by variable what each value adds [values, d]."""
    every: dict[Node, Variable] = field(default_factory=dict)
    """All variables so far by node, also those that were taken out, and sums of them."""
    means: dict[Node, tuple[int, int]] = field(default_factory=dict)
    """Where means of several values were written: half block and first direction."""
    lone: frozenset[tuple[int, int]] = frozenset()
    """Where what looks like a mean is a copy, as readers show: one key at most is ever selected."""

    @property
    def causal(self) -> bool:
        """Whether positions see only what is left of them, and themselves."""
        return self.builder.header.causal

    def read(self, matrix: Floats, bias: Floats | float = 0.0) -> Read:
        """What ``matrix`` [d, n] reads; variables that change nothing beyond noise are left out."""
        base = self.base @ matrix + bias
        size = np.abs(self.base) @ np.abs(matrix) + np.abs(bias)
        found = {}
        for variable in self.variables:
            used = np.flatnonzero(variable.rows.any(axis=0) & matrix.any(axis=1))
            if len(used):
                found[variable] = variable.rows[:, used] @ matrix[used]
                size = size + (np.abs(variable.rows[:, used]) @ np.abs(matrix[used])).max(axis=0)
        noise = 4 * self.unit * size
        kept = {}
        for variable, rows in found.items():
            rows = np.where(np.abs(rows).max(axis=0) > noise, rows, 0.0)
            if rows.any():
                kept[variable] = rows
        return Read(base, kept, noise)

    def add(self, variable: Variable) -> Variable:
        """Put a variable in, or more rows of one that is there; ``base`` takes the first row."""
        if variable.values is not None:
            self.base = self.base + variable.rows[0]
            variable.rows = variable.rows - variable.rows[0]
        known = self.every.setdefault(variable.node, variable)
        if known is not variable:
            known.rows = known.rows + variable.rows
        if known not in self.variables:
            self.variables.append(known)
        return known

    def name(self, directions: Codes, otherwise: str) -> str:
        """What the file calls the variable that is written to these directions now."""
        for direction in directions.tolist():
            found = self.names.get((self.slot, direction))
            if found is not None:
                return found
        return otherwise


def classes_of(variable: Variable, rows: Floats, noise: Floats) -> Codes:
    """The classes of a variable's values that ``rows`` [values, n] tell apart."""
    return row_classes(rows, noise)


def class_node(
    builder: Builder, variable: Variable, classes: Codes, name: str, origin: Origin
) -> Node:
    """A node of a variable's class: the variable itself where each value is a class of its own."""
    count = int(classes.max()) + 1
    if variable.typed and count == len(classes):
        return variable.node
    results: list[Value] = [int(c) for c in classes]
    return map_values(builder, variable, results, name, origin)


def map_values(
    builder: Builder,
    variable: Variable,
    results: list[Value],
    name: str,
    origin: Origin,
) -> Node:
    """A node with a result for each value of a variable."""
    assert variable.values is not None
    if variable.typed:
        pairs = zip(variable.values, results, strict=True)
        if all(same_value(v, r) for v, r in pairs if v != variable.never):
            return variable.node
        composed = _composed(builder, variable, results, name, origin)
        if composed is not None:
            return composed
        table = Table((variable.values,), tuple(results))
        return builder.add(Map(table), [variable.node], name=name, origin=origin)
    if any(isinstance(r, str) for r in results):
        # Words and numbers cannot be branches of one expression, but the results of one table.
        known = distinct(results)
        places = codes_of(known)
        codes: list[Value] = [places[value_key(r)] for r in results]
        coded = map_values(builder, variable, codes, f"{name}_code", origin)
        domain = values_of(coded.type) or ()
        table = Table((domain,), tuple(known[int(v)] for v in domain))
        return builder.add(Map(table), [coded], name=name, origin=origin)
    numbers = [float(v) for v in variable.values if is_number(v)]
    assert len(numbers) == len(results)
    order = np.argsort(numbers, kind="stable")
    points = [(numbers[k], results[k]) for k in order]
    expression = _steps(points)
    return builder.add(Map(expression), [variable.node], name=name, origin=origin)


def _composed(
    builder: Builder, variable: Variable, results: list[Value], name: str, origin: Origin
) -> Node | None:
    """The results as a table of what the variable is a table of."""
    node = variable.node
    if not (isinstance(node.op, Map) and isinstance(node.op.function, Table)):
        return None
    inner = node.op.function
    known = codes_of(variable.values or ())
    table = Table(inner.domains, tuple(results[known[value_key(v)]] for v in inner.results))
    return builder.add(Map(table), node.operands, name=name, origin=origin)


def _steps(points: list[tuple[float, Value]]) -> Expression:
    """A function of rising numbers that is constant around each, as a search tree."""
    runs: list[tuple[float, float, Value]] = []
    for number, result in points:
        if runs and same_value(runs[-1][2], result):
            runs[-1] = (runs[-1][0], number, result)
        else:
            runs.append((number, number, result))

    def tree(lo: int, hi: int) -> Expression:
        if hi - lo == 1:
            return Literal(runs[lo][2])
        middle = (lo + hi) // 2
        limit = (runs[middle - 1][1] + runs[middle][0]) / 2
        below = Binary(BinaryOp.LESS, Argument(0), Literal(limit))
        return IfElse(tree(lo, middle), below, tree(middle, hi))

    return tree(0, len(runs))


@dataclass(frozen=True, eq=False)
class Joint:
    """Several variables taken together by their classes: all rows of the product of classes.

    ``places`` [rows, variables]: for each row the class of each; ``classes``: for each variable the
    class of each of its values.
    """

    variables: tuple[Variable, ...]
    classes: tuple[Codes, ...]

    @property
    def sizes(self) -> list[int]:
        """How many classes each variable has."""
        return [int(c.max()) + 1 for c in self.classes]

    @property
    def places(self) -> Codes:
        """All rows."""
        return grid(self.sizes)

    def sum(self, rows: list[Floats]) -> Floats:
        """For each row of the product the sum of what the variables add; rows by their values."""
        places = self.places
        parts = zip(self.classes, rows, strict=True)
        return sum(
            (own[firsts(c)][places[:, axis]] for axis, (c, own) in enumerate(parts)),
            np.zeros((len(places), rows[0].shape[1] if rows else 0)),
        )

    def node(
        self, builder: Builder, results: list[Value], name: str, origin: Origin, suffix: str = ""
    ) -> Node:
        """A node with a result for each row."""
        if len(self.variables) == 1:
            (variable,), (classes,) = self.variables, self.classes
            each = [results[c] for c in classes]
            return map_values(builder, variable, each, name + suffix, origin)
        direct = math.prod(len(c) for c in self.classes) <= DIRECT
        operands = [
            v.node
            if direct and v.typed
            else class_node(builder, v, c, f"{v.node.name}_class", origin)
            for v, c in zip(self.variables, self.classes, strict=True)
        ]
        sizes = self.sizes
        table = np.array(range(len(results))).reshape(sizes)
        domains = []
        for axis, (variable, node, classes) in enumerate(
            zip(self.variables, operands, self.classes, strict=True)
        ):
            domain = values_of(node.type)
            assert domain is not None
            domains.append(domain)
            if node is variable.node:
                table = table.take(classes, axis=axis)
            else:
                table = table.take([int(v) for v in domain], axis=axis)
        rows = tuple(results[k] for k in table.reshape(-1).tolist())
        op = Map(Table(tuple(domains), rows))
        return builder.add(op, operands, name=name + suffix, origin=origin)


def joint_of(read: Read, variables: list[Variable] | None = None) -> Joint:
    """The variables of a read by the classes that it tells apart."""
    kept = list(read.rows) if variables is None else variables
    return Joint(tuple(kept), tuple(classes_of(v, read.rows[v], read.noise) for v in kept))
