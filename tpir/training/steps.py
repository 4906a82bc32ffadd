"""Gradient steps on the relaxed model, and the accuracy of the discretised one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tpir.errors import TpirError
from tpir.models.transformer_program import TransformerProgram
from tpir.training.data import IGNORED, EncodedExamples
from tpir.training.settings import OptimiserSettings


@contextmanager
def training_environment() -> Iterator[None]:
    """One thread, denormals flushed to zero, the caller's random numbers left alone.

    At low temperature most softmax weights are denormal, and arithmetic on those is ten times
    slower. One thread, because the products are small, and so that results depend on no thread
    count.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def derived_seed(seed: int, *path: int) -> int:
    """A seed for one part of a run; unrelated to those of other parts and other runs."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0])


def temperatures(settings: OptimiserSettings, epoch: int, n_steps: int) -> list[float]:
    """The temperature of each step of ``epoch`` (from 0).

    Epoch by epoch the schedule runs from ``tau_init`` to ``tau_end``, ends included; within an
    epoch geometrically to the start of the next. The last epoch stays at ``tau_end``; an only epoch
    runs through all of it.
    """
    space = np.geomspace if settings.tau_schedule == "geometric" else np.linspace
    starts = space(settings.tau_init, settings.tau_end, max(settings.epochs, 2))
    end = starts[min(epoch + 1, len(starts) - 1)]
    return [float(tau) for tau in np.geomspace(starts[epoch], end, n_steps)]


class Trainer:
    """A model, its Adam state, and the data it learns from.

    Each epoch draws its order and its noise from a seed of its own, so that a run continues from
    any epoch as if it had never stopped.
    """

    def __init__(
        self,
        model: TransformerProgram,
        data: Sequence[EncodedExamples],
        settings: OptimiserSettings,
    ) -> None:
        self.model, self.data, self.settings = model, data, settings
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(self.trained, lr=settings.learning_rate, fused=True)

    def run_epoch(self, epoch: int) -> list[float]:
        """Take the steps of ``epoch`` (from 0); return their losses. Raises TpirError on NaN."""
        self.model.set_mode(self.settings.sampling)
        torch.manual_seed(derived_seed(self.settings.seed, 1, epoch))
        batches, losses = self._batches(), []
        taus = temperatures(self.settings, epoch, len(batches))
        for batch, tau in zip(batches, taus, strict=True):
            self.model.set_temperature(tau)
            losses.append(self._step(batch))
            if not math.isfinite(losses[-1]):
                raise TpirError(
                    f"the loss became {losses[-1]} in epoch {epoch + 1}, at temperature {tau:.3g}",
                    notes=["a lower learning_rate, a higher tau_end or another seed may help"],
                )
        return losses

    def _batches(self) -> list[EncodedExamples]:
        size, batches = self.settings.batch_size, []
        for group in self.data:
            order = torch.randperm(len(group))
            batches += [group.take(order[i : i + size]) for i in range(0, len(group), size)]
        if len(self.data) == 1:
            return batches
        return [batches[int(i)] for i in torch.randperm(len(batches))]

    def _step(self, batch: EncodedExamples) -> float:
        self.optimiser.zero_grad()
        samples, total = self.settings.gumbel_samples, 0.0
        for _ in range(samples):
            logits = self.model(batch.tokens)
            loss = mean_loss(logits, batch.targets, self.settings.loss_per == "token") / samples
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        if self.settings.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, self.settings.max_grad_norm)
        self.optimiser.step()
        return total


def mean_loss(logits: Tensor, targets: Tensor, per_token: bool) -> Tensor:
    """Cross entropy of ``logits`` [batch, position, label] or [batch, label]: a scalar.

    ``targets`` [batch, position or 1]. Averaged over the labels of each input, or summed, then
    averaged over inputs.
    """
    flat = logits.reshape(-1, logits.shape[-1])
    each = functional.cross_entropy(flat, targets.flatten(), ignore_index=IGNORED, reduction="none")
    sums = each.view(targets.shape).sum(1)
    if per_token:
        sums = sums / (targets != IGNORED).sum(1).clamp_min(1)
    return sums.mean()


@torch.no_grad()
def discrete_accuracy(model: TransformerProgram, data: Sequence[EncodedExamples]) -> float:
    """The share of labels that the discretised model gets right; it is left in discrete mode."""
    model.set_mode("discrete")
    right = labelled = 0
    for group in data:
        predicted = model(group.tokens).argmax(-1).view(group.targets.shape)
        counted = group.targets != IGNORED
        right += int(((predicted == group.targets) & counted).sum())
        labelled += int(counted.sum())
    return right / max(labelled, 1)
