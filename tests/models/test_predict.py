from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.models.random_models import random_model
from tpir.errors import TpirError
from tpir.models.checkpoint import Checkpoint
from tpir.models.config import TransformerProgramConfig
from tpir.models.predict import encode, margins, predict, predict_ids

CONFIG = TransformerProgramConfig(
    vocabulary=("<pad>", "a", "b"), labels=("<pad>", "x", "y"), context=4, d_var=4
)


def test_order_and_batches_do_not_matter() -> None:
    model = random_model(CONFIG, 0)
    sequences = [["a"], ["b", "a", "b"], ["a", "a"], ["b"], ["a", "b", "a", "a"], ["a", "b", "b"]]
    together = predict(model, sequences)
    assert [len(labels) for labels in together] == [len(sequence) for sequence in sequences]
    assert together == [predict(model, [sequence])[0] for sequence in sequences]
    assert together == predict(model, sequences, batch_size=1)
    ids = predict_ids(model, encode(CONFIG, sequences)).tolist()
    for labels, sequence, row in zip(together, sequences, ids, strict=True):
        assert labels == [CONFIG.labels[i] for i in row[: len(sequence)]]


def test_model_keeps_its_mode_and_type() -> None:
    model = random_model(CONFIG, 0)
    predict(model, [["a"]], dtype=torch.float64)
    assert model.mode == "soft" and model.unembed.W_U.dtype == torch.float32


def test_masked_labels_are_never_predicted() -> None:
    model = random_model(CONFIG, 0)
    with torch.no_grad():
        model.unembed.W_U[:, 0] = 100
    assert "<pad>" not in predict(model, [["a", "b"]])[0]
    unmasked = dataclasses.replace(CONFIG, masked_labels=None)
    other = random_model(unmasked, 0)
    with torch.no_grad():
        other.unembed.W_U[:, 0] = 100
    assert predict(other, [["a", "b"]]) == [["<pad>", "<pad>"]]


def test_pooled_model_gives_one_label() -> None:
    config = dataclasses.replace(CONFIG, pooled=True)
    model = random_model(config, 0)
    assert [len(labels) for labels in predict(model, [["a"], ["a", "b"]])] == [1, 1]
    assert margins(model, encode(config, [["a"], ["a", "b"]])).shape == (2,)


def test_pooled_causal_model_reads_the_first_position_only() -> None:
    config = dataclasses.replace(CONFIG, pooled=True, causal=True)
    logits = random_model(config, 0).set_mode("discrete")(torch.tensor([[1, 0, 0], [1, 2, 2]]))
    assert torch.equal(logits[0], logits[1])


def test_ties_go_to_the_first_label() -> None:
    model = random_model(dataclasses.replace(CONFIG, masked_labels=None), 0)
    with torch.no_grad():
        model.unembed.W_U.zero_()
    assert predict(model, [["a"]]) == [["<pad>"]]


def test_only_label_has_no_rival() -> None:
    config = dataclasses.replace(CONFIG, labels=("x",), masked_labels=None)
    assert margins(random_model(config, 0), torch.tensor([[1]])).tolist() == [[float("inf")]]


def test_model_without_padding() -> None:
    config = dataclasses.replace(CONFIG, vocabulary=("a", "b"))
    model = random_model(config, 0)
    assert len(predict(model, [["a"], ["a", "b"]])) == 2
    with pytest.raises(TpirError, match="one length"):
        encode(config, [["a"], ["a", "b"]])


def test_nothing_asked_nothing_answered() -> None:
    assert predict(random_model(CONFIG, 0), []) == []


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ([], "sequence 2 is empty"),
        (["a"] * 5, "sequence 2 has 5 tokens; the context is 4"),
        (["a", "z"], "sequence 2: 'z' is not in the vocabulary"),
        (["<pad>"], "sequence 2: '<pad>' is not in the vocabulary"),
    ],
)
def test_bad_input(sequence: list[str], message: str) -> None:
    checkpoint = Checkpoint.of_model(random_model(CONFIG, 0))
    with pytest.raises(TpirError) as caught:
        predict(checkpoint, [["a"], sequence])
    assert message in str(caught.value) and "\n" not in str(caught.value)
