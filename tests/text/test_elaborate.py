"""What text means: hand-written RASP against values, tables, headers, and located errors."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tpir.errors import TpirError
from tpir.ir.ops import Aggregate, Map, Select
from tpir.ir.values import Value, value_key
from tpir.semantics.interpreter import run
from tpir.text import parse, print_program


def value_of(text: str, tokens: Sequence[Value] = tuple("hello")) -> list[Value]:
    """The values of the last sequence, as ``tpir run`` would compute them."""
    program = parse(text, vocabulary=tuple(dict.fromkeys(tokens)), context=len(tokens))
    again = parse(print_program(program))
    assert again == program
    (values,) = run(program, tokens).values()
    return list(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tokens;", list("hello")),
        ("indices + 1;", [1, 2, 3, 4, 5]),
        ("same = select(tokens, tokens, ==); selector_width(same);", [1, 1, 2, 2, 1]),
        ("selector_width(select(1, 2, ==));", [0] * 5),
        ("selector_width(select(indices, indices, <) or select(indices, 4, ==));", [1, 2, 3, 4, 5]),
        ("selector_width(not select(indices, indices, <=));", [4, 3, 2, 1, 0]),
        ("n = selector_width(select(1, 1, ==)); flip = select(indices, n - indices - 1, ==);"
         "aggregate(flip, tokens, \"-\");", list("olleh")),
        ("aggregate(select(indices, 3, >=), indices);", [3.5] * 5),
        ("aggregate(select(indices, 7, ==), indices);", [0] * 5),
        ("aggregate(select(indices, 7, ==), indices, -1);", [-1] * 5),
        ("aggregate_sum(select(tokens, \"l\", ==), indices);", [5] * 5),
        ("aggregate(closest(select(tokens, \"l\", ==)), indices);", [2, 2, 3, 2, 3]),
        ("aggregate(first(select(tokens, \"l\", ==)), indices);", [2] * 5),
        ("aggregate(last(select(tokens, \"l\", ==)), indices);", [3] * 5),
        ("aggregate(choose(select(1, 1, ==), order=[1, -1]), tokens);", list("ellol")),
        ("aggregate(choose(select(tokens, \"z\", ==), otherwise=none), tokens, \"?\");", ["?"] * 5),
        ("\"x\" if tokens == \"l\" else tokens;", list("hexxo")),
        ("indicator(tokens == \"l\") * 2;", [0, 0, 2, 2, 0]),
        ("x = 2 ^ 3 ^ 2 - 1; indices * 0 + x;", [63] * 5),
        ("x = -2 ^ 2; indices * 0 + x;", [4] * 5),
        ("1 + 0 * indices if True else nonsense;", [1] * 5),
        ("table t { \"l\" -> 1; _ -> 0 } t(tokens) + indices;", [0, 1, 3, 4, 4]),
        ("table t { 0..2 -> \"low\"; _ -> \"high\" } t(indices);", ["low"] * 3 + ["high"] * 2),
        ("table t { (\"l\", 2) -> 1; (\"l\", _) -> 2; _ -> 0 } t(tokens, indices);",
         [0, 0, 1, 2, 0]),
        ("table r { 0 | 1 -> \"l\"; _ -> {\"h\", \"e\"} }"
         "selector_width(select(tokens, indices, r));",
         [2] * 5),
        ("tokens = indices; tokens * 2;", [0, 2, 4, 6, 8]),
        ("f = tokens; f = indices; f;", [0, 1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_values(text: str, expected: list[Value]) -> None:
    assert [*map(value_key, value_of(text))] == [*map(value_key, expected)]


def test_one_infix_expression_is_one_node() -> None:
    program = parse("x = indices * 2 + tokens_asis - indices % 3;", vocabulary=(1, 2), context=4)
    assert [type(n.op).__name__ for n in program.nodes] == ["Tokens", "Indices", "Map"]
    assert [o.name for o in program.by_name["x"].operands] == ["indices", "tokens_asis"]


def test_atoms_are_no_nodes() -> None:
    program = parse("two = 1 + 1; x = indices + two;", vocabulary=(1,), context=4)
    assert "two" not in program.by_name


@pytest.mark.parametrize(
    ("text", "output", "names"),
    [
        ("x = tokens_asis + 1; s = select(x, x, ==); y = 3;", None, ["x"]),
        ("x = tokens_asis + 1; output x; y = x + 1;", None, ["x"]),
        (
            "x = tokens_asis + 1; output y = x + 1; output z = y + 1; output x;",
            None,
            ["y", "z", "x"],
        ),
        ('x = tokens_asis + 1; output "any thing" = x;', None, ["any thing"]),
        ("x = tokens_asis + 1; output y = x + 1;", "x", ["x"]),
        ("x = tokens_asis + 1; x;", None, ["x"]),
        ("tokens_asis + 1;", None, ["output"]),
    ],
)
def test_outputs(text: str, output: str | None, names: list[str]) -> None:
    program = parse(text, vocabulary=(1, 2), context=3, output=output)
    assert list(program.outputs) == names
    assert parse(print_program(program)) == program


HEADER = 'program p; context 4; vocabulary {"a", "b"}; labels {"x", "y"};\n'
ERRORS = [
    ("x = y;", "2:5", "unknown name y"),
    ("x = tokenz;", "2:5", "unknown name tokenz"),
    ("x = y + 1; y = indices;", "2:5", "y is used before its definition on line 2"),
    ("x = x + 1;", "2:5", "x is used before its definition"),
    ("x = f(tokens);", "2:5", "unknown name f"),
    ("x = select;", "2:5", "select is a function"),
    ("x = tokens(1);", "2:12", "an input is a word or a list of atoms, and not empty"),
    ('x = tokens("a", "b");', "2:5", "a sequence is applied to one input, found 2"),
    ("x = selector_width();", "2:5", "selector_width takes 1 argument, found 0"),
    ("x = select(tokens, tokens);", "2:5", "select takes keys, queries and a predicate"),
    ("x = select(tokens, tokens, 3);", "2:28", "a predicate is"),
    ("x = aggregate(tokens, tokens);", "2:15", "expected a selector, found a sequence"),
    ("x = tokens + 1;", "2:5", "+ expects numbers"),
    ("x = select(1, 1, ==) and tokens;", "2:5", "cannot join a selector with a sequence"),
    ("x = -select(1, 1, ==);", "2:5", "- expects a sequence, found a selector"),
    ("x = 1 / 0;", "2:5", "division by zero"),
    ('x = 1 + "a";', "2:5", "unsupported operand type(s) for +: 'int' and 'str'"),
    ("x = 9 ^ 9999;", "2:5", "the result is too large"),
    ("x = [1]; y = x + tokens;", "2:14", "a list cannot be joined with a sequence"),
    ("x = $1;", "2:5", "$1 can only stand in the first argument of map"),
    ("x = map($2, tokens);", "2:9", "this map has 1 operand"),
    ("x = map($3, tokens, tokens);", "2:9", "this map has 2 operands"),
    ("a, b = [1];", "2:1", "2 names, but 1 value"),
    ("a, b = [1, 2, 3];", "2:1", "2 names, but 3 values"),
    ("a, b = indices;", "2:1", "2 names, but one value: a sequence"),
    ("for a, b in [[1, 2, 3]] { }", "2:1", "2 names, but 3 values"),
    ("for a, b in [1] { }", "2:1", "2 names, but one value: an atom"),
    ("def f(x) { return x; } f();", "2:24", "f(x) takes 1 argument, found 0"),
    ('table t { ("a", 0) -> 1; _ -> 0 } x = t(tokens);', "2:39", "takes 2 arguments, found 1"),
    ('table t { _ -> 1; "a" -> 0 } x = t(tokens, indices);', "2:34", "takes 1 argument, found 2"),
    ('table r { ("a", 0) -> "a"; _ -> {} } x = selector_width(select(1, tokens, r));', "2:11",
     "a row of 2 values, where the table takes 1 argument"),
    ("x = map(tokens, tokens);", "2:9", "the first argument of map"),
    ("x = choose(select(1, 1, ==), order=[0.5]);", "2:37", "an offset is a whole number"),
    ("x = choose(select(1, 1, ==), order=best);", "2:36", "an order is closest, first, last"),
    ("x = choose(select(1, 1, ==), otherwise=last);", "2:40", "otherwise is first or none"),
    ("x = choose(select(1, 1, ==), best=first);", "2:30", "choose has no argument best"),
    ("x = aggregate(first(select(1, 1, ==)), tokens, 0);", "2:5", "no default"),
    ("output select(1, 1, ==);", "2:8", "a selector cannot be an output"),
    ("output x = tokens; output x = tokens;", "2:20", "a second output is called x"),
    ("output(tokens);", "2:1", "unknown name output"),
    ("table t { _ -> 1 } x = t + tokens;", "2:24", "a table cannot be joined with a sequence"),
    ("table t { _ -> 1 } table t { _ -> 2 }", "2:20", "table t is defined twice"),
    ('table t { "a" -> 1 } x = t(tokens);', "2:1", 'no row for "b"'),
    ('table t { ("a", _) -> 1 } x = t(tokens, indices);', "2:1", 'no row for ("b", 0)'),
    ('table t { "c" -> 1; _ -> 0 } x = t(tokens);', "2:11", 'its operand is never "c"'),
    ("table t { 2..4 -> 1; _ -> 0 } x = t(indices);", "2:11", "its operand is never 4"),
    ('table t { "a" -> 1; "a" | "b" -> 0 } x = t(tokens);', "2:21", 'a second row for "a"'),
    ("table t { _ -> 1; _ -> 0 } x = t(tokens);", "2:19", "a second row for"),
    ('table t { ("a", _) -> 1; (_, 0) -> 2; _ -> 3 } x = t(tokens, indices);', "2:26",
     'a second row for ("a", 0)'),
    ('table t { ("a", 0..3) -> 1; ("a", _) -> 2; _ -> 3 } x = t(tokens, indices);', "2:29",
     "this row has no effect"),
    ('table t { "a" -> 1; _ -> 0 } x = t(tokens, tokens);', "2:34",
     "table t takes 1 argument, found 2"),
    ("table t { _ -> {1} } x = t(tokens);", "2:11", "each row gives one value"),
    ("table t { _ -> 1 } x = t(indices / 2);", "2:24", "needs a finite set of values"),
    ("output classify { bias [1, 2]; nothing: [1, 2] };", "2:32", "unknown name nothing"),
    ("output classify { bias [1, 2, 3] };", "2:24", "expected 2 numbers"),
    ("output classify { tokens: [1, 2] };", "2:8", "is weighted by number"),
    ("output classify { tokens: 0 };", "2:8", "is weighted by number"),
    ("output classify { bias 0; bias 0 };", "2:27", "a readout has one bias"),
    ('output classify { tokens: { "a" -> 0; _ -> 2 } };', "2:39",
     "each row here gives a list of numbers, [ … ], or 0 where all are zero"),
    ("output classify { tokens: { _ -> 0.0 } };", "2:29", "or 0 where all are zero"),
    ("output classify { tokens: { _ -> False } };", "2:29", "or 0 where all are zero"),
    ("output classify { tokens: { _ -> {} } };", "2:29", "or 0 where all are zero"),
    ("output classify float32 { bias [1e300, 2] };", "2:32", "too large for float32"),
    ('output classify { labels {"x", "x"} };', "2:26", "at least one label, and none twice"),
    ("relu f { unit 0, [1] -> [1, 2]; bias [0] } x = f(indices);", "2:25",
     "expected 1 number, one for"),
    ("relu f { unit 0, [1] -> [1]; bias [0] } x = f(indices, indices);", "2:45",
     "takes 1 argument, found 2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), ERRORS, ids=[e[0][:40] for e in ERRORS])
def test_errors(text: str, place: str, message: str) -> None:
    with pytest.raises(TpirError) as caught:
        parse(HEADER + text, name="p.rasp")
    assert message in caught.value.message
    assert str(caught.value.span) == f"p.rasp:{place}"


HEADER_ERRORS = [
    ('context 4; context 4; vocabulary {"a"};', "1:12", "the header states context twice"),
    ('context 0; vocabulary {"a"};', "1:1", "context is a whole number of tokens"),
    ('context 2.5; vocabulary {"a"};', "1:1", "context is a whole number of tokens"),
    ("context 4; vocabulary {};", "1:12", "the vocabulary is empty"),
    ('context 4; vocabulary {"a", "a"};', "1:12", 'vocabulary lists "a" twice'),
    ('context 4; vocabulary {"<pad>"};', "1:12", "is padding"),
    (
        'context 4; vocabulary {"a"}; accepts "a" "b";',
        "1:42",
        '"b", which is not in the vocabulary',
    ),
    ('context 4; vocabulary {"a"}; accepts "a"{3,1};', "1:44", "asks for more than it allows"),
    ('context 4; vocabulary {"a"};\naccepts "a"\n  )"a";', "3:3", "cannot stand here"),
]


@pytest.mark.parametrize(("text", "place", "message"), HEADER_ERRORS)
def test_header_errors(text: str, place: str, message: str) -> None:
    with pytest.raises(TpirError) as caught:
        parse(text + " x = tokens;", name="p.rasp")
    assert message in caught.value.message
    assert str(caught.value.span) == f"p.rasp:{place}"


def test_arguments_complete_the_header_and_override_nothing() -> None:
    text = "program p; context 4; x = tokens;"
    with pytest.raises(TpirError, match=r"states no vocabulary: give --vocab and --max-length"):
        parse(text)
    assert parse(text, vocabulary=("a",)).context == 4
    assert parse(text, vocabulary=("a",), context=4).context == 4
    with pytest.raises(TpirError, match="the file states context 4; it cannot be given 5"):
        parse(text, vocabulary=("a",), context=5)
    with pytest.raises(TpirError, match="it cannot be given another one"):
        parse(HEADER + "x = tokens;", vocabulary=("a", "c"))


def test_without_a_header_rows_may_have_nothing_to_do() -> None:
    text = 'table t { "q" -> 1; _ -> 0 } x = t(tokens);'
    assert value_of(text) == [0] * 5


def test_no_sequence_no_output() -> None:
    with pytest.raises(TpirError, match="defines no sequence"):
        parse("x = 3;", vocabulary=("a",), context=2)
    with pytest.raises(TpirError, match="has no sequence called y"):
        parse("x = tokens;", vocabulary=("a",), context=2, output="y")


def test_header() -> None:
    program = parse(
        'program "two words"; context 4; causal; vocabulary {0, -1, "a"}; labels {True, 1.5};'
        'accepts 0 (-1 | "a")*;\nx = tokens;'
    )
    assert (program.name, program.context, program.causal) == ("two words", 4, True)
    assert program.vocabulary == (0, -1, "a")
    assert program.labels == (True, 1.5)
    assert program.accepts == '0 (-1 | "a")*'


def test_defaults_of_aggregate() -> None:
    program = parse(
        "s = select(tokens, tokens, ==);"
        "output x = aggregate(s, indices); output y = aggregate(first(s), indices);",
        vocabulary=("a",),
        context=2,
    )
    ops = {n.name: n.op for n in program.nodes}
    assert (ops["x"], ops["y"]) == (Aggregate(0), Aggregate(None))
    assert isinstance(ops["s"], Select)
    assert not any(isinstance(op, Map) for op in ops.values())
