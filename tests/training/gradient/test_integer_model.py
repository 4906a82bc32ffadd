"""Integer models are the exported ones, and know what a changed choice comes to."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.training.gradient.test_export import VARIANTS, random_inputs, variant
from tpir.errors import TpirError
from tpir.models.stored import Checkpoint
from tpir.models.transformer_program import TransformerProgram
from tpir.training.gradient.data import Data
from tpir.training.gradient.discrete import DiscreteForward
from tpir.training.gradient.export import export
from tpir.training.gradient.integer_model import IntegerModel, units_of
from tpir.training.gradient.layout import Layout
from tpir.training.problem import IGNORED

POLISHED = [name for name in VARIANTS if not name.startswith("pooled")]


def example(name: str) -> tuple[Layout, torch.Tensor, Checkpoint, Data]:
    layout = Layout(variant(name))
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(layout.size, generator=generator)
    n_labels = len(layout.config.labels)
    readout = torch.randn(n_labels, layout.features, generator=generator)
    checkpoint = export(layout, logits, readout, name="random", accepts=None)
    tokens = random_inputs(layout.config, 12)
    targets = torch.randint(1, n_labels, tokens.shape, generator=generator)
    targets[tokens == 0] = IGNORED
    targets[::3, 0] = IGNORED
    return layout, logits, checkpoint, Data(tokens, targets, (tokens != 0).sum(1))


@pytest.mark.parametrize("name", POLISHED)
def test_variables_and_loss_are_those_of_the_model(name: str) -> None:
    layout, logits, checkpoint, data = example(name)
    shares = np.ones(len(data))
    model = IntegerModel(checkpoint, data, shares)
    ids, numbers = (part[0] for part in DiscreteForward(layout, logits[None]).run(data.tokens))
    present = (data.tokens != 0).T.numpy()
    for kind, rows in (("cat", ids), ("num", numbers)):
        for k, row in enumerate(rows):
            expected = row.view(present.shape).long().numpy()
            assert (model.variables[kind, k] == expected)[present].all(), (kind, k)
    found = checkpoint.model(torch.float64)(data.tokens)
    wanted = functional.cross_entropy(
        found.flatten(0, 1), data.targets.flatten(), ignore_index=IGNORED
    )
    assert model.loss == pytest.approx(float(wanted.detach()), rel=1e-5)


@pytest.mark.parametrize("name", POLISHED)
def test_an_effect_is_what_computing_everything_gives(name: str) -> None:
    _, _, checkpoint, data = example(name)
    shares = 1 / np.arange(1, len(data) + 1)
    model = IntegerModel(checkpoint, data, shares)
    random = np.random.default_rng(5)
    everything = np.arange(model.size)
    for step in range(40):
        if not model.units:
            return
        unit = model.units[random.integers(len(model.units))]
        if step % 2:
            place = random.integers(len(unit.reads))
            unit.reads[place] = random.integers(unit.options[place])
        else:
            unit.body[random.integers(len(unit.body))] = (
                random.permutation(np.eye(model.config.d_var, dtype=np.int16))[0]
                if unit.is_head
                else random.integers(model.config.d_var)
            )
        change, inputs, loss = model.effect(unit, everything)
        whole = copy.deepcopy(model)
        for later in whole.units:
            whole.variables[later.out] = whole.compute(later)
        whole.read_out(checkpoint.state["unembed.W_U"].numpy())
        assert loss == pytest.approx(whole.loss, rel=1e-5)
        if step % 3:  # else the change is not made, and the next step makes two
            model.take(change, inputs)
        else:
            model = whole
        assert model.loss == pytest.approx(loss, rel=1e-5)


def test_models_that_gradient_runs_do_not_train_are_refused() -> None:
    for options in ({"pooled": True}, {"mlps": "relu"}, {"position_bias": "none"}):
        config = variant("usual")
        config = type(config)(**(vars(config) | options))
        model = TransformerProgram(config)
        with pytest.raises(TpirError, match=r"^what is polished has a label for each position"):
            units_of(Checkpoint.of_model(model))
