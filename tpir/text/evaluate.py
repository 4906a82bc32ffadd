"""Expressions of ``.rasp`` text at compile time: atoms are computed, sequences become nodes.

A whole infix expression over sequences is one ``map`` node; its operands are the distinct sequences
it mentions, in order of first appearance.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tpir.errors import TpirError
from tpir.ir import expressions as ir
from tpir.ir.builder import Builder
from tpir.ir.functions import Domain
from tpir.ir.infer import describe
from tpir.ir.ops import And, Indices, Map, Not, Op, Or, Tokens
from tpir.ir.program import Node, Origin
from tpir.ir.types import Selector, size_of, values_of
from tpir.ir.values import Value
from tpir.text import syntax
from tpir.text.notes import Notes
from tpir.text.rows import MOST_ROWS, RowReader
from tpir.text.source import Source

_LONGEST_INTEGER = 4096  # bits: far more than any program counts to, far less than takes long


@dataclass(frozen=True)
class Atom:
    """A value known at compile time."""

    value: Value


Binding = Atom | Node | syntax.TableStatement | syntax.ReluStatement
Infix = Atom | Node | ir.Expression
Operands = dict[Node, int]


class Evaluator:
    """Evaluates expressions, statement by statement, in one growing scope."""

    def __init__(self, source: Source, builder: Builder, *, strict: bool) -> None:
        self.source = source
        self.builder = builder
        self.rows = RowReader(source, strict)
        self.names: dict[str, Binding] = {}
        self.defined_later: Mapping[str, int] = {}
        self.kept_names: Collection[str] = ()
        self.pending: dict[str, tuple[str, ...]] = {}
        self.functions: Mapping[str, Function] = {}
        self._inputs: dict[type[Op], Node] = {}
        self._label: str | None = None
        self._notes = Notes()

    def begin(self, label: str | None, notes: Notes) -> None:
        """Start a statement: its root node gets this name and these notes."""
        self._label, self._notes = label, notes

    # ---- nodes

    def add(self, op: Op, operands: Sequence[Node], where: syntax.Syntax, root: bool) -> Node:
        """Add a node; the root of a statement takes its name and its comments."""
        layer, part = self._notes.place
        origin = Origin(layer, part, self.source.span(where.start, where.end))
        name = self._label if root and self._label else self._inner_name(op)
        comments = self._notes.comments if root else ()
        return self.builder.add(op, operands, name=name, origin=origin, comments=comments)

    def _inner_name(self, op: Op) -> str:
        base = f"{self._label}_{describe(op)}" if self._label else describe(op)
        name, count = base, 1
        while name in self.kept_names:
            count += 1
            name = f"{base}_{count}"
        return name

    def input(self, op: Tokens | Indices, where: syntax.Syntax) -> Node:
        """The node of ``tokens`` or ``indices``, one for the whole program."""
        found = self._inputs.get(type(op))
        if found is None:
            origin = Origin(span=self.source.span(where.start, where.end))
            found = self._inputs[type(op)] = self.builder.add(op, name=describe(op), origin=origin)
        return found

    def domain(self, node: Node, where: syntax.Syntax) -> Domain:
        """The values of a node that a table is read over. Raises TpirError if they are not few."""
        size = size_of(node.type)
        if size is None or size > MOST_ROWS:
            raise self.error(
                f"a table needs a finite set of values here, {node.name} is of type {node.type}",
                where,
            )
        values = values_of(node.type)
        assert values is not None
        return values

    def error(self, message: str, where: syntax.Syntax, *notes: str) -> TpirError:
        """An error at a piece of syntax."""
        return self.source.error(message, where.start, where.end, *notes)

    # ---- names

    def lookup(self, name: syntax.Name) -> Binding:
        """What a name stands for."""
        found = self.names.get(name.text)
        if found is not None:
            if name.text in self.pending:
                lines = self.pending.pop(name.text)
                self._notes = Notes((*lines, *self._notes.comments), self._notes.place)
            return found
        if name.text == "tokens":
            return self.input(Tokens(), name)
        if name.text == "indices":
            return self.input(Indices(), name)
        raise self._unknown(name)

    def _unknown(self, name: syntax.Name) -> TpirError:
        if name.text in self.functions:
            return self.error(f"{name.text} is a function: call it, {name.text}(…)", name)
        later = self.defined_later.get(name.text)
        if later is not None:
            line = self.source.line_at(later)
            note = "statements run from top to bottom, so definitions cannot be circular"
            return self.error(
                f"{name.text} is used before its definition on line {line}", name, note
            )
        known = [*self.names, *self.functions, "tokens", "indices"]
        close = difflib.get_close_matches(name.text, known, 1)
        notes = [f"did you mean {close[0]}?"] if close else []
        return self.error(f"unknown name {name.text}", name, *notes)

    # ---- values

    def value(self, expression: syntax.Expression, root: bool = False) -> Atom | Node:
        """What an expression stands for: an atom, or a node (sequence or selector)."""
        operands: Operands = {}
        found = self._infix(expression, operands, root)
        if isinstance(found, Atom | Node):
            return found
        nodes = list(operands)
        if isinstance(found, ir.Argument):
            return nodes[found.index]
        return self.add(Map(found), nodes, expression, root)

    def node(self, expression: syntax.Expression, root: bool = False) -> Node:
        """The same, atoms as constant sequences."""
        found = self.value(expression, root)
        if isinstance(found, Atom):
            return self.add(Map(ir.Literal(found.value)), (), expression, root)
        return found

    def atom(self, expression: syntax.Expression, what: str) -> Value:
        """The value of an expression that has to be an atom."""
        found = self.value(expression)
        if not isinstance(found, Atom):
            raise self.error(f"{what} has to be a number, a word or a truth value", expression)
        return found.value

    def _infix(self, expression: syntax.Expression, operands: Operands, root: bool) -> Infix:
        match expression:
            case syntax.Group(inner=inner):
                return self._infix(inner, operands, root)
            case syntax.Literal(value=value):
                return Atom(value)
            case syntax.Unary(op=op, operand=operand):
                return self._unary(expression, op, operand, operands, root)
            case syntax.Call(function=syntax.Name(text="indicator"), arguments=arguments) if (
                "indicator" not in self.names
            ):
                if len(arguments) != 1 or isinstance(
                    arguments[0], syntax.Keyword | syntax.Operator
                ):
                    raise self.error("indicator takes one argument", expression)
                return self._unary(expression, ir.UnaryOp.INDICATOR, arguments[0], operands, False)
            case syntax.Binary(op=op, left=left, right=right):
                first = self._infix(left, operands, False)
                second = self._infix(right, operands, False)
                return self._binary(expression, op, first, second, root)
            case syntax.IfElse():
                return self._if_else(expression, operands)
        found = self._leaf(expression, root)
        if isinstance(found, Atom) or isinstance(found.type, Selector):
            return found
        return ir.Argument(operands.setdefault(found, len(operands)))

    def _leaf(self, expression: syntax.Expression, root: bool) -> Atom | Node:
        match expression:
            case syntax.Name(text=text):
                found = self.lookup(expression)
                if isinstance(found, syntax.TableStatement | syntax.ReluStatement):
                    raise self.error(f"{text} is a table: apply it, {text}(…)", expression)
                return found
            case syntax.Call():
                return self.functions_of(expression)(self, expression, root)
            case syntax.ListLiteral():
                raise self.error("lists are not supported yet", expression)
            case syntax.Parameter(number=number):
                raise self.error(
                    f"${number} can only stand in the first argument of map", expression
                )
        assert isinstance(expression, syntax.Readout)
        return self.functions["classify"](self, expression, root)

    def functions_of(self, call: syntax.Call) -> Function:
        """The function that a call calls."""
        callee = call.function
        if not isinstance(callee, syntax.Name):
            raise self.error("only functions and tables can be called", callee)
        bound = self.names.get(callee.text)
        if isinstance(bound, syntax.TableStatement | syntax.ReluStatement):
            return self.functions["apply"]
        if bound is not None:
            kind = "an atom" if isinstance(bound, Atom) else "a sequence or selector"
            raise self.error(f"{callee.text} is {kind} and cannot be called", callee)
        found = self.functions.get(callee.text)
        if found is None or callee.text in ("apply", "classify"):
            notes = []
            if callee.text == "output":
                notes = ["to name an output, write: output name = …;"]
            elif close := difflib.get_close_matches(callee.text, self.functions, 1):
                notes = [f"did you mean {close[0]}?"]
            raise self.error(f"unknown function {callee.text}", callee, *notes)
        return found

    # ---- operators

    def _unary(
        self,
        where: syntax.Expression,
        op: ir.UnaryOp,
        operand: syntax.Expression,
        operands: Operands,
        root: bool,
    ) -> Infix:
        inner = self._infix(operand, operands, False)
        if isinstance(inner, Atom):
            return self.fold(ir.Unary(op, ir.Literal(inner.value)), where)
        if isinstance(inner, Node):
            if op is not ir.UnaryOp.NOT:
                raise self.error(f"{op.value} expects a sequence, found a selector", where)
            return self.add(Not(), (inner,), where, root)
        return ir.Unary(op, inner)

    def _binary(
        self, where: syntax.Expression, op: ir.BinaryOp, left: Infix, right: Infix, root: bool
    ) -> Infix:
        if isinstance(left, Atom) and isinstance(right, Atom):
            expression = ir.Binary(op, ir.Literal(left.value), ir.Literal(right.value))
            return self.fold(expression, where)
        if isinstance(left, Node) and isinstance(right, Node):
            if op not in (ir.BinaryOp.AND, ir.BinaryOp.OR):
                raise self.error(f"{op.value} expects sequences, found two selectors", where)
            return self.add(And() if op is ir.BinaryOp.AND else Or(), (left, right), where, root)
        if isinstance(left, Node) or isinstance(right, Node):
            raise self.error(f"{op.value} cannot join a selector with a sequence", where)
        return ir.Binary(op, _expression(left), _expression(right))

    def _if_else(self, where: syntax.IfElse, operands: Operands) -> Infix:
        if self._is_atom(where.condition):
            truth = self.atom(where.condition, "a condition")
            if not isinstance(truth, bool):
                raise self.error("if expects a truth value", where.condition)
            return self._infix(where.then if truth else where.otherwise, operands, False)
        parts = (where.then, where.condition, where.otherwise)
        found = [self._infix(part, operands, False) for part in parts]
        for part, syntax_part in zip(found, parts, strict=True):
            if isinstance(part, Node):
                raise self.error("if … else joins sequences, this is a selector", syntax_part)
        then, condition, otherwise = (_expression(f) for f in found if not isinstance(f, Node))
        return ir.IfElse(then, condition, otherwise)

    def _is_atom(self, expression: syntax.Expression) -> bool:
        match expression:
            case syntax.Literal():
                return True
            case syntax.Name(text=text):
                return isinstance(self.names.get(text), Atom)
            case syntax.Group(inner=inner) | syntax.Unary(operand=inner):
                return self._is_atom(inner)
            case syntax.Binary(left=left, right=right):
                return self._is_atom(left) and self._is_atom(right)
            case syntax.Call(function=syntax.Name(text="indicator"), arguments=(argument,)):
                return not isinstance(argument, syntax.Keyword | syntax.Operator) and self._is_atom(
                    argument
                )
            case syntax.IfElse():
                parts = (expression.then, expression.condition, expression.otherwise)
                return all(self._is_atom(part) for part in parts)
        return False

    def fold(self, expression: ir.Expression, where: syntax.Expression) -> Atom:
        """The value of an expression over atoms."""
        match expression:
            case ir.Binary(
                ir.BinaryOp.POWER, ir.Literal(int() as base), ir.Literal(int() as power)
            ):
                if base.bit_length() * max(power, 0) > _LONGEST_INTEGER:
                    raise self.error("the result is too large", where)
        try:
            value = ir.evaluate(expression, ())
        except ir.Failure as failure:
            raise self.error(failure.kind, where) from None
        if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
            raise self.error("the result is too large", where)
        return Atom(value)


def _expression(part: Atom | ir.Expression) -> ir.Expression:
    return ir.Literal(part.value) if isinstance(part, Atom) else part


class Function(Protocol):
    """A built-in function: evaluates a call of it."""

    def __call__(self, evaluator: Evaluator, call: syntax.Expression, root: bool) -> Node:
        """The node that the call makes."""
