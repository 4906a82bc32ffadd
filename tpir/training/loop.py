"""Training a Transformer Program from scratch: the whole of ``tpir train``."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.models.checkpoint import CHECKPOINT_FILE, Checkpoint, save_checkpoint
from tpir.models.task_forms import accepted_form
from tpir.models.transformer_program import TransformerProgram
from tpir.training.data import EncodedExamples, encode
from tpir.training.examples import Splits, split
from tpir.training.run_folder import METRICS_FILE, STATE_FILE, expect_same, prepare_folder
from tpir.training.settings import TrainingSettings
from tpir.training.state import EpochRecord, TrainingState, Weights, load_state, save_state
from tpir.training.steps import (
    Trainer,
    derived_seed,
    discrete_accuracy,
    temperatures,
    training_environment,
)


@dataclass(frozen=True)
class Progress:
    """Where a run is: its latest epoch, how many there are at most, the best accuracy, the time.

    ``seconds`` counts from the start or resumption of the run.
    """

    record: EpochRecord
    epochs: int
    best_accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished run. Accuracies (0 to 1) are of the discretised model after ``best_epoch``."""

    checkpoint: Path
    history: tuple[EpochRecord, ...]
    best_epoch: int
    validation_accuracy: float
    test_accuracy: float


def make_splits(settings: TrainingSettings) -> Splits:
    """The data of a run: it depends on the task, the sizes and the seed alone."""
    task, sizes = settings.resolved_task()
    examples = task.generate(
        sizes.vocab_size,
        settings.dataset_size,
        sizes.min_length,
        sizes.max_length,
        settings.seed,
    )
    return split(examples, seed=settings.seed)


def train(
    settings: TrainingSettings,
    output: Path,
    *,
    resume: bool = False,
    force: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train a model and write it to the folder ``output``.

    After each epoch the discretised model is judged on the validation set, and the run's state
    saved. At the end ``checkpoint.safetensors`` holds the best model, ``metrics.csv`` a row for
    each epoch. With ``resume`` a run that was stopped goes on, to the same weights, bit for bit, as
    if it had not been; where no epoch was finished it starts. Raises TpirError for settings that
    fit no model or data, for a folder that holds a run (unless ``force``), for a run resumed under
    other settings, and where the loss is not a number.
    """
    started = time.monotonic()
    config = settings.model_config()
    splits = make_splits(settings)
    prepare_folder(output, settings.to_json(), resume=resume, force=force)
    with training_environment():
        torch.manual_seed(derived_seed(settings.seed, 0))
        model = TransformerProgram(config)
        trainer = Trainer(model, encode(splits.train, config), settings)
        validation = encode(splits.validation, config)
        state = _restore(trainer, output, settings) if resume else None
        while not _finished(state, settings):
            state = _next_epoch(trainer, validation, state, settings)
            save_state(output / STATE_FILE, state)
            if on_progress is not None:
                seconds = time.monotonic() - started
                progress = Progress(
                    state.history[-1], settings.epochs, state.best_accuracy, seconds
                )
                on_progress(progress)
        assert state is not None
        model.load_state_dict(state.best)
        test_accuracy = discrete_accuracy(model, encode(splits.test, config))
    return _write_result(output, model, state, test_accuracy, settings)


def _restore(trainer: Trainer, output: Path, settings: TrainingSettings) -> TrainingState | None:
    path = output / STATE_FILE
    if not path.exists():
        return None
    state = load_state(path)
    expect_same(output, settings.differences(state.settings))
    try:
        trainer.model.load_state_dict(state.weights)
        trainer.optimiser.load_state_dict(dict(state.optimiser))
    except (RuntimeError, ValueError, KeyError) as error:
        raise TpirError(f"the training state {path} does not fit its settings") from error
    return state


def _finished(state: TrainingState | None, settings: TrainingSettings) -> bool:
    if state is None:
        return False
    return state.reached_target or len(state.history) >= settings.epochs


def _next_epoch(
    trainer: Trainer,
    validation: Sequence[EncodedExamples],
    state: TrainingState | None,
    settings: TrainingSettings,
) -> TrainingState:
    history = state.history if state is not None else ()
    epoch = len(history)
    losses = trainer.run_epoch(epoch)
    accuracy = discrete_accuracy(trainer.model, validation)
    tau = temperatures(settings, epoch, len(losses))[-1]
    record = EpochRecord(epoch + 1, tau, sum(losses) / len(losses), accuracy)
    weights: Weights = {
        name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()
    }
    improved = state is None or accuracy >= state.best_accuracy
    return TrainingState(
        settings=settings.to_json(),
        history=(*history, record),
        weights=weights,
        optimiser=trainer.optimiser.state_dict(),
        best_epoch=record.epoch if improved or state is None else state.best_epoch,
        best=weights if improved or state is None else state.best,
        reached_target=_reaches_target(trainer, accuracy),
    )


def _reaches_target(trainer: Trainer, validation_accuracy: float) -> bool:
    target = trainer.settings.target_accuracy
    if target is None or validation_accuracy < target:
        return False
    return discrete_accuracy(trainer.model, trainer.data) >= target


def _write_result(
    output: Path,
    model: TransformerProgram,
    state: TrainingState,
    test_accuracy: float,
    settings: TrainingSettings,
) -> TrainingResult:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["epoch", "temperature", "loss", "validation_accuracy"])
    for record in state.history:
        row = (record.epoch, record.temperature, record.loss, record.validation_accuracy)
        writer.writerow(row)
    write_atomic(output / METRICS_FILE, table.getvalue(), force=True)
    save_checkpoint(output / CHECKPOINT_FILE, _checkpoint(model, settings), force=True)
    return TrainingResult(
        checkpoint=output / CHECKPOINT_FILE,
        history=state.history,
        best_epoch=state.best_epoch,
        validation_accuracy=state.best_accuracy,
        test_accuracy=test_accuracy,
    )


def _checkpoint(model: TransformerProgram, settings: TrainingSettings) -> Checkpoint:
    task, sizes = settings.resolved_task()
    form = accepted_form(
        task.name,
        model.config.vocabulary,
        model.config.context,
        minimum=sizes.min_length,
        maximum=sizes.max_length,
    )
    return Checkpoint.of_model(model, accepts=form, metadata={"task": task.name})
