"""The commands of the prompt that begin with a colon: to pictures, Python and weights."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tpir import api
from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.ir.program import Program
from tpir.ir.types import Selector
from tpir.ir.values import Value, distinct, show_value
from tpir.repl.export import free_path, program_of, specialised_type
from tpir.repl.reply import Reply, refusal
from tpir.text.header import listed_vocabulary
from tpir.text.open import OpenNode
from tpir.text.scope import Thing, describe_thing, kind_of
from tpir.view.graph import picture

if TYPE_CHECKING:
    from tpir.repl.session import Session

HELP = """\
Statements end in ; and may take several lines:
  tokens; indices; length;              what a sequence is on the running example
  same = select(tokens, tokens, ==);    names for sequences, selectors, numbers, words, lists
  def f(seq) { return seq + 1; }        functions; for x in [1, 2] { … }
  same("abc"); f(indices)([4, 5]);      on an input of your own
  load "file";                          everything that file.rasp names, but for _names
  draw(f(indices));                     the flow of a sequence as a picture
Settings, without ;
  set example "abc"                     also: set s-op example …, set selector example …
  show example                          the running examples
  examples off                          also: s-op examples off, selector examples off, … on
  full seq display on                   sequences under their input
Commands of tpir:
  :type NAME                            what NAME is, on inputs like the example
  :graph NAME [FILE.svg]                its flow as a picture
  :emit NAME [FILE.py]                  a stand-alone Python module
  :compile NAME FILE.safetensors        the weights of a Transformer Program
  :help, :quit                          this; the end (also: exit)
:type, :graph, :emit and :compile take the example's tokens for vocabulary, its length for the
longest input. Say others behind the rest: --vocab a,b,c --max-length 8. --force overwrites files.
"""


@dataclass(frozen=True)
class _Order:
    """A command in its parts."""

    arguments: tuple[str, ...]
    vocabulary: tuple[Value, ...] | None
    context: int | None
    target: str | None
    force: bool


def is_command(line: str) -> bool:
    """Whether a line is one of the commands here."""
    return line.lstrip().startswith(":")


def run_command(session: Session, line: str) -> Iterator[Reply]:
    """What the prompt says to a command."""
    name, _, rest = line.strip().partition(" ")
    try:
        if name not in _COMMANDS:
            raise TpirError(f"there is no command {name}: try {', '.join(_COMMANDS)}")
        yield from _COMMANDS[name](session, _order(rest))
    except TpirError as error:
        yield refusal(error)
    except RecursionError:
        yield refusal(TpirError("this is nested too deeply"))


def _order(text: str) -> _Order:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TpirError(f"this command is not complete: {error}") from None
    arguments: list[str] = []
    given: dict[str, str] = {}
    force = False
    while words:
        word = words.pop(0)
        if word == "--force":
            force = True
        elif word in ("--vocab", "--max-length", "--target"):
            if not words:
                raise TpirError(f"{word} needs a value")
            given[word] = words.pop(0)
        elif word.startswith("--"):
            raise TpirError(f"there is no option {word}: try --vocab, --max-length, --force")
        else:
            arguments.append(word)
    vocabulary = listed_vocabulary(given["--vocab"]) if "--vocab" in given else None
    context = _whole(given["--max-length"]) if "--max-length" in given else None
    return _Order(tuple(arguments), vocabulary, context, given.get("--target"), force)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise TpirError(f"--max-length {text}: expected a whole number from 1")
    return int(text)


# ---- what they do


def _help(_: Session, order: _Order) -> Iterator[Reply]:
    yield Reply(HELP)


def _quit(session: Session, order: _Order) -> Iterator[Reply]:
    session.done = True
    yield from ()


def _type(session: Session, order: _Order) -> Iterator[Reply]:
    (name,) = _arguments(order, "NAME")
    thing = session.look_up(name)
    yield Reply(f"\t {name}: {_description(session, thing, order)}\n")


def _graph(session: Session, order: _Order) -> Iterator[Reply]:
    name, *file = _arguments(order, "NAME", "[FILE.svg]")
    program = _program(session, name, order)
    path = Path(file[0]) if file else free_path(program.name, ".svg")
    write_atomic(path, picture(program).svg, force=order.force)
    yield Reply(f"\t wrote {path}\n", drawn=program)


def _emit(session: Session, order: _Order) -> Iterator[Reply]:
    name, *file = _arguments(order, "NAME", "[FILE.py]")
    module = api.emit(_program(session, name, order))
    if not file:
        yield Reply(module)
        return
    write_atomic(Path(file[0]), module, force=order.force)
    yield Reply(f"\t wrote {file[0]}\n")


def _compile(session: Session, order: _Order) -> Iterator[Reply]:
    name, file = _arguments(order, "NAME", "FILE.safetensors")
    if order.target not in (None, "transformer-program"):
        raise TpirError(f"cannot compile to {order.target}: there is transformer-program")
    program = _program(session, name, order)
    api.save(api.compile(program), file, force=order.force)
    yield Reply(f"\t wrote {file}\n")


_COMMANDS: dict[str, Callable[[Session, _Order], Iterator[Reply]]] = {
    ":help": _help,
    ":type": _type,
    ":graph": _graph,
    ":emit": _emit,
    ":compile": _compile,
    ":quit": _quit,
}

COMMAND_NAMES = tuple(_COMMANDS)


def _arguments(order: _Order, *names: str) -> Sequence[str]:
    """The arguments, if there are as many as there should be; in brackets what can be left out."""
    least = sum(not name.startswith("[") for name in names)
    if not least <= len(order.arguments) <= len(names):
        raise TpirError(f"this command takes {' '.join(names)}")
    return order.arguments


def _inputs(session: Session, order: _Order) -> tuple[tuple[Value, ...], int]:
    """Vocabulary and context: those given, or the example's."""
    example = session.settings.tokens
    vocabulary = order.vocabulary or distinct(example)
    context = order.context or len(example)
    if not vocabulary or not context:
        raise TpirError("the example has no tokens: set another, or give --vocab and --max-length")
    return vocabulary, context


def _program(session: Session, name: str, order: _Order) -> Program:
    thing = session.look_up(name)
    if not isinstance(thing, OpenNode) or thing.is_selector:
        raise TpirError(f"{name} is {kind_of(thing)}; only sequences are programs")
    return program_of(thing, *_inputs(session, order), label=name)


def _description(session: Session, thing: Thing, order: _Order) -> str:
    if not isinstance(thing, OpenNode):
        described = describe_thing(thing, 60)
        return f"{kind_of(thing).split(' ', 1)[1]}, {described}"
    vocabulary, context = _inputs(session, order)
    type_ = specialised_type(thing, vocabulary, context)
    what = str(type_) if isinstance(type_, Selector) else f"sequence of {type_}"
    words = ", ".join(map(show_value, vocabulary[:12])) + (", …" if len(vocabulary) > 12 else "")
    return f"{what}, for inputs of up to {context} tokens of {words}"
