"""Whole runs of a tiny model: what they write, and that they resume to the same bits."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tpir.errors import TpirError
from tpir.models.checkpoint import CHECKPOINT_FILE, load_checkpoint
from tpir.training.data import encode
from tpir.training.examples import Examples
from tpir.training.loop import Progress, make_splits, train
from tpir.training.run_folder import METRICS_FILE, SETTINGS_FILE, STATE_FILE
from tpir.training.settings import TrainingSettings
from tpir.training.steps import discrete_accuracy

TINY = TrainingSettings(
    task="hist",
    vocab_size=5,
    max_length=5,
    dataset_size=100,
    n_layers=1,
    n_heads_cat=1,
    n_heads_num=1,
    n_cat_mlps=1,
    n_num_mlps=1,
    d_mlp=8,
    epochs=4,
    batch_size=32,
    learning_rate=0.05,
    target_accuracy=None,
)


class KilledError(Exception):
    """Stands for a signal: raised out of a progress callback."""


def kill_after(epoch: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if progress.record.epoch == epoch:
            raise KilledError

    return on_progress


def contents(folder: Path) -> dict[str, object]:
    """Every file by name: bytes, or what they hold where the format leaves their order open."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.iterdir()}
    if CHECKPOINT_FILE in found:
        checkpoint = load_checkpoint(folder / CHECKPOINT_FILE)
        state = [(name, x.shape, x.numpy().tobytes()) for name, x in checkpoint.state.items()]
        found[CHECKPOINT_FILE] = checkpoint.config, checkpoint.accepts, sorted(state)
    if STATE_FILE in found:
        found[STATE_FILE] = flat(torch.load(folder / STATE_FILE, weights_only=True))
    return found


def flat(value: object) -> object:
    """Nested values with tensors as bytes, so that == compares them bit for bit."""
    if isinstance(value, torch.Tensor):
        return value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    return [flat(item) for item in value] if isinstance(value, list | tuple) else value


def test_a_run_writes_the_best_model_and_its_record(tmp_path: Path) -> None:
    seen: list[Progress] = []
    result = train(TINY, tmp_path / "run", on_progress=seen.append)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        CHECKPOINT_FILE,
        SETTINGS_FILE,
        METRICS_FILE,
        STATE_FILE,
    }
    assert [p.record for p in seen] == list(result.history)
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]
    accuracies = [record.validation_accuracy for record in result.history]
    assert result.validation_accuracy == max(accuracies) == accuracies[result.best_epoch - 1]
    assert TrainingSettings.from_json((tmp_path / "run" / SETTINGS_FILE).read_text()) == TINY
    with (tmp_path / "run" / METRICS_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == [record.loss for record in result.history]

    checkpoint = load_checkpoint(result.checkpoint)
    assert checkpoint.config == TINY.model_config()
    assert checkpoint.accepts == '"<s>" ("0"|"1"|"2"){1,4}'
    splits, model = make_splits(TINY), checkpoint.model()
    for part, accuracy in (
        (splits.validation, result.validation_accuracy),
        (splits.test, result.test_accuracy),
    ):
        assert discrete_accuracy(model, encode(part, model.config)) == accuracy


def test_equal_settings_give_equal_files_and_another_seed_others(tmp_path: Path) -> None:
    short = dataclasses.replace(TINY, epochs=2)
    train(short, tmp_path / "a")
    torch.rand(3)
    train(short, tmp_path / "b")
    train(dataclasses.replace(short, seed=1), tmp_path / "c")
    first, second, other = (contents(tmp_path / name) for name in "abc")
    assert first == second
    assert all(first[name] != other[name] for name in first)


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, killed_after: int) -> None:
    train(TINY, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(TINY, tmp_path / "halves", on_progress=kill_after(killed_after))
    assert not (tmp_path / "halves" / CHECKPOINT_FILE).exists()
    torch.rand(7)
    seen: list[Progress] = []
    train(TINY, tmp_path / "halves", resume=True, on_progress=seen.append)
    assert [p.record.epoch for p in seen] == list(range(killed_after + 1, 5))
    assert contents(tmp_path / "whole") == contents(tmp_path / "halves")


def test_resuming_starts_what_never_started_and_repeats_what_is_finished(tmp_path: Path) -> None:
    short = dataclasses.replace(TINY, epochs=1)
    first = train(short, tmp_path / "run", resume=True)
    written = contents(tmp_path / "run")
    assert train(short, tmp_path / "run", resume=True) == first
    assert contents(tmp_path / "run") == written


def test_training_stops_at_the_target(tmp_path: Path) -> None:
    easy = dataclasses.replace(TINY, target_accuracy=0.0)
    assert len(train(easy, tmp_path / "run").history) == 1


def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    short = dataclasses.replace(TINY, epochs=1)
    train(short, tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(TpirError, match="--resume to go on, --force to start anew"):
        train(short, tmp_path / "run")
    (tmp_path / "run" / STATE_FILE).unlink()
    with pytest.raises(TpirError, match="exists; use --force"):
        train(short, tmp_path / "run")
    with pytest.raises(TpirError, match="no training state to resume"):
        train(short, tmp_path / "run", resume=True)
    assert before.items() >= contents(tmp_path / "run").items()
    other = dataclasses.replace(short, seed=1)
    train(other, tmp_path / "run", force=True)
    assert json.loads((tmp_path / "run" / SETTINGS_FILE).read_text())["seed"] == 1


def test_a_run_is_not_resumed_under_other_settings(tmp_path: Path) -> None:
    train(dataclasses.replace(TINY, epochs=1), tmp_path / "run")
    other = dataclasses.replace(TINY, epochs=1, learning_rate=0.1, seed=2)
    with pytest.raises(TpirError, match="seed, learning_rate differ"):
        train(other, tmp_path / "run", resume=True)


@pytest.mark.parametrize("damage", [b"", b"PK not a zip", b"\x80\x02N."])
def test_a_damaged_state_is_refused(tmp_path: Path, damage: bytes) -> None:
    short = dataclasses.replace(TINY, epochs=1)
    train(short, tmp_path / "run")
    (tmp_path / "run" / STATE_FILE).write_bytes(damage)
    with pytest.raises(TpirError, match="training state"):
        train(short, tmp_path / "run", resume=True)


def test_nothing_is_written_where_the_settings_fit_no_model(tmp_path: Path) -> None:
    with pytest.raises(TpirError, match="d_var"):
        train(dataclasses.replace(TINY, d_var=2), tmp_path / "run")
    with pytest.raises(TpirError, match="too few"):
        train(dataclasses.replace(TINY, dataset_size=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TpirError, match="no folder"):
        train(TINY, tmp_path / "file", force=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_splits_of_a_run_share_no_input() -> None:
    def inputs(examples: Examples) -> set[tuple[str, ...]]:
        return set(examples.tokens)

    splits = make_splits(TINY)
    train_inputs = inputs(splits.train)
    assert not train_inputs & inputs(splits.validation)
    assert not train_inputs & inputs(splits.test)
    assert not inputs(splits.validation) & inputs(splits.test)
