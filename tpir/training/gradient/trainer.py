"""The weights of all seeds, and the steps that change them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.training.gradient.compiled import CompiledStep, compiles
from tpir.training.gradient.data import Data
from tpir.training.gradient.discrete import DiscreteForward, certain, one_hot
from tpir.training.gradient.layout import Layout, whole
from tpir.training.gradient.planted import Planted
from tpir.training.gradient.relaxed import Batch, RelaxedForward, finished, relax
from tpir.training.gradient.schedule import readout_rate, temperature
from tpir.training.gradient.settings import GradientSettings
from tpir.training.problem import IGNORED
from tpir.training.steps import derived_seed

_READOUT_SPREAD = 0.1


class Trainer:
    """The runs of ``seeds``, side by side.

    ``logits`` [seed, size] are their choices, ``weights`` [seed, size] those of their readouts.
    What is ``planted`` is alike in all of them at the start; the rest of each is its own.

    Each epoch seeds its random numbers anew, those of each seed apart from those of the others, so
    a run continues from any epoch, and with any others beside it, as if alone.
    """

    def __init__(
        self,
        config: TransformerProgramConfig,
        settings: GradientSettings,
        data: Data,
        seeds: Sequence[int],
        planted: Planted | None = None,
        threads: int = 1,
    ) -> None:
        self.settings, self.data, self.seeds = settings, data.learnable(), tuple(seeds)
        self.layout, self.device = Layout(config), data.tokens.device
        self.forward = RelaxedForward(self.layout, self.device)
        self.compiled = CompiledStep(self.layout, threads) if self._in_c() else None
        self.shares = data.weights(settings.evenness)
        self.logits, self.weights = self._initial(planted)
        self.free: Tensor | None = None
        if planted is not None and settings.freeze:
            self.free = (~planted.held).float().to(self.device)
        self.optimiser = self._adam()
        self._values: tuple[Tensor, Tensor] | None = None

    def _in_c(self) -> bool:
        if self.settings.engine == "auto":
            return self.device.type == "cpu" and compiles()
        return self.settings.engine == "c"

    def _initial(self, planted: Planted | None) -> tuple[Tensor, Tensor]:
        settings, layout = self.settings, self.layout
        sets = settings.initial_set_logit if settings.predicates == "set" else 0.0
        means = layout.filled(0.0, predicates=sets)
        logits, weights = [], []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed(derived_seed(seed, 0))
            drawn = torch.randn(layout.size, generator=generator)
            logits.append(means + settings.initial_spread * drawn)
            size = whole(len(layout.config.labels) * layout.features)
            weights.append(_READOUT_SPREAD * torch.randn(size, generator=generator))
            if planted is not None:
                logits[-1] = torch.where(planted.held, planted.logits, logits[-1])
                if planted.readout is not None:
                    weights[-1][: planted.readout.numel()] = planted.readout.flatten()
        found = (torch.stack(part).to(self.device) for part in (logits, weights))
        first, second = (part.requires_grad_() for part in found)
        return first, second

    def _adam(self) -> torch.optim.Adam:
        settings = self.settings
        groups = [
            {"params": [self.logits], "lr": settings.learning_rate},
            {"params": [self.weights], "lr": settings.readout_rate},
        ]
        return torch.optim.Adam(groups, betas=(0.9, settings.beta2), fused=True)

    @property
    def readout(self) -> Tensor:
        """The readouts, [seed, label, feature]: a view of ``weights``."""
        labels, features = len(self.layout.config.labels), self.layout.features
        return self.weights[:, : labels * features].view(-1, labels, features)

    def run_epoch(self, epoch: int) -> Tensor:
        """Take the steps of ``epoch`` (from 0) and give the mean loss of each seed.

        Raises TpirError where one is not a number.
        """
        settings = self.settings
        first = epoch * settings.epoch_steps
        steps = range(first, min(first + settings.epoch_steps, settings.steps))
        batches = torch.Generator().manual_seed(derived_seed(settings.data_seed, 1, epoch))
        noise = [
            torch.Generator(self.device).manual_seed(derived_seed(seed, 2, epoch))
            for seed in self.seeds
        ]
        total = torch.zeros(len(self.seeds), device=self.device)
        for step in steps:
            chosen = torch.multinomial(
                self.shares, settings.batch_size, replacement=True, generator=batches
            ).to(self.device)
            if step < settings.relaxed_steps:
                losses = self._relaxed(chosen, temperature(settings, step), noise)
            else:
                losses = self._of_choices(chosen)
            self._learn(losses, step)
            total += losses.detach()
        mean = (total / len(steps)).cpu()
        self._check(mean, epoch)
        return mean

    def _relaxed(self, chosen: Tensor, tau: float, noise: Sequence[torch.Generator]) -> Tensor:
        """The losses of soft choices on the inputs ``chosen``, [seed]."""
        uniform = torch.empty_like(self.logits)
        for row, generator in zip(uniform, noise, strict=True):
            row.uniform_(generator=generator)
        soft = relax(self.layout, self.logits, uniform, temperature=tau, noise=self.settings.noise)
        tokens, targets = self.data.tokens[chosen], self.data.targets[chosen]
        if self.compiled is not None:
            return self.compiled(self.layout.joined(soft), self.readout, tokens, targets)
        logits = self.forward(soft, self.readout, Batch(self.layout.config, tokens))
        return mean_losses(logits, targets)

    def _of_choices(self, chosen: Tensor) -> Tensor:
        """The losses of the discretised models. Their choices are final, so they are taken once."""
        if self._values is None:
            self._values = self._all_values()
        ids, numbers = (part[..., chosen].flatten(2) for part in self._values)
        features = one_hot(ids, numbers, self.layout.config.d_var)
        logits = torch.bmm(self.readout, features)
        logits = finished(self.layout.config, logits, self.data.tokens[chosen])
        return mean_losses(logits, self.data.targets[chosen])

    @torch.no_grad()
    def predict(self, tokens: Tensor) -> Tensor:
        """Labels [seed, batch, position or 1 if pooled] by the discretised models."""
        readout = self.readout.contiguous()
        if self.compiled is None:
            return DiscreteForward(self.layout, self.logits).predict(readout, tokens)
        return self.compiled.predict(certain(self.layout, self.logits), readout, tokens)

    @torch.no_grad()
    def _all_values(self) -> tuple[Tensor, Tensor]:
        """Values and numbers [seed, variable, position, input] of all training inputs."""
        forward, length = DiscreteForward(self.layout, self.logits), self.data.tokens.shape[1]
        smallest = torch.uint8 if self.layout.config.d_var <= 256 else torch.int32
        parts: list[tuple[Tensor, Tensor]] = []
        for chunk in torch.split(self.data.tokens, forward.batch_size(length)):
            ids, numbers = forward.run(chunk)
            shape = (len(self.seeds), -1, length, len(chunk))
            parts.append((ids.to(smallest).view(shape), numbers.reshape(shape)))
        values, numbers = (torch.cat(part, -1) for part in zip(*parts, strict=True))
        return values, numbers

    def _learn(self, losses: Tensor, step: int) -> None:
        """One step of all seeds, each by its own loss."""
        self.optimiser.param_groups[1]["lr"] = readout_rate(self.settings, step)
        self.optimiser.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if self.free is not None and self.logits.grad is not None:
            self.logits.grad *= self.free
        self.optimiser.step()

    def _check(self, losses: Tensor, epoch: int) -> None:
        for seed, loss in zip(self.seeds, losses.tolist(), strict=True):
            if not torch.isfinite(torch.tensor(loss)):
                raise TpirError(
                    f"the loss of seed {seed} became {loss} in epoch {epoch + 1}",
                    notes=["a lower learning_rate, a higher tau_end or less noise may help"],
                )

    def keep(self, places: Sequence[int]) -> None:
        """Let only the seeds at ``places`` go on, in that order."""
        rows = torch.tensor(places, device=self.device)
        state = self.state()
        self.seeds = tuple(self.seeds[place] for place in places)
        self.restore(
            {name: part if part.dim() == 0 else part[rows] for name, part in state.items()}
        )

    def state(self) -> dict[str, Tensor]:
        """All that the steps to come depend on, by name; per seed but for the step count."""
        found = {"logits": self.logits.detach().clone(), "weights": self.weights.detach().clone()}
        for name, parameter in (("logits", self.logits), ("weights", self.weights)):
            for key, value in self.optimiser.state[parameter].items():
                found[f"{name}.{key}"] = value.clone()
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what ``state`` gave, for the seeds of this trainer."""
        self.logits = state["logits"].to(self.device).clone().requires_grad_()
        self.weights = state["weights"].to(self.device).clone().requires_grad_()
        self.optimiser = self._adam()
        for name, parameter in (("logits", self.logits), ("weights", self.weights)):
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if f"{name}.{key}" in state:
                    value = state[f"{name}.{key}"].to(self.device).clone()
                    self.optimiser.state[parameter][key] = value
        self._values = None


def mean_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross entropy of each seed's logits [seed, label, place] over ``targets``."""
    wanted = targets.T.reshape(1, -1).expand(len(logits), -1)
    each = functional.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="none")
    return each.sum(1) / (wanted[0] != IGNORED).sum().clamp_min(1)
