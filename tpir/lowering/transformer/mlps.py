"""MLP blocks as tables."""

from __future__ import annotations

import numpy as np

from tpir.errors import TpirError
from tpir.ir.program import Origin
from tpir.ir.types import values_of
from tpir.ir.values import Value
from tpir.lowering.tensors import Tensors
from tpir.lowering.transformer.numbers import Codes, Floats, firsts, row_classes, settled
from tpir.lowering.transformer.otherwise import choice_of
from tpir.lowering.transformer.scores import Misread
from tpir.lowering.transformer.stream import Read, Stream, Variable, joint_of
from tpir.lowering.transformer.sums import with_sums

MOST_ROWS = 2**18
"""Larger tables are refused."""


def add_mlp(stream: Stream, tensors: Tensors, block: int, hidden: int) -> None:
    """Put into the stream what the MLP of a block writes.

    Hidden units that write to a direction in common, or to the directions of one variable, are one
    table of all variables that they read; of a single variable, more rows of that variable. Without
    a map of variables, all that read the same variables are one table.

    Raises TpirError, naming the block, where that table is too large.
    """
    width, prefix = len(stream.base), f"blocks.{block}.mlp."
    w_in = tensors.read(f"{prefix}W_in", width, hidden)
    b_in = tensors.read(f"{prefix}b_in", hidden)
    w_out = tensors.read(f"{prefix}W_out", hidden, width)
    b_out = tensors.read(f"{prefix}b_out", width)
    read = with_sums(stream, stream.read(w_in, b_in), alone=True)
    layer = _Layer(stream, read, w_in, w_out, block)
    constant = b_out.copy()
    parts: list[Variable] = []
    cleared = layer.cleared()
    left = np.ones(hidden, dtype=bool)
    for unit, direction in cleared:
        left[unit] = False
        constant[direction] += w_out[unit, direction] * read.base[unit]
    reads = layer.reads
    idle = left & ~reads.any(axis=1)
    constant = constant + np.maximum(read.base[idle], 0.0) @ w_out[idle]
    left &= ~idle
    for units in layer.groups(np.flatnonzero(left)):
        parts.append(layer.table(units))
    for unit, direction in cleared:
        for variable, rows in read.rows.items():
            if rows[:, unit].any():
                variable.rows = variable.rows.copy()
                variable.rows[:, direction] = 0.0
    stream.base = stream.base + constant
    for part in parts:
        stream.add(part)
    stream.variables = [v for v in stream.variables if v.rows.any()]
    if stream.bos is not None:
        before = np.maximum(stream.bos @ w_in + b_in, 0.0)
        stream.bos = stream.bos + before @ w_out + b_out


class _Layer:
    """The hidden units of one block."""

    def __init__(self, stream: Stream, read: Read, w_in: Floats, w_out: Floats, block: int) -> None:
        self.stream, self.read, self.block = stream, read, block
        self.w_in, self.w_out = w_in, w_out
        self.variables = list(read.rows)
        changes = [read.rows[v].any(axis=0) for v in self.variables]
        self.reads = np.stack(changes, axis=1) if changes else np.zeros((len(w_out), 0), bool)

    def cleared(self) -> list[tuple[int, int]]:
        """Units that take out of one direction all that it holds, one for each such direction.

        Of several that would, which do the same, the others belong to what is written there.
        """
        found: dict[int, int] = {}
        least = self.read.base.copy()
        for variable in self.variables:
            rows = self.read.rows[variable]
            least = least + (rows.min(axis=0) if variable.values is not None else 0.0)
        for unit in range(len(self.w_out)):
            written = np.flatnonzero(self.w_out[unit])
            if len(written) != 1 or not self.reads[unit].any():
                continue
            direction = int(written[0])
            if least[unit] < -self.read.noise[unit] - 1e-6:
                continue
            weight = self.w_out[unit, direction]
            concerned = {*self.stream.variables, *self.variables}
            if all(self._cancels(v, unit, direction, weight) for v in concerned):
                found[direction] = unit
        return [(unit, direction) for direction, unit in found.items()]

    def _cancels(self, variable: Variable, unit: int, direction: int, weight: float) -> bool:
        held = variable.rows[:, direction]
        read = self.read.rows.get(variable)
        taken = 0.0 if read is None else weight * read[:, unit]
        noise = 4 * abs(weight) * self.read.noise[unit] + 1e-9
        return bool(np.abs(held + taken).max() <= noise)

    def groups(self, units: Codes) -> list[Codes]:
        """Units that write to directions of one variable."""
        owner: dict[object, int] = {}
        parent = list(range(len(units)))

        def root(k: int) -> int:
            while parent[k] != k:
                k = parent[k]
            return k

        for k, unit in enumerate(units.tolist()):
            for direction in np.flatnonzero(self.w_out[unit]).tolist():
                name = self.stream.names.get((self.stream.slot, direction), direction)
                other = owner.setdefault(name, k)
                parent[root(k)] = root(other)
        found: dict[int, list[int]] = {}
        for k, unit in enumerate(units.tolist()):
            found.setdefault(root(k), []).append(unit)
        groups = [np.array(group, dtype=np.intp) for group in found.values()]
        return groups if self.stream.names else self._merged(groups)

    def _merged(self, groups: list[Codes]) -> list[Codes]:
        """Groups that read the same variables, together."""
        alike: dict[bytes, list[Codes]] = {}
        for group in groups:
            alike.setdefault(self.reads[group].any(axis=0).tobytes(), []).append(group)
        return [np.concatenate(same) for same in alike.values()]

    def table(self, units: Codes) -> Variable:
        """What units write, as rows of the one variable they read or of a new one."""
        w_out = self.w_out[units]
        rows = {
            v: self.read.rows[v][:, units]
            for v in self.variables
            if self.read.rows[v][:, units].any()
        }
        name = self.stream.name(np.flatnonzero(w_out.any(axis=0)), f"mlp_{self.block}")
        for variable in rows:
            if variable.values is None:
                raise TpirError(
                    f"block {self.block}, MLP, {name}: it reads {variable.node.name}, a number of "
                    "any size, and is no table"
                )
        part = Read(self.read.base[units], rows, self.read.noise[units])
        if len(rows) == 1:
            ((variable, own),) = rows.items()
            before = np.maximum(part.base + own, 0.0)
            written = self._settled(before @ w_out, self._noise(part, before, w_out))
            return Variable(variable.node, variable.values, written)
        joint = joint_of(part)
        if int(np.prod(joint.sizes, dtype=float)) > MOST_ROWS:
            message = (
                f"block {self.block}, MLP, {name}: a table of {joint.sizes} values is too large"
            )
            raise Misread(message, joint.variables)
        before = np.maximum(part.base + joint.sum(list(rows.values())), 0.0)
        written, noise = before @ w_out, self._noise(part, before, w_out)
        classes = row_classes(written, noise)
        choice = choice_of(self.stream.builder, joint, classes, self._settled(written, noise), name)
        if choice is not None:
            return choice
        origin = Origin(self.block, "mlp")
        results: list[Value] = [int(c) for c in classes]
        node = joint.node(self.stream.builder, results, name, origin)
        reps = self._settled(written, noise)[firsts(classes)]
        domain = values_of(node.type)
        assert domain is not None
        return Variable(node, domain, reps[[int(v) for v in domain]])

    def _noise(self, part: Read, before: Floats, w_out: Floats) -> Floats:
        """How far numbers that should be equal are off, in each direction."""
        size = 2 * self.stream.unit * (before.max(axis=0, initial=0.0) + part.size)
        noise: Floats = 2 * size @ np.abs(w_out)
        return noise

    def _settled(self, written: Floats, noise: Floats) -> Floats:
        """Numbers as simple as their noise lets them be."""
        found = written.copy()
        for column, limit in zip(found.T, noise.tolist(), strict=True):
            for place, number in enumerate(column.tolist()):
                column[place] = settled(number, min(limit, 1e-3))
        return found
