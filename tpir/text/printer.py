"""Programs as canonical ``.rasp`` text.

Laws: ``parse(print(p)) == p``; printing what was parsed gives the same text, byte for byte.

Every node is one statement, but selectors that one statement alone uses stand inside it. Empty
lines stand around what takes several lines, and between the layers of a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tpir.errors import TpirError
from tpir.ir.expressions import Expression, Literal
from tpir.ir.functions import (
    NumberWeights,
    Relation,
    ReluFunction,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Not,
    Or,
    Otherwise,
    Preference,
    Readout,
    Select,
    SelectorWidth,
    Tokens,
    Uniform,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import is_mixed
from tpir.ir.values import show_value, value_key
from tpir.text.layout import INDENT, block, fill, listed, packed, wrapped
from tpir.text.naming import Names
from tpir.text.nesting import Nesting, is_literal
from tpir.text.notes import NOWHERE, comment_lines, show_place
from tpir.text.numbers import Numbers
from tpir.text.print_expression import is_plain, print_expression
from tpir.text.specialise import is_eager
from tpir.text.tables import feature_items, relation_items, score_items, table_items


def print_program(program: Program) -> str:
    """The canonical text of a program, the same every time.

    Raises TpirError for weights that are not finite.
    """
    try:
        return "\n".join([*_header(program), *_Printer(program).lines()]) + "\n"
    except RecursionError:
        raise TpirError(f"program {program.name} is nested too deeply to print") from None


def _header(program: Program) -> Iterator[str]:
    header = program.header
    yield f"program {Names.label(header.name)};"
    yield f"context {header.context};"
    yield from _values("vocabulary", header.vocabulary)
    if header.labels:
        yield from _values("labels", header.labels)
    if header.causal:
        yield "causal;"
    if any(is_mixed(node.type) for node in program.nodes):
        yield "mixed;"
    if header.accepts is not None:
        yield from wrapped(f"accepts {header.accepts};")


def _values(keyword: str, values: Sequence[object]) -> list[str]:
    parts = [show_value(v) for v in values]  # type: ignore[arg-type]
    pieces = listed(parts, "{", "};")
    return fill([f"{keyword} {pieces[0]}", *pieces[1:]], "", INDENT)


@dataclass
class _Statement:
    """What is printed for one node: tables that no statement before it used, and its own lines."""

    tables: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def is_tall(self) -> bool:
        """Whether empty lines stand around it: it, or a table of it, takes several lines."""
        return len(self.lines) > 1 or any(line.endswith("{") for line in self.tables)


class _Printer:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._nesting = Nesting(program)
        self._names = Names(program, self._nesting)
        self._tables: dict[Table | Relation | ScoreTable | ReluFunction, str] = {}
        self._root = ""
        self._current = _Statement()

    def lines(self) -> Iterator[str]:
        """All lines after the header."""
        yield ""
        loose, layer = False, None
        for node in self._program.nodes:
            if self._nesting.is_statement(node):
                statement = self._statement(node)
                before, layer = layer, self._nesting.place(node)[0]
                if loose and (statement.is_tall or node.comments or layer != before):
                    yield ""
                yield from statement.tables
                yield from comment_lines(node.comments)
                yield from statement.lines
                loose = not statement.is_tall
                if not loose:
                    yield ""
        if loose:
            yield ""
        for label, node in self._program.outputs.items():
            yield self._output(label, node)

    def _output(self, label: str, node: Node) -> str:
        name = self._names.of(node)
        if label == name:
            return f"output {name};"
        shown = show_value(label) if self._names.is_taken(label) else Names.label(label)
        return f"output {shown} = {name};"

    def _statement(self, node: Node) -> _Statement:
        self._current = _Statement()
        self._root = self._names.of(node)
        place = self._nesting.place(node)
        note = "" if place == NOWHERE else f"  # {show_place(place)}"
        match node.op:
            case Classify() | ClassifyPooled():
                lines = self._readout(node, node.op)
            case _:
                lines = wrapped(f"{self._root} = {self._text(node, root=True)};")
        lines[-1] += note
        self._current.lines = lines
        return self._current

    # ---- one node

    def _text(self, node: Node, *, root: bool = False) -> str:
        """The name of a node, or what it is where it stands inside a statement."""
        if not root and not self._nesting.is_nested(node):
            return self._names.of(node)
        operands = [self._text(operand) for operand in node.operands]
        match node.op:
            case Tokens():
                return "tokens()"
            case Indices():
                return "indices()"
            case Map(Literal(value)) if not root and is_literal(node):
                return show_value(value)
            case Map(function):
                return self._map(node, function, operands)
            case Uniform():
                return f"uniform({operands[0]})"
            case Select():
                return f"select({', '.join(operands)}, {self._predicate(node.op)})"
            case And() | Or():
                word = "and" if isinstance(node.op, And) else "or"
                return f" {word} ".join(self._sides(node, operands))
            case Not():
                return f"not {self._closed(node.operands[0], operands[0])}"
            case Choose():
                return self._choose(node.op, operands)
            case Aggregate(default):
                extra = [] if default is None else [show_value(default)]
                return f"aggregate({', '.join([*operands, *extra])})"
            case AggregateSum():
                return f"aggregate_sum({', '.join(operands)})"
            case SelectorWidth():
                return f"selector_width({operands[0]})"
        raise AssertionError(node.op)

    def _sides(self, node: Node, operands: list[str]) -> list[str]:
        left, right = node.operands
        chain = self._nesting.is_nested(left) and type(left.op) is type(node.op)
        first = operands[0] if chain else self._closed(left, operands[0])
        return [first, self._closed(right, operands[1])]

    def _closed(self, node: Node, text: str) -> str:
        open_ = self._nesting.is_nested(node) and isinstance(node.op, And | Or | Not)
        return f"({text})" if open_ else text

    def _map(
        self, node: Node, function: Table | Expression | ReluFunction, operands: list[str]
    ) -> str:
        if isinstance(function, Table):
            name = self._table(function, "table", table_items(function))
            return f"{name}({', '.join(operands)})"
        if isinstance(function, ReluFunction):
            return f"{self._relu(function)}({', '.join(operands)})"
        types = tuple(operand.type for operand in node.operands)
        distinct = len(set(operands)) == len(operands)
        if distinct and is_plain(function, len(operands)) and is_eager(function, types):
            return print_expression(function, operands)
        parameters = [f"${k + 1}" for k in range(len(operands))]
        return f"map({', '.join([print_expression(function, parameters), *operands])})"

    def _predicate(self, op: Select) -> str:
        match op.predicate:
            case Comparison(comparison):
                return comparison.value
            case Always(truth):
                return repr(truth)
            case relation:
                return self._table(relation, "keys", relation_items(relation))

    def _choose(self, op: Choose, operands: list[str]) -> str:
        named = isinstance(op.order, Preference)
        if named and op.score is None and op.otherwise is Otherwise.FIRST:
            return f"{op.order.value}({operands[0]})"  # type: ignore[union-attr]
        order = op.order.value if isinstance(op.order, Preference) else str(list(op.order))
        parts = [operands[0], f"order={order}"]
        if op.score is not None:
            numbers = Numbers.of(w for row in op.score.rows for w in row)
            items = score_items(op.score, numbers)
            name = self._table(op.score, "score", items, numbers.marker)
            parts.append(f"score={name}({operands[1]}, {operands[2]})")
        parts.append(f"otherwise={op.otherwise.value}")
        return f"choose({', '.join(parts)})"

    # ---- tables

    def _table(
        self,
        function: Table | Relation | ScoreTable,
        kind: str,
        items: list[list[str]],
        marker: str = "",
    ) -> str:
        known = self._tables.get(function)
        if known is None:
            known = self._tables[function] = self._names.free(f"{self._root}_{kind}")
            self._current.tables.extend(block(f"table {known}{marker}", items))
        return known

    def _relu(self, function: ReluFunction) -> str:
        known = self._tables.get(function)
        if known is None:
            rows = (*function.v, function.b, *function.w, function.c)
            numbers = Numbers.of(x for row in rows for x in row)
            known = self._tables[function] = self._names.free(f"{self._root}_relu")
            items = []
            for hidden, bias in enumerate(function.b):
                into = listed([numbers.show(x) for x in function.v[hidden]], "[", "]")
                out = listed([numbers.show(row[hidden]) for row in function.w], "[", "]")
                items.append(["unit", f"{numbers.show(bias)},", *into, "->", *out])
            items.append(["bias", *listed([numbers.show(x) for x in function.c], "[", "]")])
            self._current.tables.extend(block(f"relu {known}{numbers.marker}", items))
        return known

    def _readout(self, node: Node, op: Readout) -> list[str]:
        rows = [op.bias]
        for weights in op.weights:
            rows.extend(weights.rows if isinstance(weights, TableWeights) else [weights.row])
        numbers = Numbers.of(w for row in rows for w in row)
        word = f"classify_pooled {op.over.value}" if isinstance(op, ClassifyPooled) else "classify"
        lines = [f"{self._root} = {word}{numbers.marker} {{"]
        if [*map(value_key, op.labels)] != [*map(value_key, self._program.labels)]:
            labels = listed([show_value(v) for v in op.labels], "{", "};")
            lines.extend(fill(["labels", *labels], INDENT, INDENT * 2))
        lines.extend(_weights("bias", op.bias, numbers))
        features = []
        for operand, weights in zip(node.operands, op.weights, strict=True):
            head = f"{self._names.of(operand)}:"
            if isinstance(weights, NumberWeights):
                features.append(_weights(head, weights.row, numbers))
            else:
                items = feature_items(weights, numbers)
                features.append(block(head, items, INDENT, tight=True))
                features[-1][-1] += ";"
        return [*lines, *packed(features, INDENT), "};"]


def _weights(head: str, weights: Sequence[float], numbers: Numbers) -> list[str]:
    """``head […];`` in a readout."""
    *pieces, last = numbers.row(weights)
    return fill([head, *pieces, f"{last};"], INDENT, INDENT * 2)
