"""One way to write a legalised program: the same weights come of it however it was written.

Nodes stand in a given order, operands of maps in the order of nodes, and a map of several functions
of one variable is a function of that variable, which takes no layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tpir.backends.transformer.domains import MAX_ROWS
from tpir.backends.transformer.fitting import fitted, keeps_kind
from tpir.backends.transformer.forms import Forms, refusal
from tpir.backends.transformer.tables import Codes, result_codes, shape_of, sum_form
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Failure, renumbered
from tpir.ir.functions import ReluFunction, Table, codes_of
from tpir.ir.ops import Aggregate, Always, Indices, Map, Op, Select, SelectorWidth, Tokens
from tpir.ir.program import Node, Program
from tpir.ir.types import Real, values_of
from tpir.ir.values import Value, distinct, value_key


def canonical(
    forms: Forms, program: Program, order: Mapping[Node, int]
) -> tuple[Program, Mapping[Node, Node]]:
    """The legalised program again, nodes in order of ``order``; and its node for each old one.

    Operands must not come after users. ``forms`` then makes nodes for the new program.
    """
    rewriter = _Rewriter(forms, program, order)
    return rewriter.run(), rewriter.new


class _Rewriter:
    def __init__(self, forms: Forms, program: Program, order: Mapping[Node, int]) -> None:
        self.forms, self.program = forms, program
        self.nodes = sorted(program.live, key=lambda node: order[node])
        self.builder = forms.builder = Builder(program.header, share=True)
        self.tokens = self.builder.add(Tokens(), name="tokens")
        self.indices = self.builder.add(Indices(), name="indices")
        self.new: dict[Node, Node] = {}
        self.place: dict[Node, int] = {}

    def run(self) -> Program:
        self._placed(self.tokens)
        self._placed(self.indices)
        for node in self.nodes:
            try:
                found = self._rewritten(node)
                self.forms.domains(found)
            except Failure as failure:  # it always does, as is seen once maps are put together
                raise refusal(node, f"it can fail: {failure.kind}") from failure
            self.new[node] = found
            self._placed(found)
            known = self.forms.domains.restricted.get(node)
            if known is not None:
                self.forms.domains.restrict(found, known)
        outputs = {name: self.new[node] for name, node in self.program.outputs.items()}
        return self.builder.build(outputs)

    def _placed(self, node: Node) -> None:
        self.place.setdefault(node, len(self.place))

    def _rewritten(self, node: Node) -> Node:
        operands = tuple(self.new[operand] for operand in node.operands)
        if isinstance(node.op, Select) and isinstance(node.op.predicate, Always):
            operands = (self.indices, self.indices)
        if isinstance(node.op, Aggregate | SelectorWidth):
            return self._constant(node) or self._add(node, node.op, operands)
        if not isinstance(node.op, Map):
            return self._add(node, node.op, operands)
        fused = self._fused(node, operands)
        if fused is not None:
            return fused
        order = sorted(range(len(operands)), key=lambda k: self.place[operands[k]])
        op = _permuted(node.op, order)
        if op is None:
            return self._add(node, node.op, operands)
        return self._add(node, op, tuple(operands[k] for k in order))

    def _constant(self, node: Node) -> Node | None:
        """The one value that a node can have; None if there are more."""
        domain = self.forms.domains(node)
        if domain is None or len(domain) > 1:
            return None
        (value,) = domain
        if isinstance(node.type, Real) and not isinstance(value, str):
            value = float(value)
        return self._add(node, Map(Table((), (value,))), ())

    def _add(self, old: Node, op: Op, operands: tuple[Node, ...]) -> Node:
        return self.builder.add(fitted(op, operands), operands, name=old.name, origin=old.origin)

    def _fused(self, node: Node, operands: tuple[Node, ...]) -> Node | None:
        """A map that reads a variable several times as one that reads it once."""
        table = self._table(node, operands)
        roots = [self.forms.domains.root(operand) for operand in operands]
        if table is None or any(root is None for root in roots):
            return None
        found = [root for root in roots if root is not None]
        for axis in _idle(table):
            found[axis] = None, np.zeros(1, dtype=np.intp)
        variables = {root[0]: None for root in found if root[0] is not None}
        if len(variables) == len(operands) or (len(variables) > 1 and sum_form(node) is not None):
            return None
        axes = [
            self._axis(variable, [(k, c) for k, (v, c) in enumerate(found) if v is variable])
            for variable in sorted(variables, key=lambda v: self.place[v])
        ]
        sizes = [len(self.forms.domains(axis) or ()) for axis, _ in axes]
        if math.prod(sizes) > MAX_ROWS or any(values_of(a.type) is None for a, _ in axes):
            return None
        places = [codes[0] for _, codes in found]
        for number, (_, read) in enumerate(axes):
            shape = [-1 if number == axis else 1 for axis in range(len(axes))]
            for k, codes in read.items():
                places[k] = codes.reshape(shape)
        rows = np.arange(len(table.results)).reshape(shape_of(table))
        wanted = np.broadcast_to(rows[tuple(places)], sizes).reshape(-1)
        results = tuple(table.results[k] for k in wanted.tolist())
        if not keeps_kind(node, results):
            return None
        domains = tuple(self.forms.domains(axis) or () for axis, _ in axes)
        return self._add(node, Map(Table(domains, results)), tuple(axis for axis, _ in axes))

    def _table(self, node: Node, operands: tuple[Node, ...]) -> Table | None:
        """A map over the values of its new operands, which may come in another order."""
        old = self.forms.domains.table(node)
        domains = [self.forms.domains(operand) for operand in operands]
        if old is None or any(domain is None for domain in domains):
            return None
        rows = np.arange(len(old.results)).reshape(shape_of(old))
        known = tuple(domain for domain in domains if domain is not None)
        for axis, (before, now) in enumerate(zip(old.domains, known, strict=True)):
            places = codes_of(before)
            wanted = [places.get(value_key(value), 0) for value in now]
            rows = rows.take(wanted, axis=axis)
        return Table(known, tuple(old.results[k] for k in rows.reshape(-1).tolist()))

    def _axis(self, variable: Node, read: list[tuple[int, Codes]]) -> tuple[Node, dict[int, Codes]]:
        """A node that says what several functions of a variable say, and how to read each of it."""
        stacked = np.stack([codes for _, codes in read], axis=1)
        _, first, classes = np.unique(stacked, axis=0, return_index=True, return_inverse=True)
        if len(first) == len(stacked) or values_of(variable.type) is None:
            return variable, dict(read)
        rank = np.argsort(np.argsort(first))
        domain = self.forms.domains(variable) or ()
        results: tuple[Value, ...] = tuple(rank[classes.reshape(-1)].tolist())
        name = f"{variable.name}_class"
        op = fitted(Map(Table((domain,), results)), (variable,))
        node = self.builder.add(op, (variable,), name=name, origin=variable.origin)
        self.place.setdefault(node, self.place[variable])
        return node, {k: codes[np.sort(first)] for k, codes in read}


def _idle(table: Table) -> list[int]:
    """The arguments that a table does not depend on."""
    rows = result_codes(table, distinct(table.results))
    return [axis for axis in range(rows.ndim) if (rows == rows.take([0], axis=axis)).all()]


def _permuted(op: Map, order: list[int]) -> Map | None:
    """The map with its operands in another order."""
    match op.function:
        case Table(domains, results) as table:
            shape = shape_of(table)
            places = np.arange(len(results)).reshape(shape).transpose(order).reshape(-1)
            moved = tuple(domains[k] for k in order)
            return Map(Table(moved, tuple(results[k] for k in places.tolist())))
        case ReluFunction():
            return None
        case expression:
            return Map(renumbered(expression, {k: Argument(n) for n, k in enumerate(order)}))
