"""What the texts of one program share: inputs, the library, a budget, and hooks of the prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from tpir.errors import TpirError
from tpir.ir.expressions import UnaryOp
from tpir.ir.ops import Indices, Tokens
from tpir.ir.values import Key, Value
from tpir.span import Span
from tpir.text import syntax
from tpir.text.example import Example, input_key
from tpir.text.learned import NamedTable
from tpir.text.open import TOKENS_ASIS, OpenNode, OpenOp, TokensAs, Where
from tpir.text.problems import RaspError
from tpir.text.scope import Applied, Builtin, Scope, Thing
from tpir.text.source import Source

MOST_STEPS = 300_000
"""Expressions that elaborating a program may evaluate: a bound on recursion and loops."""

_STEPS_A_NODE = 5

_ITEMS_A_STEP = 16
"""Items of lists that count as one step: what they take, in time and in memory, is bounded, too."""

_KEPT_EXAMPLES = 3
"""Those of sequences and selectors at the prompt, and what a sequence is applied to."""

_DEEPEST_LOAD = 32
"""Files that load files that load files: more than this is a circle."""

_MOST_LOADS = 256
"""Files that one program, or one statement at a prompt, may load."""

TryOut = Callable[[OpenNode], None]
Draw = Callable[[OpenNode, tuple[Value, ...] | None], Applied]
"""Draw a sequence, on an input if one is given, and say what it is there."""

Load = Callable[["World", syntax.Load, Source, Scope], None]

OnLoad = Callable[[syntax.File, Source], None]


class World:
    """One elaboration: of a file, or of all that is typed at a prompt.

    ``labels`` are the header's. ``try_out`` is told each open node that an expression stands for,
    and may raise RaspError: the prompt tries them on its example, or on ``backup`` while what is
    applied to that is evaluated. ``draw`` is what the function of that name does. ``library`` runs
    the standard library in the scope it is given, when a name of it is first asked for. ``on_load``
    is told each file that ``load_file`` loads, before it runs.
    """

    def __init__(
        self,
        *,
        builtins: Mapping[str, Builtin],
        library: Callable[[World, Scope], None],
        load: Load,
        labels: Sequence[Value] = (),
        try_out: TryOut | None = None,
        draw: Draw | None = None,
        on_load: OnLoad | None = None,
        most_steps: int = MOST_STEPS,
    ) -> None:
        self.labels = tuple(labels)
        self.builtins = builtins
        self.defined_later: Mapping[str, int] = {}
        self.backup: tuple[Value, ...] | None = None
        self.draw, self.load, self.on_load = draw, load, on_load
        self._try_out = try_out
        self._library = library
        self.nodes: list[OpenNode] = []
        self._comments: tuple[str, ...] = ()
        self._steps = most_steps
        self._quiet = False
        self._loading = self._loads = 0
        source = Source("<inputs>", "")
        self._nowhere = Where(source, 0, 0)
        self.inputs = self._make_inputs()
        self._examples: dict[tuple[Key, ...], Example] = {}

    def _make_inputs(self) -> dict[str, OpenNode]:
        asis = self._input(TOKENS_ASIS, Tokens())
        conversions = {
            "tokens_str": UnaryOp.WORD,
            "tokens_int": UnaryOp.INT,
            "tokens_float": UnaryOp.FLOAT,
            "tokens_bool": UnaryOp.TRUTH,
        }
        inputs = {name: self._input(name, TokensAs(op)) for name, op in conversions.items()}
        inputs["tokens_str"].title = "tokens"
        return {**inputs, TOKENS_ASIS: asis, "indices": self._input("indices", Indices())}

    def _input(self, name: str, op: OpenOp) -> OpenNode:
        made = OpenNode(op, (), False, self._nowhere, self.made + 1, None, name, name)
        self.nodes.append(made)
        return made

    @cached_property
    def base(self) -> Scope:
        """The scope that every file starts from: inputs, truth values, and the library."""
        return Scope(None, "library", names=self._constants(), fallback=lambda: self.library)

    def _constants(self) -> dict[str, Thing]:
        return {**self.inputs, "tokens": self.inputs["tokens_str"], "True": True, "False": False}

    @cached_property
    def library(self) -> Scope:
        """The standard library, run when it is first needed."""
        scope = Scope(Scope(None, "library", names=self._constants()), "library")
        quiet, self._quiet = self._quiet, True
        try:
            self._library(self, scope)
        finally:
            self._quiet = quiet
        return scope

    @property
    def made(self) -> int:
        """The number of the newest open node: numbers count from 1."""
        return len(self.nodes)

    def carry_comments(self, table: NamedTable) -> None:
        """Note the comments of a table that is used for the first time."""
        self._comments, table.comments = (*self._comments, *table.comments), ()

    def take_comments(self) -> tuple[str, ...]:
        """The comments of tables that the statement has used for the first time."""
        found, self._comments = self._comments, ()
        return found

    @contextmanager
    def nested_load(self, span: Span) -> Iterator[None]:
        """While a file is loaded. Raises TpirError where files load each other without end."""
        if self._loading >= _DEEPEST_LOAD:
            raise TpirError("files load each other in a circle", span=span)
        if self._loads >= _MOST_LOADS:
            raise TpirError(f"more than {_MOST_LOADS} files are loaded", span=span)
        self._loading += 1
        self._loads += 1
        try:
            yield
        finally:
            self._loading -= 1

    def tick(self, source: Source, syntax_: syntax.Syntax | Where, count: int = 1) -> None:
        """Count steps. Raises TpirError when the budget is spent."""
        self._steps -= count
        if self._steps < 0:
            raise Where.of(source, syntax_).error(
                "this takes too many steps",
                "functions that call themselves without end, or loops over very long lists?",
            )

    def make(self, source: Source, syntax_: syntax.Syntax, items: int) -> None:
        """Count the items of a list or a word that is made or searched, in steps."""
        self.tick(source, syntax_, items // _ITEMS_A_STEP)

    def renew(self, steps: int = MOST_STEPS) -> None:
        """A fresh budget, for the next statement at a prompt."""
        self._steps, self._loads = steps, 0

    def new(
        self,
        op: OpenOp,
        operands: tuple[OpenNode, ...],
        *,
        is_selector: bool,
        where: Where,
        label: str | None,
        title: str,
    ) -> OpenNode:
        """Make an open node."""
        self.tick(where.source, where, _STEPS_A_NODE)
        number = self.made + 1
        title = short_title(title, is_selector=is_selector)
        made = OpenNode(op, operands, is_selector, where, number, label, title)
        self.nodes.append(made)
        self.test(made, where)
        return made

    @property
    def tests(self) -> bool:
        """Whether nodes are tried out."""
        return self._try_out is not None and not self._quiet

    def mention(self, node: OpenNode, where: Where) -> None:
        """Note where a text first names an input: what goes wrong with it is shown there."""
        if node.mentioned is None and node.where is self._nowhere and not self._quiet:
            node.mentioned = where

    def test(self, node: OpenNode, where: Where) -> None:
        """Try a node out, if nodes are. Raises RaspError, in the text that ``where`` stands in.

        What a name stands for was computed before, perhaps on another example.
        """
        if self._try_out is None or self._quiet:
            return
        try:
            self._try_out(node)
        except RaspError as error:
            here = where.span
            is_input = error.span in [made.origin.span for made in self.inputs.values()]
            if error.span is None or (error.span.source == here.source and not is_input):
                raise
            there = () if is_input else (f"it is computed at {error.span}",)
            notes = [*error.notes, *there]
            raise RaspError(
                error.message, said=error.said, heading=error.heading, span=here, notes=notes
            ) from None

    @contextmanager
    def backed_by(self, tokens: tuple[Value, ...] | None) -> Iterator[None]:
        """While nodes are tried out on these tokens; on the prompt's example for None."""
        before, self.backup = self.backup, tokens
        try:
            yield
        finally:
            self.backup = before

    def retitle(self, node: OpenNode, title: str) -> None:
        """Have the prompt call a node by another title, as the original does on assignment."""
        node.title = short_title(title, is_selector=node.is_selector)

    def apply(self, node: OpenNode, tokens: tuple[Value, ...]) -> Applied:
        """What a node is on an input. Raises TpirError where it fails."""
        return self.on(tokens).value(node)

    def on(self, tokens: tuple[Value, ...]) -> Example:
        """What was computed on an input, while it is among the last few."""
        key = input_key(tokens)
        found = self._examples.pop(key, None) or Example(tokens)
        self._examples[key] = found
        if len(self._examples) > _KEPT_EXAMPLES:
            del self._examples[next(iter(self._examples))]
        return found


LONGEST_TITLE = 30


def short_title(title: str, *, is_selector: bool) -> str:
    """A title, or the kind of thing where it is longer than the original shows."""
    if len(title) <= LONGEST_TITLE:
        return title
    return "sel" if is_selector else "s-op"
