"""A session of the prompt: statements in, displays out; no terminal needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.ir.values import Value
from tpir.repl.commands import is_command, run_command
from tpir.repl.display import Display, Settings, no_input
from tpir.repl.export import free_path, program_of
from tpir.repl.reader import Piece, Read, Reader, Unreadable, read_all
from tpir.repl.reply import Reply, misspelling, refusal
from tpir.repl.words import SEQUENCE
from tpir.text import syntax
from tpir.text.builtins import BUILTINS
from tpir.text.evaluate import Evaluator
from tpir.text.loading import SUFFIX, find_source, is_library, run_library
from tpir.text.notes import Notes, notes_of
from tpir.text.open import OpenNode
from tpir.text.problems import RaspError
from tpir.text.scope import Applied, Scope, Thing, describe_thing, is_atom, kind_of
from tpir.text.source import Source
from tpir.text.statements import OUT, Named, Result, Runner
from tpir.text.world import World
from tpir.view.graph import picture

LIBRARY_NAMES = frozenset(
    {
        "full_s",
        "length",
        "selector_width",
        "has_focus",
        "count",
        "contains",
        "max",
        "min",
        "average",
        "load_from_location",
        "shift",
        "mark_last_instance",
        "mark_first_instance",
        "select_from_last",
        "select_from_first",
        "sort",
        "select_next_identical",
    }
)
"""The names of the original's library, which its prompt lets nobody redefine."""

_FAILS_NOW = "\t!!statement executed, but result fails on evaluation:\n\t\t "


@dataclass(frozen=True)
class _Example:
    """``show example`` in a file that is being loaded."""

    subset: str | None


class _Exit(Exception):
    """``exit`` was said."""


Stored = Result | _Example | Reply


class Session:
    """What is typed at one prompt, and what it has defined.

    ``run`` takes any text, ``feed`` a line and ``finish`` the end of all lines: they give what the
    prompt says. ``done`` after ``exit``. ``protected`` are names that the prompt cannot give away.
    """

    def __init__(self) -> None:
        self.settings = Settings()
        self.protected = LIBRARY_NAMES
        self.done = False
        self.world = World(
            builtins=BUILTINS,
            library=run_library,
            load=self._load,
            try_out=self._try_out,
            draw=self._draw,
        )
        self.scope = Scope(self.world.base, "console", protected=lambda: self.protected)
        self._display = Display(self.settings, self.world)
        self._replies: list[Reply] = []
        self._stored: list[Stored] = []
        self._loading: list[Source] = []
        self._reader = Reader(lambda text, before, _: Source(f"<input {before + 1}>", text))

    # ---- text in

    @property
    def prompt(self) -> str:
        """What stands before the next line, as the original has it."""
        return f".. {'  ' * self._reader.depth}" if self._reader.waiting else ">> "

    def feed(self, line: str) -> Iterator[Reply]:
        """Take a line: what the prompt says, as soon as it is known."""
        if self.done:
            return
        if is_command(line) and self._reader.lacks_its_end:
            yield from self._take(self._reader.finish())
        if is_command(line) and not self._reader.unfinished:
            yield from run_command(self, line)
        else:
            yield from self._take(self._reader.add(line))

    def finish(self) -> Iterator[Reply]:
        """The end of all lines."""
        if not self.done:
            yield from self._take(self._reader.finish())

    def look_up(self, name: str) -> Thing:
        """What a name stands for. Raises TpirError."""
        found = self.scope.get(name)
        if found is None:
            found = self.world.builtins.get(name)
        if found is None:
            raise TpirError(f"unknown name {name}")
        return found

    def names(self) -> list[str]:
        """All names that stand for something."""
        library = self.world.library.names
        return sorted({*self.scope.all_names(), *library, *self.world.builtins})

    def replies(self, text: str) -> Iterator[Reply]:
        """Take a whole text: what the prompt says, as soon as it is known."""
        for line in text.split("\n"):
            yield from self.feed(line)
        yield from self.finish()

    def run(self, text: str) -> list[Reply]:
        """Take a whole text: all that the prompt says."""
        return list(self.replies(text))

    def load(self, path: Path) -> Iterator[Reply]:
        """Load a file, as if it were said. Raises TpirError where there is none."""
        name = str(path.with_suffix("") if path.suffix == SUFFIX else path)
        text = f'load "{name}";'
        load, source = syntax.Load(0, len(text), name), Source("<arguments>", text)
        try:
            find_source(load, source)
        except TpirError as error:
            raise TpirError(error.message) from None
        yield from self._take([Read(syntax.File((), (load,)), source)])

    def drop(self) -> None:
        """Forget a statement that is not finished."""
        self._reader.drop()

    def _take(self, pieces: Iterable[Piece]) -> Iterator[Reply]:
        for piece in pieces:
            try:
                for _ in self._run(piece, self.scope):
                    yield from self._said()
            except _Exit:
                self.done = True
                return

    def _said(self) -> list[Reply]:
        said, self._replies = self._replies, []
        return said

    # ---- statements

    def _run(self, piece: Piece, scope: Scope) -> Iterator[None]:
        """Run a text in a scope, and pause after each statement. Raises _Exit after ``exit``."""
        if isinstance(piece, Unreadable):
            self._tell(misspelling(piece))
            yield
            return
        if piece.file.header and not self._loading:
            self._tell(refusal(_header_at_prompt(piece)))
            yield
        runner = Runner(self.world, piece.source, scope)
        notes = notes_of(piece.source, piece.file.statements)
        for statement, own in zip(piece.file.statements, notes, strict=True):
            self.world.renew()
            try:
                self._statement(statement, own, runner)
            except TpirError as error:
                self._tell(refusal(error))
            except RecursionError:
                place = piece.source.span(statement.start, statement.end)
                self._tell(refusal(TpirError("this is nested too deeply", span=place)))
            yield

    def _statement(self, statement: syntax.Statement, notes: Notes, runner: Runner) -> None:
        results: Iterable[Stored] = ()
        match statement:
            case syntax.Command(words=words):
                self._command(words.split())
            case syntax.SetExample():
                self._set_example(statement, runner.evaluator)
            case syntax.TableStatement() | syntax.ReluStatement():
                runner.define_table(statement, notes)
                results = [Named(statement.name, runner.scope.names[statement.name])]
            case syntax.Output():
                results = runner.run(_as_said(statement), notes)
            case _:
                results = runner.run(statement, notes)
        for result in results:
            self._tell(result)

    def _command(self, words: list[str]) -> None:
        match words:
            case ["show", "example"]:
                self._tell(_Example(None))
            case ["show", subset, "example"]:
                self._tell(_Example(subset))
            case ["examples", switch]:
                self.settings.show_sequences = self.settings.show_selectors = switch == "on"
            case ["s-op", "examples", switch]:
                self.settings.show_sequences = switch == "on"
            case ["selector", "examples", switch]:
                self.settings.show_selectors = switch == "on"
            case ["full", "seq", "display", switch]:
                self.settings.verbose = switch == "on"
            case _:
                raise _Exit

    def _set_example(self, statement: syntax.SetExample, evaluator: Evaluator) -> None:
        value = evaluator.value(statement.value)
        if not isinstance(value, str | list | dict) or not all(map(is_atom, value)):
            said = f"example not iterable: {describe_thing(value)}"
            message = f"an example is a word or a list of atoms, not {kind_of(value)}"
            raise evaluator.refuse(message, statement.value, said=said)
        if statement.subset != "selector":
            self.settings.sequence_example = value
        if statement.subset != SEQUENCE:
            self.settings.selector_example = value

    # ---- hooks of the world

    def _try_out(self, node: OpenNode) -> None:
        """Compute a node where the original would."""
        tokens = self.world.backup
        if tokens is None:
            tokens = self.settings.tokens
            if not tokens:
                raise no_input(self.settings.sequence_example)
        if tokens and all(map(is_atom, tokens)):  # else what applies the node complains
            self.world.on(tokens).try_out(node)

    def _draw(self, node: OpenNode, tokens: tuple[Value, ...] | None) -> Applied:
        tokens = tokens or self.settings.tokens
        if not tokens:
            raise no_input(self.settings.sequence_example)
        applied = self.world.apply(node, tokens)
        program = program_of(node, tokens, len(tokens))
        path = free_path(program.name, ".svg")
        write_atomic(path, picture(program).svg)
        self._tell(Reply(f"\t wrote {path}\n", drawn=program))
        return applied

    def _load(self, world: World, load: syntax.Load, source: Source, scope: Scope) -> None:
        """Run a file to its end, whatever fails in it; then show what it defined."""
        found = find_source(load, source)
        if found in self._loading:
            place = source.span(load.start, load.end)
            raise TpirError("files load each other in a circle", span=place)
        if not self._loading:
            self._stored.clear()  # what a load that was broken off has left
        inner = Scope(world.base, load.path, exported_to=scope)
        self._loading.append(found)
        try:
            with self._examples_off(), self._names_free(found):
                for piece in read_all(found):
                    for _ in self._run(piece, inner):
                        pass
                self._show_stored()
        except _Exit:
            with self._examples_off():
                self._show_stored()
        finally:
            self._loading.pop()

    @contextmanager
    def _names_free(self, text: Source) -> Iterator[None]:
        """While a text is run: a library of tpir's may give its own names again."""
        before = self.protected
        if is_library(text):
            self.protected = frozenset()
        try:
            yield
        finally:
            self.protected = before

    @contextmanager
    def _examples_off(self) -> Iterator[None]:
        settings = self.settings
        before = settings.show_sequences, settings.show_selectors
        settings.show_sequences = settings.show_selectors = False
        try:
            yield
        finally:
            settings.show_sequences, settings.show_selectors = before

    # ---- replies

    def _tell(self, item: Stored) -> None:
        """Show an item; while a file is loaded, once it is through."""
        if not self._loading:
            self._show(item)
        elif not isinstance(item, Applied) and not (
            isinstance(item, Named) and (item.name == OUT or item.name.startswith("_"))
        ):
            self._stored.append(item)

    def _show_stored(self) -> None:
        """Show what files named: where no statement failed, each name once."""
        stored, self._stored = self._stored, []
        if not any(isinstance(item, Reply) and _has_failed(item) for item in stored):
            last = {item.name: item for item in stored if isinstance(item, Named)}
            stored = [i for i in stored if not isinstance(i, Named) or last[i.name] is i]
        for item in stored:
            self._show(item)

    def _show(self, item: Stored) -> None:
        if isinstance(item, Reply):
            self._replies.append(item)
            return
        lines: list[str] = []
        failed: RaspError | None = None
        try:
            for line in self._lines(item):
                lines.append(line)
        except RaspError as error:
            failed = error
        text = "".join(f"{line}\n" for line in lines)
        result = None if isinstance(item, _Example) else item
        self._replies.append(Reply(text, result=result, complete=failed is None))
        if failed is not None:
            self._replies.append(Reply(f"{_FAILS_NOW}{failed.said}\n", failed))

    def _lines(self, item: Named | Applied | _Example) -> Iterator[str]:
        if isinstance(item, _Example):
            return self._display.example(item.subset)
        if isinstance(item, Applied):
            return self._display.applied(item) if item.tokens else iter(())
        return self._display.named(item.name, item.thing)


def _has_failed(reply: Reply) -> bool:
    return reply.error is not None and not isinstance(reply.error, Unreadable)


def _header_at_prompt(read: Read) -> TpirError:
    item = read.file.header[0]
    message = "the header of a program means nothing at the prompt"
    return read.source.error(message, item.start, item.end)


def _as_said(output: syntax.Output) -> syntax.Inner:
    """The statement that an output stands for."""
    if output.binds and output.label is not None:
        name = syntax.Name(output.start, output.end, output.label)
        return syntax.Assign(output.start, output.end, (name,), (output.value,))
    return syntax.Bare(output.start, output.end, output.value)
