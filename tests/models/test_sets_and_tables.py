"""Predicates that match sets of key values, and MLPs that are tables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.models.random_models import random_model, random_tokens
from tpir.errors import TpirError
from tpir.models import discrete
from tpir.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, save_reference
from tpir.models.config import TransformerProgramConfig
from tpir.models.mlp import spread
from tpir.models.reference_format import load_reference
from tpir.models.sampling import Sampler
from tpir.models.transformer_program import TransformerProgram

CONFIG = TransformerProgramConfig(
    vocabulary=("<pad>", "a", "b", "c"), labels=("<pad>", "x", "y"), context=5, d_var=6, n_layers=2,
    predicates="set", mlps="table",
)  # fmt: skip


@pytest.mark.parametrize("d_var", [4, 8, 9, 16, 32, 33, 64, 65, 130])
def test_sets_of_any_width(d_var: int) -> None:
    """Bit by bit what the matrix says, beyond one integer too; padding matches nothing."""
    config = dataclasses.replace(CONFIG, context=4, d_var=d_var, n_heads_cat=1, n_heads_num=1)
    block = random_model(config, d_var).blocks[0]
    heads = [block.cat_attn, block.num_attn]
    predicates = discrete.SetPredicates(heads, d_var)
    ids = torch.randint(d_var, (3, 4, 7), generator=torch.Generator().manual_seed(0))
    padding = torch.zeros(4, 7, dtype=torch.bool)
    padding[2:, 3] = True
    found = predicates.matches(ids.to(torch.uint8), padding)
    for head, part in enumerate(heads):
        keys, queries = ids[part.W_K.W.argmax()], ids[part.W_Q.W.argmax()]
        expected = (part.W_pred.W[0] > 0)[queries.unsqueeze(1), keys.unsqueeze(0)]
        expected &= ~padding.unsqueeze(0) & ~padding.unsqueeze(1)
        assert torch.equal(found[head], expected)
    assert found.any() and not found.all()


def test_a_logit_of_0_does_not_match() -> None:
    model = random_model(CONFIG, 0)
    heads = model.blocks[0].num_attn
    with torch.no_grad():
        heads.W_pred.W.zero_()
        heads.W_pred.W[:, :, 2] = 1e-30
    predicates = discrete.SetPredicates([heads], CONFIG.d_var)
    ids = torch.tensor([[[0], [1], [2], [3]]] * 2, dtype=torch.uint8)
    assert predicates.matches(ids, None)[0, :, :, 0].tolist() == [[False, False, True, False]] * 4


def test_each_truth_value_is_drawn_by_itself() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([[-1.0, 0.0, 2.0]]).repeat(20_000, 1).requires_grad_()
    hard = Sampler("hard", 0.5).truth(logits)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    # Logistic noise: the chance to be above 0 is the sigmoid, whatever the temperature.
    torch.testing.assert_close(hard.mean(0), torch.sigmoid(logits[0]), atol=0.02, rtol=0)
    hard.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None and (logits.grad > 0).any(0).all()
    smooth = Sampler("softmax", 0.5).truth(logits)
    torch.testing.assert_close(smooth, torch.sigmoid(2 * logits))
    soft = Sampler("soft", 0.5).truth(logits)
    assert ((soft > 0) & (soft < 1)).float().mean() > 0.99


def test_numbers_are_spread_on_the_integers() -> None:
    numbers = torch.tensor([-3.0, 0.0, 1.25, 2.0, 3.5, 99.0], requires_grad=True)
    weights = spread(numbers, 4)
    assert weights.tolist() == [
        [1, 0, 0, 0], [1, 0, 0, 0], [0, 0.75, 0.25, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1],
    ]  # fmt: skip
    (weights @ torch.arange(4.0)).sum().backward()  # type: ignore[no-untyped-call]
    assert numbers.grad is not None
    assert numbers.grad[2] == 1 and numbers.grad[0] == numbers.grad[-1] == 0


def test_a_table_is_read_by_its_rows() -> None:
    """First input slowest, ties to the first, numbers beyond the table at its last row."""
    config = dataclasses.replace(
        CONFIG, n_layers=1, n_heads_cat=0, n_heads_num=1, context=6, mlp_inputs=2
    )
    model = random_model(config, 0).set_mode("discrete")
    block = model.blocks[0]
    with torch.no_grad():
        block.num_attn.W_K.W[:] = torch.tensor([[1.0, 0.0]])  # every token is matched
        block.num_attn.W_Q.W[:] = torch.tensor([[0.0, 1.0]])
        block.num_attn.W_pred.W.fill_(1.0)
        block.cat_mlp.mlps[0].W_read.W[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        block.cat_mlp.mlps[0].W_table.zero_()
        block.cat_mlp.mlps[0].W_table[2 * 6 + 1, 4] = 1.0  # token 2 at position 1
        block.num_mlp.mlps[0].W_read.W[:] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        block.num_mlp.mlps[0].W_table.zero_()
        block.num_mlp.mlps[0].W_table[5 * 6 + 1, 3] = 1.0  # five or more, and the number 1
    ids = model._discrete_program().run(torch.tensor([[3, 2, 2, 0, 0, 0], [1] * 5 + [0]])).ids
    assert ids[2].T.tolist()[0][:3] == [0, 4, 0]
    assert ids[3].T.tolist() == [[0] * 6, [3] * 5 + [0]]
    ids = model._discrete_program().run(torch.tensor([[1] * 6])).ids
    assert ids[3].T.tolist() == [[3] * 6]  # six ones are beyond the table


@pytest.mark.parametrize("mode", ["soft", "hard", "softmax"])
@pytest.mark.parametrize("d_var", [6, 9])
def test_every_trained_parameter_gets_a_gradient(mode: str, d_var: int) -> None:
    config = dataclasses.replace(CONFIG, d_var=d_var, n_vars_num=2, position_bias="clipped")
    model = random_model(config, 0)
    torch.manual_seed(0)
    model.set_mode(mode)(random_tokens(CONFIG, 0))[..., 1].sum().backward()  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            alike = name == "blocks.0.num_attn.W_V.W"  # all numbers are 1 there
            assert alike or parameter.grad.any(), name


def test_there_are_no_hidden_units() -> None:
    names = TransformerProgram(CONFIG).state_dict()
    assert not [name for name in names if name.endswith(("W_in", "b_in", "W_out", "b_out"))]
    assert names["blocks.1.num_mlp.mlps.0.W_table"].shape == (36, 6)
    assert names["blocks.0.num_attn.W_pred.W"].shape == (2, 6, 6)


def test_files_say_which_predicates_and_tensors_which_mlps(tmp_path: Path) -> None:
    checkpoint = Checkpoint.of_model(random_model(CONFIG, 0))
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, checkpoint)
    assert load_checkpoint(path).config == CONFIG
    stated = json.loads(CONFIG.to_json())
    for change, expected in (
        ({"predicates": None}, ("one", "table")),
        ({"mlps": "relu"}, ("set", "table")),
    ):
        config = json.dumps(stated | change)
        metadata = {"tpir.kind": "transformer-program", "tpir.config": config}
        safetensors.torch.save_file(checkpoint.state, path, metadata)
        found = load_checkpoint(path).config
        assert (found.predicates, found.mlps) == expected
    config = json.dumps(stated | {"predicates": "many"})
    metadata = {"tpir.kind": "transformer-program", "tpir.config": config}
    safetensors.torch.save_file(checkpoint.state, path, metadata)
    with pytest.raises(TpirError, match="predicates is 'many'; it must be one or set"):
        load_checkpoint(path)


def test_the_reference_knows_neither(tmp_path: Path) -> None:
    relu = dataclasses.replace(CONFIG, mlps="relu")
    one = dataclasses.replace(CONFIG, predicates="one")
    for config, message in ((relu, "predicates set, only one"), (one, "mlps table, only relu")):
        with pytest.raises(TpirError, match=f"reference format has no models with {message}"):
            save_reference(tmp_path / "r", Checkpoint.of_model(random_model(config, 0)))
    assert not (tmp_path / "r").exists()
    plain = dataclasses.replace(CONFIG, predicates="one", mlps="relu")
    save_reference(tmp_path / "r", Checkpoint.of_model(random_model(plain, 0)))
    torch.save(random_model(one, 0).state_dict(), tmp_path / "r" / "model.pt")
    args = json.loads((tmp_path / "r" / "args.json").read_text()) | {"d_mlp": None}
    (tmp_path / "r" / "args.json").write_text(json.dumps(args))
    with pytest.raises(TpirError, match="no models with mlps table"):
        load_reference(tmp_path / "r")


def test_wide_variables_stay_quick_to_run() -> None:
    """Tables of 4,096 rows and sets of 64 values, on a thousand inputs: lookups, no products."""
    config = dataclasses.replace(
        CONFIG, context=64, d_var=64, n_layers=3, n_heads_cat=4, n_cat_mlps=2, n_num_mlps=2
    )
    model = random_model(config, 0).set_mode("discrete")
    tokens = torch.randint(1, 4, (1000, 32), generator=torch.Generator().manual_seed(0))
    logits = model(tokens)
    assert logits.shape == (1000, 32, 3)
    alone = model(tokens[:3])
    torch.testing.assert_close(alone, logits[:3])
