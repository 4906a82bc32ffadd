"""The machine that computes nodes on demand, and who is to blame for a failure."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from tests.conftest import PROGRAMS
from tests.semantics.plain import run_plain
from tests.semantics.test_interpreter import inputs_of
from tests.strategies import programs
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import DIVISION_BY_ZERO, Argument, Binary, BinaryOp, Literal
from tpir.ir.ops import Aggregate, Choose, Indices, Map, Tokens
from tpir.ir.program import Header, Program
from tpir.semantics.blame import FirstFailure
from tpir.semantics.columns import Column
from tpir.semantics.failures import failure_code
from tpir.semantics.interpreter import first_failure, run, run_many
from tpir.semantics.machine import Machine
from tpir.text import parse

HEADER = Header(("a", "b", "c"), 4)


def batch(*inputs: str) -> np.ndarray:
    return np.array([[HEADER.vocabulary.index(t) for t in tokens] for tokens in inputs]).T


def values(machine: Machine, node: object) -> list[list[object]]:
    state = machine.state(node)
    assert isinstance(state, Column)
    return state.decode(machine.tokens.shape[1])


def test_a_graph_may_grow_while_the_machine_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: Counter[str] = Counter()
    step = Machine._step

    def counted(self: Machine, node: object) -> object:
        computed[node.name] += 1
        return step(self, node)

    monkeypatch.setattr(Machine, "_step", counted)
    builder, machine = Builder(HEADER), Machine(HEADER, batch("abc", "bbb"))
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    assert values(machine, tokens) == [["a", "b", "c"], ["b", "b", "b"]]
    half = builder.add(
        Map(Binary(BinaryOp.DIVIDE, Argument(0), Literal(2))), [indices], name="half"
    )
    assert values(machine, half) == [[0.0, 0.5, 1.0]] * 2
    table = parse(
        "t = select(tokens, tokens, ==);n = selector_width(t);", vocabulary="abc", context=4
    )
    same = builder.add(table.by_name["t"].op, [tokens, tokens], name="same")
    nearest = builder.add(Aggregate(), [builder.add(Choose(), [same]), half], name="nearest")
    assert values(machine, nearest) == [[0.0, 0.5, 1.0], [0.5, 0.0, 0.5]]
    assert values(machine, nearest) == [[0.0, 0.5, 1.0], [0.5, 0.0, 0.5]]
    assert set(computed.values()) == {1}
    machine.forget(nearest)
    assert values(machine, nearest) == [[0.0, 0.5, 1.0], [0.5, 0.0, 0.5]]
    assert computed["nearest"] == 2
    assert computed["same"] == 1


def test_a_node_answers_for_its_own_failures_only() -> None:
    builder, machine = Builder(HEADER), Machine(HEADER, batch("aba", "bba", "cbc"))
    tokens = builder.add(Tokens())
    is_a = builder.add(Map(Binary(BinaryOp.EQUAL, Argument(0), Literal("a"))), [tokens])
    inverse = builder.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0))), [is_a])
    twice = builder.add(Map(Binary(BinaryOp.ADD, Argument(0), Argument(0))), [inverse])
    zero = failure_code(DIVISION_BY_ZERO)
    assert machine.failed(twice) is None
    assert machine.failed(tokens) is None
    assert machine.failed(inverse).tolist() == [zero] * 3
    assert machine.failures(inverse).tolist() == [[0, zero, zero], [zero] * 3, [0, 0, zero]]


def test_chains_of_thousands_are_computed_without_recursion() -> None:
    header = Header(("a",), 3)
    builder, machine = Builder(header), Machine(header, np.zeros((3, 1), int))
    node = builder.add(Indices())
    following = Map(
        Binary(BinaryOp.MODULO, Binary(BinaryOp.ADD, Argument(0), Literal(1)), Literal(3))
    )
    for k in range(5000):
        node = builder.add(following, [node], name=f"x{k}")
    assert values(machine, node) == [[(i + 5000) % 3 for i in range(3)]]


@settings(max_examples=PROGRAMS // 2)
@given(programs())
def test_the_first_failure_is_that_of_the_plain_version(program: Program) -> None:
    for tokens in inputs_of(program)[::4]:
        found = first_failure(program, tokens)
        assert (found and found.kind) == run_plain(program, tokens).failure
        outcome = run_many(program, [tokens])[0]
        assert outcome.failure == (found and found.kind)
        if found is not None:
            with pytest.raises(TpirError, match=f"the program fails on this input: {found.kind}"):
                run(program, tokens)


def blamed(text: str, tokens: str) -> FirstFailure:
    program = parse(text, name="x.rasp", vocabulary="abc1", context=8)
    failure = first_failure(program, tuple(tokens))
    assert failure is not None
    assert failure.error().message == f"the program fails on this input: {failure.kind}"
    return failure


def test_the_message_names_line_node_position_and_values() -> None:
    text = "n = selector_width(select(tokens, tokens, ==));\nshare = indices / (n - 2);\n"
    program = parse(text, name="x.rasp", vocabulary="ab", context=8)
    with pytest.raises(TpirError) as caught:
        run(program, ["a", "b", "b"])
    lines = str(caught.value).split("\n")
    assert lines[0] == "x.rasp:2:9: the program fails on this input: division by zero"
    assert lines[1].strip() == "share = indices / (n - 2);"
    assert lines[-1] == "  note: in share at position 1: indices is 1, n is 2"


def test_a_comparison_blames_the_pair_that_has_no_order() -> None:
    text = """
        mixed;
        table mixed { "a" -> "x"; _ -> 1 }
        n = selector_width(select(mixed(tokens), indices, <));
    """
    failure = blamed(text, "bba")
    assert failure.kind == "mixed types"
    assert failure.position == 0
    assert [(r.operand.name, r.position, r.value) for r in failure.readings[1:]] == [
        ("indices", 0, 0)
    ]
    assert (failure.readings[0].position, failure.readings[0].value) == (2, "x")
    later = blamed("causal;" + text, "bba")
    assert (later.position, [r.position for r in later.readings]) == (2, [2, 2])


def test_a_mean_of_words_blames_the_words() -> None:
    failure = blamed('w = aggregate(select(tokens, tokens, ==), tokens, "-");', "abcbbbbb")
    assert (failure.kind, failure.position) == ("mean of words", 1)
    assert [(r.position, r.value) for r in failure.readings] == [(k, "b") for k in (1, 3, 4, 5)]


def test_a_sum_out_of_range_blames_the_numbers() -> None:
    text = """
        table t { "a" -> 1e308; _ -> 0.5 }
        s = aggregate_sum(select(indices, indices, <=), t(tokens));
    """
    failure = blamed(text, "baba")
    assert (failure.kind, failure.position) == ("number out of range", 3)
    assert [r.value for r in failure.readings] == [0.5, 1e308, 0.5, 1e308]


def test_a_constant_has_no_position() -> None:
    builder = Builder(HEADER)
    node = builder.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Literal(0))), name="x")
    failure = first_failure(builder.build({"x": node}), ("a", "b"))
    assert failure == FirstFailure(node, DIVISION_BY_ZERO, None, ())
    assert failure.error().notes == ("in x",)


def test_dead_nodes_do_not_fail() -> None:
    builder = Builder(HEADER)
    tokens, indices = builder.add(Tokens()), builder.add(Indices())
    builder.add(Map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0))), [indices])
    assert first_failure(builder.build({"t": tokens}), ("a",)) is None
