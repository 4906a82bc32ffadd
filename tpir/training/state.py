"""The state of a run on disk: what a killed run continues from."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.files import write_atomic

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
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomic(path, buffer.getvalue(), force=True)


def load_state(path: Path) -> TrainingState:
    """Read what ``save_state`` wrote. Runs no code from it; raises TpirError if it is damaged."""
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise TpirError(f"cannot read the training state {path}", notes=[str(error)]) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise TpirError(f"{path} is no training state of this version")
    try:
        return TrainingState(
            settings=content["settings"],
            history=tuple(EpochRecord(*row) for row in content["history"]),
            weights=cast(Weights, content["weights"]),
            optimiser=cast(dict[str, object], content["optimiser"]),
            best_epoch=content["best_epoch"],
            best=cast(Weights, content["best"]),
            reached_target=content["reached_target"],
        )
    except (KeyError, TypeError) as error:
        raise TpirError(f"the training state {path} is damaged: {error}") from error
