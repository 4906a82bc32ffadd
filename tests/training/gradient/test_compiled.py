"""The step in C against its definition in torch, and that company and threads change no bit."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.training.gradient.test_export import VARIANTS, random_inputs, variant
from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.training.gradient import compiled
from tpir.training.gradient.compiled import CompiledStep, compiles
from tpir.training.gradient.data import Data
from tpir.training.gradient.discrete import DiscreteForward, certain
from tpir.training.gradient.layout import Layout
from tpir.training.gradient.relaxed import Batch, RelaxedForward, relax
from tpir.training.gradient.settings import GradientSettings
from tpir.training.gradient.trainer import Trainer, mean_losses
from tpir.training.problem import IGNORED
from tpir.training.sources import problem_of_task

CPU = torch.device("cpu")
SEEDS = 3

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def weights_of(config: TransformerProgramConfig) -> tuple[Layout, Tensor, Tensor]:
    """Soft choices [seed, number], joined, and a readout."""
    layout, generator = Layout(config), torch.Generator().manual_seed(3)
    logits = torch.randn(SEEDS, layout.size, generator=generator)
    uniform = torch.rand(logits.shape, generator=generator)
    soft = layout.joined(relax(layout, logits, uniform, temperature=0.7, noise=0.5))
    readout = torch.randn(SEEDS, len(config.labels), layout.features, generator=generator)
    return layout, soft, readout


def targets_of(config: TransformerProgramConfig, tokens: Tensor) -> Tensor:
    shape = (len(tokens), 1) if config.pooled else tokens.shape
    found = torch.randint(1, len(config.labels), shape, generator=torch.Generator().manual_seed(9))
    return found if config.pooled else found.masked_fill(tokens == 0, IGNORED)


def in_torch(layout: Layout, soft: Tensor, readout: Tensor, x: Tensor, y: Tensor) -> Tensor:
    pieces = torch.split(soft, [group.size for group in layout.groups], 1)
    parts = {
        group.name: piece.view(len(soft), *group.shape)
        for group, piece in zip(layout.groups, pieces, strict=True)
    }
    forward = RelaxedForward(layout, CPU)
    return mean_losses(forward(parts, readout, Batch(layout.config, x)), y)


@needs_compiler
@pytest.mark.parametrize("size", [200, 7])
@pytest.mark.parametrize("name", VARIANTS)
def test_losses_and_gradients_are_those_of_torch(name: str, size: int) -> None:
    config = variant(name)
    layout, soft, readout = weights_of(config)
    tokens = random_inputs(config, 4)[:size]
    targets = targets_of(config, tokens)
    found = []
    for way in ("c", "torch"):
        given = [part.clone().requires_grad_() for part in (soft, readout)]
        if way == "c":
            losses = CompiledStep(layout)(*given, tokens, targets)
        else:
            losses = in_torch(layout, *given, tokens, targets)
        (losses * torch.arange(1, SEEDS + 1)).sum().backward()
        found.append([losses.detach(), *(part.grad for part in given)])
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert other is not None
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * scale)


@needs_compiler
@pytest.mark.parametrize("name", VARIANTS)
def test_predictions_are_those_of_the_discrete_models(name: str) -> None:
    config = variant(name)
    layout, _, readout = weights_of(config)
    logits = torch.randn(SEEDS, layout.size, generator=torch.Generator().manual_seed(5))
    tokens = random_inputs(config, 6)[:50]
    found = CompiledStep(layout).predict(certain(layout, logits), readout, tokens)
    expected = DiscreteForward(layout, logits).predict(readout, tokens)
    assert found.shape == expected.shape
    present = torch.ones_like(expected[0], dtype=torch.bool) if config.pooled else tokens != 0
    assert torch.equal(found[:, present], expected[:, present])


@needs_compiler
def test_neither_company_nor_threads_change_a_bit() -> None:
    layout, soft, readout = weights_of(variant("usual"))
    tokens = random_inputs(layout.config, 7)[:37]
    targets = targets_of(layout.config, tokens)

    def gradients(seeds: list[int], threads: int) -> list[bytes]:
        given = [part[seeds].clone().requires_grad_() for part in (soft, readout)]
        losses = CompiledStep(layout, threads)(*given, tokens, targets)
        losses.sum().backward()
        parts = (losses.detach(), *(part.grad for part in given))
        return [part[-1].numpy().tobytes() for part in parts if part is not None]

    together = gradients([0, 1, 2], 1)
    assert gradients([2], 1) == together
    assert gradients([1, 0, 2], 2) == together
    assert gradients([0, 2, 1], 1) != together


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CC", "no-such-compiler")
    compiled._library.cache_clear()
    yield
    compiled._library.cache_clear()


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_torch_takes_the_steps() -> None:
    problem = problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=100)
    settings = GradientSettings(seeds=1, n_layers=1)
    data = Data.of(problem, problem.splits.train, CPU)
    assert not compiles()
    assert Trainer(settings.model_config(problem), settings, data, [0]).compiled is None
    with pytest.raises(TpirError, match="no-such-compiler cannot compile here; use engine=torch"):
        forced = dataclasses.replace(settings, engine="c")
        Trainer(settings.model_config(problem), forced, data, [0])
