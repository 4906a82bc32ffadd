"""The standard Transformer: what a run writes, that it resumes to the same bits, that it learns."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tpir.errors import TpirError
from tpir.models.checkpoint import CHECKPOINT_FILE
from tpir.models.stored_transformer import TransformerCheckpoint
from tpir.models.transformer_format import load_transformer
from tpir.models.transformer_predict import predict
from tpir.models.transformer_sizes import sizes_of
from tpir.training.evaluate import Accuracy, accuracy_by_length
from tpir.training.examples import Examples
from tpir.training.problem import Problem
from tpir.training.run_folder import METRICS_FILE, SETTINGS_FILE, STATE_FILE
from tpir.training.sources import problem_of_task
from tpir.training.standard import StandardRecord, StandardResult, initial_weights, train_standard
from tpir.training.standard_settings import StandardSettings
from tpir.training.teachers import problem_of_teacher

TINY = StandardSettings(
    steps=24,
    epoch_steps=6,
    batch_size=16,
    learning_rate=0.01,
    n_layers=1,
    n_heads=2,
    d_model=8,
    d_mlp=12,
    target_accuracy=None,
)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=100)


class KilledError(Exception):
    """Stands for a signal: raised out of a callback."""


def kill_after(epoch: int) -> Callable[[StandardRecord, float], None]:
    def on_record(record: StandardRecord, seconds: float) -> None:
        if record.epoch == epoch:
            raise KilledError

    return on_record


def state_bits(checkpoint: TransformerCheckpoint) -> list[tuple[str, bytes]]:
    return sorted((name, part.numpy().tobytes()) for name, part in checkpoint.state.items())


def bits(result: StandardResult) -> object:
    """All that a run came to, so that == compares it bit for bit."""
    accuracies = result.validation, result.test
    return state_bits(result.checkpoint), result.history, result.best_epoch, accuracies


def judged(checkpoint: TransformerCheckpoint, examples: Examples) -> Accuracy:
    """Accuracy by another way through the model: inputs of all lengths in one padded batch."""
    found = [row["output"] for row in predict(checkpoint, examples.tokens)]
    return accuracy_by_length(examples.tokens, examples.labels, found)


def test_a_run_writes_the_model_that_validation_selects(problem: Problem, tmp_path: Path) -> None:
    result = train_standard(problem, TINY, tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {CHECKPOINT_FILE, SETTINGS_FILE, METRICS_FILE, STATE_FILE}
    assert StandardSettings.from_json((tmp_path / SETTINGS_FILE).read_text()) == TINY
    with (tmp_path / METRICS_FILE).open() as stream:
        rows = [(int(r["epoch"]), float(r["loss"])) for r in csv.DictReader(stream)]
    assert rows == [(record.epoch, record.loss) for record in result.history]
    assert [epoch for epoch, _ in rows] == [1, 2, 3, 4]

    best = max(record.accuracy for record in result.history)
    assert result.history[result.best_epoch - 1].accuracy == best
    assert result.validation.mean_over_lengths == best
    checkpoint = load_transformer(tmp_path / CHECKPOINT_FILE)
    assert checkpoint.accepts == problem.accepts
    assert state_bits(checkpoint) == state_bits(result.checkpoint)
    assert judged(checkpoint, problem.splits.validation) == result.validation
    assert judged(checkpoint, problem.splits.test) == result.test


def test_it_has_the_sizes_that_are_asked_for(problem: Problem) -> None:
    settings = dataclasses.replace(TINY, n_layers=3, n_heads=4)
    sizes = sizes_of(initial_weights(problem, settings))
    assert (sizes.d_model, sizes.positions) == (8, problem.context)
    assert [(b.heads, b.d_head, b.hidden) for b in sizes.blocks] == [(4, 2, 12)] * 3


def test_equal_settings_give_equal_weights(problem: Problem) -> None:
    first = train_standard(problem, TINY)
    torch.rand(3)
    assert bits(train_standard(problem, TINY)) == bits(first)
    assert bits(train_standard(problem, dataclasses.replace(TINY, seed=1))) != bits(first)


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_resumes_to_the_same_bits(
    problem: Problem, tmp_path: Path, killed_after: int
) -> None:
    whole = train_standard(problem, TINY)
    with pytest.raises(KilledError):
        train_standard(problem, TINY, tmp_path, on_record=kill_after(killed_after))
    assert not (tmp_path / CHECKPOINT_FILE).exists()
    torch.rand(7)
    seen: list[int] = []
    resumed = train_standard(
        problem, TINY, tmp_path, resume=True, on_record=lambda record, _: seen.append(record.epoch)
    )
    assert seen == list(range(killed_after + 1, 5))
    assert bits(resumed) == bits(whole)
    assert bits(train_standard(problem, TINY, tmp_path, resume=True)) == bits(whole)


def test_a_folder_that_holds_a_run_is_not_overwritten(problem: Problem, tmp_path: Path) -> None:
    train_standard(problem, TINY, tmp_path)
    with pytest.raises(TpirError, match="--resume to go on, --force to start anew"):
        train_standard(problem, TINY, tmp_path)
    other = dataclasses.replace(TINY, d_mlp=4)
    with pytest.raises(TpirError, match="d_mlp differ"):
        train_standard(problem, other, tmp_path, resume=True)
    fewer = problem_of_task("hist", vocab_size=5, max_length=5, dataset_size=50)
    with pytest.raises(TpirError, match="was trained on other data"):
        train_standard(fewer, TINY, tmp_path, resume=True)
    train_standard(problem, other, tmp_path, force=True)
    (tmp_path / STATE_FILE).write_bytes(b"no state")
    with pytest.raises(TpirError, match="cannot read the training state"):
        train_standard(problem, other, tmp_path, resume=True)


def test_training_stops_at_the_target(problem: Problem) -> None:
    easy = dataclasses.replace(TINY, target_accuracy=0.0)
    assert [record.epoch for record in train_standard(problem, easy).history] == [1]


def test_a_loss_that_is_no_number_is_one_clear_line(problem: Problem) -> None:
    wild = dataclasses.replace(TINY, learning_rate=1e30)
    with pytest.raises(TpirError, match=r"^the loss became (nan|inf) in epoch 1\n"):
        train_standard(problem, wild)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('{"n_heads": 3}', "d_model is 64; 3 heads cannot share it"),
        ('{"d_mlp": 0}', "d_mlp is 0; it must be a whole number, at least 1"),
        ('{"steps": 1.5}', "steps is 1.5; it must be a whole number"),
        ('{"learning_rate": 0}', "it must be a positive number"),
        ('{"n_heads_cat": 3}', "no setting is called 'n_heads_cat'"),
    ],
)
def test_settings_that_fit_no_model_are_one_clear_line(change: str, message: str) -> None:
    with pytest.raises(TpirError, match=message):
        StandardSettings.from_json(change)


def test_it_learns_a_small_task() -> None:
    """Up to four tokens, the last first: all labels right, on inputs never seen."""
    problem = problem_of_task("reverse", vocab_size=7, max_length=6, dataset_size=2000)
    settings = StandardSettings(steps=600, learning_rate=0.003, n_heads=2, d_model=32, d_mlp=64)
    result = train_standard(problem, settings)
    assert result.validation.mean_over_lengths == 1.0
    assert result.test.mean_over_lengths == 1.0


def test_it_learns_one_label_for_an_input(tmp_path: Path) -> None:
    """The last token, read at the first position: a model that sees what comes after it."""
    teacher = tmp_path / "last.rasp"
    teacher.write_text(
        'vocabulary {"a", "b", "c"};\ncontext 4;\n'
        "last = aggregate(select(indices, length - 1, ==), tokens);\n"
        "first = aggregate(select(indices, 0, ==), last);\noutput output = first;\n"
    )
    problem = dataclasses.replace(problem_of_teacher(teacher), causal=True)
    pooled = dataclasses.replace(
        problem,
        pooled=True,
        splits=type(problem.splits)(
            *(
                Examples(part.tokens, tuple((row[-1],) for row in part.labels))
                for part in (problem.splits.train, problem.splits.validation, problem.splits.test)
            )
        ),
    )
    settings = StandardSettings(steps=600, learning_rate=0.003, n_heads=2, d_model=32, d_mlp=64)
    result = train_standard(pooled, settings)
    assert result.checkpoint.outputs[0].pooled
    assert result.test.mean_over_lengths == 1.0
    assert judged(result.checkpoint, pooled.splits.test) == result.test
