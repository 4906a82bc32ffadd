"""Commands of the prompt that begin with a colon."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import tpir
from tpir.repl.commands import COMMAND_NAMES, HELP
from tpir.repl.session import Session

HIST = "hist = selector_width(select(tokens, tokens, ==));"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session in a folder of its own that knows a histogram."""
    monkeypatch.chdir(tmp_path)
    session = Session()
    session.run(f"{HIST}\nsame = select(tokens, tokens, ==);\nnothing = [];")
    session.run('flip = "x" if tokens == "h" else "y";')
    return session


def said(session: Session, text: str) -> str:
    return "".join(reply.text for reply in session.run(text))


def test_help_names_every_command(session: Session) -> None:
    assert said(session, ":help") == HELP
    assert all(name in HELP for name in COMMAND_NAMES)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("hist", 'sequence of Integer(0..5), for inputs of up to 5 tokens of "h", "e", "l", "o"'),
        (
            "hist --max-length 9 --vocab a,b",
            'sequence of Integer(0..9), for inputs of up to 9 tokens of "a", "b"',
        ),
        ("max", "function, library function: max(a, b)"),
        ("True", "atom, True"),
        ("nothing", "list, []"),
    ],
)
def test_type_says_what_a_name_is(session: Session, asked: str, answer: str) -> None:
    assert said(session, f":type {asked}") == f"\t {asked.split()[0]}: {answer}\n"


def test_graph_writes_a_picture_where_none_is(session: Session) -> None:
    assert said(session, ":graph hist") == "\t wrote hist.svg\n"
    assert said(session, ":graph hist") == "\t wrote hist-2.svg\n"
    assert "hist.svg exists" in said(session, ":graph hist hist.svg")
    assert said(session, ":graph hist hist.svg --force --max-length 2") == "\t wrote hist.svg\n"
    assert "context 2" in Path("hist.svg").read_text()


def test_emitted_python_agrees(session: Session) -> None:
    assert said(session, ":emit hist hist.py") == "\t wrote hist.py\n"
    run = runpy.run_path("hist.py")["run"]
    assert run(list("hello")) == [1, 1, 2, 2, 1]
    assert said(session, ":emit hist") == Path("hist.py").read_text()


def test_compiled_weights_agree(session: Session) -> None:
    assert said(session, ":compile flip flip.safetensors") == "\t wrote flip.safetensors\n"
    (flipped,) = tpir.run("flip.safetensors", list("hello")).values()
    assert flipped == ("x", "y", "y", "y", "y")
    said(session, ":compile flip small.safetensors --vocab h,i --max-length 3")
    assert tpir.load("small.safetensors").context == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (":frob", "there is no command :frob: try :help"),
        (":", "there is no command :"),
        (":type", "this command takes NAME"),
        (":type nope", "unknown name nope"),
        (":graph hist a b", "this command takes NAME [FILE.svg]"),
        (":graph same", "same is a selector; only sequences are programs"),
        (":graph max", "max is a function; only sequences are programs"),
        (":compile hist", "this command takes NAME FILE.safetensors"),
        (":compile hist a --target gpu", "cannot compile to gpu"),
        (":emit hist --vocab", "--vocab needs a value"),
        (":type hist --vocab a,a", '--vocab a,a lists "a" twice'),
        (":type hist --vocab ''", "--vocab lists no tokens"),
        (":type hist --vocab a,,b", "a word between commas is empty"),
        (":emit hist --max-length x", "expected a whole number"),
        (":emit hist --nope", "there is no option --nope"),
        (':emit "hist', "this command is not complete"),
    ],
)
def test_errors_are_one_clear_line(session: Session, command: str, message: str) -> None:
    (reply,) = session.run(command)
    assert reply.error is not None
    assert message in reply.text


def test_what_cannot_be_compiled_is_named(session: Session) -> None:
    (reply,) = session.run(":compile hist hist.safetensors")
    assert "hist has no place in a Transformer Program" in reply.text
    assert not Path("hist.safetensors").exists()


def test_a_command_ends_a_statement_without_its_semicolon(session: Session) -> None:
    assert said(session, "a = 3\n:type a") == "    value: a =  3\n\t a: atom, 3\n"


def test_in_the_middle_of_a_statement_a_colon_is_its_own(session: Session) -> None:
    assert said(session, 'd = {"a"\n: 3};') == "     dict: d = {'a': 3}\n"


def test_quit_ends(session: Session) -> None:
    session.run(":quit")
    assert session.done
    assert session.run("1;") == []
