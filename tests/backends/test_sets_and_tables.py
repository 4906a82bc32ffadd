"""Programs as weights whose predicates match sets, and whose MLPs are tables."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tests.backends.test_transformer_program import (
    Maker,
    answers,
    comes_back,
    computes,
    some_inputs,
    weights_answers,
)
from tpir.backends import transformer_program_placement
from tpir.backends.transformer_program import (
    SAMPLING_ERROR,
    choice_logit,
    compile_transformer_program,
)
from tpir.errors import TpirError
from tpir.ir.expressions import BinaryOp
from tpir.ir.functions import ReluFunction, ScoreTable, Table
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    Choose,
    Comparison,
    Preference,
    Select,
)
from tpir.ir.program import Node, Program
from tpir.lowering import tables
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import Checkpoint
from tpir.models.predict import encode
from tpir.semantics.interpreter import run_many
from tpir.training.continuation import CONTINUE, continue_training
from tpir.training.examples import Examples


def sample() -> Program:
    """Counts by comparisons, a head that prefers one of several keys, tables of all kinds."""
    make = Maker()
    less = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.tokens, make.tokens])
    before = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.indices, make.indices])
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    smaller, length = make.width(less), make.width(every)
    near = make.head(before, make.tokens)
    kind = make.map(lambda n, m: (n + 2 * m) % 3, smaller, length)
    pair = make.map(lambda t, k: (len(t) + k) % 3, near, kind)
    return make.read(pair, near, smaller)


def said(make: Maker, node: Node) -> Program:
    """A program that puts out each value of a node as a word of its own."""
    return make.builder.build({"said": make.map(lambda value: f"w{value}", node)})


def test_comparisons_are_sets() -> None:
    program = sample()
    config = computes(program).config
    assert (config.predicates, config.mlps) == ("set", "relu")
    lowered = lower_transformer_program(compile_transformer_program(program))
    assert comes_back(lowered).config == config
    with pytest.raises(TpirError, match=r"select.* matches one key value, here some match several"):
        compile_transformer_program(program, predicates="one")


def test_one_key_stays_one_unless_asked() -> None:
    make = Maker()
    vowel = make.match(make.tokens, make.tokens, ("a", "b"), ("c",), ("a", "b"))
    program = make.read(make.head(vowel, make.indices), make.width(vowel))
    assert computes(program).config.predicates == "set"
    split = compile_transformer_program(program, predicates="one")
    assert split.config.predicates == "one"  # keys by class
    assert weights_answers(split, some_inputs(program)) == answers(program, some_inputs(program))
    make = Maker()
    one = make.match(make.tokens, make.tokens, ("b",), (), ("a",))
    program = make.read(make.head(one, make.indices), make.width(one))
    assert comes_back(program).config.predicates == "one"
    asked = compile_transformer_program(program, predicates="set")
    assert asked.config.predicates == "set"
    assert lower_transformer_program(asked) == program


def test_what_sets_save() -> None:
    """A query that matches nothing takes no spare value, and one that matches all no constant."""
    make = Maker(context=4)
    rows = ((0, 3), (), (0,))
    head = make.head(make.match(make.indices, make.tokens, *rows), make.tokens)
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    config = comes_back(make.read(head, make.width(every))).config
    assert (config.d_var, config.n_layers, config.n_cat_mlps) == (4, 1, 0)


def test_scores_leave_predicates_of_one_key() -> None:
    make = Maker()
    less = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.tokens, make.tokens])
    first = make.builder.add(Choose(Preference.FIRST), [less])
    program = make.read(make.builder.add(Aggregate(), [first, make.tokens]))
    assert computes(program).config.attention == "cat"
    with pytest.raises(TpirError, match="score attention has no predicates"):
        every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
        score = _scores(make, every)
        compile_transformer_program(make.read(score), predicates="set")


def _scores(make: Maker, every: Node) -> Node:
    words = ("a", "b", "c")
    score = ScoreTable(words, words, ((0, 1, 2), (1, 0, 0), (0, 0, 0)))
    chosen = make.builder.add(Choose(Preference.FIRST, score), [every, make.tokens, make.tokens])
    return make.builder.add(Aggregate(), [chosen, make.indices], name="scored")


def as_tables(program: Program) -> Checkpoint:
    compiled = compile_transformer_program(program, mlps="table")
    assert compiled.config.mlps == "table"
    inputs = some_inputs(program)
    assert weights_answers(compiled, inputs) == answers(program, inputs)
    lowered = lower_transformer_program(compiled)
    assert lower_transformer_program(compile_transformer_program(lowered, mlps="table")) == lowered
    assert answers(lowered, inputs) == answers(program, inputs)
    return compiled


def test_tables_hold_what_hidden_layers_do() -> None:
    program = sample()
    table = as_tables(program)
    relu = compile_transformer_program(program)
    assert lower_transformer_program(table) == lower_transformer_program(relu)
    assert not [name for name in table.state if "W_in" in name]


def test_numerical_tables_are_as_wide_as_they_change() -> None:
    """Counts up to the context are one more than the positions; sums are far more."""
    make = Maker(context=4)
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    length = make.width(every)
    total = make.builder.add(AggregateSum(), [every, length], name="total")
    full = make.map(lambda n: int(n == 4), length)
    assert as_tables(said(make, full)).config.d_var == 5
    some = make.map(lambda n: int(n > 2), length)
    assert as_tables(said(make, some)).config.d_var == 4
    large = make.map(lambda n, m: int(n >= 9) + int(m == 1), total, length)
    assert as_tables(said(make, large)).config.d_var == 10
    count = make.map(lambda n: n, total)  # the sum as a category has 17 values
    assert as_tables(said(make, count)).config.d_var == 17


def test_numbers_that_are_not_counts_are_no_rows() -> None:
    make = Maker()
    weights = make.map(Table((("a", "b", "c"),), (0.5, 2.0, 3.0)), make.tokens)
    match = make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",))
    total = make.builder.add(AggregateSum(), [match, weights], name="total")
    count = make.map(lambda n: n % 3, make.width(match))
    as_tables(make.read(total))
    with pytest.raises(TpirError, match="tables of numbers read counts alone"):
        compile_transformer_program(make.read(total, count), mlps="table")
    function = ReluFunction(((1.0,),), (0.0,), ((1.0,), (-1.0,)), (0.0, 0.0))
    with pytest.raises(TpirError, match="an MLP is a table, and its operands have real numbers"):
        compile_transformer_program(make.read(make.map(function, total)), mlps="table")
    finite = make.map(function, make.width(match))
    as_tables(said(make, finite))


def test_tables_that_no_machine_holds() -> None:
    make = Maker(tuple(f"w{k}" for k in range(700)))
    pair = make.map(lambda t: len(t) % 2, make.tokens)
    both = make.map(lambda t, p, i: (len(t) + p + i) % 2, make.tokens, pair, make.indices)
    with pytest.raises(TpirError, match="variables of 701 values, tables of 344472101 rows"):
        compile_transformer_program(make.read(both), mlps="table")


@pytest.mark.parametrize("rows", [12, 40])
def test_numbers_of_too_many_values_are_clipped(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """By a table, or where a number has too many values for one, by a relu function."""
    make = Maker(context=3)
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    same = make.builder.add(Select(Comparison(BinaryOp.EQUAL)), [make.tokens, make.tokens])
    length = make.width(same)
    total = make.builder.add(AggregateSum(), [every, length], name="total")
    twice = make.builder.add(AggregateSum(), [same, total], name="twice")
    kind = make.map(lambda n, m: (min(n, 6) + 2 * min(m, 4)) % 3, twice, length)
    program = said(make, kind)
    compiled = compile_transformer_program(program, mlps="table")
    assert compiled.config.d_var == 7
    monkeypatch.setattr(tables, "MAX_NUMERIC_ROWS", rows)
    lowered = lower_transformer_program(compiled)
    functions = [type(n.op.function) for n in lowered.live if hasattr(n.op, "function")]
    assert len(functions) == 3
    assert (ReluFunction in functions) == (rows == 12)
    inputs = some_inputs(program)
    assert answers(lowered, inputs) == answers(program, inputs)


@pytest.mark.parametrize("mlps", ["relu", "table"])
def test_the_logit_keeps_its_promise(mlps: str) -> None:
    """The chances that a Gumbel sample changes a choice, summed over all that are made."""
    compiled = compile_transformer_program(sample(), mlps=mlps)  # type: ignore[arg-type]
    config, logit, chance = compiled.config, choice_logit(compiled.config), 0.0
    for name, tensor in compiled.state.items():
        if name.endswith((".W_K.W", ".W_Q.W", ".W_V.W", "W_read.W", "W_table")):
            for row in tensor.flatten(0, -2).double():
                if row.any():
                    best, *others = row.sort(descending=True).values.tolist()
                    assert all(best - other == logit for other in others)
                    chance += 1 - 1 / (1 + sum(math.exp(other - best) for other in others))
        elif name.endswith("W_pred.W"):
            used = tensor[tensor != 0].double()
            assert (used.abs() == logit).all()
            chance += float(torch.sigmoid(-used.abs()).sum())
    if mlps == "relu":
        outputs = config.d_var - 1
        units = config.n_layers * (config.n_cat_mlps + config.n_num_mlps) * config.context
        chance += units * outputs / (outputs + math.exp(logit))
    assert 0 < chance <= SAMPLING_ERROR
    assert logit % 2 == 0


@pytest.mark.parametrize("mlps", ["relu", "table"])
def test_samples_at_temperature_1_do_what_the_program_does(mlps: str) -> None:
    """Where no draw among several keys takes part: those the position bias decides, not we."""
    make = Maker()
    less = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.tokens, make.tokens])
    smaller = make.width(less)
    kind = make.map(lambda n: (2, 0, 1, 1, 0)[n], smaller)
    program = make.read(make.map(lambda k, t: (k + len(t)) % 3, kind, make.tokens), smaller)
    compiled = compile_transformer_program(program, mlps=mlps)  # type: ignore[arg-type]
    model = compiled.model()
    tokens = encode(compiled.config, [list(map(str, s)) for s in some_inputs(program)])
    expected = model(tokens).argmax(-1)
    torch.manual_seed(0)
    draws, wrong = 200, 0
    for _ in range(draws):
        found = model.set_mode("hard").set_temperature(1.0)(tokens).argmax(-1)
        wrong += bool((found != expected)[tokens != 0].any())
    assert wrong <= 2 * SAMPLING_ERROR * draws


@pytest.mark.parametrize("mlps", ["relu", "table"])
def test_training_goes_on_from_sets_and_tables(mlps: str) -> None:
    program = sample()
    compiled = compile_transformer_program(program, mlps=mlps)  # type: ignore[arg-type]
    inputs = some_inputs(program)
    (name,) = program.outputs
    labels = [list((outcome.values or {})[name]) for outcome in run_many(program, inputs)]
    examples = Examples(
        tuple(tuple(map(str, row)) for row in inputs),
        tuple(tuple(map(str, row)) for row in labels),
    )
    settings = dataclasses.replace(CONTINUE, epochs=2, batch_size=16)
    trained = continue_training(compiled, examples, settings)
    assert trained.accuracies[0] == 1.0
    assert trained.accuracies[-1] > 0.95
    assert trained.checkpoint.config == compiled.config
    moved = [
        n for n, x in compiled.state.items() if not torch.equal(trained.checkpoint.state[n], x)
    ]
    assert any(name.endswith("W_pred.W") for name in moved)
    assert any(name.endswith("W_table" if mlps == "table" else "W_out") for name in moved)
    lowered = lower_transformer_program(trained.checkpoint)
    assert answers(lowered, inputs) == weights_answers(trained.checkpoint, inputs)


def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker(context=4)
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    program = said(make, make.map(lambda n: int(n == 4), make.width(every)))
    as_tables(program)
    right = transformer_program_placement.rows_read
    with monkeypatch.context() as fault:
        fault.setattr(transformer_program_placement, "rows_read", lambda *read: right(*read) - 1)
        narrow = compile_transformer_program(program, mlps="table")
    inputs = some_inputs(program)
    assert weights_answers(narrow, inputs) != answers(program, inputs)
    assert lower_transformer_program(narrow) != program

    program = sample()
    compiled = compile_transformer_program(program)
    spoilt = dict(compiled.state)
    name = next(n for n, x in spoilt.items() if n.endswith("num_attn.W_pred.W") and (x > 0).any())
    spoilt[name] = -spoilt[name]
    negated = dataclasses.replace(compiled, state=spoilt)
    inputs = some_inputs(program)
    assert weights_answers(negated, inputs) != answers(program, inputs)
    assert answers(lower_transformer_program(negated), inputs) == weights_answers(negated, inputs)
