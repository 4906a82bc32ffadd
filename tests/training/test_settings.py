"""Settings: ranges, JSON, and the models they describe."""

from __future__ import annotations

import dataclasses

import pytest

from tpir.errors import TpirError
from tpir.training.settings import (
    OptimiserSettings,
    TrainingSettings,
    demo_settings,
)
from tpir.training.tasks import TASKS


@pytest.mark.parametrize("settings", [TrainingSettings(), demo_settings()])
def test_settings_read_back(settings: TrainingSettings) -> None:
    assert TrainingSettings.from_json(settings.to_json()) == settings
    assert settings.differences(settings.to_json()) == []
    other = dataclasses.replace(settings, learning_rate=0.5, seed=3)
    assert other.differences(settings.to_json()) == ["seed", "learning_rate"]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_model(task: str) -> None:
    config = TrainingSettings(task=task).model_config()
    expected = TASKS[task]
    assert config.vocabulary == expected.vocabulary(expected.defaults.vocab_size)
    assert config.context == expected.context(expected.defaults.max_length)
    assert config.causal == expected.causal
    assert config.masked_labels == ("<pad>",)
    assert config.d_var == max(len(config.vocabulary), config.context)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("gumbel_samples", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("tau_init", -1.0),
        ("tau_end", float("inf")),
        ("max_grad_norm", 0.0),
        ("seed", -1),
        ("tau_schedule", "cosine"),
        ("loss_per", "batch"),
        ("sampling", "discrete"),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(TpirError, match=name):
        dataclasses.replace(OptimiserSettings(), **{name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"learningrate": 1}', "'learningrate'"),
        ('{"epochs": "many"}', "wrong"),
        ('{"epochs": 0}', "epochs is 0"),
    ],
)
def test_wrong_settings_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(TpirError, match=message):
        TrainingSettings.from_json(text)


def test_sizes_that_fit_no_data_or_model_are_refused() -> None:
    with pytest.raises(TpirError, match="no inputs"):
        TrainingSettings(max_length=2).model_config()
    with pytest.raises(TpirError, match="d_var"):
        TrainingSettings(d_var=4).model_config()
