"""Where errors say they are: in calls, in inputs that cannot be converted, in other files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tpir.errors import TpirError
from tpir.ir.values import Value
from tpir.semantics.interpreter import run
from tpir.text import parse

DEEP = """\
def f(n, s) {
    return f(n - 1, s) if n else 1 / s;
}
x = f(COUNT, indices);
"""


def error_of(
    text: str, vocabulary: Sequence[Value] = ("a", "b"), name: str = "p.rasp"
) -> TpirError:
    """The error of a text, or of running it on its vocabulary."""
    with pytest.raises(TpirError) as caught:
        run(parse(text, name=name, vocabulary=vocabulary, context=4), vocabulary)
    return caught.value


def calls_of(error: TpirError) -> list[str]:
    mark = "  note: called at "
    return [line.removeprefix(mark) for line in str(error).split("\n") if line.startswith(mark)]


@pytest.mark.parametrize(
    ("text", "place", "calls"),
    [
        # when statements run
        ("def f(s) {\n  return nope + s;\n}\nx = f(tokens);", "p.rasp:2:10", ["p.rasp:4:5"]),
        ("def f() {\n  a, b = [1];\n  return a;\n}\nx = f();", "p.rasp:2:3", ["p.rasp:5:5"]),
        ("x = sort(tokens, [1]);", "std.rasp:94:22", ["p.rasp:1:5"]),
        # when types are inferred
        ("x = indices;\nn = sum(tokens);", "std.rasp:238:12", ["p.rasp:2:5"]),
        # when it runs
        (DEEP.replace("COUNT", "1"), "p.rasp:2:12", ["p.rasp:2:12", "p.rasp:4:5"]),
        # no call, no note
        ("x = nope;", "p.rasp:1:5", []),
        # of two calls the one that fails
        (
            "def f(s) {\n  return s + 1;\n}\nx = f(indices);\ny = f(tokens);",
            "p.rasp:2:10",
            ["p.rasp:5:5"],
        ),
        # a function inside a function, called later and in a comprehension
        (
            "def f(s) {\n  def g(i) { return s / i; }\n  return g;\n}\ng = f(1);\n"
            "y = [g(i) for i in [1, 0]];",
            "p.rasp:2:21",
            ["p.rasp:6:6"],
        ),
    ],
)
def test_the_calls_are_told_from_the_inside_out(text: str, place: str, calls: list[str]) -> None:
    error = error_of(text)
    assert str(error.span) == place
    assert calls_of(error) == calls


def test_of_many_calls_the_middle_is_counted() -> None:
    five = str(error_of(DEEP.replace("COUNT", "4"))).split("\n")
    assert [line.strip() for line in five[-5:]] == [
        *["note: called at p.rasp:2:12"] * 4,
        "note: called at p.rasp:4:5",
    ]
    many = str(error_of(DEEP.replace("COUNT", "9"))).split("\n")
    assert [line.strip() for line in many[-6:]] == [
        *["note: called at p.rasp:2:12"] * 3,
        "note: … 5 more calls …",
        "note: called at p.rasp:2:12",
        "note: called at p.rasp:4:5",
    ]
    assert "1 more call …" in str(error_of(DEEP.replace("COUNT", "5")))


@pytest.mark.parametrize(
    ("text", "vocabulary", "place", "calls"),
    [
        ("x = indices;\ny = tokens_int + 1;", ("a", "b"), "p.rasp:2:5", []),
        ("tokens_float;", ("1", "b"), "p.rasp:1:1", []),
        ("def f(s) {\n  return s + tokens_int;\n}\nf(1);", ("a",), "p.rasp:2:14", ["p.rasp:4:1"]),
        ("y = [tokens_asis];\nz = y[0] == 1;", (1, "b"), "p.rasp:1:6", []),
        ("tokens_int;\ntokens_float;", ("a",), "p.rasp:2:1", []),
    ],
)
def test_an_input_that_cannot_be_converted_is_shown_where_it_is_named(
    text: str, vocabulary: Sequence[Value], place: str, calls: list[str]
) -> None:
    error = error_of(text, vocabulary)
    assert str(error.span) == place
    assert error.span is not None
    assert error.span.text == text.split("\n")[error.span.line - 1]
    assert calls_of(error) == calls


# ---- other files


def test_a_file_that_is_no_text_is_refused_where_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.rasp").write_bytes(b"\xff\xfe")
    error = error_of('x = indices;\nload "bad";')
    assert str(error).startswith("p.rasp:2:1: bad.rasp is not a text file (UTF-8)\n")
    missing = error_of('x = indices;\nload "none";')
    assert str(missing).startswith("p.rasp:2:1: there is no file none.rasp\n")


def test_warnings_are_for_loaded_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("sub/s.rasp").write_text('load "t";\nload "t";\n')
    Path("sub/t.rasp").write_text("u = not indices == 0;\n")
    text = 'load "sub/s";\nx = not u == 1;\n'
    said: list[str] = []
    parse(text, name="p.rasp", vocabulary=("a",), context=2, warn=said.append)
    assert [warning.split(": ")[1] for warning in said] == ["p.rasp:2:5", "sub/t.rasp:1:5"]
    with pytest.raises(TpirError) as caught:
        parse('load "sub/s";\nx = u;', vocabulary=("a",), context=2, strict=True)
    assert str(caught.value).startswith("sub/t.rasp:1:5: not binds tighter than ==")


@pytest.mark.parametrize("name", ["std", "raspl"])
def test_the_libraries_warn_of_nothing(name: str) -> None:
    parse(f'load "{name}"; tokens;', vocabulary=("a",), context=2, strict=True)


def test_commands_of_the_prompt_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "set example foo\nshow example\nx = indices;\n"
    Path("lib.rasp").write_text(text)
    for whole in (text, 'load "lib";\nx = x;\n'):
        program = parse(whole, vocabulary=("a",), context=2)
        assert dict(run(program, ["a", "a"])) == {"x": (0, 1)}
