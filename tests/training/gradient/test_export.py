"""An exported seed is the batched model's run of that seed, in every variant."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from tpir.models.config import TransformerProgramConfig
from tpir.models.predict import predict_ids
from tpir.training.gradient.discrete import DiscreteForward
from tpir.training.gradient.export import export
from tpir.training.gradient.layout import Layout

SEEDS = 3
WORDS = ("<pad>", "a", "b", "c", "d")
BASE = TransformerProgramConfig(
    vocabulary=WORDS,
    labels=("<pad>", "x", "y", "z"),
    context=6,
    d_var=7,
    n_layers=2,
    n_heads_cat=3,
    n_heads_num=2,
    n_cat_mlps=2,
    n_num_mlps=2,
    mlps="table",
)
VARIANTS: dict[str, dict[str, object]] = {
    "usual": {},
    "sets": {"predicates": "set"},
    "causal": {"causal": True},
    "causal sets": {"causal": True, "predicates": "set"},
    "pooled": {"pooled": True},
    "pooled causal": {"pooled": True, "causal": True},
    "one input": {"mlp_inputs": 1},
    "three inputs": {"mlp_inputs": 3, "d_var": 6},
    "categorical only": {"n_heads_num": 0, "n_num_mlps": 0},
    "numerical only": {"n_heads_cat": 0, "n_cat_mlps": 0},
    "no numbers": {"n_vars_num": 0, "n_heads_num": 0, "n_num_mlps": 0},
    "no MLPs": {"n_cat_mlps": 0, "n_num_mlps": 0},
    "no heads": {"n_heads_cat": 0, "n_heads_num": 0},
    "three layers": {"n_layers": 3},
}


def random_inputs(config: TransformerProgramConfig, seed: int) -> Tensor:
    """200 inputs of all lengths, padded."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, len(WORDS), (200, config.context), generator=generator)
    lengths = torch.randint(1, config.context + 1, (200, 1), generator=generator)
    return tokens.masked_fill(torch.arange(config.context) >= lengths, 0)


def variant(name: str) -> TransformerProgramConfig:
    return dataclasses.replace(BASE, **VARIANTS[name])


@pytest.mark.parametrize("name", VARIANTS)
def test_an_exported_seed_predicts_what_the_batch_does(name: str) -> None:
    config = variant(name)
    layout = Layout(config)
    generator = torch.Generator().manual_seed(len(name))
    logits = torch.randn(SEEDS, layout.size, generator=generator)
    readout = torch.randn(SEEDS, len(config.labels), layout.features, generator=generator)
    tokens = random_inputs(config, 1)
    predicted = DiscreteForward(layout, logits).predict(readout, tokens)
    seen = set()
    for seed in range(SEEDS):
        checkpoint = export(layout, logits[seed], readout[seed], name="x", accepts=None)
        assert checkpoint.config == config
        expected = predict_ids(checkpoint.model(), tokens).view(len(tokens), -1)
        present = torch.ones_like(expected, dtype=torch.bool) if config.pooled else tokens != 0
        assert torch.equal(predicted[seed][present], expected[present])
        seen.add(tuple(expected[present].tolist()))
    assert len(seen) == SEEDS


@pytest.mark.parametrize("name", VARIANTS)
def test_numbers_and_values_are_those_of_the_exported_model(name: str) -> None:
    """More telling than labels, which few values decide."""
    config = variant(name)
    layout = Layout(config)
    logits = torch.randn(SEEDS, layout.size, generator=torch.Generator().manual_seed(7))
    readout = torch.zeros(len(config.labels), layout.features)
    tokens = random_inputs(config, 2)
    ids, numbers = DiscreteForward(layout, logits).run(tokens)
    shape = (config.context, len(tokens))
    present = (tokens != 0).T
    for seed in range(SEEDS):
        model = export(layout, logits[seed], readout, name="x", accepts=None).model()
        stream = model._discrete_program().run(tokens)
        for found, expected in ((ids[seed], stream.ids), (numbers[seed], stream.numbers)):
            for one, other in itertools.zip_longest(found.view(-1, *shape), expected):
                assert torch.equal(one[present], other[present].to(one.dtype))
