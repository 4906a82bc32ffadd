"""The laws of text: what is printed reads back as an equal program, and prints the same again."""

from __future__ import annotations

import random
import re
from math import copysign
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS, SHARED
from tests.strategies import programs
from tpir.errors import TpirError
from tpir.ir.builder import Builder, rebuild
from tpir.ir.expressions import Argument, Binary, BinaryOp, IfElse, Literal, Unary, UnaryOp
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
    Always,
    And,
    Choose,
    Classify,
    ClassifyPooled,
    Indices,
    Map,
    Not,
    Op,
    Or,
    Otherwise,
    Pool,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Origin, Program
from tpir.ir.verify import verify
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import load_checkpoint
from tpir.text import parse, print_program

NAMES = [
    "table",
    "relu",
    "output",
    "classify",
    "classify_pooled",
    "program",
    "context",
    "causal",
    "vocabulary",
    "labels",
    "accepts",
    "keys",
    "bias",
    "unit",
    "float32",
    "all",
    "first",
    "last",
    "closest",
    "choose",
    "select",
    "aggregate",
    "tokens",
    "indices",
    "map",
    "indicator",
    "and",
    "or",
    "not",
    "if",
    "else",
    "in",
    "for",
    "def",
    "return",
    "True",
    "False",
    "_",
    "x",
    "x_2",
    "x_table",
    "x_keys",
    "none",
    "order",
]
COMMENTS = ("plain", "", "  indented", "# twice", 'a "quote', "layer 0, attn 1", "two\nlines", "é ")
ORIGINS = (
    None,
    Origin(),
    Origin(0, "attn 1"),
    Origin(3),
    Origin(None, "embed"),
    Origin(1, " spaced "),
    Origin(1, "line\nbreak"),
)
WORDS = ("a", 'say "hi"', "back\\slash", "new\nline", "é", "\u2028", "\x00", "", "#", ";")
VALUES = (*WORDS, 0, 1, -1, True, False, 1.0, -0.5, 1e-300, -1e300, 2**53, 0.1)


def holds(program: Program) -> str:
    """Both laws for one program; gives the text."""
    text = print_program(program)
    again = parse(text)
    assert again == program, text
    assert print_program(again) == text
    assert len(again.nodes) == len(program.nodes)
    assert list(again.outputs) == list(program.outputs)
    assert again.name == program.name
    return text


@settings(max_examples=PROGRAMS)
@given(programs())
def test_random_programs(program: Program) -> None:
    holds(program)


@settings(max_examples=PROGRAMS // 4)
@given(programs(), st.integers(0, 2**32))
def test_names_comments_and_origins(program: Program, seed: int) -> None:
    dice = random.Random(seed)

    def decorate(builder: Builder, node: Node, operands: tuple[Node, ...]) -> Node:
        comments = tuple(dice.sample(COMMENTS, dice.choice((0, 0, 1, 3))))
        name, origin = dice.choice(NAMES), dice.choice(ORIGINS)
        return builder.add(node.op, operands, name=name, origin=origin, comments=comments)

    decorated = rebuild(program, decorate)
    outputs = {dice.choice([name, *NAMES, 'o "ut"\n']): n for name, n in decorated.outputs.items()}
    decorated = Program(decorated.header, decorated.nodes, outputs)
    text = holds(decorated)
    assert text == print_program(parse(text, name="elsewhere"))


@settings(max_examples=PROGRAMS // 4)
@given(st.integers(0, 2**32))
def test_random_expressions(seed: int) -> None:
    dice = random.Random(seed)
    builder = Builder(Header((0, 1, 2), 4))
    numbers = [builder.add(Tokens()), builder.add(Indices())]
    truths = [builder.add(Map(Binary(BinaryOp.LESS, Argument(0), Argument(1))), numbers)]
    operands = [dice.choice((*numbers, *truths)) for _ in range(dice.randrange(4))]
    expression = random_expression(dice, operands, dice.randrange(5), dice.random() < 0.5)
    try:
        node = builder.add(Map(expression), operands)
    except TpirError:
        return  # not well typed
    holds(builder.build({"out": node}))


def random_expression(
    dice: random.Random, operands: list[Node], depth: int, truth: bool
) -> Argument | Literal | Unary | Binary | IfElse:
    def below(kind: bool) -> Argument | Literal | Unary | Binary | IfElse:
        return random_expression(dice, operands, depth - 1, kind)

    fitting = [k for k, o in enumerate(operands) if (str(o.type) == "Bool") == truth]
    if depth <= 0 or dice.random() < 0.1:
        if fitting and dice.random() < 0.8:
            return Argument(dice.choice(fitting))
        return Literal(dice.choice((True, False)) if truth else dice.choice((0, 1, -1, 0.5, -0.0)))
    if dice.random() < 0.15:
        return IfElse(below(truth), below(True), below(truth))
    if truth:
        if dice.random() < 0.25:
            return Unary(UnaryOp.NOT, below(True))
        if dice.random() < 0.5:
            return Binary(dice.choice((BinaryOp.AND, BinaryOp.OR)), below(True), below(True))
        return Binary(dice.choice((BinaryOp.EQUAL, BinaryOp.LESS)), below(False), below(False))
    if dice.random() < 0.25:
        negate = dice.random() < 0.7
        return (
            Unary(UnaryOp.NEGATE, below(False)) if negate else Unary(UnaryOp.INDICATOR, below(True))
        )
    op = dice.choice([op for op in BinaryOp if op.value in ("+", "-", "*", "/", "%", "^")])
    return Binary(op, below(False), below(False))


def single(op: Op, *operands: Op, header: Header | None = None) -> Program:
    builder = Builder(header or Header(("a", "b"), 3))
    nodes = [builder.add(o) for o in operands]
    return builder.build({"out": builder.add(op, nodes)})


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_any_value_anywhere(value: str | int | float | bool) -> None:
    holds(single(Map(Literal(value))))
    holds(single(Map(Table((), (value,)))))
    holds(single(Map(Table((("a", "b"),), (value, "other"))), Tokens()))
    holds(single(Tokens(), header=Header((value, "other"), 2, labels=(value,))))
    holds(relation_of(value))


def relation_of(value: str | int | float | bool) -> Program:
    builder = Builder(Header((value, "other"), 3))
    tokens = builder.add(Tokens())
    relation = Relation(tokens.type.domain, ((value,), ()))  # type: ignore[union-attr]
    selector = builder.add(Select(relation), (tokens, tokens))
    return builder.build({"out": builder.add(SelectorWidth(), (selector,))})


def test_two_inputs_of_a_kind_and_an_input_as_output() -> None:
    builder = Builder(Header(("a", "b"), 3))
    first, second = builder.add(Tokens()), builder.add(Tokens())
    dead, index = builder.add(Tokens(), name="dead"), builder.add(Indices(), name="i")
    both = builder.add(Map(Binary(BinaryOp.EQUAL, Argument(0), Argument(1))), (first, second))
    text = holds(builder.build({"out": both, "tokens": first, "b": second, "i": index}))
    assert "dead = tokens();" in text
    assert dead.name in parse(text).by_name


def test_operands_that_infix_cannot_say() -> None:
    add = Binary(BinaryOp.ADD, Argument(1), Argument(0))
    assert "map($2 + $1, indices, tokens_asis)" in holds(
        single(Map(add), Indices(), Tokens(), header=Header((1, 2), 3))
    )
    builder = Builder(Header((1, 2), 3))
    tokens = builder.add(Tokens())
    twice = builder.add(Map(Binary(BinaryOp.ADD, Argument(0), Argument(1))), (tokens, tokens))
    unused = builder.add(Map(Unary(UnaryOp.NEGATE, Argument(0))), (tokens, twice))
    same = builder.add(Map(Argument(0)), (unused,))
    folded = builder.add(
        Map(Binary(BinaryOp.ADD, Argument(0), Unary(UnaryOp.NEGATE, Literal(1)))), (same,)
    )
    holds(builder.build({"out": folded}))


@pytest.mark.parametrize("order", [(), (0,), (-1, 1, 0), (5, -7)])
@pytest.mark.parametrize("otherwise", list(Otherwise))
def test_orders(order: tuple[int, ...], otherwise: Otherwise) -> None:
    builder = Builder(Header(("a", "b"), 3))
    tokens = builder.add(Tokens())
    every = builder.add(Select(Always(True)), (tokens, tokens))
    score = ScoreTable(("a", "b"), ("a", "b"), ((0.1, -0.0), (1e-300, 1.0)))
    chosen = builder.add(Choose(order, score, otherwise), (every, tokens, tokens))
    default = "none" if otherwise is Otherwise.NONE else None
    holds(builder.build({"out": builder.add(Aggregate(default), (chosen, tokens))}))


def test_readouts() -> None:
    header = Header(("a", "b"), 3, labels=("x", "y", "z"))
    weights = TableWeights(("a", "b"), ((0.1, 0.2), (0.1, 0.2)))
    for op in (
        Classify(("x", "y"), (0.0, -1e-40), (weights, weights)),
        ClassifyPooled(("x", "z"), (0.5, 1e300), (weights, weights), Pool.FIRST),
        Classify(("x", "y", "z"), (1.0, 2.0, 3.0), ()),
    ):
        builder = Builder(header)
        tokens = builder.add(Tokens())
        holds(builder.build({"out": builder.add(op, (tokens,) * len(op.weights))}))


@pytest.mark.parametrize(
    ("bias", "rows", "number", "shown"),
    [
        ((0, 0), ((0, 0), (1, 2)), (0, 0), 'bias 0;|tokens: { "b" -> [1, 2]; "a" -> 0 };|i: 0;'),
        ((0, 0.5), ((0, 0), (0, 0)), (0, 0), "bias [0.0, 0.5];|tokens: { _ -> 0 };|i: 0;"),
        ((0, -0.0), ((-0.0, -0.0), (0, 0)), (0, -0.0),
         'bias [0.0, -0.0];|tokens: { "a" -> [-0.0, -0.0]; "b" -> 0 };|i: [0.0, -0.0];'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pool", [None, *Pool])
def test_rows_of_zeros(
    bias: tuple[float, ...],
    rows: tuple[tuple[float, ...], ...],
    number: tuple[float, ...],
    shown: str,
    pool: Pool | None,
) -> None:
    builder = Builder(Header(("a", "b"), 3, labels=("x", "y")))
    tokens, indices = builder.add(Tokens()), builder.add(Indices(), name="i")
    weights = (TableWeights(("a", "b"), rows), NumberWeights(number))
    made = (("x", "y"), bias, weights)
    op = Classify(*made) if pool is None else ClassifyPooled(*made, pool)
    text = holds(builder.build({"out": builder.add(op, (tokens, indices))}))
    assert re.split(r";\n +|;  ", text.partition("{\n    ")[2].partition(";\n}")[0]) == (
        shown.removesuffix(";").split(";|")
    )
    (again,) = (n.op for n in parse(text).nodes if isinstance(n.op, Classify | ClassifyPooled))
    signs = [copysign(1, x) for row in (bias, *rows, number) for x in row]
    read = (again.bias, *again.weights[0].rows, again.weights[1].row)  # type: ignore[union-attr]
    assert [copysign(1, x) for row in read for x in row] == signs


def test_relu_functions() -> None:
    relu = ReluFunction(((0.1,), (-2.5,)), (0.0, 1e-30), ((1.0, 2.0), (3.0, 4.0)), (0.5, 0.25))
    holds(single(Map(relu), Indices()))


def test_selectors_of_selectors() -> None:
    builder = Builder(Header(("a", "b"), 3))
    tokens, every = builder.add(Tokens()), Select(Always(True))

    def select() -> Node:
        return builder.add(every, (tokens, tokens))

    shared = select()
    left = builder.add(
        Or(), (builder.add(And(), (select(), shared)), builder.add(Not(), (shared,)))
    )
    right = builder.add(And(), (select(), builder.add(And(), (select(), select()))))
    both = builder.add(And(), (builder.add(Not(), (left,)), right))
    holds(builder.build({"out": builder.add(SelectorWidth(), (both,), origin=Origin(0, "h"))}))


def test_equal_tables_are_printed_once() -> None:
    builder = Builder(Header(("a", "b"), 3))
    tokens = builder.add(Tokens())
    table = Map(Table((("a", "b"),), ("b", "a")))
    swapped = builder.add(table, (tokens,), name="swapped")
    back = builder.add(table, (tokens,), name="back")
    text = holds(builder.build({"swapped": swapped, "back": back}))
    assert text.count("table swapped_table {") == 1
    assert "back = swapped_table(tokens);" in text


def test_comments_stay_with_their_statements() -> None:
    source = """
    # the header's
    context 4; vocabulary {"a", "b"};
    # of n, one
    # of n, two
    n = selector_width(select(tokens, tokens, ==));  # of n, behind
    # of the table
    table t { "a" -> 1; _ -> 2 }
    m = t(tokens); # layer 2, attn 0
    # of the output
    output n;
    output m;
    """
    program = parse(source)
    comments = ("the header's", "of n, one", "of n, two", "of n, behind", "of the output")
    assert program.by_name["n"].comments == comments
    assert program.by_name["m"].comments == ("of the table",)
    assert program.by_name["m"].origin == Origin(2, "attn 0")
    again = parse(print_program(program))
    assert [n.comments for n in again.nodes] == [n.comments for n in program.nodes]
    assert again.by_name["m"].origin == Origin(2, "attn 0")


CHECKPOINTS = sorted((SHARED / "checkpoints").glob("**/model.pt"))


@pytest.mark.parametrize("path", CHECKPOINTS or ["missing"], ids=lambda p: Path(p).parent.name)
def test_lowered_checkpoints(path: Path, shared: Path) -> None:
    program = lower_transformer_program(load_checkpoint(path.parent))
    text = holds(program)
    verify(parse(text))
    assert max(len(line.partition("  # ")[0]) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("name", ["sort_v8_n8", "dyck1_n16", "induction"])
def test_golden_checkpoints(name: str, shared: Path, golden) -> None:
    checkpoint = load_checkpoint(shared / "checkpoints" / name)
    golden(f"{name}.rasp", print_program(lower_transformer_program(checkpoint, name=name)))
