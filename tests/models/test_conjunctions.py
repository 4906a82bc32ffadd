"""Heads that read several pairs of variables: a key matches where all predicates do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.models.random_models import decisive_model, random_model, random_tokens
from tests.models.test_transformer_program import assert_soft_is_discrete
from tpir.errors import TpirError
from tpir.models import discrete
from tpir.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, save_reference
from tpir.models.config import TransformerProgramConfig
from tpir.models.reference_format import load_reference
from tpir.models.transformer_program import TransformerProgram

CONFIG = TransformerProgramConfig(
    vocabulary=("<pad>", "a", "b", "c"), labels=("<pad>", "x", "y"), context=5, d_var=6, n_layers=2,
    predicates="set", conjuncts=2,
)  # fmt: skip


def test_rows_are_conjuncts_of_heads() -> None:
    names = TransformerProgram(dataclasses.replace(CONFIG, conjuncts=3)).state_dict()
    for part in ("cat_attn", "num_attn"):
        assert names[f"blocks.0.{part}.W_K.W"].shape == (6, 2)
        assert names[f"blocks.0.{part}.W_Q.W"].shape == (6, 2)
        assert names[f"blocks.0.{part}.W_pred.W"].shape == (6, 6, 6)
        assert len(names[f"blocks.0.{part}.W_V.W"]) == 2
    one = dataclasses.replace(CONFIG, conjuncts=1)
    shapes = {name: tensor.shape for name, tensor in TransformerProgram(one).state_dict().items()}
    assert shapes["blocks.0.cat_attn.W_pred.W"] == (2, 6, 6)


def all_matches(
    model: TransformerProgram, ids: Tensor, padding: Tensor, conjuncts: int
) -> list[Tensor]:
    """[query, key, batch] of each head of the first layer, predicate by predicate."""
    found = []
    for part in (model.blocks[0].cat_attn, model.blocks[0].num_attn):
        for head in range(len(part.W_V.W)):
            matches = ~padding.unsqueeze(0) & ~padding.unsqueeze(1)
            for row in range(head * conjuncts, (head + 1) * conjuncts):
                keys, queries = ids[part.W_K.W[row].argmax()], ids[part.W_Q.W[row].argmax()]
                wanted = part.W_pred.W[row] > 0
                matches = matches & wanted[queries.unsqueeze(1), keys.unsqueeze(0)]
            found.append(matches)
    return found


@pytest.mark.parametrize("d_var", [6, 33, 70])
@pytest.mark.parametrize("conjuncts", [2, 3])
def test_all_predicates_match(conjuncts: int, d_var: int) -> None:
    """Whichever conjuncts are true everywhere, which are skipped; all of a head's too."""
    config = dataclasses.replace(CONFIG, d_var=d_var, conjuncts=conjuncts)
    ids = torch.randint(d_var, (3, 4, 7), generator=torch.Generator().manual_seed(0))
    padding = torch.zeros(4, 7, dtype=torch.bool)
    padding[2:, 3] = True
    for true in ((), (0,), (1,), (0, 1), tuple(range(2 * conjuncts))):
        model = random_model(config, d_var)
        for part in (model.blocks[0].cat_attn, model.blocks[0].num_attn):
            with torch.no_grad():
                part.W_pred.W[list(true)] = 0.5
        heads = [model.blocks[0].cat_attn, model.blocks[0].num_attn]
        predicates = discrete.SetPredicates(heads, d_var, conjuncts)
        found = predicates.matches(ids.to(torch.uint8), padding)
        expected = all_matches(model, ids, padding, conjuncts)
        for head, matches in enumerate(expected):
            assert torch.equal(found[head], matches), (true, head)
        assert found.any() and not found.all()


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = decisive_model(CONFIG, 0), random_tokens(CONFIG, 0)
    assert_soft_is_discrete(model, tokens)
    right = discrete._Sets.matches

    def one_side(sets: discrete._Sets, ids: Tensor, padding: Tensor | None) -> Tensor:
        return right(sets, ids, padding) | (sets.keys == sets.keys[0]).view(-1, 1, 1, 1)

    monkeypatch.setattr(discrete._Sets, "matches", one_side)
    with pytest.raises(AssertionError):
        assert_soft_is_discrete(model.set_mode("softmax"), tokens)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("conjuncts", [2, 3])
def test_soft_at_a_low_temperature_is_discrete(conjuncts: int, causal: bool) -> None:
    config = dataclasses.replace(CONFIG, conjuncts=conjuncts, causal=causal, count_only=False)
    for seed in range(5):
        assert_soft_is_discrete(decisive_model(config, seed), random_tokens(config, seed))


def test_soft_matches_are_multiplied() -> None:
    config = dataclasses.replace(
        CONFIG, n_layers=1, n_heads_cat=0, n_heads_num=1, n_cat_mlps=0, n_num_mlps=0
    )
    model = random_model(config, 0).set_mode("softmax")
    heads = model.blocks[0].num_attn
    with torch.no_grad():
        heads.W_pred.W[0], heads.W_pred.W[1] = 1.0, -0.5
        model.unembed.W_U.zero_()
        model.unembed.W_U[-1, 1] = 1.0  # what the head adds up
    logits = model(torch.tensor([[1, 2, 3]]))[..., 1]
    each = torch.sigmoid(torch.tensor(1.0)) * torch.sigmoid(torch.tensor(-0.5))
    torch.testing.assert_close(logits, (3 * each).expand(1, 3))


@pytest.mark.parametrize("mode", ["soft", "hard", "softmax"])
@pytest.mark.parametrize("conjuncts", [2, 3])
def test_every_conjunct_gets_a_gradient(mode: str, conjuncts: int) -> None:
    config = dataclasses.replace(CONFIG, conjuncts=conjuncts, n_vars_num=2)
    model = random_model(config, 0)
    torch.manual_seed(0)
    model.set_mode(mode)(random_tokens(CONFIG, 0))[..., 1].sum().backward()  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        if name.endswith(("W_pred.W", "W_K.W", "W_Q.W")):
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.flatten(1).any(1).all(), name


def test_tensors_tell_how_many(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    stated = json.loads(CONFIG.to_json())

    def written(state: dict[str, Tensor], **change: object) -> Path:
        config = json.dumps({k: v for k, v in (stated | change).items() if v is not None})
        metadata = {"tpir.kind": "transformer-program", "tpir.config": config}
        safetensors.torch.save_file(state, path, metadata)
        return path

    for config in (CONFIG, dataclasses.replace(CONFIG, n_heads_cat=0)):
        save_checkpoint(path, Checkpoint.of_model(random_model(config, 0)), force=True)
        assert load_checkpoint(path).config == config
    state = random_model(CONFIG, 0).state_dict()
    assert load_checkpoint(written(state, conjuncts=None)).config == CONFIG
    with pytest.raises(TpirError, match="conjuncts is stated as 3; the weights have 2"):
        load_checkpoint(written(state, conjuncts=3))
    with pytest.raises(TpirError, match=r"conjuncts is 2: .* need predicates set"):
        load_checkpoint(written(state, predicates=None))
    narrow = dict(state)
    narrow["blocks.0.cat_attn.W_K.W"] = torch.ones(3, 2)
    with pytest.raises(TpirError, match=r"W_K\.W has 3 rows, not a multiple of 2 heads"):
        load_checkpoint(written(narrow))
    narrow["blocks.0.cat_attn.W_K.W"] = torch.ones(6, 2)
    with pytest.raises(TpirError, match="conjuncts is stated as 2; the weights have 3"):
        load_checkpoint(written(narrow))
    with pytest.raises(TpirError, match=r"blocks.0.cat_attn.W_Q.W has shape \(4, 2\)"):
        load_checkpoint(written(narrow, conjuncts=None))


def test_the_reference_has_no_such_heads(tmp_path: Path) -> None:
    with pytest.raises(TpirError, match="reference format has no models with conjuncts 2, only 1"):
        save_reference(tmp_path / "r", Checkpoint.of_model(random_model(CONFIG, 0)))
    plain = dataclasses.replace(CONFIG, predicates="one", conjuncts=1)
    save_reference(tmp_path / "r", Checkpoint.of_model(random_model(plain, 0)))
    torch.save(random_model(CONFIG, 0).state_dict(), tmp_path / "r" / "model.pt")
    with pytest.raises(TpirError, match="conjuncts is stated as 1; the weights have 2"):
        load_reference(tmp_path / "r")
