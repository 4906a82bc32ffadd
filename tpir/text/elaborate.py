"""From a syntax tree to a program: statements are run, then fitted to vocabulary and context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tpir.errors import TpirError
from tpir.ir.program import Header, Program
from tpir.ir.values import Value
from tpir.ir.verify import verify
from tpir.text import syntax
from tpir.text.builtins import BUILTINS
from tpir.text.header import read_header, states_inputs
from tpir.text.loading import load_file, run_library
from tpir.text.notes import Notes, notes_of
from tpir.text.open import OpenNode, Where
from tpir.text.scope import Applied, Scope
from tpir.text.source import Source
from tpir.text.specialise import Specialiser, cone
from tpir.text.statements import Named, Runner
from tpir.text.world import OnLoad, World

UNNAMED = "output"


def elaborate(
    file: syntax.File,
    source: Source,
    *,
    vocabulary: Sequence[Value] | None = None,
    context: int | None = None,
    output: str | None = None,
    on_load: OnLoad | None = None,
) -> Program:
    """The program that a file describes, verified.

    ``vocabulary`` and ``context`` are for files that do not state them; ``output`` names the one
    output. ``on_load`` is told each file that is loaded. Raises TpirError.
    """
    header = read_header(file, source, vocabulary, context)
    strict = states_inputs(file)
    elaborator = _Elaborator(file, source, header, on_load)
    try:
        outputs = elaborator.run(output)
        made = elaborator.own_nodes if strict else list(outputs.values())
        mixed = any(item.keyword == "mixed" for item in file.header)
        program = fit(header, made, outputs, strict=strict, mixed=mixed)
        verify(program)
    except RecursionError:
        start, end = elaborator.place
        raise source.error("this is nested too deeply", start, end) from None
    return program


def fit(
    header: Header,
    made: Sequence[OpenNode],
    outputs: Mapping[str, OpenNode],
    *,
    strict: bool = False,
    mixed: bool = False,
) -> Program:
    """The program of open nodes for a vocabulary and a context. Raises TpirError.

    A file that states its inputs (``strict``) keeps all the nodes it made.
    """
    nodes = cone([*made, *outputs.values()])
    named = {node.name for node in nodes if node.name is not None}
    specialiser = Specialiser(header, strict, mixed, named)
    for node in nodes:
        specialiser.node(node)
    found = {label: specialiser.nodes[node] for label, node in outputs.items()}
    return specialiser.builder.build(found)


@dataclass(frozen=True)
class _Last:
    label: str
    node: OpenNode


class _Elaborator:
    def __init__(
        self, file: syntax.File, source: Source, header: Header, on_load: OnLoad | None
    ) -> None:
        self.place = (0, 0)
        self._source = source
        self._statements = file.statements
        self.world = World(
            builtins=BUILTINS,
            library=run_library,
            load=load_file,
            labels=header.labels,
            on_load=on_load,
        )
        self.world.defined_later = _definitions(file, source)
        self._scope = Scope(self.world.base, source.name)
        self._runner = Runner(self.world, source, self._scope)
        self._outputs: dict[str, OpenNode] = {}
        self._last: _Last | None = None

    @property
    def own_nodes(self) -> list[OpenNode]:
        """The nodes that stand in the file itself."""
        return [node for node in self.world.nodes if node.where.source is self._source]

    def run(self, output: str | None) -> dict[str, OpenNode]:
        """Run all statements: the outputs by name."""
        notes = notes_of(self._source, self._statements)
        for statement, own in zip(self._statements, notes, strict=True):
            self.place = (statement.start, statement.end)
            self._statement(statement, own)
        if output is not None:
            return {output: self._asked_for(output)}
        if self._outputs:
            return self._outputs
        if self._last is None:
            message = f"{self._source.name} defines no sequence, so it has no output"
            raise self._source.error(message, 0, 1)
        return {self._last.label: self._last.node}

    def _statement(self, statement: syntax.Statement, notes: Notes) -> None:
        match statement:
            case syntax.TableStatement() | syntax.ReluStatement():
                self._runner.define_table(statement, notes)
            case syntax.Output():
                self._output(statement, notes)
            case syntax.Command() | syntax.SetExample():
                pass  # what a prompt shows is nothing to a program
            case syntax.Loop():
                self._runner.run(statement, notes)
                if self._runner.looped is not None:
                    self._note(self._runner.looped)
            case _:
                for result in self._runner.run(statement, notes):
                    self._note(result)

    def _note(self, result: Named | Applied) -> None:
        if isinstance(result, Named) and isinstance(result.thing, OpenNode):
            label = UNNAMED if result.name == "out" else result.name
            if not result.thing.is_selector:
                self._last = _Last(label, result.thing)

    def _output(self, statement: syntax.Output, notes: Notes) -> None:
        value = statement.value
        label = statement.label if statement.label is not None else _label_of(value)
        if label in self._outputs:
            raise self._source.error(
                f"a second output is called {label}", statement.start, statement.end
            )
        node = self._output_node(statement, label, notes)
        if node.is_selector:
            raise Where.of(self._source, value).error("a selector cannot be an output")
        self._outputs[label] = node

    def _output_node(self, statement: syntax.Output, label: str, notes: Notes) -> OpenNode:
        """The sequence of an output, evaluated as the statement that it stands for."""
        value = statement.value
        if statement.binds:
            name = syntax.Name(statement.start, statement.end, label)
            as_said: syntax.Inner = syntax.Assign(statement.start, statement.end, (name,), (value,))
        else:
            as_said = syntax.Bare(statement.start, statement.end, value)
        (result,) = self._runner.run(as_said, notes)
        evaluator = self._runner.evaluator
        if not isinstance(result, Named):
            raise evaluator.refuse("a sequence on one input cannot be an output", value)
        if isinstance(result.thing, OpenNode):
            return result.thing
        made = evaluator.as_sequence(result.thing, value)
        if statement.binds:
            made.name = label
        return made

    def _asked_for(self, output: str) -> OpenNode:
        found = self._outputs.get(output) or self._scope.get(output)
        if not isinstance(found, OpenNode):
            names = self._scope.names.items()
            known = [n for n, t in names if isinstance(t, OpenNode) and not t.is_selector]
            raise TpirError(
                f"{self._source.name} has no sequence called {output}",
                notes=[f"its sequences are {', '.join(known)}"] if known else [],
            )
        if found.is_selector:
            raise TpirError(f"{output} is a selector; only sequences can be outputs")
        return found


def _definitions(file: syntax.File, source: Source) -> dict[str, int]:
    """The line on which each name is first defined."""
    lines: dict[str, int] = {}
    for statement in file.statements:
        match statement:
            case syntax.Output(label=str() as name, binds=True):
                names = [name]
            case syntax.Assign(names=found):
                names = [name.text for name in found]
            case syntax.TableStatement(name=name) | syntax.ReluStatement(name=name):
                names = [name]
            case syntax.Define(name=found_name):
                names = [found_name.text]
            case _:
                continue
        for name in names:
            lines.setdefault(name, source.line_at(statement.start))
    return lines


def _label_of(expression: syntax.Expression) -> str:
    return expression.text if isinstance(expression, syntax.Name) else UNNAMED
