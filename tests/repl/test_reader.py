"""Lines to statements: a forgotten semicolon swallows nothing, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpir.repl.reader import Read, Reader, Unreadable, read_all
from tpir.repl.session import Session
from tpir.text.source import Source


def reader() -> Reader:
    return Reader(lambda text, texts, lines: Source(f"<{texts}, {lines}>", text))


def statements(lines: list[str]) -> list[int]:
    """How many statements each line brings, and the end; -1 for an error."""
    made = reader()
    counts = []
    for pieces in [*map(made.add, lines), made.finish()]:
        counts.append(sum(len(p.file.statements) if isinstance(p, Read) else -1 for p in pieces))
    return counts


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        (["a = 3;"], [1, 0]),
        (["a = 3; b = 4;"], [2, 0]),
        (["a = 3", ";"], [0, 1, 0]),
        (["a = 3", "b = 4;"], [0, 2, 0]),
        (["a = 3", "b = 4", "c = 5"], [0, 1, 1, 1]),
        (["a = 3", "exit"], [0, 2, 0]),
        (["a = 3", "show example"], [0, 2, 0]),
        (['load "x"', 'load "y";'], [0, 2, 0]),
        (["a = 3 # not yet", "", "# a comment", "b = 4;"], [0, 0, 0, 2, 0]),
        (["a = 3 +", "4;"], [0, 1, 0]),
        (["a = [1,", "2, # two", "# three", "3];"], [0, 0, 0, 1, 0]),
        (["def f(x) {", "  return x;", "}", "f(1)"], [0, 0, 1, 0, 1]),
        (["def f(x) {", "  return x", "}"], [0, 0, -1, 0]),
        (["for i in [1] {", "  i;", "}"], [0, 0, 1, 0]),
        (["a = (3;", "b = 4;"], [-1, 1, 0]),
        (["a = (3", "b = 4;", "c = 5;"], [0, -1, 1, 0]),
        (["# nothing", "", "   "], [0, 0, 0, 0]),
        (['a = "b', "c = 4;"], [-1, 1, 0]),
        (["a = (3"], [0, -1]),
        (["}", "a = 3;"], [-1, 1, 0]),
    ],
)
def test_lines_become_statements(lines: list[str], counts: list[int]) -> None:
    assert statements(lines) == counts


def test_what_waits_is_told() -> None:
    made = reader()
    assert (made.waiting, made.unfinished, made.lacks_its_end) == (False, False, False)
    made.add("# a comment")
    assert (made.waiting, made.unfinished, made.lacks_its_end) == (True, False, False)
    made.add("def f(x) {")
    assert (made.waiting, made.unfinished, made.lacks_its_end) == (True, True, False)
    assert made.depth == 1
    made.add("return x;")
    made.add("}")
    made.add("a = 3")
    assert (made.waiting, made.unfinished, made.lacks_its_end) == (True, True, True)


POOL = (
    "a = 3",
    "b = [1, 2]",
    "length",
    "[x for x in range(3)]",
    'tokens == "l"',
    '"# no comment; at all"',
    "aggregate(full_s, indices,\n  0)",
    "max(indices,\n # a comment\n 2)",
)
COMMANDS = ("show example", "examples on", "# a comment", "", "def f(x) {\n return x;\n}")


@given(
    st.lists(
        st.one_of(st.tuples(st.sampled_from(POOL), st.booleans()), st.sampled_from(COMMANDS)),
        max_size=8,
    )
)
def test_with_and_without_semicolons_the_same_is_said(
    parts: list[tuple[str, bool] | str],
) -> None:
    """Each statement on lines of its own, and none begins with what could go on the last."""
    lacking = [p if isinstance(p, str) else p[0] + (";" if p[1] else "") for p in parts]
    whole = [p if isinstance(p, str) else f"{p[0]};" for p in parts]
    first, second = Session(), Session()
    ours = [r.text for r in first.run("\n".join(lacking))]
    assert ours == [r.text for r in second.run("\n".join(whole))]


def test_places_in_a_file_that_cannot_be_read_whole_are_its_lines() -> None:
    pieces = read_all(Source("f.rasp", "a = 1;\n\nb = ;\r\nc = 2;\nd = (3;\ne = 4"))
    errors = [str(p.span) for p in pieces if isinstance(p, Unreadable)]
    assert errors == ["f.rasp:3:5", "f.rasp:5:7"]
    starts = [
        str(p.source.span(p.file.statements[0].start, p.file.statements[0].end))
        for p in pieces
        if isinstance(p, Read)
    ]
    assert starts == ["f.rasp:1:1", "f.rasp:4:1", "f.rasp:6:1"]
