"""The parts of a gradient step."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.models.transformer_program import TransformerProgram
from tpir.training.data import IGNORED, EncodedExamples, encode
from tpir.training.examples import Examples
from tpir.training.settings import OptimiserSettings
from tpir.training.steps import (
    Trainer,
    derived_seed,
    discrete_accuracy,
    mean_loss,
    temperatures,
    training_environment,
)

CONFIG = TransformerProgramConfig(
    vocabulary=("<pad>", "a", "b"),
    labels=("<pad>", "x", "y"),
    context=3,
    d_var=3,
    n_heads_cat=1,
    n_heads_num=1,
    d_mlp=4,
)
EXAMPLES = Examples((("a", "b", "a"), ("b",)), ((None, "x", "y"), ("x",)))


def test_temperatures_join_up_from_epoch_to_epoch() -> None:
    settings = OptimiserSettings(epochs=4, tau_init=8.0, tau_end=1.0)
    taus = [temperatures(settings, epoch, 3) for epoch in range(4)]
    assert taus[0] == pytest.approx([8, 8 / 2**0.5, 4])
    assert taus[1] == pytest.approx([4, 4 / 2**0.5, 2])
    assert taus[3] == pytest.approx([1, 1, 1])
    linear = OptimiserSettings(epochs=3, tau_init=3.0, tau_end=1.0, tau_schedule="linear")
    assert temperatures(linear, 1, 2) == pytest.approx([2, 1])
    assert temperatures(OptimiserSettings(epochs=1, tau_init=2, tau_end=1), 0, 2) == [2, 1]


def test_the_loss_averages_over_labels_then_inputs() -> None:
    targets = torch.tensor([[IGNORED, 1, 0], [1, IGNORED, IGNORED], [IGNORED] * 3])
    logits = torch.randn(3, 3, 2)
    minus_log = -logits.log_softmax(-1)
    first, second = minus_log[0, 1, 1] + minus_log[0, 2, 0], minus_log[1, 0, 1]
    per_token, per_sequence = (mean_loss(logits, targets, flag) for flag in (True, False))
    torch.testing.assert_close(per_token, (first / 2 + second) / 3)
    torch.testing.assert_close(per_sequence, (first + second) / 3)
    pooled = mean_loss(logits[:, 0], targets[:, 1:2], True)
    torch.testing.assert_close(pooled, (minus_log[0, 0, 1]) / 3)


def test_encoding_pads_inputs_and_targets() -> None:
    (encoded,) = encode(EXAMPLES, CONFIG)
    assert encoded.tokens.tolist() == [[1, 2, 1], [2, 0, 0]]
    assert encoded.targets.tolist() == [[IGNORED, 1, 2], [1, IGNORED, IGNORED]]


@pytest.mark.parametrize(
    ("tokens", "labels", "message"),
    [
        (("c",), ("x",), "input 1: 'c' is no token"),
        (("a",), ("z",), "input 1: 'z' is no token or label"),
        (("a",) * 4, ("x",) * 4, "4 tokens, the model's context is 3"),
        (("a", "a"), ("x",), "1 labels for 2 tokens"),
    ],
)
def test_examples_that_do_not_fit_the_model_are_refused(
    tokens: tuple[str, ...], labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(TpirError, match=message):
        encode(Examples((tokens,), (labels,)), CONFIG)


def test_without_padding_inputs_go_by_length() -> None:
    config = dataclasses.replace(CONFIG, vocabulary=("a", "b"))
    groups = encode(EXAMPLES, config)
    assert [group.tokens.tolist() for group in groups] == [[[1]], [[0, 1, 0]]]
    assert [group.targets.tolist() for group in groups] == [[[1]], [[IGNORED, 1, 2]]]
    trainer = Trainer(TransformerProgram(config), groups, OptimiserSettings(batch_size=1))
    assert len(trainer.run_epoch(0)) == 2


def test_no_examples_are_refused() -> None:
    with pytest.raises(TpirError, match="no examples"):
        encode(Examples((), ()), CONFIG)


def test_unlabelled_positions_do_not_count_in_accuracy() -> None:
    torch.manual_seed(0)
    model = TransformerProgram(CONFIG)
    (encoded,) = encode(EXAMPLES, CONFIG)
    predicted = model.set_mode("discrete")(encoded.tokens).argmax(-1)
    right = torch.where(encoded.targets == IGNORED, encoded.targets, predicted)
    assert discrete_accuracy(model, [EncodedExamples(encoded.tokens, right)]) == 1.0
    wrong = right.clone()
    wrong[1, 0] = 3 - wrong[1, 0]
    assert discrete_accuracy(model, [EncodedExamples(encoded.tokens, wrong)]) == 2 / 3


def test_the_environment_leaves_random_numbers_and_threads_alone() -> None:
    torch.manual_seed(1)
    expected, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(1)
    first = torch.rand(1)
    tiny = torch.tensor([1e-30], dtype=torch.float32)
    with training_environment():
        torch.rand(5)
        assert (tiny * 1e-10).item() == 0.0
    assert torch.get_num_threads() == threads
    assert (tiny * 1e-10).item() > 0.0
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_a_loss_that_is_not_a_number_is_an_error() -> None:
    model = TransformerProgram(CONFIG)
    with torch.no_grad():
        model.unembed.W_U.fill_(math.nan)
    trainer = Trainer(model, encode(EXAMPLES, CONFIG), OptimiserSettings())
    with pytest.raises(TpirError, match="loss became nan in epoch 3"):
        trainer.run_epoch(2)


def test_seeds_differ_by_part_and_run() -> None:
    seeds = {derived_seed(seed, *path) for seed in range(3) for path in ((0,), (1, 0), (1, 1))}
    assert len(seeds) == 9
