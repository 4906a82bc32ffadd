"""Random Transformer Programs of every variant, for property tests."""

from __future__ import annotations

import random

import torch
from hypothesis import strategies as st
from torch import Tensor

from tpir.models.config import (
    Attention,
    Mlps,
    PositionBias,
    Predicates,
    TransformerProgramConfig,
)
from tpir.models.transformer_program import TransformerProgram

_SHARP = 1e4
_BIASES: tuple[PositionBias, ...] = ("fixed", "clipped", "none")


@st.composite
def configurations(draw: st.DrawFn) -> TransformerProgramConfig:
    """Every option, odd sizes, zero heads and MLPs included."""
    one_hot = draw(st.booleans())
    words = ("<pad>", *(f"w{i}" for i in range(draw(st.integers(1, 6)))))
    labels = ("<pad>", *(f"l{i}" for i in range(draw(st.integers(1, 4)))))
    context = draw(st.integers(1, 9))
    attention: Attention = draw(st.sampled_from(("cat", "score")))
    n_vars_num = draw(st.integers(0, 2))
    n_num_mlps = draw(st.integers(0, 2)) if n_vars_num else 0
    mlps: Mlps = draw(st.sampled_from(("relu", "table")))
    kinds: tuple[Predicates, ...] = ("one",) if attention == "score" else ("one", "set")
    predicates = draw(st.sampled_from(kinds))
    return TransformerProgramConfig(
        vocabulary=words,
        labels=labels,
        context=context,
        causal=draw(st.booleans()),
        pooled=draw(st.booleans()),
        d_var=max(context, len(words) if one_hot else 1) + draw(st.integers(0, 3)),
        n_vars_cat=1 if one_hot else draw(st.integers(1, 3)),
        n_vars_num=n_vars_num,
        n_layers=draw(st.integers(0, 3)),
        n_heads_cat=draw(st.integers(0, 3)),
        n_heads_num=draw(st.integers(0, 2)) if n_vars_num else 0,
        n_cat_mlps=draw(st.integers(0, 2)),
        n_num_mlps=n_num_mlps,
        mlp_inputs=draw(st.integers(1, 3)),
        d_mlp=draw(st.integers(1, 16)),
        attention=attention,
        position_bias="none" if attention == "score" else draw(st.sampled_from(_BIASES)),
        one_hot_embed=one_hot,
        count_only=draw(st.booleans()) or (mlps == "table" and n_num_mlps > 0),
        selector_width=draw(st.booleans()),
        masked_labels=draw(st.sampled_from((None, ("<pad>",)))),
        predicates=predicates,
        mlps=mlps,
        conjuncts=draw(st.integers(1, 3)) if predicates == "set" else 1,
    )


def random_model(config: TransformerProgramConfig, seed: int) -> TransformerProgram:
    """A model whose parameters are all random, its learned biases and offsets included."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = TransformerProgram(config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(("b_in", "b_out", "rel_pos_bias.bias")):
                    parameter.copy_(torch.randn_like(parameter) * 2)
    return model


def decisive_model(config: TransformerProgramConfig, seed: int) -> TransformerProgram:
    """A random model in float64 whose choices are clear to a softmax at a small temperature.

    A softmax shares what an argmax gives to the first of equals, so heads whose keys could tie (no
    position bias, or one that is equal one step to the left and to the right) read the position,
    and ask for one.
    """
    model = random_model(config, seed).double()
    tied = config.position_bias == "none" or (config.position_bias == "fixed" and not config.causal)
    sets_tie = tied and config.predicates == "set" and config.d_var > 1
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(
                (".W_K.W", ".W_Q.W", ".W_V.W", "W_pred.W", "W_read.W", "W_out", "b_out", "W_table")
            ):
                parameter.mul_(_SHARP)
            if name == "embed.W_E":
                parameter.mul_(_SHARP)
            if name.endswith("cat_attn.W_K.W") and tied:
                parameter[:, config.n_vars_cat] = 10 * _SHARP
            if name.endswith("cat_attn.W_pred.W") and sets_tie:
                parameter.sub_(parameter.topk(2, dim=-1).values.mean(-1, keepdim=True))
    return model


def random_tokens(config: TransformerProgramConfig, seed: int, batch: int = 32) -> Tensor:
    """[batch, position]: sequences of random lengths, padded to the context."""
    chance = random.Random(seed)
    rows = []
    for _ in range(batch):
        length = chance.randint(1, config.context)
        words = [chance.randrange(1, len(config.vocabulary)) for _ in range(length)]
        rows.append(words + [0] * (config.context - length))
    return torch.tensor(rows)
