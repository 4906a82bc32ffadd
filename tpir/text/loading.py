"""``load "file";`` and the libraries that come with tpir."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tpir.errors import TpirError
from tpir.files import read_text
from tpir.span import shortened
from tpir.text import syntax
from tpir.text.notes import Notes, notes_of
from tpir.text.parser import parse_syntax
from tpir.text.problems import Heading, RaspError
from tpir.text.scope import Scope
from tpir.text.source import Source
from tpir.text.statements import Runner
from tpir.text.world import World

SUFFIX = ".rasp"
STANDARD = "std"
_KEPT_FILES = 32


def run_library(world: World, scope: Scope) -> None:
    """Run the standard library in a scope."""
    file, source = library_text(STANDARD)
    runner = Runner(world, source, scope)
    for statement in file.statements:  # without its comments: they would be printed with programs
        runner.run(statement, Notes())  # type: ignore[arg-type]


@cache
def library_text(name: str) -> tuple[syntax.File, Source]:
    """A library that comes with tpir, read once."""
    source = library_source(name)
    assert source is not None
    return parse_syntax(source), source


@cache
def library_source(name: str) -> Source | None:
    """The text of a library that comes with tpir; None if there is none of that name."""
    if not name.isidentifier():
        return None  # a path could lead out of the folder of libraries
    found = files("tpir.library") / f"{name}{SUFFIX}"
    if not _is_file(found):
        return None
    return Source(f"{name}{SUFFIX}", found.read_text(encoding="utf-8"))


def _is_file(path: Path | Traversable) -> bool:
    """Whether there is a file; a name that no file can have (one too long) is that of none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_library(source: Source) -> bool:
    """Whether a text is a library that comes with tpir."""
    return source == library_source(source.name.removesuffix(SUFFIX))


def find_file(load: syntax.Load, loader: Source) -> tuple[syntax.File, Source]:
    """The file that ``load`` means, read. Raises TpirError where there is no ``.rasp``."""
    source = find_source(load, loader)
    if is_library(source):
        return library_text(load.path)
    return _parsed(source), source


@lru_cache(maxsize=_KEPT_FILES)
def _parsed(source: Source) -> syntax.File:
    """The syntax of a file that may be loaded again."""
    return parse_syntax(source)


def find_source(load: syntax.Load, loader: Source) -> Source:
    """The file that ``load`` means: beside the text that loads it, here, or a library of tpir's.

    Raises RaspError where there is none, or it is no text.
    """
    beside = Path(loader.name).parent
    for folder in dict.fromkeys((beside, Path())):
        found = folder / f"{load.path}{SUFFIX}"
        if _is_file(found):
            try:
                return Source(str(found), read_text(found))
            except TpirError as error:
                said = f"could not read file: {found}"
                raise _refused(load, loader, error.message, said) from None
    library = library_source(load.path)
    if library is None:
        name = f"{load.path}{SUFFIX}"
        note = "a file is looked for beside the one that loads it, then where tpir runs"
        message, said = f"there is no file {shortened(name)}", f"could not find file: {name}"
        raise _refused(load, loader, message, said, note)
    return library


def _refused(load: syntax.Load, loader: Source, message: str, said: str, *notes: str) -> RaspError:
    span = loader.span(load.start, load.end)
    return RaspError(message, said=said, heading=Heading.IGNORED, span=span, notes=notes)


def load_file(world: World, load: syntax.Load, source: Source, scope: Scope) -> None:
    """Run another file; what it names, but for leading underscores, is named here too."""
    found = find_file(load, source)
    with world.nested_load(source.span(load.start, load.end)):
        if world.on_load is not None:
            world.on_load(*found)
        run_file(world, *found, Scope(world.base, load.path, exported_to=scope))


def run_file(world: World, file: syntax.File, source: Source, scope: Scope) -> None:
    """Run a file in a scope. Headers, outputs and commands of a loaded file mean nothing there."""
    runner = Runner(world, source, scope)
    for statement, notes in zip(file.statements, notes_of(source, file.statements), strict=True):
        match statement:
            case syntax.TableStatement() | syntax.ReluStatement():
                runner.define_table(statement, notes)
            case syntax.Output() | syntax.Command() | syntax.SetExample():
                continue
            case _:
                runner.run(statement, notes)
