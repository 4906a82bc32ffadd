"""How temperature and rates change over the steps of a run."""

from __future__ import annotations

from tpir.training.gradient.settings import GradientSettings

_COOLED = 0.9
"""The share of the steps after which the temperature is at its end."""


def temperature(settings: GradientSettings, step: int) -> float:
    """The temperature of a step, from 0."""
    share = min(1.0, step / (_COOLED * settings.steps))
    return float(settings.tau_init * (settings.tau_end / settings.tau_init) ** share)


def readout_rate(settings: GradientSettings, step: int) -> float:
    """The rate of the readout: constant, then falling to 0 while it alone learns."""
    alone = settings.steps - settings.relaxed_steps
    left = min(1.0, (settings.steps - step) / alone) if alone else 1.0
    return settings.readout_rate * left


def halves_after(settings: GradientSettings, epoch: int) -> int:
    """How often the seeds are halved after ``epoch``, from 1."""
    before, now = (min(e * settings.epoch_steps, settings.steps) for e in (epoch - 1, epoch))
    return sum(before < share * settings.steps <= now for share in settings.halvings)
