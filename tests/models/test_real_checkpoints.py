"""The published checkpoints: same tensors, same predictions."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from tpir.models.checkpoint import load_checkpoint, save_checkpoint, save_reference
from tpir.models.predict import encode, margins, predict
from tpir.models.transformer_program import TransformerProgram
from tpir.semantics.form_parser import parse_form
from tpir.semantics.space import InputSpace

TRAINED = (
    "double_hist_v8_n8",
    "dyck1_n16",
    "dyck2_n16",
    "hist_cat_v8_n8",
    "hist_v8_n8",
    "induction",
    "most_freq_v8_n8",
    "reverse_v8_n8",
    "sort_v16_n16",
    "sort_v8_n8",
)
VARIANTS = (
    "bias_clipped",
    "bias_clipped_causal",
    "bias_none",
    "factored_embeddings",
    "factored_pooled",
    "long",
    "mlp_one_input",
    "mlp_three_inputs",
    "no_label_mask",
    "num_embeddings",
    "numeric_only",
    "one_head_no_mlp",
    "score",
    "score_causal",
    "selector_width",
    "wide_d_var",
)
ALL = [*TRAINED, *(f"variants/{name}" for name in VARIANTS)]

Row = dict[str, list[str]]


def recorded(folder: Path) -> list[Row]:
    with gzip.open(folder / "predictions.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def test_list_is_complete(shared: Path) -> None:
    folders = {path.parent for path in (shared / "checkpoints").glob("**/model.pt")}
    assert folders == {shared / "checkpoints" / name for name in ALL}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ALL)
def test_predictions(shared: Path, name: str, dtype: torch.dtype) -> None:
    folder = shared / "checkpoints" / name
    rows = recorded(folder)
    predicted = predict(load_checkpoint(folder), [row["tokens"] for row in rows], dtype=dtype)
    compared = 0
    for row, labels in zip(rows, predicted, strict=True):
        for label, expected, margin in zip(labels, row["predicted"], row["margin"], strict=True):
            if float(margin) >= 1e-4:
                assert label == expected, row
                compared += 1
    assert compared > 0.99 * sum(len(row["predicted"]) for row in rows)


@pytest.mark.parametrize("name", ["reverse_v8_n8", "double_hist_v8_n8", "variants/score_causal"])
def test_margins(shared: Path, name: str) -> None:
    folder = shared / "checkpoints" / name
    rows = [row for row in recorded(folder) if len(row["tokens"]) == 6]
    model = load_checkpoint(folder).model()
    found = margins(model, encode(model.config, [row["tokens"] for row in rows]))
    expected = torch.tensor([[float(margin) for margin in row["margin"]] for row in rows])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_state_dict_is_the_public_one(shared: Path, name: str) -> None:
    path = shared / "checkpoints" / name
    public = torch.load(path / "model.pt", map_location="cpu", weights_only=True)
    ours = TransformerProgram(load_checkpoint(path).config).state_dict()
    assert list(ours) == list(public)
    for key, tensor in public.items():
        assert (ours[key].shape, ours[key].dtype) == (tensor.shape, tensor.dtype), key


@pytest.mark.parametrize("name", TRAINED)
def test_recorded_inputs_have_the_accepted_form(shared: Path, name: str) -> None:
    folder = shared / "checkpoints" / name
    checkpoint = load_checkpoint(folder)
    assert checkpoint.accepts is not None
    words = tuple(word for word in checkpoint.config.vocabulary if word != "<pad>")
    space = InputSpace(words, checkpoint.config.context, parse_form(checkpoint.accepts))
    assert all(space.why_not(row["tokens"]) is None for row in recorded(folder))


@pytest.mark.parametrize("name", ALL)
def test_round_trips(shared: Path, name: str, tmp_path: Path) -> None:
    original = load_checkpoint(shared / "checkpoints" / name)
    save_checkpoint(tmp_path / "own.safetensors", original)
    save_reference(tmp_path / "public", original)
    for path in (tmp_path / "own.safetensors", tmp_path / "public"):
        again = load_checkpoint(path)
        assert again.config == original.config
        assert (again.accepts, again.metadata) == (original.accepts, original.metadata)
        assert list(again.state) == list(original.state) or path.is_file()
        assert again.state.keys() == original.state.keys()
        assert all(torch.equal(again.state[key], x) for key, x in original.state.items())


def test_variant_options_are_read_from_the_tensors(shared: Path) -> None:
    configs = {
        name: load_checkpoint(shared / "checkpoints" / "variants" / name).config
        for name in VARIANTS
    }
    assert {n for n, c in configs.items() if c.attention == "score"} == {"score", "score_causal"}
    assert {n for n, c in configs.items() if c.position_bias == "clipped"} == {
        "bias_clipped",
        "bias_clipped_causal",
    }
    assert configs["bias_none"].position_bias == "none"
    assert {n for n, c in configs.items() if c.selector_width} == {"selector_width"}
    assert {n for n, c in configs.items() if not c.count_only} == {"num_embeddings"}
    assert {n for n, c in configs.items() if c.masked_labels is None} == {
        "no_label_mask",
        "one_head_no_mlp",
    }
    assert {n for n, c in configs.items() if not c.one_hot_embed} == {
        "factored_embeddings",
        "factored_pooled",
    }
