"""The state of a run on disk: what a killed run continues from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tpir.training.state_file import read_state, write_state

_FORMAT = 1

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch (from 1) came to: mean loss, and accuracy of the discretised model.

    ``temperature`` is that of its last step.
    """

    epoch: int
    temperature: float
    loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class TrainingState:
    """All that the rest of a run depends on, its settings apart.

    No state of a random number generator is among it: each epoch seeds its own. ``best`` are the
    weights after ``best_epoch``, the latest of those with the highest validation accuracy;
    ``reached_target`` says that training is to stop early.
    """

    settings: str
    history: tuple[EpochRecord, ...]
    weights: Weights
    optimiser: dict[str, object]
    best_epoch: int
    best: Weights
    reached_target: bool

    @property
    def best_accuracy(self) -> float:
        """The validation accuracy of ``best``."""
        return self.history[self.best_epoch - 1].validation_accuracy


def save_state(path: Path, state: TrainingState) -> None:
    """Write ``state`` in one step, over the one before. Raises TpirError if that fails."""
    content = {
        "format": _FORMAT,
        "settings": state.settings,
        "history": [(r.epoch, r.temperature, r.loss, r.validation_accuracy) for r in state.history],
        "weights": state.weights,
        "optimiser": state.optimiser,
        "best_epoch": state.best_epoch,
        "best": state.best,
        "reached_target": state.reached_target,
    }
    write_state(path, content)


def load_state(path: Path) -> TrainingState:
    """Read what ``save_state`` wrote. Runs no code from it; raises TpirError if it is damaged."""

    def build(stored: dict[str, object]) -> TrainingState:
        content: dict[str, Any] = stored
        return TrainingState(
            settings=content["settings"],
            history=tuple(EpochRecord(*row) for row in content["history"]),
            weights=content["weights"],
            optimiser=content["optimiser"],
            best_epoch=content["best_epoch"],
            best=content["best"],
            reached_target=content["reached_target"],
        )

    return read_state(path, _FORMAT, build, "training state")
