"""Sessions without a terminal: what the transcripts of the original do not reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from tpir.repl.session import LIBRARY_NAMES, Session
from tpir.semantics.interpreter import run
from tpir.text import parse


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Session()


def said(session: Session, text: str) -> str:
    """All that is said to a text."""
    return "".join(reply.text for reply in session.run(text))


def errors(session: Session, text: str) -> list[str]:
    """The errors, with their places."""
    return [str(reply.error) for reply in session.run(text) if reply.error is not None]


# ---- displays


def test_lists_and_dictionaries_show_their_items_with_examples(session: Session) -> None:
    assert said(session, 'd = {"a": tokens, 2: [1, [indices]]};') == (
        "     dict: d =  {\n"
        '\t\t\t "a" :     s-op: tokens\n'
        '\t\t\t \t Example: tokens("hello") = [h, e, l, l, o] (strings)\n'
        "\t\t\t 2 :     list: \t\t\t [\n"
        "\t\t\t\t\t    value:  1\n"
        "\t\t\t\t\t     list: \t\t\t\t\t [\n"
        "\t\t\t\t\t\t\t     s-op: indices\n"
        '\t\t\t\t\t\t\t \t Example: indices("hello") = [0, 1, 2, 3, 4] (ints)\n'
        "\t\t\t\t\t           ]\n"
        "\t\t\t           ]\n"
        "               }\n"
    )


def test_full_display_puts_sequences_under_the_input(session: Session) -> None:
    said(session, "full seq display on")
    assert said(session, 'indices == 1; (indices > 0)("abcd"); length;') == (
        "     s-op: out\n"
        " \t Example:\n"
        " \t\tinput:   h e l l o \t (strings)\n"
        " \t\toutput:    T       \t (bools)\n"
        "\t = \n"
        " \t\tinput:   a b c d \t (strings)\n"
        " \t\toutput:  F       \t (bools)\n"
        "     s-op: length\n"
        ' \t Example: length("hello") = [5]*5 (ints) [skipped full display: identical values]\n'
    )


def test_a_table_and_an_output_are_statements_too(session: Session) -> None:
    text = 'table flip { "h" -> "x"; _ -> "y" }\noutput flipped = flip(tokens);\nflipped;'
    shown = '     s-op: flipped\n \t Example: flipped("hello") = [x, y, y, y, y] (strings)\n'
    assert said(session, text) == f"     table flip\n{shown}{shown}"


def test_an_applied_sequence_can_be_named(session: Session) -> None:
    assert said(session, 'x = tokens("ab");') == '    value: x =  ["a", "b"]\n'


# ---- examples


def test_examples_of_sequences_and_selectors_are_two(session: Session) -> None:
    said(session, 'set selector example "xy"')
    assert said(session, "show example") == ('\ts-op example: "hello"\n\tselector example: "xy"\n')
    assert said(session, "select(indices, indices, <);") == (
        "     selector: out\n \t Example:\n \t\t\t     x y\n \t\t\t x |    \n \t\t\t y | 1  \n"
    )


def test_what_fails_on_the_selectors_example_is_shown_as_far_as_it_goes(session: Session) -> None:
    said(session, 'set example "123"\nset selector example "abc"')
    replies = session.run("select(tokens_int, tokens_int, ==);")
    assert [reply.text for reply in replies] == [
        "     selector: out\n \t Example:\n",
        "\t!!statement executed, but result fails on evaluation:\n\t\t "
        "invalid literal for int() with base 10: 'a'\n",
    ]


def test_a_name_is_tried_on_the_example_of_now(session: Session) -> None:
    said(session, 'set example "12"\nx = 1 / tokens_int;\nset example "10"')
    (error,) = errors(session, "y = x;")
    assert error.startswith("<input 4>:1:5: division by zero")
    assert "it is computed at <input 2>:1:5" in error
    assert said(session, 'x("24");') == "\t =  [0.5, 0.25] (floats)\n"


@pytest.mark.parametrize("example", ["3", "full_s", "max", "[[1]]"])
def test_an_example_is_a_word_or_a_list_of_atoms(session: Session, example: str) -> None:
    assert "example not iterable" in said(session, f"set example {example}")
    assert "hello" in said(session, "show example")


def test_mixed_tokens_are_words_as_words(session: Session) -> None:
    said(session, 'set example [1, "a", 2.5]')
    assert "tokens([1, 'a', 2.5]) = [1, a, 2.5] (strings)" in said(session, "tokens;")
    assert "vals of different types" in said(session, "tokens_asis;")


# ---- errors


def test_errors_have_their_place_in_the_input(session: Session) -> None:
    said(session, "1;")
    (error,) = errors(session, "a = 3;\nb = (a +\n  foo);")
    assert error == "<input 3>:2:3: unknown name foo\n      foo);\n      ^^^"


def test_an_input_that_cannot_be_converted_has_its_place(session: Session) -> None:
    said(session, "a = 1;")
    for number in (2, 3):  # where it is tried, whatever named it first
        (error,) = errors(session, "x = 1 + tokens_int;")
        assert error.startswith(f"<input {number}>:1:5: ")
        assert "computed at" not in error
    said(session, "set example [1, 2]\ny = tokens_int;")
    (command,) = errors(session, ":type y --vocab a,b")  # nothing is tried: where it is named
    assert command.startswith("<input 2>:1:9: type error in tokens_int")
    assert "    x = 1 + tokens_int;\n            ^^^^^^^^^^\n" in command


def test_errors_of_syntax_have_their_place(session: Session) -> None:
    (reply,) = session.run("a = ;")
    assert reply.text == "\t!! expected an expression, found ';' \t-- ignoring input\n"
    assert str(reply.error).startswith("<input 1>:1:5: expected an expression")


@pytest.mark.parametrize(
    "text",
    [
        "def f(x) { return f(x); } f(1);",
        "a = [1]; for i in range(200000) { a = a + a; }",
        f"{'(' * 20000}1{')' * 20000};",
        f"x = {'-' * 5000}1;",
        f"{'[' * 2000}{']' * 2000};",
        "2 ^ 2 ^ 2 ^ 20 ^ 2000;",
        "for i in range(1000000) { for j in range(1000000) { j; } }",
        'load "\\u0000";',
        "\x00;",
        "é = 3;",
        'set example ""\ntokens;',
        "set example",
        "draw();",
        "draw(1, 2, 3);",
        'draw(tokens_int, "ab");',
        "select(tokens, tokens, nope);",
        "classify { };",
        "tokens(tokens(tokens));",
        'max = "x";',
        "context 5;",
    ],
)
def test_nothing_breaks_a_session(session: Session, text: str) -> None:
    assert errors(session, text)
    assert said(session, "1 + 1;") == "    value: out =  2\n"


def test_several_statements_on_a_line_run_one_by_one(session: Session) -> None:
    shown = said(session, "a = 1; b = nope; c = a + 1;")
    assert [line.strip() for line in shown.splitlines()] == [
        "value: a =  1",
        "!!ignoring input:",
        "Error: Undefined variable: nope",
        "value: c =  2",
    ]


# ---- names


def test_names_of_the_library_are_the_prompts_alone_to_keep(session: Session) -> None:
    for name in sorted(LIBRARY_NAMES):
        assert f"Error: Cannot set reserved name: {name}" in said(session, f"{name} = 1;")
    assert said(session, "def f(max) { length = max; return length; } f(3);").endswith("out =  3\n")
    assert said(session, "largest = 2;") == "    value: largest =  2\n"


@pytest.mark.parametrize("library", ["std", "raspl"])
def test_the_library_may_be_loaded_and_keeps_its_names(session: Session, library: str) -> None:
    said(session, "hist = 3;")
    assert not errors(session, f'load "{library}";')
    assert errors(session, "max = 3;")
    if library == "std":
        assert said(session, "hist;") == "     std function: hist(seq)\n"
        assert "[e, h, l, l, o]" in said(session, "sort(tokens, tokens);")
    Path("std.rasp").write_text("max = 3;\n")  # not the library's: nobody else may
    assert errors(session, 'load "std";')


def test_a_file_is_read_anew_however_it_is_named(session: Session) -> None:
    path = Path("lib.rasp").resolve()
    for value in (1, 2):
        path.write_text(f"n = {value};\n")
        text = f'load "{path.with_suffix("")}"; n = n; x = n + indices;'
        assert dict(run(parse(text, vocabulary=("a",), context=1), ["a"])) == {"x": (value,)}


def test_a_name_given_anew_changes_no_file(session: Session) -> None:
    Path("lib.rasp").write_text("n = tokens;\n")
    said(session, 'tokens = tokens_int;\nload "lib";\nset example [1, 2]')
    assert "n([1, 2]) = [1, 2] (strings)" in said(session, "n;")


# ---- files


def test_a_file_goes_on_after_its_errors(session: Session) -> None:
    text = "a = 1;\nb = nope;\n_c = 3;\nd = _c;\nmax = 4;\ne = max;\nf = ;\na = 5;\n"
    Path("lib.rasp").write_text(text)
    replies = session.run('load "lib";')
    assert [line.strip() for reply in replies for line in reply.text.splitlines()] == [
        "value: a =  1",
        "!!ignoring input:",
        "Error: Undefined variable: nope",
        "value: d =  3",
        "!!ignoring input:",
        "Error: Cannot set reserved name: max",
        "value: e =  4",
        "!! expected an expression, found ';' \t-- ignoring input",
        "value: a =  5",
    ]
    places = [str(reply.error).split(": ")[0] for reply in replies if reply.error is not None]
    assert places == ["lib.rasp:2:5", "lib.rasp:5:1", "lib.rasp:7:5"]
    assert "Undefined variable: _c" in said(session, "_c;")


def test_a_file_shows_the_last_of_each_name_without_examples(session: Session) -> None:
    Path("inner.rasp").write_text("x = 1;\nx = indices;\n")
    Path("outer.rasp").write_text('y = 1;\nload "inner";\nz = [x];\ny = 2;\nexit\ny = 3;\n')
    assert said(session, 'load "outer";') == (
        "    value: y =  1\n     s-op: x\n"  # what the inner file is through with, first
        "     list: z =  [\n\t\t     s-op: x\n               ]\n"
        "    value: y =  2\n"
    )
    assert not session.done
    assert "Example" in said(session, "x;")


def test_settings_of_a_file_hold_but_for_what_it_hides(session: Session) -> None:
    Path("lib.rasp").write_text(
        'set example "abc"\nexamples off\nfull seq display on\nn = tokens;\n'
    )
    assert said(session, 'load "lib";') == "     s-op: n\n"
    assert "\t\tinput:   a b c \t (strings)" in said(session, "n;")


def test_files_that_load_each_other_end(session: Session) -> None:
    Path("a.rasp").write_text('x = 1;\nload "b";\nload "b";\n')
    Path("b.rasp").write_text('y = 2;\nload "a";\nload "a";\n')
    found = errors(session, 'load "a";')
    assert len(found) == 4
    assert all("files load each other in a circle" in error for error in found)
    assert said(session, "x + y;") == "    value: out =  3\n"


def test_a_load_that_is_broken_off_leaves_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("slow.rasp").write_text("x = 1;\ny = indices;\n")
    Path("quick.rasp").write_text("z = 3;\n")

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session.world, "_try_out", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.run('load "slow";')
    assert said(session, 'load "quick";') == "    value: z =  3\n"


def test_a_file_may_be_loaded_in_a_function(session: Session) -> None:
    Path("lib.rasp").write_text("y = 2;\n")
    shown = said(session, 'def f(x) { load "lib"; return x + y; } f(1);')
    assert shown == "     console function: f(x)\n    value: y =  2\n    value: out =  3\n"


def test_whole_programs_load_and_their_headers_mean_nothing(session: Session) -> None:
    text = 'program p;\ncontext 3;\nvocabulary {"a", "b"};\nn = tokens == "a";\noutput n;\n'
    Path("p.rasp").write_text(text)
    assert said(session, 'load "p";') == "     s-op: n\n"


def test_a_file_that_is_no_text_is_refused(session: Session) -> None:
    Path("bad.rasp").write_bytes(b"\xff\xfe")
    assert "could not read file: bad.rasp" in said(session, 'load "bad";')


# ---- pictures


def test_draw_writes_a_picture_and_overwrites_none(session: Session) -> None:
    said(session, "hist = selector_width(select(tokens, tokens, ==));")
    first, shown = session.run("draw(hist);")
    assert first.text == "\t wrote hist.svg\n"
    assert shown.text == "\t =  [1, 1, 2, 2, 1] (ints)\n"
    assert Path("hist.svg").read_text().startswith("<svg")
    assert said(session, "draw(hist, [1, 1]);") == "\t wrote hist-2.svg\n\t =  [2]*2 (ints)\n"
    assert first.drawn is not None
    assert first.drawn.context == 5


def test_draw_needs_no_running_example_that_works(session: Session) -> None:
    assert said(session, 'draw(tokens_int + 1, "12");').endswith("\t =  [2, 3] (ints)\n")
    assert "draw expects unfinished sequence, got: full_s" in said(session, "draw(full_s);")
