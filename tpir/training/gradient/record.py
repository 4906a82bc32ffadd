"""What is known of a run after each epoch, on disk so that a killed run can continue."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tpir.training.state_file import read_state, write_state

_FORMAT = 1


@dataclass(frozen=True)
class SeedRecord:
    """One epoch (from 1) of one seed: mean loss, and accuracy of the discretised model (0 to 1).

    ``accuracy`` is on validation inputs, the mean over lengths; ``temperature`` that of the epoch's
    last step.
    """

    epoch: int
    seed: int
    temperature: float
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Best:
    """The weights of one seed after the epoch that was its best, the latest of equals."""

    record: SeedRecord
    logits: Tensor
    readout: Tensor


@dataclass(frozen=True)
class GradientState:
    """All that the rest of a run depends on, its settings apart: no random numbers among it.

    ``data`` is the fingerprint of the data; ``trainer`` is ``Trainer.state`` of the seeds that go
    on, ``seeds``; ``best`` has every seed.
    """

    settings: str
    data: str
    history: tuple[SeedRecord, ...]
    seeds: tuple[int, ...]
    trainer: dict[str, Tensor]
    best: dict[int, Best]
    reached_target: bool

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self.history[-1].epoch


def save_state(path: Path, state: GradientState) -> None:
    """Write ``state`` in one step, over the one before. Raises TpirError if that fails."""
    content = {
        "format": _FORMAT,
        "settings": state.settings,
        "data": state.data,
        "history": [_row(record) for record in state.history],
        "seeds": list(state.seeds),
        "trainer": state.trainer,
        "best": {
            seed: (_row(best.record), best.logits, best.readout)
            for seed, best in state.best.items()
        },
        "reached_target": state.reached_target,
    }
    write_state(path, content)


def load_state(path: Path) -> GradientState:
    """Read what ``save_state`` wrote. Runs no code from it; raises TpirError if it is damaged."""

    def build(stored: dict[str, object]) -> GradientState:
        content: dict[str, Any] = stored
        return GradientState(
            settings=content["settings"],
            data=content["data"],
            history=tuple(SeedRecord(*row) for row in content["history"]),
            seeds=tuple(content["seeds"]),
            trainer=content["trainer"],
            best={
                seed: Best(SeedRecord(*row), logits, readout)
                for seed, (row, logits, readout) in content["best"].items()
            },
            reached_target=content["reached_target"],
        )

    return read_state(path, _FORMAT, build, "state of a gradient run")


def metrics_csv(history: tuple[SeedRecord, ...]) -> str:
    """A row for each epoch and seed."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["epoch", "seed", "temperature", "loss", "validation_accuracy"])
    writer.writerows(_row(record) for record in history)
    return table.getvalue()


def _row(record: SeedRecord) -> tuple[int, int, float, float, float]:
    return record.epoch, record.seed, record.temperature, record.loss, record.accuracy
