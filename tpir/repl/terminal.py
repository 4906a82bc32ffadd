"""The prompt on a terminal: editing over several lines, colours, completion, history."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.output import Output

from tpir.repl.commands import COMMAND_NAMES, is_command
from tpir.repl.reader import Reader
from tpir.repl.reply import Reply
from tpir.repl.session import Session
from tpir.text.source import Source
from tpir.view.lexer import RaspLexer

_WORD = re.compile(r":?[A-Za-z0-9_]*$")
_WORDS = ("and", "def", "else", "examples", "exit", "for", "if", "in", "load", "not", "or")
_MORE_WORDS = ("return", "set example", "show example", "full seq display")


def run_terminal(
    session: Session,
    show: Callable[[Reply], None],
    *,
    history: History | None = None,
    keys: Input | None = None,
    screen: Output | None = None,
) -> None:
    """Ask for statements until ``exit`` or the end of input, with Control-D."""
    prompts: PromptSession[str] = PromptSession(
        history=history or open_history(),
        lexer=PygmentsLexer(RaspLexer),
        completer=Names(session),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        enable_history_search=True,
        multiline=True,
        reserve_space_for_menu=4,
        prompt_continuation=_continuation,
        key_bindings=_bindings(),
        input=keys,
        output=screen,
    )
    while not session.done:
        try:
            for reply in session.replies(prompts.prompt(">> ")):
                show(reply)
        except KeyboardInterrupt:
            session.drop()
        except EOFError:
            return


def open_history() -> History:
    """The statements of earlier sessions; only those of this one where they cannot be kept."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "tpir" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def is_finished(text: str) -> bool:
    """Whether a text can be run as it stands, or with the ``;`` that an empty line stands for."""
    if is_command(text):
        return True
    reader = Reader(lambda part, *_: Source("<input>", part))
    for line in text.split("\n"):
        reader.add(line)
    ended_by_hand = not text.rpartition("\n")[2].strip() and reader.lacks_its_end
    return not reader.unfinished or ended_by_hand


class Names(Completer):
    """Completes names that stand for something, and the words of the language."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        """The names that go on from what stands before the cursor."""
        found = _WORD.search(document.text_before_cursor)
        start = found.group() if found is not None else ""
        known = {*self._session.names(), *_WORDS, *_MORE_WORDS, *COMMAND_NAMES}
        for name in sorted(known):
            if start and name.startswith(start):
                yield Completion(name, -len(start))


def _continuation(width: int, line: int, wrapped: int) -> StyleAndTextTuples:
    return [("", "" if wrapped else ".. ")]


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    choosing = has_completions & completion_is_selected

    @bindings.add("enter", filter=~choosing)
    def _(event: KeyPressEvent) -> None:
        """Run what is finished; go on with a new line where something is missing."""
        buffer = event.current_buffer
        if is_finished(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text(f"\n{_indent(buffer)}")

    @bindings.add("enter", filter=choosing)
    def _(event: KeyPressEvent) -> None:
        """Take the chosen completion."""
        event.current_buffer.complete_state = None

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        """A new line, whatever is finished."""
        event.current_buffer.insert_text("\n")

    return bindings


def _indent(buffer: Buffer) -> str:
    before = buffer.document.text_before_cursor
    return "  " * max(0, before.count("{") - before.count("}"))
