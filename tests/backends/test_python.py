"""Emitted modules, run for real, against the interpreter."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.backends.python_cases import (
    FORMAT,
    assert_agrees,
    assert_formatted,
    builder,
    load,
    opcodes,
    outcome,
)
from tests.strategies import programs
from tpir.backends.python import emit_python
from tpir.backends.python.runtime import HELPERS, sources
from tpir.ir.expressions import (
    Argument,
    Binary,
    BinaryOp,
    Literal,
)
from tpir.ir.functions import (
    NumberWeights,
    Relation,
    ReluFunction,
    ScoreTable,
    Table,
    TableWeights,
)
from tpir.ir.ops import (
    Aggregate,
    AggregateSum,
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Comparison,
    Indices,
    Map,
    Not,
    Or,
    Otherwise,
    Pool,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Node, Program
from tpir.ir.types import Selector, Width
from tpir.ir.values import Value

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(RELAXED, max_examples=200)
@given(programs())
def test_agrees_with_the_interpreter(program: Program) -> None:
    assert_agrees(program)


@settings(RELAXED, max_examples=50)
@given(programs(max_nodes=16, max_context=9))
def test_agrees_on_longer_inputs(program: Program) -> None:
    assert_agrees(program)


def test_is_deterministic_stands_alone_and_is_formatted(tmp_path: Path) -> None:
    """All programs first, then the formatter once."""
    texts: list[str] = ["\n\n\n".join(sources(HELPERS)) + "\n"]

    @settings(RELAXED, max_examples=80)
    @given(programs(max_nodes=16))
    def collect(program: Program) -> None:
        text = emit_python(program)
        assert text == emit_python(program)
        assert_stands_alone(text)
        texts.append(text)

    collect()
    for k, text in enumerate(texts):
        (tmp_path / f"program_{k}.py").write_text(text, encoding="utf-8")
    command = [*FORMAT, "--diff", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def assert_stands_alone(text: str) -> None:
    tree = ast.parse(text)
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {getattr(n, "module", None) for n in imports} <= {"bisect"}
    assert "__import__" not in text


# Every op in its special cases, causal or not.

CAUSAL = pytest.mark.parametrize("causal", [False, True])
ORDERS = [*Preference, (1, -1, 2), (0,), ()]
SCORE = ScoreTable(("a", "b", "c"), ("a", "b", "c"), ((0, 1, 2), (1, 1, 0), (0.5, 0.25, 0.5)))
SHIFT = Relation(("a", "b", "c"), (("b",), ("c",), ("a",)))
SOME = Relation(("a", "b", "c"), (("b",), (), ("a", "c")))
PARTIAL = Relation(("a", "b", "c"), (("b",), (), ("elsewhere",)))
SAME = Relation(("a", "b", "c"), (("b",), ("b",), ("b",)))
PREDICATES = [
    Always(True),
    Always(False),
    Comparison(BinaryOp.EQUAL),
    Comparison(BinaryOp.NOT_EQUAL),
    Comparison(BinaryOp.LESS),
    Comparison(BinaryOp.GREATER_EQUAL),
    SHIFT,
    SOME,
    PARTIAL,
    SAME,
]


@CAUSAL
@pytest.mark.parametrize("predicate", PREDICATES, ids=str)
def test_selectors(predicate: object, causal: bool) -> None:
    b = builder(causal=causal)
    tokens, indices = b.add(Tokens()), b.add(Indices())
    selector = b.add(Select(predicate), [tokens, tokens])
    real = b.add(Map(Table((("a", "b", "c"),), (0.1, 0.7, -0.3))), [tokens])
    truth = b.add(Map(Table((("a", "b", "c"),), (True, False, True))), [tokens])
    outputs = {"width": b.add(SelectorWidth(), [selector])}
    for name, values in (("index", indices), ("real", real), ("truth", truth)):
        outputs[f"sum_{name}"] = b.add(AggregateSum(), [selector, values])
        outputs[f"mean_{name}"] = b.add(Aggregate(0), [selector, values])
    for k, order in enumerate(ORDERS):
        for otherwise in Otherwise:
            chosen = b.add(Choose(order, None, otherwise), [selector])
            name = f"{otherwise.value}_{k}"
            default = None if chosen.type == Selector(Width.ONE) else "none"
            outputs[f"token_{name}"] = b.add(Aggregate(default), [chosen, tokens])
            outputs[f"sum_{name}"] = b.add(AggregateSum(), [chosen, real])
            outputs[f"truth_{name}"] = b.add(AggregateSum(), [chosen, truth])
            outputs[f"width_{name}"] = b.add(SelectorWidth(), [chosen])
    assert_agrees(b.build(outputs))


@CAUSAL
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("predicate", [Always(True), SOME], ids=str)
def test_scores(predicate: object, order: object, causal: bool) -> None:
    b = builder(causal=causal)
    tokens, indices = b.add(Tokens()), b.add(Indices())
    selector = b.add(Select(predicate), [tokens, tokens])
    outputs = {}
    for otherwise in Otherwise:
        chosen = b.add(Choose(order, SCORE, otherwise), [selector, tokens, tokens])
        default = None if otherwise is Otherwise.FIRST else -1
        outputs[otherwise.value] = b.add(Aggregate(default), [chosen, indices])
    assert_agrees(b.build(outputs))


@CAUSAL
def test_keys_that_are_positions(causal: bool) -> None:
    b = builder(causal=causal)
    tokens, indices = b.add(Tokens()), b.add(Indices())
    rows = {
        "swap": ((4,), (3,), (2,), (1,), (0,)),
        "same": ((0,), (1,), (2,), (3,), (4,)),
        "third": ((2,),) * 5,
        "some": ((), (0,), (), (9,), (1,)),
        "none": ((),) * 5,
    }
    outputs = {}
    for name, targets in rows.items():
        selector = b.add(Select(Relation((0, 1, 2, 3, 4), targets)), [indices, indices])
        for otherwise in Otherwise:
            chosen = b.add(Choose(Preference.CLOSEST, None, otherwise), [selector])
            default = None if otherwise is Otherwise.FIRST else "none"
            outputs[f"{name}_{otherwise.value}"] = b.add(Aggregate(default), [chosen, tokens])
        outputs[f"{name}_width"] = b.add(SelectorWidth(), [selector])
        outputs[f"{name}_sum"] = b.add(AggregateSum(), [selector, indices])
    assert_agrees(b.build(outputs))


@CAUSAL
def test_selector_algebra(causal: bool) -> None:
    b = builder(causal=causal)
    tokens = b.add(Tokens())
    equal = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    some = b.add(Select(SOME), [tokens, tokens])
    one = b.add(Choose(), [some])
    maybe = b.add(Choose(Preference.LAST, None, Otherwise.NONE), [some])
    outputs = {}
    for k, (op, operands) in enumerate(
        [
            (And(), [equal, some]),
            (Or(), [equal, some]),
            (Not(), [equal]),
            (And(), [one, equal]),
            (Or(), [one, maybe]),
            (Not(), [maybe]),
        ]
    ):
        node = b.add(op, operands)
        outputs[f"width_{k}"] = b.add(SelectorWidth(), [node])
        outputs[f"first_{k}"] = b.add(Aggregate(), [b.add(Choose(), [node]), tokens])
    assert_agrees(b.build(outputs))


def test_values_told_apart_by_type() -> None:
    b = builder((1, True, 1.0, "1"), 3)
    tokens = b.add(Tokens())
    named = b.add(Map(Table((tokens.type.domain,), ("int", "bool", "float", "str"))), [tokens])
    pairs = Table((tokens.type.domain,) * 2, tuple(f"r{k}" for k in range(16)))
    both = b.add(Map(pairs), [tokens, tokens])
    relation = Relation(tokens.type.domain, (("1",), (1,), (True, 1.0), ()))
    selector = b.add(Select(relation), [tokens, tokens])
    chosen = b.add(Choose(Preference.FIRST, None, Otherwise.NONE), [selector])
    score = ScoreTable(tokens.type.domain, tokens.type.domain, ((0, 1, 2, 3),) * 4)
    every = b.add(Select(Always(True)), [tokens, tokens])
    best = b.add(Choose(Preference.FIRST, score), [every, tokens, tokens])
    weights = TableWeights(tokens.type.domain, ((1, 0), (0, 1), (2, 0), (0, 2)))
    labels = b.add(Classify(("x", "y"), (0.0, 0.5), (weights,)), [tokens])
    nodes = {
        "named": named,
        "both": both,
        "found": b.add(Aggregate("none"), [chosen, named]),
        "best": b.add(Aggregate(), [best, named]),
        "width": b.add(SelectorWidth(), [selector]),
        "labels": labels,
        "tokens": tokens,
    }
    assert_agrees(b.build(nodes))


@pytest.mark.parametrize("over", [*Pool, None])
@pytest.mark.parametrize("scale", [1.0, 0.1, 1e16])
def test_readouts_add_in_operand_order(over: Pool | None, scale: float) -> None:
    b = builder()
    tokens, indices = b.add(Tokens()), b.add(Indices())
    third = b.add(Map(Binary(BinaryOp.DIVIDE, Argument(0), Literal(3))), [indices])
    rng = np.random.default_rng(0)

    def row() -> tuple[float, ...]:
        return tuple(float(np.float32(w)) * scale for w in rng.normal(size=3))

    operands: list[Node] = []
    weights: list[TableWeights | NumberWeights] = []
    for _ in range(4):
        operands += [tokens, third, third, indices]
        weights.append(TableWeights(tokens.type.domain, (row(), row(), row())))
        weights += [NumberWeights(row()), NumberWeights(row()), NumberWeights(row())]
    labels, bias = ("x", "y", "z"), row()
    op = Classify(labels, bias, tuple(weights))
    if over is not None:
        op = ClassifyPooled(labels, bias, tuple(weights), over)
    assert_agrees(b.build({"labels": b.add(op, operands)}))


def test_sums_that_round_keep_their_order() -> None:
    """Left to right, 1e16 + 1 + 1 - 1e16 is 0.0; exactly it would be 2."""
    b = builder(("a",), 1)
    tokens = b.add(Tokens())
    rows = [TableWeights(("a",), ((w, 0.0, 0.5),)) for w in (1e16, 1.0, 1.0, -1e16)]
    program = b.build({"y": b.add(Classify((1, 2, 3), (0.0,) * 3, tuple(rows)), [tokens] * 4)})
    names = load(assert_agrees(program))
    assert outcome(program, names, ["a"]).values == {"y": (3,)}


def test_relu_functions() -> None:
    b = builder()
    indices = b.add(Indices())
    half = b.add(Map(Binary(BinaryOp.DIVIDE, Argument(0), Literal(2))), [indices])
    rng = np.random.default_rng(0)

    def row(n: int) -> tuple[float, ...]:
        return tuple(float(np.float32(w)) for w in rng.normal(size=n))

    outputs, columns = {}, [half, indices, half, indices]
    for k, (inputs, hidden, labels) in enumerate(
        [(1, 5, 4), (2, 40, 3), (3, 4, 1), (4, 7, 20), (2, 6, 16), (-1, 20, 3), (-2, 20, 3)]
    ):
        operands = columns[:inputs] if inputs > 0 else [indices, indices][inputs:]
        inputs = abs(inputs)  # below 0: ints only, which with many units become a table
        function = ReluFunction(
            tuple(row(inputs) for _ in range(hidden)),
            row(hidden),
            tuple(row(hidden) for _ in range(labels)),
            row(labels),
        )
        outputs[f"out{k}"] = b.add(Map(function), operands)
    text = assert_agrees(b.build(outputs))
    assert_formatted(text)


# The module as an artefact.


def histogram(name: str = "hist") -> Program:
    b = builder()
    tokens = b.add(Tokens(), name="tokens")
    same = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens], name="same")
    program = b.build({"count": b.add(SelectorWidth(), [same], name="count")})
    return Program(replace(program.header, name=name), program.nodes, program.outputs)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "0 tokens, but the program takes 1 to 5"),
        (["a"] * 6, "6 tokens, but the program takes 1 to 5"),
        (["a", "z"], "token 'z' at position 1 is not in VOCABULARY"),
        ([1], "token 1 at position 0 is not in VOCABULARY"),
    ],
)
def test_refuses_what_is_no_input(tokens: list[Value], message: str) -> None:
    run = load(emit_python(histogram()))["run"]
    assert isinstance(run, Callable)
    with pytest.raises(ValueError, match=message):
        run(tokens)


def test_refuses_tokens_of_another_type() -> None:
    b = builder((1, "x"), 2)
    run = load(emit_python(b.build({"y": b.add(Tokens())})))["run"]
    assert isinstance(run, Callable)
    assert run([1, "x"]) == [1, "x"]
    for token in (True, 1.0, "1"):
        with pytest.raises(ValueError, match="is not in VOCABULARY"):
            run(["x", token])


def test_constants_say_what_the_program_is() -> None:
    program = histogram('a "quoted" \\ name\n')
    names = load(emit_python(program))
    assert names["PROGRAM"] == program.name
    assert names["VOCABULARY"] == program.vocabulary
    assert (names["LABELS"], names["CONTEXT"], names["CAUSAL"]) == ((), 5, False)
    assert (names["ACCEPTS"], names["FINGERPRINT"]) == (None, program.fingerprint)
    assert_formatted(emit_python(program))


def test_runs_in_an_isolated_process() -> None:
    script = emit_python(histogram()) + "\nprint(run(['a', 'b', 'a']))\n"
    command = [sys.executable, "-I", "-S", "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [2, 1, 2]


@pytest.mark.parametrize(
    "name",
    ["class", "run", "list", "tokens", "CONTEXT", "x", "n", "nearest", "match", "w" * 300],
)
def test_names_that_mean_something_in_python(name: str) -> None:
    program = histogram()
    nodes: dict[Node, Node] = {}
    for k, node in enumerate(program.nodes):
        operands = tuple(nodes[o] for o in node.operands)
        nodes[node] = replace(node, operands=operands, name=name if k == 2 else f"{name}_{k}")
    outputs = {"count": nodes[program.outputs["count"]]}
    assert_formatted(assert_agrees(Program(program.header, tuple(nodes.values()), outputs)))


def test_accepted_forms_of_any_length_are_formatted() -> None:
    program = histogram()
    for length in range(70, 110):
        header = replace(program.header, accepts='"' + "a" * length + '"')
        assert_formatted(emit_python(Program(header, program.nodes, program.outputs)))


@CAUSAL
def test_time_grows_with_the_length_and_not_with_its_square(causal: bool) -> None:
    b = builder(context=4000, causal=causal)
    tokens, indices = b.add(Tokens()), b.add(Indices())
    shift = b.add(Select(SHIFT), [tokens, tokens])
    equal = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, tokens])
    every = b.add(Select(Always(True)), [tokens, tokens])
    best = b.add(Choose(Preference.FIRST, SCORE), [every, tokens, tokens])
    outputs = {"best": b.add(Aggregate(), [best, tokens])}
    for k, selector in enumerate((shift, equal, every)):
        outputs[f"width{k}"] = b.add(SelectorWidth(), [selector])
        outputs[f"sum{k}"] = b.add(AggregateSum(), [selector, indices])
        outputs[f"mean{k}"] = b.add(Aggregate(0), [selector, indices])
        for order in Preference:
            chosen = b.add(Choose(order), [selector])
            outputs[f"{order.value}{k}"] = b.add(Aggregate(), [chosen, tokens])
    program = b.build(outputs)
    run = load(emit_python(program))["run"]
    assert isinstance(run, Callable)
    short, long = (opcodes(run, list("abcab" * n)) for n in (50, 200))
    assert long < 4 * short * 1.5, "four times the length should cost about four times as much"
    assert_agrees(program, [list("abcab" * 20)])


def test_golden_text(golden: Callable[[str, str], None]) -> None:
    b = builder(("<s>", "0", "1", "2", "</s>"), 8)
    tokens, indices = b.add(Tokens(), name="tokens"), b.add(Indices(), name="indices")
    places = tuple(range(8))
    mirror = Relation(places, tuple((7 - p,) for p in places))
    match = b.add(Select(mirror), [indices, indices], name="mirror_match")
    chosen = b.add(Choose(), [match], name="mirror_key")
    mirrored = b.add(Aggregate(), [chosen, tokens], name="mirror")
    same = b.add(Select(Comparison(BinaryOp.EQUAL)), [tokens, mirrored], name="same")
    count = b.add(SelectorWidth(), [same], name="count")
    near = b.add(Aggregate(), [b.add(Choose(), [same], name="near_key"), indices], name="near")
    table = Table(
        (count.type.domain if hasattr(count.type, "domain") else tuple(range(9)), places),
        tuple((i * j) % 3 for i in range(9) for j in range(8)),
    )
    mlp = b.add(Map(table), [count, near], name="mlp")
    weights = tuple(
        tuple(float(np.float32(0.1 * i - 0.37 * j)) for j in range(3)) for i in range(8)
    )
    op = Classify(
        ("0", "1", "2"),
        weights[3],
        (
            TableWeights(places, weights),
            TableWeights((0, 1, 2), weights[:3]),
            NumberWeights(weights[1]),
        ),
    )
    labels = b.add(op, [near, mlp, count], name="labels")
    header = replace(b.header, name="mirror", labels=("0", "1", "2", "<pad>"))
    program = Program(header, b.nodes, {"output": labels})
    text = assert_agrees(program)
    assert_formatted(text)
    golden("python_mirror.txt", text)
