"""How text is laid out: columns, whole weights, and where empty lines stand."""

from __future__ import annotations

import pytest

import tpir
from tpir.text.layout import WIDTH, block
from tpir.text.numbers import Numbers


def items(count: int, length: int) -> list[list[str]]:
    return [[f"{k} -> {'x' * (length - 7 - len(str(k)))}yz"] for k in range(count)]


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    assert block("table t", [["1", "->", "2" * size] for size in (38, 3, 36, 20, 8)]) == [
        "table t {",
        f"    1 -> {'2' * 38};  1 -> {'2' * 3};",
        f"    1 -> {'2' * 36};    1 -> {'2' * 20};",
        f"    1 -> {'2' * 8};",
        "}",
    ]


@pytest.mark.parametrize("length", range(8, 60))
def test_every_item_is_there_in_order_and_nothing_is_too_wide(length: int) -> None:
    given = items(25, length)
    lines = block("table t", given)
    assert max(map(len, lines)) <= WIDTH
    found = [cell.strip() for line in lines[1:-1] for cell in line.split(";") if cell]
    assert found == [item[0] for item in given]
    assert (len(lines) < len(given) + 2) == (length <= 46)


def test_long_items_stand_one_below_the_other() -> None:
    assert len(block("table t", [*items(3, 50), *items(3, 8)])) == 8


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
