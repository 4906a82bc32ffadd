"""The prompt on a terminal: keys in, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("prompt_toolkit", reason="prompt_toolkit is not installed: no terminal to test")

from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tpir.repl.reply import Reply
from tpir.repl.session import Session
from tpir.repl.terminal import Names, is_finished, open_history, run_terminal

ENTER, ESCAPE, UP, CONTROL_C, CONTROL_D = "\r", "\x1b", "\x1b[A", "\x03", "\x04"


def typed(keys: str, history: InMemoryHistory | None = None) -> str:
    """What is said to a person who types."""
    replies: list[Reply] = []
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        run_terminal(
            Session(),
            replies.append,
            history=history or InMemoryHistory(),
            keys=pipe,
            screen=DummyOutput(),
        )
    return "".join(reply.text for reply in replies)


def test_a_finished_statement_runs_on_enter() -> None:
    assert typed(f"1 + 1;{ENTER}{CONTROL_D}") == "    value: out =  2\n"


def test_enter_goes_on_with_what_is_not_finished() -> None:
    keys = f"def f(x) {{{ENTER}return x + 1;{ENTER}}}{ENTER}f(1);{ENTER}exit{ENTER}"
    assert typed(keys) == "     console function: f(x)\n    value: out =  2\n"


def test_an_empty_line_ends_what_lacks_only_its_semicolon() -> None:
    assert typed(f"a = 3{ENTER}{ENTER}{CONTROL_D}") == "    value: a =  3\n"


def test_a_forgotten_semicolon_swallows_nothing() -> None:
    assert typed(f"a = 3{ENTER}b = 4;{ENTER}{CONTROL_D}") == (
        "    value: a =  3\n    value: b =  4\n"
    )


def test_escape_enter_is_a_new_line() -> None:
    assert typed(f"1;{ESCAPE}{ENTER}2;{ENTER}{CONTROL_D}") == (
        "    value: out =  1\n    value: out =  2\n"
    )


def test_control_c_drops_what_was_typed() -> None:
    assert typed(f"a = nope{CONTROL_C}1;{ENTER}:quit{ENTER}") == "    value: out =  1\n"


def test_history_brings_back_whole_statements() -> None:
    history = InMemoryHistory()
    typed(f"[1,{ENTER}2];{ENTER}{CONTROL_D}", history)
    assert history.get_strings() == ["[1,\n2];"]
    assert typed(f"{UP}{ENTER}{CONTROL_D}", history) == "     list: out = [1, 2]\n"


def test_history_is_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    history = open_history()
    assert isinstance(history, FileHistory)
    history.store_string("1;")
    assert list(open_history().load_history_strings()) == ["1;"]
    assert (tmp_path / "tpir" / "history").is_file()


def test_where_no_history_can_be_kept_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert isinstance(open_history(), InMemoryHistory)


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("", True),
        ("tokens;", True),
        ("tokens", False),
        ("tokens\n", True),
        ("f(\n", False),
        ("def f(x) {\n  return x;\n", False),
        ("a = ;", True),
        (":help", True),
        ("set example [1,", True),
        ("# a comment", True),
    ],
)
def test_what_is_finished(text: str, finished: bool) -> None:
    assert is_finished(text) is finished


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("my", ["my_name"]),
        ("a = selector_w", ["selector_width"]),
        ("tokens_s", ["tokens_str"]),
        (":gr", [":graph"]),
        ("has_f", ["has_focus"]),
        ("a = ", []),
    ],
)
def test_names_are_completed(text: str, names: list[str]) -> None:
    session = Session()
    session.run("my_name = 3;")
    found = Names(session).get_completions(Document(text), CompleteEvent())
    assert [completion.text for completion in found] == names
