"""The relaxation: what it is where choices are certain, what it expects, and its gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from tests.training.gradient.test_export import VARIANTS, random_inputs, variant
from tpir.models.attention import nearest_bias
from tpir.training.gradient import attention, tables
from tpir.training.gradient.attention import Nearness, closest, contract
from tpir.training.gradient.discrete import DiscreteForward
from tpir.training.gradient.layout import Layout
from tpir.training.gradient.relaxed import Batch, RelaxedForward, finished, relax
from tpir.training.gradient.tables import look_up

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", VARIANTS)
def test_certain_choices_make_the_relaxed_model_the_discrete_one(name: str) -> None:
    config = variant(name)
    layout = Layout(config)
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, layout.size, generator=generator)
    readout = torch.randn(2, len(config.labels), layout.features, generator=generator)
    tokens = random_inputs(config, 4)
    soft = relax(layout, logits, torch.rand(logits.shape), temperature=1e-6, noise=0.0)
    found = RelaxedForward(layout, CPU)(soft, readout, Batch(config, tokens))
    features = DiscreteForward(layout, logits).features(tokens)
    expected = finished(config, torch.bmm(readout, features), tokens)
    present = torch.ones(found.shape[-1], dtype=torch.bool)
    if not config.pooled:
        present = (tokens != 0).T.flatten()
    torch.testing.assert_close(found[..., present], expected[..., present], rtol=1e-4, atol=1e-4)


def test_weights_are_chances_of_being_the_closest_match() -> None:
    """Against all ways in which keys can match, each weighed by its chance."""
    length = 4
    chances = torch.rand(
        1, 1, length, length, 1, generator=torch.Generator().manual_seed(5)
    ).double()
    offsets = torch.arange(length) - torch.arange(length).unsqueeze(1)
    order = nearest_bias(6)[offsets].sort(dim=-1, descending=True, stable=True).indices
    expected = torch.zeros(length, length).double()
    for query in range(length):
        for flags in itertools.product((0, 1), repeat=length):
            share = 1.0
            for key, flag in enumerate(flags):
                chance = float(chances[0, 0, query, key, 0])
                share *= chance if flag else 1 - chance
            matching = [int(key) for key in order[query] if flags[int(key)]]
            expected[query, matching[0] if matching else 0] += share
    weights = closest(chances, Nearness(length, 6, CPU))[0, 0, :, :, 0]
    torch.testing.assert_close(weights, expected)


def test_sampled_choices_have_the_gumbel_distribution() -> None:
    layout = Layout(variant("sets"))
    draws = 20_000
    logits = torch.zeros(draws, layout.size)
    first = layout.split(logits)["reads.0"]
    first[:, 0, 0] = 1.0
    layout.split(logits)["predicates"][:, 0, 0, 0] = 1.0
    uniform = torch.rand(draws, layout.size, generator=torch.Generator().manual_seed(6))
    soft = relax(layout, logits, uniform, temperature=1e-4, noise=1.0)
    options = first.shape[-1]
    share = torch.e / (torch.e + options - 1)
    assert abs(float(soft["reads.0"][:, 0, 0].mean()) - share) < 0.015
    truth = torch.sigmoid(torch.tensor(1.0))
    assert abs(float(soft["predicates"][:, 0, 0, 0].mean()) - float(truth)) < 0.015


@pytest.mark.parametrize("small_blocks", [False, True])
def test_gradients_by_hand_are_those_of_differences(
    monkeypatch: pytest.MonkeyPatch, small_blocks: bool
) -> None:
    if small_blocks:
        for module in (attention, tables):
            monkeypatch.setattr(
                module, "blocks", lambda n, size: [slice(i, i + 1) for i in range(n)]
            )

    def numbers(*shape: int) -> Tensor:
        return torch.rand(*shape, dtype=torch.double).requires_grad_()

    torch.manual_seed(8)
    assert torch.autograd.gradcheck(contract, (numbers(2, 2, 3, 2, 4), numbers(2, 2, 3, 5, 4)))
    nearness = Nearness(4, 6, CPU)
    assert torch.autograd.gradcheck(lambda x: closest(x, nearness), (numbers(2, 1, 4, 4, 3),))
    for inputs in (1, 2, 3):
        arguments = numbers(3, inputs, 2, 4), numbers(3, 5, 2**inputs)
        assert torch.autograd.gradcheck(look_up, arguments)
