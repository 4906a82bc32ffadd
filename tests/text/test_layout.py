"""How text is laid out: columns, whole weights, and where empty lines stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tpir
from tpir.text.layout import WIDTH, block, packed
from tpir.text.numbers import Numbers


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    assert block("table t", [["1", "->", "2" * size] for size in (38, 3, 36, 20, 32)]) == [
        "table t {",
        f"    1 -> {'2' * 38};  1 -> {'2' * 3};",
        f"    1 -> {'2' * 36};    1 -> {'2' * 20};",
        f"    1 -> {'2' * 32};",
        "}",
    ]


@pytest.mark.parametrize(("last", "between"), [(8, "  "), (16, "  "), (17, "\n    ")])
def test_a_short_last_line_goes_behind_the_line_before(last: int, between: str) -> None:
    made = block("table t", [["1", "->", "2" * size] for size in (38, 3, 36, 20, last)])
    assert "\n".join(made[2:]) == (
        f"    1 -> {'2' * 36};    1 -> {'2' * 20};{between}1 -> {'2' * last};\n}}"
    )


def test_what_fits_between_braces_is_one_line() -> None:
    row = ["1", "->", "2" * 40]
    assert block("t", [row] * 2) == ["t { " + "; ".join([" ".join(row)] * 2) + " }"]
    assert block("t" * 9, [row] * 2) == [
        "t" * 9 + " {",
        "    " + "  ".join([" ".join(row) + ";"] * 2),
        "}",
    ]


@pytest.mark.parametrize(("tight", "lines"), [(False, 5), (True, 4)])
def test_tight_rows_follow_where_they_fit(tight: bool, lines: int) -> None:
    rows = [["1", "->", "2" * 60], ["3", "->", "0"], ["_", "->", "2" * 80]]
    made = block("t", rows, tight=tight)
    assert len(made) == lines
    assert made[1] == f"    1 -> {'2' * 60};" + ("  3 -> 0;" if tight else "")
    full = block("t", [["1", "->", "2" * 87], ["3", "->", "0"]], tight=tight)
    assert len(full) == 4 and max(map(len, full)) <= WIDTH


def test_short_lines_are_packed_and_others_stay() -> None:
    wide, tall = ["    " + "w" * 50], ["    tall {", "        x;", "    };"]
    a, b, c = ["    a: [1, 2];"], ["    long_name: [1];"], ["    c: 0;"]
    assert packed([a, b, wide, c, tall, b], "    ") == [
        "    a: [1, 2];  long_name: [1];",
        *wide,
        *c,
        *tall,
        *b,
    ]
    assert packed([["    " + "b" * 46]] * 3, "    ") == [
        f"    {'b' * 46}  {'b' * 46}",
        f"    {'b' * 46}",
    ]


READOUT = """program p;
context 3;
vocabulary {"a", "b", "c"};
labels {"x", "y", "z"};

n = selector_width(select(tokens, tokens, ==));
m = selector_width(select(tokens, "a", ==));

verdict = classify {
    bias [12345, 0, 23456];
    n: [2, 3, 5];  m: [1, 0, 0];
    tokens: { "a" -> [1, 2, 3]; "c" -> [4, 5, 6]; "b" -> 0 };
    indices: {
        0 -> [12345678, 23456789, 345678901];  2 -> [45678901, 56789012, 6789012345];  1 -> 0;
    };
};

output verdict;
"""


def test_a_readout() -> None:
    program = tpir.parse(READOUT)
    assert tpir.format(program) == READOUT


@pytest.mark.parametrize(
    ("weights", "shown"),
    [
        ([1.0, -20.0, 0.0], ["1", "-20", "0"]),
        ([2.0**52, 1.0], ["4503599627370496", "1"]),
        ([1.0, 0.5], ["1.0", "0.5"]),
        ([1.0, -0.0], ["1.0", "-0.0"]),
        ([2.0**60], ["1.1529215e+18"]),
    ],
)
def test_whole_weights_need_no_point(weights: list[float], shown: list[str]) -> None:
    numbers = Numbers.of(weights)
    assert [numbers.show(w) for w in weights] == shown
    assert [float(text) == w for text, w in zip(shown, weights, strict=True)].count(False) == (
        0 if weights[0] < 2.0**53 else 1
    )


def test_layers_stand_apart_and_what_is_in_one_together() -> None:
    text = """program p;
context 4;
vocabulary {"a", "b"};

table a_keys { "a" -> 1; "b" -> 2 }
a = aggregate(closest(select(indices, tokens, a_keys)), tokens);  # layer 0, attn 0
table b_keys { "a" -> 2; "b" -> 3 }
b = aggregate(closest(select(indices, tokens, b_keys)), tokens);  # layer 0, attn 1

table c_keys { "a" -> "b"; "b" -> "a" }
c = aggregate(closest(select(a, b, c_keys)), tokens);  # layer 1, attn 0

output c;
"""
    assert tpir.format(tpir.parse(text)) == text


@given(
    st.lists(st.integers(1, 110), min_size=1, max_size=30),
    st.sampled_from(["", "    "]),
    st.booleans(),
)
def test_every_item_is_there_in_order_and_nothing_is_too_wide(
    lengths: list[int], indent: str, tight: bool
) -> None:
    texts = [f"{k:0>{length}}" for k, length in enumerate(lengths)]
    lines = block("table t", [[text] for text in texts], indent, tight=tight)
    inside = " ".join(lines).partition("{")[2].removesuffix("}")
    assert [cell.strip() for cell in inside.split(";") if cell.strip()] == texts
    most = max(WIDTH, max(map(len, texts)) + len(indent) + 5)
    assert max(map(len, lines)) <= most
    if max(lengths) <= 44:
        assert max(map(len, lines)) <= WIDTH
        assert len(lines) <= 2 + (len(texts) + 1) // 2


@given(st.lists(st.integers(1, 90), min_size=1, max_size=20))
def test_packing_keeps_every_line(lengths: list[int]) -> None:
    given_lines = [f"    {k:0>{length}};" for k, length in enumerate(lengths)]
    made = packed([[line] for line in given_lines], "    ")
    assert " ".join(made).split() == " ".join(given_lines).split()
    assert max(map(len, made)) <= WIDTH
