"""The module: soft and discrete modes, types, padding, gradients."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.models.random_models import (
    configurations,
    decisive_model,
    random_model,
    random_tokens,
)
from tpir.models import discrete
from tpir.models.config import PositionBias, TransformerProgramConfig
from tpir.models.transformer_program import TransformerProgram

TINY = 1e-7
"""Small against the float32 differences between position biases, so that only ties stay soft."""

SMALL = TransformerProgramConfig(
    vocabulary=("<pad>", "a", "b", "c"), labels=("<pad>", "x", "y"), context=6, d_var=7, n_layers=2
)


def assert_soft_is_discrete(model: TransformerProgram, tokens: Tensor) -> None:
    """Everywhere but at padding, where nothing may be attended to and a softmax is flat."""
    soft = model.set_mode("softmax").set_temperature(TINY)(tokens)
    discrete_logits = model.set_mode("discrete")(tokens)
    if not model.config.pooled:
        soft, discrete_logits = soft[tokens != 0], discrete_logits[tokens != 0]
    torch.testing.assert_close(discrete_logits, soft, rtol=1e-6, atol=1e-6)


@settings(max_examples=150)
@given(configurations(), st.integers(0, 2**32 - 1))
def test_decisive_soft_model_is_its_discrete_one(
    config: TransformerProgramConfig, seed: int
) -> None:
    assert_soft_is_discrete(decisive_model(config, seed), random_tokens(config, seed))


@settings(max_examples=60)
@given(configurations(), st.integers(0, 2**32 - 1))
def test_padding_changes_nothing(config: TransformerProgramConfig, seed: int) -> None:
    model = random_model(config, seed).double().set_mode("discrete")
    tokens = random_tokens(config, seed, batch=8)
    padded = model(tokens)
    for row, logits in zip(tokens, padded, strict=True):
        length = int((row != 0).sum())
        alone = model(row[:length].unsqueeze(0))[0]
        torch.testing.assert_close(alone, logits if config.pooled else logits[:length])


@settings(max_examples=40)
@given(configurations(), st.integers(0, 2**32 - 1))
def test_causal_model_does_not_look_ahead(config: TransformerProgramConfig, seed: int) -> None:
    if not config.causal or config.pooled:
        return
    model = random_model(config, seed).double()
    tokens = random_tokens(config, seed, batch=8)
    for mode in ("softmax", "discrete"):
        whole = model.set_mode(mode)(tokens)
        half = (config.context + 1) // 2
        present = tokens[:, :half] != 0  # logits at padding mean nothing
        alone = model(tokens[:, :half])
        # Attention weights are float32: a softmax over fewer keys rounds otherwise.
        off = 1e-5 if mode == "softmax" else 1e-7
        torch.testing.assert_close(alone[present], whole[:, :half][present], rtol=off, atol=off)


def test_large_mlps_are_computed_as_tables_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = random_model(SMALL, 3).double(), random_tokens(SMALL, 3)
    tabulated = model.set_mode("discrete")(tokens)
    monkeypatch.setattr(discrete, "_TABLE_ROWS", 1)
    assert torch.equal(model.set_mode("discrete")(tokens), tabulated)


@pytest.mark.parametrize("context", [200, 300])
def test_long_contexts_need_wider_indices(context: int) -> None:
    config = TransformerProgramConfig(
        vocabulary=("<pad>", "a", "b"),
        labels=("x", "y"),
        context=context,
        d_var=context,
        causal=True,
        masked_labels=None,
        n_num_mlps=0,
        mlp_inputs=1,
    )
    assert_soft_is_discrete(decisive_model(config, 1), random_tokens(config, 1, batch=2))


def test_attention_ranks_in_float32_whatever_the_type() -> None:
    model = random_model(SMALL, 0)
    scores = torch.zeros(1, 2, 6, 6)
    scores[..., 3] = 1
    permitted = torch.ones(1, 6, 6, dtype=torch.bool)
    heads = model.blocks[0].cat_attn
    narrow = heads.logits(scores, permitted)
    wide = model.double().blocks[0].cat_attn.logits(scores.double(), permitted)
    assert narrow.dtype == wide.dtype == torch.float32
    assert torch.equal(narrow, wide)


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        # The nearest key that matches, of two at one distance the left; the query itself last.
        ("fixed", [[1, 0, 1, 2, 5, 4]]),
        ("none", [[0, 0, 0, 0, 0, 0]]),
    ],
)
def test_nearest_match_rule(bias: PositionBias, expected: list[list[int]]) -> None:
    config = TransformerProgramConfig(
        vocabulary=("<pad>", "a"), labels=("x",), context=6, d_var=6, n_layers=1, n_heads_cat=1,
        n_heads_num=0, position_bias=bias, masked_labels=None,
    )  # fmt: skip
    model = random_model(config, 0)
    chooser = discrete.Nearest(model.blocks[0].cat_attn, causal=False)
    matches = torch.ones(1, 6, 6, 1, dtype=torch.bool)
    matches[:, 4:, 3] = False
    assert chooser.choose(matches)[..., 0].tolist() == expected


def test_no_match_is_the_first_position() -> None:
    chooser = discrete.Nearest(random_model(SMALL, 0).blocks[0].cat_attn, causal=False)
    nothing = torch.zeros(2, 6, 6, 1, dtype=torch.bool)
    assert chooser.choose(nothing).tolist() == [[[0]] * 6] * 2


def test_seed_decides_soft_noise() -> None:
    model, tokens = random_model(SMALL, 0), random_tokens(SMALL, 0)
    torch.manual_seed(5)
    first = model(tokens)
    assert not torch.equal(model(tokens), first)
    torch.manual_seed(5)
    assert torch.equal(model(tokens), first)


@pytest.mark.parametrize("mode", ["soft", "hard", "softmax"])
def test_every_trained_parameter_gets_a_gradient(mode: str) -> None:
    config = TransformerProgramConfig(
        vocabulary=("<pad>", "a", "b"), labels=("<pad>", "x", "y"), context=4, d_var=5,
        n_layers=2, n_vars_cat=2, n_vars_num=2, one_hot_embed=False, count_only=False,
        position_bias="clipped",
    )  # fmt: skip
    model = random_model(config, 0)
    model.set_mode(mode)(random_tokens(config, 0))[..., 1].sum().backward()  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad and parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_fixed_parameters_do_not_train() -> None:
    config = TransformerProgramConfig(
        vocabulary=("<pad>", "a"), labels=("x",), context=2, d_var=3, selector_width=True,
        masked_labels=None,
    )  # fmt: skip
    fixed = {n for n, p in TransformerProgram(config).named_parameters() if not p.requires_grad}
    assert fixed == {"embed.W_E", "num_embed.W_E", "blocks.0.num_attn.W_V.W"}


def test_discrete_choices_follow_the_parameters() -> None:
    model, tokens = random_model(SMALL, 0).set_mode("discrete"), random_tokens(SMALL, 0)
    model(tokens)
    other = random_model(SMALL, 1)
    model.load_state_dict(other.state_dict())
    assert torch.equal(model(tokens), other.set_mode("discrete")(tokens))
    assert model.double()(tokens).dtype == torch.float64
    with torch.no_grad():
        model.blocks[1].cat_mlp.mlps[0].b_out[2] += 1e6
    fresh = TransformerProgram(SMALL).double()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(model(tokens), fresh.set_mode("discrete")(tokens))


def test_readout_trains_in_discrete_mode() -> None:
    model = random_model(SMALL, 0).set_mode("discrete")
    model(random_tokens(SMALL, 0))[..., 1:].sum().backward()
    assert model.unembed.W_U.grad is not None and bool((model.unembed.W_U.grad != 0).any())


def test_learned_bias_is_held_within_ten() -> None:
    config = dataclasses.replace(SMALL, position_bias="clipped", n_heads_cat=1)
    model = random_model(config, 0)
    heads = model.blocks[0].cat_attn
    with torch.no_grad():
        heads.rel_pos_bias.bias.fill_(-20)
        heads.rel_pos_bias.bias[0, [1, 2, 3]] = torch.tensor([9.0, 12.0, 15.0])
    everything = torch.ones(1, 6, 6, 1, dtype=torch.bool)
    chosen = discrete.Nearest(heads, causal=False).choose(everything)
    # Two and three steps to the right are both 10; everything to the left is -10.
    assert chosen[..., 0].tolist() == [[2, 3, 4, 5, 5, 0]]


def test_real_numbers_are_summed_from_left_to_right() -> None:
    config = TransformerProgramConfig(
        vocabulary=("<pad>", "a", "b", "c"), labels=("x", "y"), context=8, d_var=8,
        n_heads_cat=0, n_heads_num=1, n_cat_mlps=0, n_num_mlps=0, one_hot_embed=False,
        count_only=False, masked_labels=None,
    )  # fmt: skip
    model = random_model(config, 0).double()
    heads = model.blocks[0].num_attn
    with torch.no_grad():
        # All words are one value, which every query wants, so that each position sums all numbers.
        for choice in (model.embed.W_E, heads.W_K.W, heads.W_Q.W, heads.W_pred.W):
            choice.zero_()
        model.num_embed.W_E.copy_(torch.tensor([[0.0], [0.125], [1e17], [-1e17]]))
    program = model.set_mode("discrete")._discrete_program()
    sums = program.run(torch.tensor([[2, 3, 1], [1, 2, 3]])).numbers[1]
    assert sums.tolist() == [[0.125, 0.0]] * 3
