"""From a syntax tree to a program: statements run from top to bottom, at compile time."""

from __future__ import annotations

from collections.abc import Sequence

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector
from tpir.ir.values import Value
from tpir.ir.verify import verify
from tpir.text import syntax
from tpir.text.builtins import FUNCTIONS
from tpir.text.evaluate import Evaluator
from tpir.text.header import read_header, states_inputs
from tpir.text.notes import Notes, notes_of
from tpir.text.source import Source

UNNAMED = "output"


def elaborate(
    file: syntax.File,
    source: Source,
    *,
    vocabulary: Sequence[Value] | None = None,
    context: int | None = None,
    output: str | None = None,
) -> Program:
    """The program that a file describes, verified.

    ``vocabulary`` and ``context`` are for files that do not state them; ``output`` names the one
    output. Raises TpirError.
    """
    header = read_header(file, source, vocabulary, context)
    elaborator = _Elaborator(file, source, Builder(header), strict=states_inputs(file))
    try:
        outputs = elaborator.run(output)
        program = elaborator.builder.build(outputs)
        verify(program)
    except RecursionError:
        start, end = elaborator.place
        raise source.error("this is nested too deeply", start, end) from None
    return program


class _Elaborator:
    def __init__(
        self, file: syntax.File, source: Source, builder: Builder, *, strict: bool
    ) -> None:
        self.builder = builder
        self.place = (0, 0)
        self._source = source
        self._statements = file.statements
        self._evaluator = Evaluator(source, builder, strict=strict)
        self._evaluator.functions = FUNCTIONS
        self._evaluator.defined_later, self._evaluator.kept_names = _definitions(file)
        self._tables: dict[str, int] = {}
        self._outputs: dict[str, Node] = {}
        self._last: tuple[str, Node] | None = None

    def run(self, output: str | None) -> dict[str, Node]:
        notes = notes_of(self._source, self._statements)
        for statement, own in zip(self._statements, notes, strict=True):
            self.place = (statement.start, statement.end)
            self._statement(statement, own)
        if output is not None:
            return {output: self._asked_for(output)}
        if self._outputs:
            return self._outputs
        if self._last is None:
            raise TpirError(f"{self._source.name} defines no sequence, so it has no output")
        return dict([self._last])

    def _statement(self, statement: syntax.Statement, notes: Notes) -> None:
        evaluator = self._evaluator
        match statement:
            case syntax.TableStatement(name=name) | syntax.ReluStatement(name=name):
                self._define_table(statement, notes)
            case syntax.Assign(name=name, value=value):
                evaluator.begin(name, notes)
                found = evaluator.names[name] = evaluator.value(value, root=True)
                if isinstance(found, Node) and not isinstance(found.type, Selector):
                    self._last = (name, found)
            case syntax.Bare(value=value):
                evaluator.begin(None, notes)
                found = evaluator.value(value, root=True)
                if isinstance(found, Node) and not isinstance(found.type, Selector):
                    self._last = (_label_of(value), found)
            case syntax.Output():
                self._output(statement, notes)

    def _define_table(
        self, statement: syntax.TableStatement | syntax.ReluStatement, notes: Notes
    ) -> None:
        name = statement.name
        if name in self._tables:
            raise self._source.error(
                f"table {name} is defined twice (first on line {self._tables[name]})",
                statement.start,
                statement.end,
            )
        self._tables[name] = self._source.line_at(statement.start)
        self._evaluator.names[name] = statement
        if notes.comments:
            self._evaluator.pending[name] = notes.comments

    def _output(self, statement: syntax.Output, notes: Notes) -> None:
        label = statement.label if statement.label is not None else _label_of(statement.value)
        if label in self._outputs:
            raise self._source.error(
                f"a second output is called {label}", statement.start, statement.end
            )
        self._evaluator.begin(statement.label if statement.binds else None, notes)
        node = self._evaluator.node(statement.value, root=True)
        if isinstance(node.type, Selector):
            raise self._source.error(
                "a selector cannot be an output", statement.value.start, statement.value.end
            )
        self._outputs[label] = node
        if statement.binds:
            self._evaluator.names[label] = node

    def _asked_for(self, output: str) -> Node:
        found = self._outputs.get(output) or self._evaluator.names.get(output)
        if not isinstance(found, Node):
            known = [n for n, b in self._evaluator.names.items() if isinstance(b, Node)]
            raise TpirError(
                f"{self._source.name} has no sequence called {output}",
                notes=[f"its sequences are {', '.join(known)}"] if known else [],
            )
        if isinstance(found.type, Selector):
            raise TpirError(f"{output} is a selector; only sequences can be outputs")
        return found


def _label_of(expression: syntax.Expression) -> str:
    return expression.text if isinstance(expression, syntax.Name) else UNNAMED


def _definitions(file: syntax.File) -> tuple[dict[str, int], set[str]]:
    """Where each name is first defined, and the names that inner nodes have to leave alone."""
    where: dict[str, int] = {}
    for statement in file.statements:
        match statement:
            case syntax.Output(label=str() as name, binds=True) | syntax.Assign(name=name):
                where.setdefault(name, statement.start)
            case syntax.TableStatement(name=name) | syntax.ReluStatement(name=name):
                where.setdefault(name, statement.start)
    return where, set(where)
