"""Expressions of ``.rasp`` text at compile time: atoms are computed, sequences become open nodes.

Operators over sequences become one ``map`` node for a whole infix expression: its operands are the
distinct sequences it mentions, in order of first appearance.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

from tpir.errors import counted
from tpir.ir import expressions as ir
from tpir.ir.ops import Map
from tpir.ir.values import Value
from tpir.span import Span
from tpir.text import syntax
from tpir.text.infix import DEEPEST, Operands, Part, infix_part
from tpir.text.learned import NamedTable
from tpir.text.open import Infix, OpenNode, OpenOp, Where
from tpir.text.problems import Heading, RaspError
from tpir.text.scope import (
    KEYWORDS,
    Applied,
    Builtin,
    Function,
    Scope,
    Thing,
    describe_thing,
    is_atom,
    kind_of,
)
from tpir.text.source import Source
from tpir.text.world import World


class Evaluator:
    """Evaluates expressions of one text in one scope.

    ``label`` names the statement that new nodes stand in. ``run_body`` runs the statements of a
    function's body in a scope. ``caller`` is the call that the body of a function is run for.
    """

    def __init__(
        self,
        world: World,
        source: Source,
        scope: Scope,
        run_body: Callable[[Evaluator, Sequence[syntax.Inner]], object],
        label: str | None = None,
        caller: Span | None = None,
    ) -> None:
        self.world, self.source, self.scope = world, source, scope
        self.run_body, self.label, self.caller = run_body, label, caller

    # ---- errors

    def where(self, syntax_: syntax.Syntax) -> Where:
        """The place of a piece of syntax."""
        return Where.of(self.source, syntax_, self.caller)

    def refuse(
        self,
        message: str,
        where: syntax.Syntax,
        *notes: str,
        said: str | None = None,
        heading: Heading = Heading.IGNORED,
    ) -> RaspError:
        """An error at a piece of syntax; ``said`` is what the original says, if it differs."""
        span = self.where(where).span
        said = message if said is None else said
        return RaspError(message, said=said, heading=heading, span=span, notes=notes)

    def wrong(self, message: str, where: syntax.Syntax) -> RaspError:
        """An error in the words of Python."""
        return self.refuse(message, where, heading=Heading.WRONG)

    # ---- nodes

    def new(
        self,
        op: OpenOp,
        operands: Sequence[OpenNode],
        where: syntax.Syntax,
        title: str,
        *,
        is_selector: bool = False,
    ) -> OpenNode:
        """Make an open node that stands at a piece of syntax."""
        return self.world.new(
            op,
            tuple(operands),
            is_selector=is_selector,
            where=self.where(where),
            label=self.label,
            title=title,
        )

    def sequence(self, expression: syntax.Expression, what: str = "sequence") -> OpenNode:
        """A sequence; atoms stand for the same value everywhere."""
        return self.as_sequence(self.value(expression), expression, what)

    def as_sequence(self, thing: Thing, where: syntax.Syntax, what: str = "sequence") -> OpenNode:
        """A thing as a sequence."""
        if isinstance(thing, OpenNode) and not thing.is_selector:
            return thing
        if isinstance(thing, str | int | float):
            return self.new(Map(ir.Literal(thing)), (), where, str(thing))
        said = f"Expected {what}, got: {describe_thing(thing)}"
        raise self.refuse(f"expected a {what}, found {kind_of(thing)}", where, said=said)

    def selector(self, expression: syntax.Expression) -> OpenNode:
        """A selector."""
        thing = self.value(expression)
        if isinstance(thing, OpenNode) and thing.is_selector:
            return thing
        said = f"Expected selector, got: {describe_thing(thing)}"
        raise self.refuse(f"expected a selector, found {kind_of(thing)}", expression, said=said)

    def atom(self, expression: syntax.Expression, what: str) -> Value:
        """The value of an expression that has to be an atom."""
        thing = self.value(expression)
        if isinstance(thing, str | int | float):
            return thing
        message = f"{what} has to be a number, a word or a truth value, found {kind_of(thing)}"
        said = f"Expected atom, got: {describe_thing(thing)}"
        raise self.refuse(message, expression, said=said)

    # ---- names

    def lookup(self, name: syntax.Name) -> Thing:
        """What a name stands for. Raises RaspError."""
        found = self.scope.get(name.text)
        if found is None:
            found = self.world.builtins.get(name.text) if name.text not in KEYWORDS else None
        if isinstance(found, NamedTable):
            self.world.carry_comments(found)
        if isinstance(found, OpenNode):
            self.world.mention(found, self.where(name))
        if found is not None:
            return found
        raise self._unknown(name)

    def _unknown(self, name: syntax.Name) -> RaspError:
        said = f"Error: Undefined variable: {name.text}"
        if name.text in self.world.builtins or name.text in ("round", "indicator"):
            message = f"{name.text} is a function: call it, {name.text}(…)"
            return self.refuse(message, name, said=said)
        line = self.world.defined_later.get(name.text)
        if line is not None:
            note = "statements run from top to bottom, so definitions cannot be circular"
            message = f"{name.text} is used before its definition on line {line}"
            return self.refuse(message, name, note, said=said)
        known = [*self.scope.all_names(), *self.world.builtins]
        close = difflib.get_close_matches(name.text, known, 1)
        notes = [f"did you mean {close[0]}?"] if close else []
        if name.text == "output":
            notes = ["to name an output, write: output name = …;"]
        return self.refuse(f"unknown name {name.text}", name, *notes, said=said)

    # ---- values

    def value(self, expression: syntax.Expression) -> Thing:
        """What an expression stands for. Raises TpirError."""
        operands: Operands = {}
        found = self.infix(expression, operands)
        if isinstance(found, Part):
            nodes = list(operands)
            if not isinstance(found.expression, ir.Argument):
                return self.new(Infix(found.expression), nodes, expression, found.title)
            found = nodes[found.expression.index]
        if isinstance(found, OpenNode) and self.world.tests:
            self.world.test(found, self.where(expression))
        return found

    def infix(self, expression: syntax.Expression, operands: Operands) -> Part | Thing:
        """The same, with a sequence as a part of an infix expression over ``operands``."""
        self.world.tick(self.source, expression)
        if isinstance(expression, syntax.Literal):
            return expression.value
        if isinstance(expression, syntax.Name):
            found: Part | Thing = self.lookup(expression)
        else:
            found = infix_part(self, expression, operands)
        if isinstance(found, Part) and found.depth >= DEEPEST:
            found = self.new(Infix(found.expression), list(operands), expression, found.title)
        if isinstance(found, OpenNode) and not found.is_selector:
            index = operands.setdefault(found, len(operands))
            return Part(ir.Argument(index), found.title)
        return found

    def leaf(self, expression: syntax.Expression) -> Thing:
        """What is no operator."""
        match expression:
            case syntax.ListLiteral(items=items):
                return [self.value(item) for item in items]
            case syntax.DictLiteral(items=items):
                return {self._key(key): self.value(value) for key, value in items}
            case syntax.ListComprehension(element=element):
                return [inner.value(element) for inner in self._iterate(expression, "list")]
            case syntax.DictComprehension(key=key, value=value):
                found: dict[Value, Thing] = {}
                for inner in self._iterate(expression, "dict"):
                    made = inner._key(key)
                    found[made] = inner.value(value)
                return found
            case syntax.Call():
                return self._call(expression)
            case syntax.Parameter(number=number):
                message = f"${number} can only stand in the first argument of map"
                raise self.refuse(message, expression)
        assert isinstance(expression, syntax.Readout)
        return self.world.builtins["classify"].run(self, expression)  # type: ignore[arg-type]

    def _key(self, expression: syntax.Expression) -> Value:
        thing = self.value(expression)
        if isinstance(thing, str | int | float):
            return thing
        said = f"dictionary keys can only be atoms, but instead got: {describe_thing(thing)}"
        raise self.refuse(
            f"the keys of a dictionary are atoms, found {kind_of(thing)}", expression, said=said
        )

    def _iterate(
        self, loop: syntax.ListComprehension | syntax.DictComprehension, kind: str
    ) -> Iterator[Evaluator]:
        """An evaluator for each round of a comprehension."""
        iterable = self.value(loop.iterable)
        if not isinstance(iterable, list | dict):
            said = (
                f"{kind} comprehension should have got a list or dict to loop over, "
                f"but got: {_plain(iterable)}"
            )
            message = "a comprehension goes through a list or a dictionary"
            raise self.refuse(f"{message}, not {kind_of(iterable)}", loop.iterable, said=said)
        self.made(len(iterable), loop.iterable)
        for item in list(iterable):
            inner = self.inside(self.scope.nested())
            inner.bind(loop.names, item, loop)
            yield inner

    def inside(self, scope: Scope) -> Evaluator:
        """An evaluator for another scope of the same text."""
        return Evaluator(self.world, self.source, scope, self.run_body, self.label, self.caller)

    def called(self, function: Function, call: syntax.Call) -> Evaluator:
        """An evaluator for the body of a function."""
        scope, place = function.scope.nested(), self.where(call).span
        return Evaluator(self.world, function.source, scope, self.run_body, self.label, place)

    def made(self, items: int, where: syntax.Syntax) -> None:
        """Count the items of a list or a word that is made, or gone through. Raises TpirError."""
        self.world.make(self.source, where, items)

    # ---- giving names

    def bind(self, names: Sequence[syntax.Name], item: Thing, where: syntax.Syntax) -> None:
        """Give the item of a loop to its name, or its parts to several."""
        if len(names) == 1:
            self.give(names[0], item)
            return
        if not isinstance(item, str | list | dict):
            said = (
                "iterating with multiple iterator names, but got single iterator value: "
                f"{_plain(item)}"
            )
            message = f"{len(names)} names, but one value: {kind_of(item)}"
            raise self.refuse(message, where, said=said)
        parts = list(item)
        if len(parts) != len(names):
            message = f"{len(names)} names, but {counted(len(parts), 'value')}"
            said = (
                f"iterating with {len(names)} names but got {len(parts)} values ( {_plain(item)} )"
            )
            raise self.refuse(message, where, said=said)
        for name, part in zip(names, parts, strict=True):
            self.give(name, part)

    def give(self, name: syntax.Name, thing: Thing) -> None:
        """Let a name stand for a thing. Raises RaspError where it is reserved."""
        reserved = self.scope.set(name.text, thing)
        if reserved is not None:
            said = f"Error: Cannot set reserved name: {reserved}"
            raise self.refuse(f"{reserved} is a reserved name", name, said=said)

    # ---- calls

    def _call(self, call: syntax.Call) -> Thing:
        callee = call.function
        if isinstance(callee, syntax.Name) and self._means_builtin(callee.text, call):
            return self.world.builtins[callee.text].run(self, call)
        if self.world.tests:
            with self.world.backed_by(self._tried_on(call)):
                function = self.value(callee)
        else:
            function = self.value(callee)
        match function:
            case Function():
                return self._call_function(function, call)
            case Builtin():
                return function.run(self, call)
            case OpenNode():
                return self._apply(function, call)
            case NamedTable():
                return self.world.builtins["apply"].run(self, call)
        raise self.refuse(
            f"{kind_of(function)} cannot be called",
            callee,
            said="",
            heading=Heading.MISSING,
        )

    @staticmethod
    def _means_builtin(name: str, call: syntax.Call) -> bool:
        """Whether a call means a function of the language, whatever the name stands for."""
        return name in KEYWORDS or (name in ("tokens", "indices") and not call.arguments)

    def _tried_on(self, call: syntax.Call) -> tuple[Value, ...] | None:
        """What a prompt tries new nodes on while what is called is evaluated: the argument."""
        callee = call.function
        if len(call.arguments) != 1:
            return self.world.backup
        if isinstance(callee, syntax.Name) and not isinstance(
            self.scope.get(callee.text), OpenNode
        ):
            return self.world.backup
        return self.input_of(self._argument(call.arguments[0]))

    def _call_function(self, function: Function, call: syntax.Call) -> Thing:
        arguments = [self._argument(argument) for argument in call.arguments]
        parameters = function.define.parameters
        if len(arguments) != len(parameters):
            counts = f"expected: {len(parameters)}, got: {len(arguments)}."
            said = f"wrong number of args for {function.name}- {counts}"
            message = f"{function.signature} takes {counted(len(parameters), 'argument')}"
            raise self.refuse(f"{message}, found {len(arguments)}", call, said=said)
        inner = self.called(function, call)
        for parameter, argument in zip(parameters, arguments, strict=True):
            inner.give(parameter, argument)
        backup, self.world.backup = self.world.backup, None
        try:
            self.run_body(inner, function.define.body)
            results = [inner.value(result) for result in function.define.returns]
        finally:
            self.world.backup = backup
        result = results[0] if len(results) == 1 else results
        if isinstance(result, OpenNode):
            shown = " , ".join(describe_thing(argument, 20) for argument in arguments)
            self.world.retitle(result, f"{function.name}({shown})")
        return result

    def _argument(self, argument: syntax.Argument) -> Thing:
        if isinstance(argument, syntax.Keyword | syntax.Operator):
            raise self.refuse("functions of the text take values only", argument)
        return self.value(argument)

    def _apply(self, node: OpenNode, call: syntax.Call) -> Applied:
        arguments = [self._argument(argument) for argument in call.arguments]
        if len(arguments) != 1:
            count = len(arguments)
            said = f"wrong number of args for evaluate unfinished- expected: 1, got: {count}."
            message = f"a sequence is applied to one input, found {len(arguments)}"
            raise self.refuse(message, call, said=said)
        return self.world.apply(node, self.checked_input(arguments[0], call.arguments[0]))

    def checked_input(self, thing: Thing, where: syntax.Syntax) -> tuple[Value, ...]:
        """The tokens of an input. Raises RaspError for what cannot be one."""
        tokens = self.input_of(thing)
        if not tokens:
            said = f"RASP sequences/selectors expect non-empty iterables, got: {_plain(thing)}"
            raise self.refuse(
                "an input is a word or a list of atoms, and not empty", where, said=said
            )
        if not all(map(is_atom, tokens)):
            said = (
                "attempted to create sequence with illegal val types "
                f"(vals must be bool, float, int or string):\n\t\t {_plain(thing)}"
            )
            raise self.refuse("the tokens of an input are atoms", where, said=said)
        return tokens

    @staticmethod
    def input_of(thing: Thing) -> tuple[Value, ...]:
        """What would be the tokens of an input; nothing for what has no parts."""
        return tuple(thing) if isinstance(thing, str | list | dict) else ()  # type: ignore[arg-type]


def _plain(thing: Thing) -> str:
    """A thing as Python prints it, as the original's messages have it."""
    return describe_thing(thing) if isinstance(thing, OpenNode) else str(thing)
