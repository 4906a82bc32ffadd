"""Lowering: what the weights say, and nothing else."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PROGRAMS, SHARED
from tests.models.random_models import configurations, random_model, random_tokens
from tpir.errors import TpirError
from tpir.ir.functions import Relation, ReluFunction, ScoreTable, Table
from tpir.ir.ops import Always, Choose, Classify, Map, Preference, Select
from tpir.ir.program import Program
from tpir.lowering import heads, mlps
from tpir.lowering.mlps import Layer
from tpir.lowering.transformer_program import lower_transformer_program
from tpir.models.checkpoint import Checkpoint, load_checkpoint
from tpir.models.config import PAD, TransformerProgramConfig
from tpir.models.predict import predict_ids
from tpir.models.transformer_program import TransformerProgram
from tpir.semantics.interpreter import run_many

EXACT_MARGIN = 1e-4
FOLDERS = sorted(
    str(path.parent.relative_to(SHARED / "checkpoints"))
    for path in (SHARED / "checkpoints").glob("**/model.pt")
) or ["missing"]  # then the fixture says why nothing ran

Config = TransformerProgramConfig


def wrong_predictions(program: Program, folder: Path) -> tuple[int, int]:
    """How many recorded predictions with a clear margin the program misses, and of how many."""
    with gzip.open(folder / "predictions.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line) for line in lines]
    outcomes = run_many(program, [record["tokens"] for record in recorded])
    wrong = clear = 0
    for record, outcome in zip(recorded, outcomes, strict=True):
        assert outcome.values is not None
        margins = record["margin"] if isinstance(record["margin"], list) else [record["margin"]]
        rows = zip(outcome.values["output"], record["predicted"], margins, strict=True)
        for found, predicted, margin in rows:
            clear += margin >= EXACT_MARGIN
            wrong += margin >= EXACT_MARGIN and found != predicted
    return wrong, clear


@pytest.mark.parametrize("folder", FOLDERS)
def test_recorded_predictions(shared: Path, folder: str) -> None:
    path = shared / "checkpoints" / folder
    wrong, clear = wrong_predictions(lower_transformer_program(load_checkpoint(path)), path)
    assert wrong == 0
    assert clear >= 400


def test_all_checkpoints_are_there(shared: Path) -> None:
    assert len(FOLDERS) == 26


def test_recorded_predictions_tell_an_inexact_nearest_match(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearer_left = tuple(sorted(range(-7, 8), key=lambda offset: (abs(offset), offset)))
    monkeypatch.setattr(heads, "canonical_order", lambda *_: nearer_left)
    path = shared / "checkpoints" / "hist_cat_v8_n8"
    wrong, _ = wrong_predictions(lower_transformer_program(load_checkpoint(path)), path)
    assert wrong > 0


def answers(program: Program, config: Config, ids: torch.Tensor) -> list[list[str]]:
    known = [[config.vocabulary[i] for i in row if i != config.pad_id] for row in ids.tolist()]
    return [list(map(str, (o.values or {})["output"])) for o in run_many(program, known)]


def torch_answers(checkpoint: Checkpoint, ids: torch.Tensor) -> list[list[str]]:
    config = checkpoint.config
    predicted = predict_ids(checkpoint.model(torch.float64), ids).reshape(len(ids), -1).tolist()
    lengths = (ids != config.pad_id).sum(1).tolist()
    return [
        [config.labels[label] for label in row[: 1 if config.pooled else length]]
        for row, length in zip(predicted, lengths, strict=True)
    ]


@settings(max_examples=PROGRAMS // 8)
@given(configurations(), st.integers(0, 2**32 - 1))
def test_random_models(config: Config, seed: int) -> None:
    checkpoint = Checkpoint.of_model(random_model(config, seed))
    program = lower_transformer_program(checkpoint)
    ids = random_tokens(config, seed)
    assert answers(program, config, ids) == torch_answers(checkpoint, ids)


def small(**options: object) -> Config:
    sizes: dict[str, object] = {
        "vocabulary": (PAD, "a", "b", "c"),
        "labels": (PAD, "A", "B"),
        "context": 4,
        "d_var": 5,
        "d_mlp": 8,
    }
    return Config(**(sizes | options))  # type: ignore[arg-type]


def test_equal_heads_are_one_node() -> None:
    checkpoint = Checkpoint.of_model(random_model(small(n_heads_cat=2, n_heads_num=2), 0))
    for kind in ("cat", "num"):
        for part in ("W_K", "W_Q", "W_V", "W_pred"):
            weights = checkpoint.state[f"blocks.0.{kind}_attn.{part}.W"]
            weights[1] = weights[0]
    names = {node.name for node in lower_transformer_program(checkpoint).nodes}
    assert {"attn_0_0", "n_0_0"} <= names
    assert not {"attn_0_1", "n_0_1"} & names


def one_head(**options: object) -> Checkpoint:
    config = small(n_heads_cat=1, n_heads_num=0, n_cat_mlps=0, n_num_mlps=0, **options)
    return Checkpoint.of_model(random_model(config, 3))


def select_of(program: Program) -> Select:
    return next(node.op for node in program.live if isinstance(node.op, Select))


def test_one_edited_row_changes_that_row_alone() -> None:
    checkpoint = one_head()
    for part, variable in (("W_K", 0), ("W_Q", 0)):
        checkpoint.state[f"blocks.0.cat_attn.{part}.W"][0] = torch.eye(2)[variable]
    targets = checkpoint.state["blocks.0.cat_attn.W_pred.W"][0]
    targets[1:4] = 10 * torch.eye(5)[[1, 2, 3]]
    before = select_of(lower_transformer_program(checkpoint)).predicate
    assert before == Relation(("a", "b", "c"), (("a",), ("b",), ("c",)))
    targets[2] = torch.eye(5)[1]
    after = select_of(lower_transformer_program(checkpoint)).predicate
    assert after == Relation(("a", "b", "c"), (("a",), ("a",), ("c",)))
    targets[2] = torch.eye(5)[4]  # a place that is no token
    after = select_of(lower_transformer_program(checkpoint)).predicate
    assert after == Relation(("a", "b", "c"), (("a",), (), ("c",)))
    targets[2] = torch.eye(5)[0]  # padding
    assert select_of(lower_transformer_program(checkpoint)).predicate == after


def test_sets_are_rows_of_several_keys() -> None:
    """Above 0 matches, 0 does not; what is no token never; all of them is True."""
    checkpoint = one_head(predicates="set")
    for part, variable in (("W_K", 0), ("W_Q", 0)):
        checkpoint.state[f"blocks.0.cat_attn.{part}.W"][0] = torch.eye(2)[variable]
    logits = checkpoint.state["blocks.0.cat_attn.W_pred.W"][0]
    logits.fill_(-1.0)
    logits[1, [3, 1]] = 0.25
    logits[2] = 0.0
    logits[3, [0, 2, 4]] = 1e-30  # padding, and a place that is no token
    found = select_of(lower_transformer_program(checkpoint)).predicate
    assert found == Relation(("a", "b", "c"), (("a", "c"), (), ("b",)))
    logits[:, 1:4] = 1.0
    assert select_of(lower_transformer_program(checkpoint)) == Select(Always(True))
    one = dataclasses.replace(checkpoint.config, predicates="one")
    checkpoint.state["blocks.0.cat_attn.W_pred.W"][0] = torch.tensor([0.0, 1, 2, 2, 0])
    found = select_of(lower_transformer_program(dataclasses.replace(checkpoint, config=one)))
    assert found.predicate == Relation((0, 1, 2, 3), (("b",),) * 4)


def test_rows_of_tables() -> None:
    """The first input is slowest, equal logits go to the first, an input may be read twice."""
    config = small(n_heads_cat=0, n_heads_num=0, n_num_mlps=0, mlps="table")
    checkpoint = Checkpoint.of_model(random_model(config, 0))
    prefix = "blocks.0.cat_mlp.mlps.0"
    checkpoint.state[f"{prefix}.W_read.W"][:] = torch.eye(2)
    logits = checkpoint.state[f"{prefix}.W_table"]
    logits.zero_()
    logits[1 * 5 + 2, [3, 4]] = 2.0  # the token a at position 2
    logits[0 * 5 + 3, 1] = 9.0  # padding
    checkpoint.state["unembed.W_U"][10:15] += torch.arange(5.0)[:, None]
    program = lower_transformer_program(checkpoint)
    (node,) = [n for n in program.live if isinstance(n.op, Map) and n.operands]
    assert [operand.name for operand in node.operands] == ["tokens", "indices"]
    assert node.op.function == Table.tabulate(
        (("a", "b", "c"), (0, 1, 2, 3)), lambda token, place: 3 if (token, place) == ("a", 2) else 0
    )
    checkpoint.state[f"{prefix}.W_read.W"][:] = torch.tensor([[1.0, 0.0]])
    logits[2 * 5 + 2] = logits[1 * 5 + 2].clone()
    program = lower_transformer_program(checkpoint)
    (node,) = [n for n in program.live if isinstance(n.op, Map) and n.operands]
    assert node.op.function == Table((("a", "b", "c"),), (0, 3, 0))


def test_what_a_head_reads_in_vain_has_one_spelling() -> None:
    checkpoint = one_head()
    targets = checkpoint.state["blocks.0.cat_attn.W_pred.W"][0]
    targets[:] = torch.eye(5)[4]
    for keys in (0, 1):
        checkpoint.state["blocks.0.cat_attn.W_K.W"][0] = torch.eye(2)[keys]
        program = lower_transformer_program(checkpoint)
        select = next(node for node in program.live if isinstance(node.op, Select))
        assert [operand.name for operand in select.operands] == ["indices", "indices"]
        assert select.op == Select(Relation((0, 1, 2, 3), ((),) * 4))


def test_a_constant_key_matches_everything() -> None:
    config = small(n_layers=2, n_heads_cat=1, n_heads_num=0, n_cat_mlps=1, n_num_mlps=0)
    checkpoint = Checkpoint.of_model(random_model(config, 1))
    checkpoint.state["blocks.0.cat_mlp.mlps.0.W_out"].zero_()
    checkpoint.state["blocks.0.cat_mlp.mlps.0.b_out"][:] = torch.eye(5)[2]
    checkpoint.state["blocks.1.cat_attn.W_K.W"][0] = torch.eye(4)[3]
    checkpoint.state["blocks.1.cat_attn.W_pred.W"][0] = torch.eye(5)[2]
    program = lower_transformer_program(checkpoint)
    assert Select(Always(True)) in [node.op for node in program.nodes]


def test_scores_are_ranks_after_float32_division() -> None:
    checkpoint = one_head(attention="score", position_bias="none")
    scores = checkpoint.state["blocks.0.cat_attn.W_pred.W"][0]
    for part, variable in (("W_K", 0), ("W_Q", 0)):
        checkpoint.state[f"blocks.0.cat_attn.{part}.W"][0] = torch.eye(2)[variable]
    scores[1:, 1:4] = torch.tensor([[0.5, -1.0, 0.5], [3.0, 2.0, 1.0], [0.0, 0.0, 7.0], [0, 0, 0]])
    # Two neighbouring numbers that division by the root of 5 rounds to the same one.
    close = next(
        x
        for x in np.linspace(1, 2, 1000, dtype=np.float32)
        if x / np.float32(5**0.5) == np.nextafter(x, np.float32(3)) / np.float32(5**0.5)
    )
    scores[3, 1], scores[3, 2] = float(close), float(np.nextafter(close, np.float32(3)))
    program = lower_transformer_program(checkpoint)
    choice = next(node.op for node in program.live if isinstance(node.op, Choose))
    ranks = ((1, 0, 1), (2, 1, 0), (0, 0, 1))
    assert choice.order is Preference.FIRST
    assert choice.score == ScoreTable(("a", "b", "c"), ("a", "b", "c"), ranks)


@pytest.mark.parametrize(
    ("kind", "causal", "order"),
    [
        ("fixed", False, Preference.CLOSEST),
        ("fixed", True, Preference.CLOSEST),
        ("none", False, Preference.FIRST),
        ("clipped", False, (1, 0, -2, -3, 2)),
    ],
)
def test_position_biases_are_orders(kind: str, causal: bool, order: object) -> None:
    checkpoint = one_head(position_bias=kind, causal=causal)
    if kind == "clipped":
        # Offsets 0 to 3, an unused one, then -3 to -1; beyond 10 they are all the same.
        bias = torch.tensor([2.0, 50.0, -1.0, -70.0, 0.0, 1.0, 1.5, -3.0])
        checkpoint.state["blocks.0.cat_attn.rel_pos_bias.bias"][0] = bias
    program = lower_transformer_program(checkpoint)
    choice = next(node.op for node in program.live if isinstance(node.op, Choose))
    assert choice.order == order


def test_numbers_beyond_a_table_are_a_relu_function(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small(n_heads_cat=0, n_heads_num=2, n_cat_mlps=0, n_num_mlps=1)
    checkpoint = Checkpoint.of_model(random_model(config, 5))
    checkpoint.state["blocks.0.num_mlp.mlps.0.W_read.W"][:] = torch.eye(3)[1:]
    table = lower_transformer_program(checkpoint)
    monkeypatch.setattr(mlps, "MAX_NUMERIC_ROWS", 24)
    function = lower_transformer_program(checkpoint)
    found = [node for node in function.live if isinstance(node.op, Map)]
    assert [type(node.op.function) for node in found if node.operands] == [ReluFunction]
    ids = random_tokens(config, 5, batch=64)
    assert answers(function, config, ids) == answers(table, config, ids)


def test_a_tie_goes_to_the_first_sum_from_left_to_right() -> None:
    """In exact arithmetic the outputs tie; summed in order, the second loses 2^-53."""
    unit = 2.0**-53
    w = np.array([[1.0, unit, unit], [unit, unit, 1.0]])
    layer = Layer(np.zeros(3), w, np.zeros(2))
    inputs = [np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])]
    expected = []
    for row in inputs[0]:
        sums = [0.0, 0.0]
        for unit_number, active in enumerate(row):
            sums = [s + w[o, unit_number] * active for o, s in enumerate(sums)]
        expected.append(int(np.argmax(sums)))
    assert layer.choices(inputs).tolist() == expected == [1, 0]


def test_masked_labels_and_ones() -> None:
    config = small(n_layers=0, n_vars_num=2, masked_labels=(PAD,))
    checkpoint = Checkpoint.of_model(random_model(config, 0))
    program = lower_transformer_program(checkpoint)
    readout = program.outputs["output"].op
    assert isinstance(readout, Classify)
    assert (program.labels, readout.labels) == ((PAD, "A", "B"), ("A", "B"))
    numbers = checkpoint.state["unembed.W_U"][-2:, 1:].double().sum(0)
    assert readout.bias == tuple(numbers.tolist())


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("unembed.W_U", None, "no tensor unembed.W_U"),
        ("embed.W_E", torch.zeros(5, 3), r"tensor embed.W_E has shape \[5, 3\]"),
        ("blocks.0.cat_mlp.mlps.0.b_in", torch.full((8,), torch.nan), "b_in holds a number"),
        ("pos_embed.W", torch.zeros(4, 5), "pos_embed.W is not the one-hot position"),
        ("unembed.mask", torch.ones(1, 1, 3, dtype=torch.bool), "masks every label"),
        ("blocks.0.cat_attn.rel_pos_bias.bias", torch.rand(2, 8), "bias is not constant"),
    ],
)
def test_tensors_that_do_not_fit(name: str, tensor: torch.Tensor | None, message: str) -> None:
    checkpoint = Checkpoint.of_model(TransformerProgram(small(position_bias="none")))
    if tensor is None:
        del checkpoint.state[name]
    else:
        checkpoint.state[name] = tensor
    with pytest.raises(TpirError, match=message):
        lower_transformer_program(checkpoint)


def test_mlp_too_large_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlps, "MAX_ROWS", 2)
    checkpoint = Checkpoint.of_model(random_model(small(n_num_mlps=0), 0))
    with pytest.raises(TpirError, match=r"blocks\.0\.cat_mlp\.mlps\.0\.W_in reads"):
        lower_transformer_program(checkpoint)


def test_stated_form_and_name() -> None:
    checkpoint = dataclasses.replace(one_head(), accepts='"a"*')
    assert lower_transformer_program(checkpoint).accepts == '"a"*'
    program = lower_transformer_program(checkpoint, accepts='"b"+', name="copy")
    assert (program.accepts, program.name) == ('"b"+', "copy")
