"""Relations and tables as rules: which are found, which are left, and what reads them then."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.laws import assert_laws
from tpir.ir.functions import Table
from tpir.ir.types import Integer
from tpir.ir.values import Value
from tpir.passes.formulas import Reached, shortest
from tpir.passes.relation_rules import RelationRules
from tpir.passes.table_rules import TableRules
from tpir.text import parse, print_program
from tpir.text.print_expression import print_expression

HEADER = 'context 5; vocabulary {"<s>", "a", "b", "c"}; accepts "<s>" ("a" | "b" | "c"){1,4};'


@pytest.mark.parametrize(
    ("keys", "select", "rule"),
    [
        ('"<s>" -> "<s>"; "a" -> "a"; "b" -> "b"; "c" -> "c"', "tokens, tokens", "=="),
        ("0 -> {1..4}; 1 -> {2..4}; 2 -> {3, 4}; 3 -> 4; _ -> {}", "indices, indices", ">"),
        ("0 -> {}; 1 -> 0; 2 -> 1; 3 -> 2; 4 -> 3", "indices, indices", "shifted, =="),
        ("0 -> 4; 1 -> 3; 2 -> 2; 3 -> 1; 4 -> 0", "indices, indices", "shifted, =="),
        ('_ -> {"a", "b", "c"}', "tokens, indices", '"<s>", !='),
        ('_ -> {"<s>", "a", "b", "c"}', "tokens, indices", "True"),
        ('"<s>" -> {"b", "c"}; _ -> {"a", "b", "c"}', "tokens, tokens", "keys"),
    ],
)
def test_relations(keys: str, select: str, rule: str) -> None:
    body = f"table keys {{ {keys} }} output n = selector_width(select({select}, keys));"
    result = assert_laws(RelationRules(), parse(f"{HEADER} {body}"))
    text = print_program(result.program)
    assert f"{rule})" in text or rule == "keys"
    assert ("{" in text.split("\n\n", 1)[1]) is (rule == "keys")


def test_equal_but_for_one_word() -> None:
    text = """context 5; vocabulary {"<s>", "a", "b", "c", "d", "e", "f"};
    table same {
        "<s>" -> {}; "a" -> "a"; "b" -> "b"; "c" -> "c"; "d" -> "d"; "e" -> "e"; "f" -> "f"
    }
    output n = selector_width(select(tokens, tokens, same));"""
    found = print_program(assert_laws(RelationRules(), parse(text)).program)
    assert 'select(tokens, tokens, ==) and select(tokens, "<s>", !=)' in found


def test_what_never_comes_together_does_not_matter() -> None:
    # "<s>" stands first, so it is no key at position 1 and later: those rows may hold anything.
    body = """table first { 0 -> {1, 2}; 1 -> {0, 2}; _ -> {0, 1} }
    table word { "<s>" -> 0; "a" -> 1; _ -> 2 }
    output n = selector_width(select(word(tokens), word(tokens), first));"""
    text = print_program(assert_laws(RelationRules(), parse(f"{HEADER} {body}")).program)
    assert "!=" in text


def test_a_key_at_the_first_position_alone_is_as_good_as_none() -> None:
    body = """table back { 0 -> {}; 1 -> {}; 2 -> 1; 3 -> 2; 4 -> 3 }
    output before = aggregate(closest(select(indices, indices, back)), tokens);"""
    text = print_program(assert_laws(RelationRules(), parse(f"{HEADER} {body}")).program)
    assert "shifted = indices - 1;" in text


def formula(
    results: list[Value], *domains: tuple[Value, ...], reached: list[bool] | None = None
) -> str | None:
    table = Table(domains, tuple(results))
    shape = [len(d) for d in domains]
    known = np.array([True] * len(results) if reached is None else reached).reshape(shape)
    found = shortest(Reached.of(table, known, "xyz"[: len(domains)]))
    return None if found is None else print_expression(found, "xyz")


@pytest.mark.parametrize(
    ("results", "domains", "expected"),
    [
        ([7, 7, 7], ((0, 1, 2),), "7"),
        ([0, 1, 2], ((0, 1, 2),), "x"),
        ([2, 3, 4], ((0, 1, 2),), "x + 2"),
        ([-1, 0, 1], ((0, 1, 2),), "x - 1"),
        ([5, 4, 3], ((0, 1, 2),), "5 - x"),
        ([0, 1, 2, 1, 2, 3], ((0, 1), (0, 1, 2)), "x + y"),
        ([0, -1, -2, 1, 0, -1], ((0, 1), (0, 1, 2)), "x - y"),
        ([1, 1, 2, 2], ((0, 1, 2, 3),), "1 if x < 2 else 2"),
        (["n", "y", "n"], (("a", "b", "c"),), '"y" if x == "b" else "n"'),
        ([True, False, False, True], ((0, 1), (0, 1)), "x == y"),
        ([0, 1, 0, 0], ((0, 1), (0, 1)), "1 if x < y else 0"),
        ([0, 9, 1, 9], ((0, 1), ("a", "b")), 'x if y == "a" else 9'),
        ([1, 5, 3, 9, 2, 8, 0, 7], (tuple(range(8)),), None),
    ],
)
def test_formulas(
    results: list[Value], domains: tuple[tuple[Value, ...], ...], expected: str | None
) -> None:
    assert formula(results, *domains) == expected


def test_rows_that_are_not_reached_do_not_count() -> None:
    assert formula([1, 2, 9, 4], (0, 1, 2, 3), reached=[True, True, False, True]) == "x + 1"
    assert formula([1, 2, 9, 4], (0, 1, 2, 3)) != "x + 1"


def test_readers_get_rows_for_values_that_never_occur() -> None:
    body = """n = selector_width(select(tokens, "a", ==));
    m = selector_width(select(tokens, "b", ==));
    table sum { (0, 0) -> 0; (0, 1) | (1, 0) -> 1; (0, 2) | (1, 1) | (2, 0) -> 2;
        (0, 3) | (1, 2) | (2, 1) | (3, 0) -> 3; _ -> 4 }
    table word { 0 -> "none"; 1 -> "one"; 2 -> "two"; _ -> "many" }
    output said = word(sum(n, m));"""
    result = assert_laws(TableRules(), parse(f"{HEADER} {body}"))
    table = next(n for n in result.program.live if n.name == "said")
    assert table.operands[0].type == Integer(0, 10)
    assert "n + m" in print_program(result.program)


def test_an_output_keeps_its_values() -> None:
    body = """n = selector_width(select(tokens, "a", ==));
    table same { 0 -> 0; 1 -> 1; 2 -> 2; 3 -> 3; _ -> 4 }
    output said = same(n);"""
    assert not assert_laws(TableRules(), parse(f"{HEADER} {body}")).changed
