"""Whole runs of tiny models: what they come to, and that they resume to the same bits."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tpir.errors import TpirError
from tpir.models.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint
from tpir.models.predict import predict
from tpir.training.evaluate import accuracy_by_length
from tpir.training.gradient.loop import (
    GradientProgress,
    GradientResult,
    train_seeds,
)
from tpir.training.gradient.record import SeedRecord
from tpir.training.gradient.settings import GradientSettings
from tpir.training.problem import Problem
from tpir.training.run_folder import METRICS_FILE, SETTINGS_FILE, STATE_FILE
from tpir.training.sources import problem_of_task

TINY = GradientSettings(
    seeds=3,
    steps=24,
    epoch_steps=6,
    batch_size=16,
    n_layers=1,
    n_heads_cat=2,
    n_heads_num=1,
    n_cat_mlps=1,
    n_num_mlps=1,
    readout_share=0.25,
    halvings=(),
    target_accuracy=None,
)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=100)


class KilledError(Exception):
    """Stands for a signal: raised out of a progress callback."""


def kill_after(epoch: int) -> Callable[[GradientProgress], None]:
    def on_progress(progress: GradientProgress) -> None:
        if progress.epoch == epoch:
            raise KilledError

    return on_progress


def bits(result: GradientResult) -> object:
    """All that a run came to, so that == compares it bit for bit."""
    models = [
        (seed.seed, seed.epochs, seed.best_epoch, seed.accuracy, state_bits(seed.checkpoint))
        for seed in result.seeds
    ]
    return models, result.history, result.validation, result.test


def state_bits(checkpoint: Checkpoint) -> list[tuple[str, bytes]]:
    return sorted((name, part.numpy().tobytes()) for name, part in checkpoint.state.items())


def of_seed(result: GradientResult, seed: int) -> list[SeedRecord]:
    return [record for record in result.history if record.seed == seed]


def test_a_run_writes_the_model_that_validation_selects(problem: Problem, tmp_path: Path) -> None:
    seen: list[GradientProgress] = []
    result = train_seeds(problem, TINY, tmp_path, on_progress=seen.append)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {CHECKPOINT_FILE, SETTINGS_FILE, METRICS_FILE, STATE_FILE}
    assert [progress.epoch for progress in seen] == [1, 2, 3, 4]
    assert GradientSettings.from_json((tmp_path / SETTINGS_FILE).read_text()) == TINY
    with (tmp_path / METRICS_FILE).open() as stream:
        rows = [(int(r["epoch"]), int(r["seed"]), float(r["loss"])) for r in csv.DictReader(stream)]
    assert rows == [(record.epoch, record.seed, record.loss) for record in result.history]
    assert [row[:2] for row in rows] == [(e, s) for e in range(1, 5) for s in range(3)]

    best = result.best
    accuracies = [record.accuracy for record in result.history]
    assert best.accuracy == max(accuracies) == result.validation.mean_over_lengths
    assert [seed.accuracy for seed in result.seeds] == sorted(
        (max(r.accuracy for r in of_seed(result, s)) for s in range(3)), reverse=True
    )
    checkpoint = load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert checkpoint.accepts == problem.accepts
    test = problem.splits.test
    judged = accuracy_by_length(test.tokens, test.labels, predict(checkpoint, test.tokens))
    assert judged == result.test


def test_equal_settings_give_equal_weights(problem: Problem) -> None:
    first = train_seeds(problem, TINY)
    torch.rand(3)
    assert bits(train_seeds(problem, TINY)) == bits(first)
    other = train_seeds(problem, dataclasses.replace(TINY, data_seed=1))
    assert bits(other) != bits(first)


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("predicates", ["one", "set"])
def test_a_seed_comes_to_the_same_in_any_company(
    problem: Problem, predicates: str, engine: str
) -> None:
    settings = dataclasses.replace(TINY, seeds=4, predicates=predicates, engine=engine)
    together = train_seeds(problem, settings)
    alone = train_seeds(problem, dataclasses.replace(settings, seed=2, seeds=1))
    assert of_seed(together, 2) == list(alone.history)
    (twin,) = (seed for seed in together.seeds if seed.seed == 2)
    assert state_bits(twin.checkpoint) == state_bits(alone.best.checkpoint)
    assert len({tuple(r.loss for r in of_seed(together, s)) for s in range(4)}) == 4


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_run_resumes_to_the_same_bits(
    problem: Problem, tmp_path: Path, killed_after: int
) -> None:
    settings = dataclasses.replace(TINY, halvings=(0.5,))
    whole = train_seeds(problem, settings)
    with pytest.raises(KilledError):
        train_seeds(problem, settings, tmp_path, on_progress=kill_after(killed_after))
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    torch.rand(7)
    seen: list[GradientProgress] = []
    resumed = train_seeds(problem, settings, tmp_path, resume=True, on_progress=seen.append)
    assert [progress.epoch for progress in seen] == list(range(killed_after + 1, 5))
    assert bits(resumed) == bits(whole)
    assert bits(train_seeds(problem, settings, tmp_path, resume=True)) == bits(whole)


def test_halving_keeps_the_better_seeds_and_changes_nothing_for_them(problem: Problem) -> None:
    whole = train_seeds(problem, TINY)
    halved = train_seeds(problem, dataclasses.replace(TINY, halvings=(0.25, 0.6)))
    first = [record for record in halved.history if record.epoch == 1]
    ranked = sorted(first, key=lambda record: (-record.accuracy, record.loss))
    assert {record.seed for record in halved.history if record.epoch == 2} == {
        record.seed for record in ranked[:2]
    }
    assert sum(record.epoch == 4 for record in halved.history) == 1
    kept = next(record.seed for record in halved.history if record.epoch == 4)
    assert of_seed(halved, kept) == of_seed(whole, kept)
    assert sorted(seed.epochs for seed in halved.seeds) == [1, 3, 4]


def test_training_stops_at_the_target(problem: Problem) -> None:
    easy = dataclasses.replace(TINY, target_accuracy=0.0)
    assert {record.epoch for record in train_seeds(problem, easy).history} == {1}


def test_a_loss_that_is_no_number_is_one_clear_line(problem: Problem) -> None:
    wild = dataclasses.replace(TINY, learning_rate=1e38, readout_rate=1e38)
    with pytest.raises(TpirError, match=r"^the loss of seed 0 became (nan|inf) in epoch 1\n"):
        train_seeds(problem, wild)


def test_a_folder_that_holds_a_run_is_not_overwritten(problem: Problem, tmp_path: Path) -> None:
    train_seeds(problem, TINY, tmp_path)
    with pytest.raises(TpirError, match="--resume to go on, --force to start anew"):
        train_seeds(problem, TINY, tmp_path)
    other = dataclasses.replace(TINY, noise=0.25, halvings=(0.5,))
    with pytest.raises(TpirError, match="noise, halvings differ"):
        train_seeds(problem, other, tmp_path, resume=True)
    fewer = problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=50)
    with pytest.raises(TpirError, match="was trained on other data"):
        train_seeds(fewer, TINY, tmp_path, resume=True)
    train_seeds(problem, other, tmp_path, force=True)


def test_a_damaged_state_is_one_clear_line(problem: Problem, tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"no state")
    with pytest.raises(TpirError, match="cannot read the training state"):
        train_seeds(problem, TINY, tmp_path, resume=True)


def test_a_small_task_is_solved(problem: Problem) -> None:
    """Each token's count, of up to three tokens: all labels right, on inputs never seen."""
    settings = GradientSettings(
        seeds=4, steps=400, epoch_steps=25, batch_size=32, n_layers=1, halvings=()
    )
    result = train_seeds(problem, settings)
    assert result.best.accuracy == 1.0
    assert result.test.mean_over_lengths == 1.0
