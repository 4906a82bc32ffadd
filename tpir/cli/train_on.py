"""``tpir train --from``: train a model on that was trained before, or compiled from a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tpir.cli.console import progress, say, show, show_json
from tpir.equiv.artefact import load_artefact
from tpir.errors import TpirError
from tpir.files import check_writable, write_atomic

if TYPE_CHECKING:
    from tpir.models.checkpoint import Checkpoint
    from tpir.models.config import TransformerProgramConfig
    from tpir.training.continuation import Continuation
    from tpir.training.examples import Splits
    from tpir.training.settings import OptimiserSettings, TrainingSettings

_SIZES = ("vocab_size", "min_length", "max_length", "dataset_size")
"""Settings of a task's data; the model's own are those of the checkpoint."""


@dataclass(frozen=True)
class Source:
    """A checkpoint to go on from, and whose examples to learn: a task's, or those of a file."""

    checkpoint: Path
    task: str | None
    data: Path | None


def train_on(
    source: Source, out: Path, changes: Mapping[str, object], *, force: bool, as_json: bool
) -> None:
    """Train on, and write ``checkpoint.safetensors`` and ``metrics.csv`` to the folder ``out``.

    A tenth of the examples is held out to measure accuracy on. Raises TpirError.
    """
    from tpir.models.checkpoint import CHECKPOINT_FILE, save_checkpoint  # brings torch
    from tpir.training.continuation import continue_training
    from tpir.training.run_folder import METRICS_FILE, STATE_FILE

    if (out / STATE_FILE).exists():
        raise TpirError(f"{out} holds a training run; choose another folder")
    for name in (CHECKPOINT_FILE, METRICS_FILE):
        check_writable(out / name, force=force)
    checkpoint = load_artefact(source.checkpoint).checkpoint
    if checkpoint is None:
        raise TpirError(f"{source.checkpoint} is not a checkpoint; compile it to one first")
    settings, splits = _settings_and_data(source, checkpoint, changes)
    say(
        f"training on from {source.checkpoint}: {len(splits.train):,} examples, "
        f"{len(splits.test):,} held out, seed {settings.seed}"
    )
    with progress("training") as advance:

        def on_epoch(epoch: int, loss: float, accuracy: float) -> None:
            advance(epoch, settings.epochs)
            line = f"loss {loss:.4f}, accuracy {100 * accuracy:.2f} %"
            say(f"epoch {epoch}/{settings.epochs}: {line}")

        result = continue_training(
            checkpoint, splits.train, settings, judged_on=splits.test, on_epoch=on_epoch
        )
    save_checkpoint(out / CHECKPOINT_FILE, result.checkpoint, force=force)
    write_atomic(out / METRICS_FILE, _metrics(result), force=force)
    before, after = result.accuracies[0], result.accuracies[-1]
    if as_json:
        accuracies = {"accuracy_before": before, "accuracy_after": after}
        show_json({"checkpoint": str(out / CHECKPOINT_FILE), **accuracies})
    else:
        say(f"wrote {out / CHECKPOINT_FILE}")
        show(f"accuracy {100 * after:.2f} % on held-out inputs, {100 * before:.2f} % before")


def _settings_and_data(
    source: Source, checkpoint: Checkpoint, changes: Mapping[str, object]
) -> tuple[OptimiserSettings, Splits]:
    from tpir.training.continuation import CONTINUE
    from tpir.training.examples import read_examples, split
    from tpir.training.loop import make_splits
    from tpir.training.settings import OptimiserSettings

    names = OptimiserSettings.names()
    known = names if source.data is not None else names.union(_SIZES)
    for name in changes:
        if name not in known:
            raise TpirError(f"{name} is no setting to train on with: there is {_listed(known)}")
    chosen = _changed(dataclasses.asdict(CONTINUE), changes)
    if source.data is not None:
        examples = read_examples(source.data, pooled=checkpoint.config.pooled)
        splits = split(examples, seed=chosen.seed)
    else:
        task = source.task or checkpoint.metadata.get("task")
        if task is None:
            raise TpirError("say what to train on: give a task, or --data FILE.jsonl")
        chosen = _changed(dataclasses.asdict(CONTINUE) | _sizes(task, checkpoint.config), changes)
        splits = make_splits(chosen)
    return OptimiserSettings(**{name: getattr(chosen, name) for name in names}), splits


def _changed(settings: dict[str, object], changes: Mapping[str, object]) -> TrainingSettings:
    from tpir.training.settings import TrainingSettings

    return TrainingSettings().changed({**settings, **changes})


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _sizes(name: str, config: TransformerProgramConfig) -> dict[str, object]:
    """The largest inputs of a task that the model takes."""
    from tpir.training.tasks import PAD, get_task

    task = get_task(name)
    longest = config.context - task.unpaired_tokens
    return {
        "task": name,
        "vocab_size": 1 + sum(token != PAD for token in config.vocabulary),
        "min_length": min(task.defaults.min_length, longest),
        "max_length": longest,
    }


def _metrics(result: Continuation) -> str:
    """A row for each epoch: the mean loss of its steps, and the accuracy after it."""
    epochs = len(result.accuracies) - 1
    steps = len(result.losses) // max(epochs, 1)
    rows = [f"0,,{result.accuracies[0]}"]
    for epoch in range(epochs):
        losses = result.losses[epoch * steps : (epoch + 1) * steps]
        rows.append(f"{epoch + 1},{sum(losses) / len(losses)},{result.accuracies[epoch + 1]}")
    return "\n".join(["epoch,loss,accuracy", *rows]) + "\n"
