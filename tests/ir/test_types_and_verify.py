"""Type rules, the builder's errors, and the verifier against planted faults."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
from tpir.ir.functions import NumberWeights, Relation, ReluFunction, Table, TableWeights
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Op,
    Order,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
    canonical_order,
    offsets_of,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import Categorical, Integer, Real, join
from tpir.ir.values import distinct, places_of, show_value, sorted_values
from tpir.ir.verify import verify

HEADER = Header(("a", "b"), 4)


def start() -> tuple[Builder, Node, Node, Node]:
    builder = Builder(HEADER)
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    return builder, tokens, indices, builder.add(Select(Always(True)), [tokens, tokens])


def test_types_of_the_ops() -> None:
    builder, tokens, indices, selector = start()
    assert tokens.type == Categorical(("a", "b"))
    assert indices.type == Integer(0, 3)
    assert builder.add(SelectorWidth(), [selector]).type == Integer(0, 4)
    assert builder.add(AggregateSum(), [selector, indices]).type == Integer(0, 12)
    hard = builder.add(Choose(), [selector])
    assert builder.add(Aggregate(), [hard, tokens]).type == tokens.type
    loose = builder.add(Choose(otherwise=Otherwise.NONE), [selector])
    assert builder.add(Aggregate("none"), [loose, tokens]).type == Categorical(("a", "b", "none"))
    assert builder.add(Aggregate(0), [selector, indices]).type == Real()
    assert builder.add(AggregateSum(), [hard, indices]).type == Integer(0, 3)
    plus = Map(Binary(BinaryOp.ADD, Argument(0), Literal(2)))
    assert builder.add(plus, [indices]).type == Integer(2, 5)


def weights(*rows: tuple[float, ...]) -> TableWeights:
    return TableWeights(("a", "b"), rows)


@pytest.mark.parametrize(
    ("op", "operands", "message"),
    [
        (Map(Binary(BinaryOp.ADD, Argument(0), Literal(1))), "t", "expects numbers"),
        (Map(Table((("a",),), (1,))), "t", "covers"),
        (Map(Table((), (1,))), "t", "0 arguments"),
        (Map(ReluFunction(((1.0,),), (0.0,), ((1.0,),), (0.0,))), "t", "expects numbers"),
        (Select(Comparison(BinaryOp.LESS)), "ti", "compares numbers with numbers"),
        (Select(Relation(("a",), ((),))), "tt", "covers"),
        (Select(Always(True)), "t", "expected 2 operands"),
        (SelectorWidth(), "t", "expected a selector"),
        (Aggregate(0), "tt", "expected a selector"),
        (Aggregate(), "st", "a default is needed"),
        (AggregateSum(), "st", "expects numbers"),
        (Map(Argument(0)), "s", "expected a sequence"),
        (Classify(("A",), (0.0, 1.0), ()), "", "one number for each"),
        (Classify(("A",), (0.0,), (weights((1.0,), (float("inf"),)),)), "t", "finite"),
        (Classify(("A",), (0.0,), (NumberWeights((1.0,)),)), "t", "weighted by number"),
        (Classify((), (), ()), "", "at least one label"),
    ],
)
def test_type_errors_say_what_was_expected(op: Op, operands: str, message: str) -> None:
    builder, tokens, indices, selector = start()
    by_letter = {"t": tokens, "i": indices, "s": selector}
    with pytest.raises(TpirError, match=message) as caught:
        builder.add(op, [by_letter[c] for c in operands], name="culprit")
    assert "culprit" in str(caught.value)


def test_a_hard_selector_takes_no_default() -> None:
    builder, tokens, _, selector = start()
    hard = builder.add(Choose(), [selector])
    with pytest.raises(TpirError, match="no default"):
        builder.add(Aggregate("a"), [hard, tokens])


def test_a_pooled_label_is_no_operand() -> None:
    builder, tokens, _, _ = start()
    pooled = builder.add(ClassifyPooled(("A",), (0.0,), (weights((1.0,), (2.0,)),)), [tokens])
    with pytest.raises(TpirError, match="pooled"):
        builder.add(Map(Argument(0)), [pooled])


def test_integers_that_may_leave_the_exact_range_have_no_bounds() -> None:
    builder, _, indices, _ = start()
    power = Map(Binary(BinaryOp.POWER, Argument(0), Literal(40)))
    assert builder.add(power, [indices]).type == Real()


def planted(change: str) -> Program:
    builder, tokens, indices, selector = start()
    node = builder.add(Aggregate(0), [selector, indices], name="mean")
    nodes, outputs, header = [tokens, indices, selector, node], {"out": node}, HEADER
    match change:
        case "type":
            nodes[3] = outputs["out"] = replace(node, type=Integer(0, 1))
        case "order":
            nodes.reverse()
        case "name":
            nodes[0] = replace(tokens, name="indices")
            nodes[2] = replace(selector, operands=(nodes[0], nodes[0]))
            nodes[3] = outputs["out"] = replace(node, operands=(nodes[2], indices))
        case "output":
            outputs = {"out": replace(node)}
        case "selector":
            outputs = {"out": selector}
        case "nothing":
            outputs = {}
        case "padding":
            header = replace(HEADER, vocabulary=("a", "b", "<pad>"))
        case "context":
            header = replace(HEADER, context=0)
        case "repeat":
            header = replace(HEADER, vocabulary=("a", "a"))
        case "identifier":
            nodes[3] = outputs["out"] = replace(node, name="no name")
    return Program(header, tuple(nodes), outputs)


def test_the_verifier_accepts_what_is_right() -> None:
    verify(planted("none"))


@pytest.mark.parametrize(
    "change",
    [
        "type",
        "order",
        "name",
        "output",
        "selector",
        "nothing",
        "padding",
        "context",
        "repeat",
        "identifier",
    ],
)
def test_the_verifier_catches_planted_faults(change: str) -> None:
    with pytest.raises(TpirError):
        verify(planted(change))


ORDERS = st.one_of(
    st.sampled_from(Preference), st.lists(st.integers(-6, 6), unique=True).map(tuple)
)


@given(ORDERS, st.integers(1, 6), st.booleans())
def test_canonical_orders_are_short_and_mean_the_same(
    order: Order, context: int, causal: bool
) -> None:
    short = canonical_order(order, context, causal)
    assert offsets_of(short, context, causal) == offsets_of(order, context, causal)
    assert canonical_order(short, context, causal) == short
    assert sorted(offsets_of(order, context, causal)) == list(
        range(1 - context, 1 if causal else context)
    )


def test_closest_prefers_other_positions_then_the_left() -> None:
    assert offsets_of(Preference.CLOSEST, 3, causal=False) == (-1, 1, -2, 2, 0)


def test_values_in_canonical_order() -> None:
    mixed = ("1", 1.0, True, 1, 0, False, "0")
    assert [repr(v) for v in sorted_values(mixed)] == [
        *("False", "True", "0", "1", "1.0", "'0'", "'1'")
    ]
    assert len(distinct((1, True, 1.0, "1", 1))) == 4
    assert show_value('a"b\\\n') == 'e"a\\"b\\\\\\n"'
    assert show_value("a\\b") == '"a\\b"'


def test_joins() -> None:
    assert join(Integer(0, 1), Integer(5, 6)) == Integer(0, 6)
    assert join(Integer(0, 1), Categorical(("a",))) == Categorical((0, 1, "a"))
    assert join(Real(), Integer(0, 1)) == Real()
    assert join(Real(), Categorical(("a",))) is None


def test_values_of_different_kinds_are_told_apart_wherever_they_are_looked_up() -> None:
    assert places_of((True, 1, 1.0, "1", 1), (1.0, 1, "1", True)) == [3, 1, 0, 2, 1]
    assert places_of((2, 1, 2), (1, 2)) == [1, 0, 1]
    assert places_of(("b", "a"), ("a", "b")) == [1, 0]
    assert distinct((1, True, 1.0, 1)) == (1, True, 1.0)
    assert [type(v) for v in distinct((1, True, 1.0, 1))] == [int, bool, float]
    for values, domain in [((True,), (1, 2)), ((1,), (1.0, 2.0)), ((3,), (1, 2)), (("a",), (1,))]:
        with pytest.raises(KeyError):
            places_of(values, domain)
