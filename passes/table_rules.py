"""Tables that are rules: arithmetic, comparisons, short lists of decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tpir.ir.expressions import Argument, Expression, IfElse, arguments_of, parts_of, renumbered
from tpir.ir.functions import Table
from tpir.ir.ops import Map
from tpir.ir.program import Node, Program
from tpir.passes.base import Pass, PassResult, for_each, until_stable
from tpir.passes.failing import can_fail
from tpir.passes.formulas import Bools, Reached, shortest
from tpir.passes.reading import reading_size
from tpir.passes.widening import instead, node_instead
from tpir.semantics.meetings import rows_met
from tpir.semantics.program_space import space_of
from tpir.text.print_expression import print_expression
from tpir.text.tables import table_items


@dataclass(frozen=True)
class TableRules(Pass):
    """Write a table as a formula of its operands.

    Law: a table may be any function that gives the rows that accepted inputs look up their results.

        sum {(0, 0) -> 0; (0, 1) | (1, 0) -> 1; (1, 1) -> 2}   →   a + b

    Formulas are the operand itself, sums and differences of operands and a constant, comparisons,
    and lists of at most a few decisions between such. Sound: the rows that are looked up are never
    less than what is (``tpir.semantics.meetings``), exactly so where there are at most ``inputs``
    inputs, and each of them is compared. A formula stands only where it prints shorter.
    """

    name: ClassVar[str] = "table-rules"
    inputs: int = field(
        default=1_000_000, metadata={"least": 0, "help": "most inputs that are all run"}
    )

    def measure(self, program: Program) -> tuple[int, ...]:
        """Characters to read."""
        return (reading_size(program),)

    def run(self, program: Program) -> PassResult:
        """Rewrite every table that has a shorter formula."""
        return until_stable(program, self._once)

    def _once(self, program: Program) -> PassResult:
        tables = [node for node in program.live if _is_table(node)]
        if not tables:
            return PassResult(program, False)
        met = rows_met(program, tables, space_of(program), self.inputs)
        reached = {n: met[n] for n in tables if n in met and met[n].any()}
        return for_each(program, reached, _apply)


def _is_table(node: Node) -> bool:
    table = isinstance(node.op, Map) and isinstance(node.op.function, Table)
    return table and bool(node.operands) and not any(map(can_fail, node.operands))


def _apply(program: Program, known: Node, reached: Bools) -> PassResult:
    """The program with a formula for one table, of which is known which rows are ``reached``."""
    unchanged = PassResult(program, False)
    node = program.by_name[known.name]
    if node.op != known.op:  # its operands have got other values meanwhile: the next round
        return unchanged
    table = node.op.function  # type: ignore[union-attr]
    assert isinstance(table, Table)
    names = [operand.name for operand in node.operands]
    formula = shortest(Reached.of(table, reached, names))
    if formula is None or len(print_expression(formula, names)) >= _length(table, node):
        return unchanged
    made = _with_formula(program, node, formula)
    if made is None or reading_size(made) >= reading_size(program):
        return unchanged
    witness = {name: name for name in program.by_name if name in made.by_name}
    return PassResult(made, True, (f"{node.name}: {print_expression(formula, names)}",), witness)


def _length(table: Table, node: Node) -> int:
    """How many characters a table prints as, and the call of it; each by a name of its own."""
    rows = sum(len(piece) + 1 for item in table_items(table) for piece in item)
    call = len(node.name) + sum(len(operand.name) for operand in node.operands)
    return rows + call + len(node.name)


def _with_formula(program: Program, node: Node, formula: Expression) -> Program | None:
    if isinstance(formula, Argument):
        return instead(program, node, node.operands[formula.index])
    order = list(dict.fromkeys(_in_order(formula)))
    assert set(order) == arguments_of(formula)
    function = renumbered(formula, {k: Argument(place) for place, k in enumerate(order)})
    new = node_instead(program, node, Map(function), tuple(node.operands[k] for k in order))
    return None if new is None else instead(program, node, new)


def _in_order(formula: Expression) -> list[int]:
    """The arguments in the order in which the text names them."""
    if isinstance(formula, Argument):
        return [formula.index]
    parts = parts_of(formula)
    if isinstance(formula, IfElse):
        parts = (formula.then, formula.condition, formula.otherwise)
    return [k for part in parts for k in _in_order(part)]
