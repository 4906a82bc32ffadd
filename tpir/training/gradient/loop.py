"""Training many seeds of one problem: epochs, halving, selection, what is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tpir.errors import TpirError
from tpir.files import write_atomic
from tpir.models.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from tpir.models.predict import predict
from tpir.training.evaluate import Accuracy, accuracy_by_length
from tpir.training.examples import Examples
from tpir.training.gradient.data import Data, fingerprint
from tpir.training.gradient.discrete import mean_accuracies
from tpir.training.gradient.environment import gradient_environment
from tpir.training.gradient.export import export
from tpir.training.gradient.layout import Layout
from tpir.training.gradient.planted import check_planted, digest, plant, widened
from tpir.training.gradient.polish import PolishProgress, polish
from tpir.training.gradient.record import (
    Best,
    GradientState,
    SeedRecord,
    load_state,
    metrics_csv,
    save_state,
)
from tpir.training.gradient.schedule import halves_after, temperature
from tpir.training.gradient.settings import GradientSettings
from tpir.training.gradient.trainer import Trainer
from tpir.training.problem import Problem
from tpir.training.run_folder import METRICS_FILE, STATE_FILE, expect_same, prepare_folder

START_FILE = "start.safetensors"
"""The model that a run started from, if it did from one."""


@dataclass(frozen=True)
class GradientProgress:
    """Where a run is: ``latest`` has the newest record of every seed, also of those dropped.

    ``going`` are the seeds that go on; ``best`` has each seed's best accuracy so far. ``seconds``
    count from the start or resumption of the run.
    """

    epoch: int
    epochs: int
    latest: tuple[SeedRecord, ...]
    going: tuple[int, ...]
    best: dict[int, float]
    seconds: float


@dataclass(frozen=True)
class SeedResult:
    """What a seed came to: its best epoch's model, and that model's accuracy in validation.

    ``accuracy`` (0 to 1) is the mean over lengths; ``epochs`` how many the seed was trained.
    """

    seed: int
    epochs: int
    best_epoch: int
    accuracy: float
    checkpoint: Checkpoint


@dataclass(frozen=True)
class GradientResult:
    """A finished run: all seeds, the best in validation first (of equals the lower number).

    ``test`` is the accuracy of ``best`` on the test inputs, which nothing else looks at.
    """

    seeds: tuple[SeedResult, ...]
    history: tuple[SeedRecord, ...]
    validation: Accuracy
    test: Accuracy

    @property
    def best(self) -> SeedResult:
        """The seed that validation selects."""
        return self.seeds[0]


OnProgress = Callable[[GradientProgress], None]


def train_seeds(
    problem: Problem,
    settings: GradientSettings,
    folder: Path | None = None,
    *,
    start: Checkpoint | None = None,
    resume: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
    on_polish: Callable[[PolishProgress], None] | None = None,
) -> GradientResult:
    """Train the seeds of ``settings`` on ``problem``; write the best model to ``folder``, if given.

    With ``start`` (see ``starting_model``) every seed begins with that model's heads, MLPs and
    readout, what nothing reads there left to chance; the model is as large as the settings say, or
    as ``start``, whichever is more.

    After each epoch the discretised models are judged on the validation inputs, the metrics
    written, and the state saved. With ``resume`` a run that was stopped goes on to the same
    weights, bit for bit, as if it had not been. Raises TpirError for sizes that do not fit the
    problem, for a folder that holds a run (unless ``force``), for a run resumed under other
    settings, where a loss is not a number, and for a ``start`` that has no place among the seeds.
    """
    started = time.monotonic()
    if resume and start is None and folder is not None and (folder / START_FILE).exists():
        start = load_checkpoint(folder / START_FILE)
    run = _Run(problem, settings, start)
    if folder is not None:
        prepare_folder(folder, settings.to_json(), resume=resume, force=force)
        if not resume:
            (folder / START_FILE).unlink(missing_ok=True)
            if start is not None:
                save_checkpoint(folder / START_FILE, start, force=True)
    with gradient_environment() as threads:
        state = (
            _stored(folder, settings, run.fingerprint) if resume and folder is not None else None
        )
        trainer = run.trainer(state, threads)
        while state is None or not run.finished(state):
            state = run.next_epoch(trainer, state)
            if folder is not None:
                write_atomic(folder / METRICS_FILE, metrics_csv(state.history), force=True)
                save_state(folder / STATE_FILE, state)
            if on_progress is not None:
                on_progress(_progress(state, settings, time.monotonic() - started))
        result = run.result(state, on_polish)
    if folder is not None:
        save_checkpoint(folder / CHECKPOINT_FILE, result.best.checkpoint, force=True)
    return result


class _Run:
    """A problem, settings and what to start from, with the data on its device."""

    def __init__(
        self, problem: Problem, settings: GradientSettings, start: Checkpoint | None
    ) -> None:
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise TpirError("device is cuda, but torch finds no GPU here")
        if settings.device == "cuda" and settings.engine == "c":
            raise TpirError("engine c is for the CPU; leave it out, or use engine=torch")
        self.problem, self.settings = problem, settings
        self.config = settings.model_config(problem)
        self.fingerprint = fingerprint(problem)
        device = torch.device(settings.device)
        self.train = Data.of(problem, problem.splits.train, device)
        self.validation = Data.of(problem, problem.splits.validation, device)
        if settings.polish and problem.pooled:
            raise TpirError("polishing handles a label for each position, not one for the input")
        self.planted = None
        if start is not None:
            self.config = widened(self.config, start.config)
            self.fingerprint += digest(start)
            layout, softness = Layout(self.config), max(settings.tau_init, settings.noise)
            self.planted = plant(start, layout, softness)
            check_planted(self.planted, start, layout, self.train.tokens)
        elif settings.freeze:
            raise TpirError("freeze keeps what a run starts from; it goes with --init")

    def trainer(self, state: GradientState | None, threads: int) -> Trainer:
        """A new trainer, or one that goes on from ``state``."""
        first = self.settings.seed
        seeds = tuple(range(first, first + self.settings.seeds)) if state is None else state.seeds
        trainer = Trainer(self.config, self.settings, self.train, seeds, self.planted, threads)
        if state is not None:
            trainer.restore(state.trainer)
        return trainer

    def finished(self, state: GradientState) -> bool:
        return state.reached_target or state.epoch >= self.settings.epochs

    def next_epoch(self, trainer: Trainer, state: GradientState | None) -> GradientState:
        """Train and judge all seeds for an epoch, then drop weak ones where it is time to."""
        epoch = 1 if state is None else state.epoch + 1
        losses = trainer.run_epoch(epoch - 1).tolist()
        accuracies = _accuracies(trainer, self.validation)
        tau = temperature(
            self.settings, min(epoch * self.settings.epoch_steps, self.settings.steps)
        )
        records = [
            SeedRecord(epoch, seed, tau, loss, accuracy)
            for seed, loss, accuracy in zip(trainer.seeds, losses, accuracies, strict=True)
        ]
        best = dict(state.best) if state is not None else {}
        for place, record in enumerate(records):
            if record.seed not in best or record.accuracy >= best[record.seed].record.accuracy:
                weights = trainer.logits[place], trainer.readout[place]
                best[record.seed] = Best(record, *(part.detach().cpu().clone() for part in weights))
        history = () if state is None else state.history
        reached = self._reaches_target(trainer, accuracies)
        for _ in range(halves_after(self.settings, epoch)):
            _keep_better_half(trainer, records)
        return GradientState(
            settings=self.settings.to_json(),
            data=self.fingerprint,
            history=(*history, *records),
            seeds=trainer.seeds,
            trainer=trainer.state(),
            best=best,
            reached_target=reached,
        )

    def _reaches_target(self, trainer: Trainer, accuracies: list[float]) -> bool:
        target = self.settings.target_accuracy
        if target is None or max(accuracies) < target:
            return False
        trained = _accuracies(trainer, self.train)
        return any(min(pair) >= target for pair in zip(accuracies, trained, strict=True))

    def result(
        self, state: GradientState, on_polish: Callable[[PolishProgress], None] | None
    ) -> GradientResult:
        """The seeds by rank, the first polished if settings say so.

        The test inputs are looked at here, and nowhere else.
        """
        epochs = {record.seed: record.epoch for record in state.history}
        ranked = sorted(state.best.values(), key=lambda b: (-b.record.accuracy, b.record.seed))
        seeds = tuple(self._seed_result(best, epochs[best.record.seed]) for best in ranked)
        if self.settings.polish:
            better = polish(seeds[0].checkpoint, self.problem, on_progress=on_polish)
            best_seed = replace(seeds[0], checkpoint=better.checkpoint, accuracy=better.after)
            seeds = (best_seed, *seeds[1:])
        model, splits = seeds[0].checkpoint, self.problem.splits
        return GradientResult(
            seeds=seeds,
            history=state.history,
            validation=_judged(model, splits.validation),
            test=_judged(model, splits.test),
        )

    def _seed_result(self, best: Best, epochs: int) -> SeedResult:
        problem, record = self.problem, best.record
        checkpoint = export(
            Layout(self.config),
            best.logits,
            best.readout,
            name=problem.name,
            accepts=problem.accepts,
        )
        return SeedResult(record.seed, epochs, record.epoch, record.accuracy, checkpoint)


def _accuracies(trainer: Trainer, data: Data) -> list[float]:
    return [float(share) for share in mean_accuracies(trainer.predict(data.tokens), data)]


def _keep_better_half(trainer: Trainer, records: list[SeedRecord]) -> None:
    """Drop from ``trainer`` the seeds that are weakest now, in validation, then by loss."""
    going = [record for record in records if record.seed in trainer.seeds]
    ranked = sorted(going, key=lambda record: (-record.accuracy, record.loss, record.seed))
    kept = {record.seed for record in ranked[: -(-len(ranked) // 2)]}
    trainer.keep([place for place, seed in enumerate(trainer.seeds) if seed in kept])


def _judged(checkpoint: Checkpoint, examples: Examples) -> Accuracy:
    """Accuracy of the exported model: what a user of the checkpoint will find."""
    labels = predict(checkpoint, examples.tokens)
    return accuracy_by_length(examples.tokens, examples.labels, labels)


def _progress(state: GradientState, settings: GradientSettings, seconds: float) -> GradientProgress:
    latest = {record.seed: record for record in state.history}
    return GradientProgress(
        epoch=state.epoch,
        epochs=settings.epochs,
        latest=tuple(latest[seed] for seed in sorted(latest)),
        going=state.seeds,
        best={seed: best.record.accuracy for seed, best in state.best.items()},
        seconds=seconds,
    )


def _stored(folder: Path, settings: GradientSettings, data: str) -> GradientState | None:
    """The state of the run in ``folder``, None where no epoch was finished."""
    path = folder / STATE_FILE
    if not path.exists():
        return None
    state = load_state(path)
    expect_same(folder, settings.differences(state.settings))
    if state.data != data:
        raise TpirError(f"{folder} was trained on other data; start anew with --force")
    return state
