"""Reachable values: never less than what occurs, on random programs and small input spaces."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.strategies import programs
from tpir.ir.builder import Builder
from tpir.ir.functions import Relation, Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Choose,
    Indices,
    Map,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Program
from tpir.semantics.interpreter import Interpreter
from tpir.semantics.observed import observed_facts
from tpir.semantics.program_space import space_of
from tpir.semantics.reachable import Facts, reachable_facts

WORDS = ("<s>", "a", "b", "</s>")
ACCEPTS = '"<s>" ("a" | "b"){1,3} "</s>"'


def assert_covers(may: Facts, does: Facts) -> None:
    for kind in ("values", "rows", "matched", "elsewhere", "places"):
        for node, possible in getattr(may, kind).items():
            seen = getattr(does, kind).get(node)
            if seen is not None:
                assert not (seen & ~possible).any(), (kind, node, seen, possible)
    assert may.own <= does.own
    assert may.single <= does.single


@settings(max_examples=PROGRAMS)
@given(programs())
def test_what_occurs_is_reachable(program: Program) -> None:
    space = space_of(program)
    if space.count() > 5000 or fails_somewhere(program):
        return
    assert_covers(reachable_facts(program, space), observed_facts(program, space))


def fails_somewhere(program: Program) -> bool:
    interpreter = Interpreter(program)
    return any(interpreter.states(t)[1].any() for _, t in space_of(program).batches(4096))


def framed(causal: bool = False) -> Builder:
    return Builder(Header(WORDS, 5, causal, accepts=ACCEPTS))


def values(program: Program, node: Node) -> list[int]:
    facts = reachable_facts(program, space_of(program))
    return np.flatnonzero(facts.values[node]).tolist()


def test_heads_know_the_frame() -> None:
    builder = framed()
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    to_start = builder.add(Select(Relation(WORDS, (("<s>",),) * 4)), [tokens, tokens])
    start = builder.add(Aggregate(), [builder.add(Choose(), [to_start]), tokens])
    at_zero = builder.add(Aggregate(), [builder.add(Choose(), [to_start]), indices])
    program = builder.build({"start": start, "at": at_zero})
    assert values(program, start) == [0]
    assert values(program, at_zero) == [0]
    facts = reachable_facts(program, space_of(program))
    choose = start.operands[0]
    assert not facts.elsewhere[choose].any()


def test_own_position_is_never_nearest() -> None:
    builder = framed()
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    same = builder.add(Select(Relation(WORDS, (("a",),) * 4)), [tokens, tokens])
    where = builder.add(Aggregate(), [builder.add(Choose(), [same]), indices])
    program = builder.build({"where": where})
    assert_covers(
        reachable_facts(program, space_of(program)), observed_facts(program, space_of(program))
    )


def test_counts_are_intervals() -> None:
    builder = framed()
    tokens = builder.add(Tokens())
    equal = builder.add(Select(Relation(WORDS, tuple((w,) for w in WORDS))), [tokens, tokens])
    width = builder.add(SelectorWidth(), [equal])
    twice = builder.add(AggregateSum(), [equal, width])
    program = builder.build({"width": width, "twice": twice})
    assert values(program, width) == [1, 2, 3]
    assert values(program, twice) == list(range(1, 10))


def test_rows_know_the_token() -> None:
    builder = framed()
    tokens = builder.add(Tokens())
    letter = builder.add(Map(Table((WORDS,), (0, 1, 1, 0))), [tokens])
    joint = Table((WORDS, (0, 1)), (0, 1, 2, 3, 4, 5, 6, 7))
    both = builder.add(Map(joint), [tokens, letter])
    program = builder.build({"both": both})
    rows = reachable_facts(program, space_of(program)).rows[both]
    assert rows.tolist() == [[True, False], [False, True], [False, True], [True, False]]


def test_own_position() -> None:
    builder = framed()
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    itself = Relation(tuple(range(5)), tuple((k,) for k in range(5)))
    choose = builder.add(Choose(), [builder.add(Select(itself), [indices, indices])])
    program = builder.build({"copy": builder.add(Aggregate(), [choose, tokens])})
    assert choose in reachable_facts(program, space_of(program)).own
