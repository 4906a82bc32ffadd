"""Training on from a model that exists: one that was trained before, or compiled from a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tpir.models.checkpoint import Checkpoint
from tpir.training.data import encode
from tpir.training.examples import Examples
from tpir.training.settings import OptimiserSettings
from tpir.training.steps import Trainer, discrete_accuracy, training_environment

CONTINUE = OptimiserSettings(
    epochs=1, batch_size=128, learning_rate=0.003, tau_init=0.5, tau_end=0.1, target_accuracy=None
)
"""Settings to train on with: gentle, because the choices are made and only to be refined."""


@dataclass(frozen=True)
class Continuation:
    """A model trained on.

    ``losses`` has one for each step. ``accuracies`` (0 to 1) are the discretised model's on the
    examples judged: at the start, then after each epoch.
    """

    checkpoint: Checkpoint
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


def continue_training(
    checkpoint: Checkpoint,
    examples: Examples,
    settings: OptimiserSettings = CONTINUE,
    *,
    judged_on: Examples | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> Continuation:
    """Train ``checkpoint``'s model on ``examples``; it starts at temperature ``tau_init``.

    The checkpoint is not changed. ``judged_on`` are the examples that accuracy is measured on, by
    default the same; ``on_epoch`` is told the epoch (from 1), its mean loss and the accuracy after
    it. A compiled choice leads by enough in its logits (see ``choice_logit``) that at temperatures
    up to about 1 the relaxed model does what the program does. Raises TpirError if an example does
    not fit the model, or the loss is not a number.
    """
    model = checkpoint.model()
    config = model.config
    groups = encode(examples, config)
    judged = groups if judged_on is None else encode(judged_on, config)
    losses: list[float] = []
    with training_environment():
        trainer = Trainer(model, groups, settings)
        accuracies = [discrete_accuracy(model, judged)]
        for epoch in range(settings.epochs):
            if settings.target_accuracy is not None and accuracies[-1] >= settings.target_accuracy:
                break
            latest = trainer.run_epoch(epoch)
            losses += latest
            accuracies.append(discrete_accuracy(model, judged))
            if on_epoch is not None:
                on_epoch(epoch + 1, sum(latest) / len(latest), accuracies[-1])
    trained = Checkpoint.of_model(model, accepts=checkpoint.accepts, metadata=checkpoint.metadata)
    return Continuation(trained, tuple(losses), tuple(accuracies))
