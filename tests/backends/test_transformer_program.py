"""Programs as weights: what they compute, and that lowering them gives the program back."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS, SHARED
from tests.models.random_models import configurations, random_model
from tests.strategies import programs
from tests.strategies_tp import transformer_programs
from tpir.backends import transformer_program_mlps, transformer_program_weights
from tpir.backends.transformer_program import (
    SAMPLING_ERROR,
    choice_logit,
    compile_transformer_program,
)
from tpir.backends.transformer_program_mlps import Hidden
from tpir.errors import TpirError
from tpir.ir.builder import Builder
from tpir.ir.expressions import Argument, Binary, BinaryOp, Literal
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
    Choose,
    Classify,
    Comparison,
    Indices,
    Map,
    Or,
    Otherwise,
    Preference,
    Select,
    SelectorWidth,
    Tokens,
)
from tpir.ir.program import Header, Node, Program
from tpir.ir.types import values_of
from tpir.ir.values import Value, show_value, sorted_values
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import Checkpoint, load_checkpoint
from tpir.models.config import Mlps, TransformerProgramConfig
from tpir.models.predict import predict
from tpir.models.state import StateReader
from tpir.semantics.interpreter import run_many

FOLDERS = sorted(
    str(path.parent.relative_to(SHARED / "checkpoints"))
    for path in (SHARED / "checkpoints").glob("**/model.pt")
) or ["missing"]


def some_inputs(program: Program, count: int = 100) -> list[tuple[Value, ...]]:
    lengths = range(1, min(program.context, 4) + 1)
    every = [s for n in lengths for s in itertools.product(program.vocabulary, repeat=n)]
    return random.Random(0).sample(every, min(count, len(every)))


def answers(program: Program, inputs: Sequence[Sequence[Value]]) -> list[list[Value]]:
    (name,) = program.outputs
    return [list((outcome.values or {})[name]) for outcome in run_many(program, inputs)]


def weights_answers(checkpoint: Checkpoint, inputs: Sequence[Sequence[Value]]) -> list[list[Value]]:
    return [list(row) for row in predict(checkpoint, [list(map(str, s)) for s in inputs])]


def bare(checkpoint: Checkpoint) -> Checkpoint:
    """All that is left when everything but tensors, vocabulary, labels and mode is forgotten."""
    config = checkpoint.config
    found = StateReader("bare", checkpoint.state, {"predicates": config.predicates}).config(
        vocabulary=config.vocabulary,
        labels=config.labels,
        causal=config.causal,
        pooled=config.pooled,
    )
    return Checkpoint(found, dict(checkpoint.state))


@pytest.mark.parametrize("folder", FOLDERS)
def test_shared_checkpoints_come_back(shared: Path, folder: str) -> None:
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / folder))
    compiled = compile_transformer_program(program)
    assert lower_transformer_program(compiled) == program
    assert lower_transformer_program(bare(compiled), accepts=program.accepts) == program
    inputs = some_inputs(program, 300)
    assert weights_answers(compiled, inputs) == answers(program, inputs)


@settings(max_examples=PROGRAMS)
@given(transformer_programs())
def test_expressible_programs(program: Program) -> None:
    compiled = compile_transformer_program(program)
    inputs = some_inputs(program)
    expected = answers(program, inputs)
    assert weights_answers(compiled, inputs) == expected
    lowered = lower_transformer_program(compiled)
    assert answers(lowered, inputs) == expected
    assert lower_transformer_program(compile_transformer_program(lowered)) == lowered


@settings(max_examples=PROGRAMS // 2)
@given(transformer_programs())
def test_expressible_programs_as_tables(program: Program) -> None:
    """The same with a table for each MLP, except for what needs numbers that are not whole."""
    tables["all"] += 1
    try:
        compiled = compile_transformer_program(program, mlps="table")
    except TpirError as error:
        tables["refused"] += 1
        assert "read counts alone" in error.message or "have real numbers" in error.message
        return
    inputs = some_inputs(program)
    expected = answers(program, inputs)
    assert weights_answers(compiled, inputs) == expected
    lowered = lower_transformer_program(compiled)
    assert answers(lowered, inputs) == expected
    assert lower_transformer_program(compile_transformer_program(lowered, mlps="table")) == lowered


tables: Counter[str] = Counter()


def test_few_tables_were_refused() -> None:
    if not tables:
        pytest.skip("runs after test_expressible_programs_as_tables")
    assert tables["refused"] < 0.3 * tables["all"]


@settings(max_examples=PROGRAMS // 8)
@given(configurations(), st.integers(0, 2**32 - 1))
def test_random_models_come_back(config: TransformerProgramConfig, seed: int) -> None:
    program = lower_transformer_program(Checkpoint.of_model(random_model(config, seed)))
    mlps: tuple[Mlps, ...] = ("relu", "table") if config.count_only else ("relu",)
    for kind in mlps:
        compiled = compile_transformer_program(program, mlps=kind)
        assert lower_transformer_program(compiled) == program
        assert lower_transformer_program(bare(compiled)) == program
        inputs = some_inputs(program, 50)
        assert weights_answers(compiled, inputs) == answers(program, inputs)


def with_one_output_of_words(program: Program) -> Program:
    """The last output of a program, its values spelt as words."""
    name, node = list(program.outputs.items())[-1]
    builder = Builder(program.header)
    new: dict[Node, Node] = {}
    for old in program.live:
        new[old] = builder.copy(old, [new[operand] for operand in old.operands])
    output, values = new[node], values_of(node.type)
    if values is not None and not all(isinstance(v, str) for v in values):
        table = Table((values,), tuple(map(show_value, values)))
        output = builder.add(Map(table), [output])
    return builder.build({name: output})


@settings(max_examples=PROGRAMS)
@given(programs())
def test_any_program_is_computed_or_refused(program: Program) -> None:
    program = with_one_output_of_words(program)
    verdicts["all"] += 1
    try:
        compiled = compile_transformer_program(program)
    except TpirError as error:
        verdicts["refused"] += 1
        assert "type error" not in error.message
        return
    inputs = some_inputs(program)
    assert weights_answers(compiled, inputs) == answers(program, inputs)


verdicts: Counter[str] = Counter()


def test_not_too_much_was_refused() -> None:
    if not verdicts:
        pytest.skip("runs after test_any_program_is_computed_or_refused")
    assert verdicts["refused"] < 0.9 * verdicts["all"]


LABELS = ("<pad>", "A", "B", "C")


class Maker:
    """Builds one small program."""

    def __init__(
        self, vocabulary: tuple[str, ...] = ("a", "b", "c"), context: int = 4, causal: bool = False
    ) -> None:
        self.builder = Builder(Header(vocabulary, context, causal, LABELS), share=True)
        self.tokens = self.builder.add(Tokens(), name="tokens")
        self.indices = self.builder.add(Indices(), name="indices")

    def match(self, keys: Node, queries: Node, *rows: tuple[Value, ...]) -> Node:
        domain = values_of(queries.type)
        assert domain is not None
        return self.builder.add(Select(Relation(domain, rows)), [keys, queries], name="match")

    def head(self, selector: Node, values: Node, order: object = Preference.CLOSEST) -> Node:
        chosen = self.builder.add(Choose(order), [selector])  # type: ignore[arg-type]
        return self.builder.add(Aggregate(), [chosen, values], name="head")

    def width(self, selector: Node) -> Node:
        return self.builder.add(SelectorWidth(), [selector], name="width")

    def map(self, function: object, *operands: Node) -> Node:
        if callable(function) and not isinstance(function, Table | ReluFunction | Binary):
            domains = [values_of(operand.type) or () for operand in operands]
            function = Table.tabulate(domains, function)
        return self.builder.add(Map(function), operands, name="map")  # type: ignore[arg-type]

    def read(self, *features: Node, labels: tuple[str, ...] = LABELS[1:], seed: int = 0) -> Program:
        """A readout of whole numbers, so that sums are exact in any order."""
        noise = np.random.default_rng(seed)
        weights: list[TableWeights | NumberWeights] = []
        for node in features:
            domain = values_of(node.type)
            if isinstance(node.op, SelectorWidth | AggregateSum) or domain is None:
                row = noise.integers(-8, 9, len(labels)).tolist()
                weights.append(NumberWeights(tuple(map(float, row))))
            else:
                rows = noise.integers(-8, 9, (len(domain), len(labels))).tolist()
                weights.append(TableWeights(domain, tuple(tuple(map(float, r)) for r in rows)))
        bias = tuple(map(float, noise.integers(-8, 9, len(labels)).tolist()))
        output = self.builder.add(Classify(labels, bias, tuple(weights)), features, name="labels")
        return self.builder.build({"output": output})


def comes_back(program: Program) -> Checkpoint:
    compiled = compile_transformer_program(program)
    assert lower_transformer_program(compiled) == program
    inputs = some_inputs(program)
    assert weights_answers(compiled, inputs) == answers(program, inputs)
    return compiled


def test_simplified_forms_come_back() -> None:
    """What passes leave of a lowered model: masked labels, constants, empty and full selectors."""
    make = Maker()
    nearest = make.match(make.tokens, make.tokens, ("b",), (), ("a",))
    empty = make.match(make.indices, make.indices, (), (), (), ())
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    first = make.head(empty, make.tokens)
    head = make.head(nearest, make.indices)
    count, length = make.width(nearest), make.width(every)
    one_argument = make.map(lambda i: (i * i) % 3, head)
    three = make.map(lambda t, i, f: (i + (t == f)) % 3 + (t == "c"), make.tokens, head, first)
    counted = make.map(lambda n, m: 1 if n > 2 else (n + m) % 4, count, length)
    constant = make.map(Table((), (7,)))
    features = [first, head, count, length, one_argument, three, counted, constant]
    compiled = comes_back(make.read(*features, labels=("A", "C")))
    config = compiled.config
    assert config.masked_labels == ("<pad>", "B")
    assert (config.mlp_inputs, config.d_var) == (3, 8)
    assert all(tensor.dtype != torch.float64 for tensor in compiled.state.values())
    comes_back(make.read())
    comes_back(make.read(count, labels=LABELS))


def test_a_predicate_that_matches_nothing_widens_the_variable() -> None:
    make = Maker(context=4)
    head = make.head(make.match(make.indices, make.tokens, (3,), (), (0,)), make.tokens)
    compiled = comes_back(make.read(head))
    assert compiled.config.d_var == 5


def test_readouts_whose_sums_round_are_refused() -> None:
    make = Maker()
    domain = make.builder.header.vocabulary
    big, small = (TableWeights(domain, ((w,), (0.0,), (w,))) for w in (1.0, 1e-17))
    output = make.builder.add(Classify(("A",), (0.0,), (big, small)), [make.tokens, make.tokens])
    with pytest.raises(TpirError, match="its sums round"):
        compile_transformer_program(make.builder.build({"output": output}))


def test_weights_as_large_as_the_label_mask_are_refused() -> None:
    make = Maker()
    weights = TableWeights(make.builder.header.vocabulary, ((-2e30,), (0.0,), (0.0,)))
    output = make.builder.add(Classify(("A",), (0.0,), (weights,)), [make.tokens])
    with pytest.raises(TpirError, match="label mask"):
        compile_transformer_program(make.builder.build({"output": output}))


def test_weights_beyond_float32_are_kept() -> None:
    make = Maker()
    domain = make.builder.header.vocabulary
    rows = ((0.1, 1 / 3), (1 + 2**-40, 1.0), (0.0, 2**-60))
    op = Classify(("A", "B"), (0.1, -0.1), (TableWeights(domain, rows),))
    program = make.builder.build({"output": make.builder.add(op, [make.tokens])})
    assert comes_back(program).state["unembed.W_U"].dtype == torch.float64


def test_word_embeddings_where_one_hot_tokens_would_be_wide() -> None:
    words = tuple(f"w{k}" for k in range(40))
    make = Maker(words)
    classes = [make.map(lambda w, k=k: (int(w[1:]) * k) % 5, make.tokens) for k in (1, 3)]
    head = make.head(make.match(classes[0], classes[1], (0,), (), (1,), (1,), (4,)), classes[1])
    config = comes_back(make.read(head, classes[0])).config
    assert (config.one_hot_embed, config.n_vars_cat, config.d_var) == (False, 2, 6)
    config = comes_back(make.read(head, make.tokens)).config
    assert (config.one_hot_embed, config.d_var) == (True, 41)


def test_real_numbers() -> None:
    make = Maker()
    numbers = make.map(Table((("a", "b", "c"),), (0.5, -2.25, 3.0)), make.tokens)
    match = make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",))
    total = make.builder.add(AggregateSum(), [match, numbers], name="total")
    twice = make.builder.add(AggregateSum(), [match, total], name="twice")
    function = ReluFunction(
        ((1.0, -1.0), (0.5, 2.0)),
        (0.25, -1.0),
        ((1.0, 0.0), (0.0, 1.0), (-1.0, 1.5)),
        (0.0, 1.0, -2.0),
    )
    result = make.map(function, total, twice)
    features = [result, total, numbers]
    compiled = comes_back(make.read(*features))
    assert not compiled.config.count_only


@pytest.mark.parametrize("causal", [False, True])
def test_orders_of_offsets(causal: bool) -> None:
    make = Maker(causal=causal)
    match = make.match(make.tokens, make.indices, ("b",), ("a",), ("c",), ())
    near, first = make.head(match, make.indices), make.head(match, make.indices, Preference.FIRST)
    last = make.head(match, make.indices, Preference.LAST)
    listed = make.head(match, make.indices, (0, -3, -1))
    assert comes_back(make.read(near)).config.position_bias == "fixed"
    assert comes_back(make.read(first)).config.position_bias == "none"
    assert comes_back(make.read(near, first, last, listed)).config.position_bias == "clipped"


def test_scores() -> None:
    make = Maker()
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    score = ScoreTable((0, 1, 2, 3), ("a", "b", "c"), ((0, 1, 2), (1, 0, 0), (0, 0, 0), (2, 0, 1)))
    choice = Choose(Preference.FIRST, score)
    chosen = make.builder.add(choice, [every, make.tokens, make.indices])
    head = make.builder.add(Aggregate(), [chosen, make.indices], name="scored")
    assert comes_back(make.read(head)).config.attention == "score"
    other = make.head(make.match(make.tokens, make.tokens, ("b",), ("a",), ()), make.indices)
    with pytest.raises(TpirError, match="prefer the first of equal keys"):
        compile_transformer_program(make.read(head, other))
    first = make.head(other.operands[0].operands[0], make.indices, Preference.FIRST)
    program = make.read(head, first)
    compiled = compile_transformer_program(program)
    assert weights_answers(compiled, some_inputs(program)) == answers(program, some_inputs(program))


def computes(program: Program) -> Checkpoint:
    compiled = compile_transformer_program(program)
    inputs = some_inputs(program)
    assert weights_answers(compiled, inputs) == answers(program, inputs)
    return compiled


def test_written_by_hand() -> None:
    """Comparisons, expressions, counts that are looked up, words as output."""
    make = Maker()
    same = make.builder.add(Select(Comparison(BinaryOp.EQUAL)), [make.tokens, make.tokens])
    count = make.width(same)
    mirrored = make.map(Binary(BinaryOp.SUBTRACT, Argument(0), Literal(1)), count)
    at = make.builder.add(Select(Comparison(BinaryOp.EQUAL)), [make.indices, mirrored])
    mixed = make.map(lambda n, t: f"{t}{min(n, 2)}", make.width(at), make.head(at, make.tokens))
    computes(make.builder.build({"answer": mixed}))
    vowel = make.match(make.tokens, make.tokens, ("a", "b"), ("c",), ("a", "b"))
    computes(make.read(make.head(vowel, make.indices), make.width(vowel)))
    pair = make.map(Binary(BinaryOp.ADD, Argument(0), Argument(1)), count, make.indices)
    numbered = Classify(("A", "B"), (0.0, 7.0), (NumberWeights((2.0, 0.0)),))
    computes(make.builder.build({"output": make.builder.add(numbered, [pair])}))


def test_sums_of_a_number_that_tables_make_of_the_token() -> None:
    make = Maker(causal=True)
    word = make.map(lambda t: "up" if t == "a" else "down", make.tokens)
    number = make.map(lambda w, t: 2 if w == "up" else int(t == "b"), word, make.tokens)
    every = make.builder.add(Select(Always(True)), [make.indices, make.indices])
    computes(make.read(make.builder.add(AggregateSum(), [every, number])))


def test_classes_of_values_that_python_finds_equal() -> None:
    builder = Builder(Header((1, True, 1.0, "1"), 1))
    tokens = builder.add(Tokens())
    same = Relation((1, True, 1.0, "1"), ((1,), (True,), (1.0,), sorted_values(("1", True))))
    looked = builder.add(Select(same), [tokens, tokens])
    with pytest.raises(TpirError, match="matches one key value"):
        compile_transformer_program(
            builder.build({"n": builder.add(SelectorWidth(), [looked])}), predicates="one"
        )


def refusals() -> dict[str, tuple[Program, str]]:
    make = Maker()
    match = make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",))
    before = make.builder.add(Select(Comparison(BinaryOp.LESS)), [make.indices, make.indices])
    united = make.builder.add(Or(), [match, before], name="united")
    open_choice = make.builder.add(Choose(otherwise=Otherwise.NONE), [match], name="maybe")
    mean = make.builder.add(Aggregate(0), [match, make.indices], name="mean")
    positions = make.builder.add(AggregateSum(), [match, make.indices], name="total")
    division = make.map(Binary(BinaryOp.DIVIDE, Literal(1), Argument(0)), make.indices)
    head = make.head(match, make.tokens)

    def of(**outputs: Node) -> Program:
        return make.builder.build(outputs)

    return {
        "or": (make.read(make.width(united)), "united .* two variables each, and all must hold"),
        "no default": (make.read(make.width(open_choice)), "maybe .* takes the first position"),
        "mean": (of(output=mean), "mean .* not a mean"),
        "sum": (of(output=positions), "total .* indices is no count"),
        "failure": (of(output=division), "map .* can fail: division by zero"),
        "two outputs": (of(x=head, y=make.tokens), "one output, this program has: x, y"),
        "numbers": (of(output=make.indices), "indices .* labels are words, but one is 0"),
    }


@pytest.mark.parametrize("case", refusals())
def test_refusals_name_the_node(case: str) -> None:
    program, message = refusals()[case]
    with pytest.raises(TpirError, match=message):
        compile_transformer_program(program)


def test_tokens_that_are_no_words() -> None:
    builder = Builder(Header((1, 2), 3))
    tokens = builder.add(Tokens())
    words = builder.add(Map(Table(((1, 2),), ("x", "y"))), [tokens])
    with pytest.raises(TpirError, match="tokens of a model are words, but 1"):
        compile_transformer_program(builder.build({"output": words}))


def test_models_that_no_machine_holds() -> None:
    make = Maker(tuple(f"w{k}" for k in range(20_000)))
    domain = make.builder.header.vocabulary
    match = make.match(make.tokens, make.tokens, *((w,) for w in domain))
    with pytest.raises(TpirError, match="variables of 20001 values"):
        compile_transformer_program(make.read(make.width(match)))


def test_one_edited_row_changes_that_row_alone(shared: Path) -> None:
    program = lower_transformer_program(load_checkpoint(shared / "checkpoints" / "reverse_v8_n8"))
    compiled = compile_transformer_program(program)
    rows = compiled.state["blocks.0.cat_attn.W_pred.W"].clone()
    rows[0, 3] = torch.roll(rows[0, 3], 1)
    changed = compiled.state | {"blocks.0.cat_attn.W_pred.W": rows}
    before = lower_transformer_program(compiled)
    after = lower_transformer_program(dataclasses.replace(compiled, state=changed))

    def heads(program: Program) -> dict[str, Relation]:
        found = {}
        for node in program.nodes:
            if isinstance(node.op, Aggregate | SelectorWidth):
                select = node.operands[0]
                op = select.op if isinstance(select.op, Select) else select.operands[0].op
                assert isinstance(op, Select) and isinstance(op.predicate, Relation)
                found[node.name] = op.predicate
        return found

    old, new = heads(before), heads(after)
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] != new[name]] == ["attn_0_0"]
    pairs = zip(old["attn_0_0"].rows, new["attn_0_0"].rows, strict=True)
    assert sum(left != right for left, right in pairs) == 1


def test_the_logit_keeps_its_promise() -> None:
    """The chances that a Gumbel sample changes a choice, summed over all that are made."""
    make = Maker(context=6)
    near = make.head(make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",)), make.indices)
    result = make.map(lambda t, i: (len(t) + i) % 3, make.tokens, near)
    compiled = compile_transformer_program(make.read(near, result))
    logit = choice_logit(compiled.config)
    chance = 0.0
    for name, tensor in compiled.state.items():
        if name.endswith((".W_K.W", ".W_Q.W", ".W_V.W", "W_pred.W", "W_read.W")):
            for row in tensor.flatten(0, -2).double():
                if row.any():
                    best, *others = row.sort(descending=True).values.tolist()
                    assert all(best - other == logit for other in others)
                    chance += 1 - 1 / (1 + sum(math.exp(other - best) for other in others))
    outputs = compiled.config.d_var - 1
    chance += compiled.config.context * outputs / (outputs + math.exp(logit))
    assert 0 < chance <= SAMPLING_ERROR
    assert logit % 2 == 0


def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()
    count = make.width(make.match(make.tokens, make.tokens, ("b",), ("a",), ("c",)))
    table = make.map(lambda n: (2, 0, 1, 1, 0)[n], count)
    program = make.read(table)
    comes_back(program)
    right = transformer_program_mlps.of_numerical_table

    def shifted(*arguments: object) -> Hidden:
        hidden = right(*arguments)  # type: ignore[arg-type]
        return dataclasses.replace(hidden, b_in=hidden.b_in + 1)

    monkeypatch.setattr(transformer_program_weights, "of_numerical_table", shifted)
    compiled = compile_transformer_program(program)
    assert lower_transformer_program(compiled) != program
    inputs = some_inputs(program)
    assert weights_answers(compiled, inputs) != answers(program, inputs)
