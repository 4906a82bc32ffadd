"""Statements, run from top to bottom at compile time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tpir.errors import counted
from tpir.text import syntax
from tpir.text.evaluate import Evaluator
from tpir.text.learned import NamedTable
from tpir.text.notes import NOWHERE, Notes
from tpir.text.open import OpenNode
from tpir.text.problems import Heading
from tpir.text.recursion import room_to_nest
from tpir.text.scope import Applied, Function, Scope, Thing, describe_thing, kind_of
from tpir.text.source import Source
from tpir.text.world import World

OUT = "out"
"""What the value of the last expression is called."""


@dataclass(frozen=True)
class Named:
    """What a statement gave a name to, or an expression's value as ``out``."""

    name: str
    thing: Thing


Result = Named | Applied
"""What a prompt shows after a statement."""


class Runner:
    """Runs the statements of one text in one scope."""

    def __init__(self, world: World, source: Source, scope: Scope) -> None:
        self.world, self.scope = world, scope
        self.evaluator = Evaluator(world, source, scope, run_body)
        self._source = source
        self._tables: dict[str, int] = {}
        self.looped: Named | None = None
        """The last sequence that the loop run last has named: a prompt does not show it."""

    def run(self, statement: syntax.Inner, notes: Notes) -> list[Result]:
        """Run a statement: what it shows. New nodes get its notes. Raises TpirError."""
        before = self.world.made
        with room_to_nest():
            results = self._run(statement)
        things = [r.thing for r in results if isinstance(r, Named)]
        self._annotate(things, before, notes)
        return results

    def _run(self, statement: syntax.Inner) -> list[Result]:
        evaluator = self.evaluator
        match statement:
            case syntax.Assign():
                return list(run_assign(evaluator, statement))
            case syntax.Bare(value=value):
                evaluator.label = None
                thing = evaluator.value(value)
                if isinstance(thing, Applied):
                    return [thing]
                self.scope.names[OUT] = thing
                return [Named(_name_of(value), thing)]
            case syntax.Define():
                function = run_define(evaluator, statement)
                return [Named(function.name, function)]
            case syntax.Loop():
                self.looped = run_loop(evaluator, statement)
            case syntax.Load():
                self.world.load(self.world, statement, self._source, self.scope)
        return []

    def _annotate(self, things: Sequence[Thing], before: int, notes: Notes) -> None:
        """Give the statement's comments to what it defines, and its place to all it made."""
        comments = (*self.world.take_comments(), *notes.comments)
        for thing in things:
            if isinstance(thing, OpenNode) and thing.number > before:
                thing.comments = comments
                break
        if notes.place != NOWHERE:
            for node in self.world.nodes[before:]:
                node.place = notes.place

    def define_table(
        self, statement: syntax.TableStatement | syntax.ReluStatement, notes: Notes
    ) -> None:
        """Let a name stand for a table. Raises TpirError where one has it already.

        Its comments go to the first statement that uses it.
        """
        name = statement.name
        if name in self._tables:
            raise self._source.error(
                f"table {name} is defined twice (first on line {self._tables[name]})",
                statement.start,
                statement.end,
            )
        self._tables[name] = self._source.line_at(statement.start)
        place = syntax.Name(statement.start, statement.end, name)
        self.evaluator.give(place, NamedTable(statement, self._source, notes.comments))


def _name_of(expression: syntax.Expression) -> str:
    while isinstance(expression, syntax.Group):
        expression = expression.inner
    return expression.text if isinstance(expression, syntax.Name) else OUT


def run_body(evaluator: Evaluator, statements: Sequence[syntax.Inner]) -> Named | None:
    """Run the body of a function or a loop in the evaluator's scope: the last sequence it names."""
    last: Named | None = None
    for statement in statements:
        match statement:
            case syntax.Assign():
                last = _last_sequence(run_assign(evaluator, statement)) or last
            case syntax.Bare(value=value):
                evaluator.value(value)
            case syntax.Define():
                run_define(evaluator, statement)
            case syntax.Loop():
                last = run_loop(evaluator, statement) or last
            case syntax.Load():
                world = evaluator.world
                world.load(world, statement, evaluator.source, evaluator.scope)
    return last


def _last_sequence(named: Sequence[Named]) -> Named | None:
    sequences = [
        one for one in named if isinstance(one.thing, OpenNode) and not one.thing.is_selector
    ]
    return sequences[-1] if sequences else None


def run_define(evaluator: Evaluator, statement: syntax.Define) -> Function:
    """``def``: a function that remembers where it was defined."""
    function = Function(statement, evaluator.source, evaluator.scope)
    evaluator.give(statement.name, function)
    return function


def run_loop(evaluator: Evaluator, loop: syntax.Loop) -> Named | None:
    """``for``: the body once for each item, in its scope. The last sequence that it names."""
    iterable = evaluator.value(loop.iterable)
    if not isinstance(iterable, list | dict):
        shown = describe_thing(iterable).strip('"')
        said = f"for loop needs to iterate over a list or dict, but got: {shown}"
        message = f"for goes through a list or a dictionary, not {kind_of(iterable)}"
        raise evaluator.refuse(message, loop.iterable, said=said)
    evaluator.made(len(iterable), loop.iterable)
    last: Named | None = None
    for item in list(iterable):
        evaluator.world.tick(evaluator.source, loop, 2)
        evaluator.bind(loop.names, item, loop)
        last = run_body(evaluator, loop.body) or last
    return last


def run_assign(evaluator: Evaluator, assign: syntax.Assign) -> list[Named]:
    """``names = values``: one name takes all, several take a value each."""
    before, label = evaluator.world.made, evaluator.label
    evaluator.label = assign.names[0].text
    try:
        values = [evaluator.value(value) for value in assign.values]
    finally:
        evaluator.label = label
    value: Thing = values[0] if len(values) == 1 else values
    parts = [value] if len(assign.names) == 1 else _parts(evaluator, assign, value)
    results = []
    for name, part in zip(assign.names, parts, strict=True):
        evaluator.give(name, part)
        if isinstance(part, OpenNode):
            evaluator.world.retitle(part, name.text)
            if part.number > before:
                part.name = name.text
        results.append(Named(name.text, part))
    evaluator.scope.names[OUT] = values[-1]
    return results


def _parts(evaluator: Evaluator, assign: syntax.Assign, value: Thing) -> list[Thing]:
    if not isinstance(value, str | list | dict):
        kind = type(value).__name__ if not isinstance(value, OpenNode) else "UnfinishedSequence"
        message = f"{len(assign.names)} names, but one value: {kind_of(value)}"
        said = f"object of type '{kind}' has no len()"
        raise evaluator.refuse(message, assign, said=said, heading=Heading.WRONG)
    if len(value) != len(assign.names):
        message = f"{len(assign.names)} names, but {counted(len(value), 'value')}"
        said = f"expected {len(assign.names)} values, but got: {len(value)}"
        raise evaluator.refuse(message, assign, said=said)
    return list(value)
