"""What a standard Transformer answers, alone, in batches and with padding."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.models.random_transformers import OUTPUTS, random_transformer
from tpir.errors import TpirError
from tpir.ir.values import Value, value_key
from tpir.models import transformer_predict
from tpir.models.stored_transformer import Output, TransformerCheckpoint
from tpir.models.transformer_predict import Predictor, predict
from tpir.models.transformer_runner import TransformerRunner
from tpir.semantics.failures import FAILURES

Answers = dict[str, tuple[Value, ...]]


def all_sequences(model: TransformerCheckpoint) -> list[tuple[Value, ...]]:
    return [
        row
        for length in range(1, model.context + 1)
        for row in itertools.product(model.vocabulary, repeat=length)
    ]


def by_hand(model: TransformerCheckpoint, tokens: tuple[Value, ...]) -> Answers:
    """One input through the bare module, its logits read one by one."""
    ids = [model.vocabulary.index(token) for token in tokens]
    if model.bos:
        ids = [len(model.vocabulary), *ids]
    rows = model.model(torch.float64)(torch.tensor([ids]))[0].tolist()[int(model.bos) :]
    answers: Answers = {}
    start = 0
    for output in model.outputs:
        parts = [row[start : start + output.width] for row in rows]
        start += output.width
        chosen = parts[:1] if output.pooled else parts
        answers[output.name] = tuple(
            part[0] if output.values is None else output.values[part.index(max(part))]
            for part in chosen
        )
    return answers


def assert_alike(left: Answers, right: Answers) -> None:
    """Labels are the same, types included; numbers are equal up to the rounding of float64."""
    assert left.keys() == right.keys()
    for name, values in left.items():
        if name == "number":
            assert values == pytest.approx(right[name], rel=1e-9, abs=1e-9)
        else:
            assert list(map(value_key, values)) == list(map(value_key, right[name]))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bos", [False, True])
def test_padding_leaves_answers_as_they_are(causal: bool, bos: bool) -> None:
    model = random_transformer(3, context=4, causal=causal, bos=bos, dtype=torch.float64)
    sequences = all_sequences(model)
    together = predict(model, sequences)
    for sequence, answers in zip(sequences, together, strict=True):
        assert_alike(answers, by_hand(model, sequence))
    assert {len(answers["kind"]) for answers in together} == {1}
    assert len({word for answers in together for word in answers["word"]}) > 1


@pytest.mark.parametrize("bos", [False, True])
def test_without_the_mask_padding_would_be_seen(bos: bool) -> None:
    """The test above can fail: these models do read what stands after the input."""
    predictor = Predictor(random_transformer(3, bos=bos, dtype=torch.float64))
    ids = torch.tensor([[0, 1, 0, 0]])
    alone = predictor.logits(ids[:, :2])
    assert torch.allclose(predictor.logits(ids, torch.tensor([[1, 1, 0, 0]]) == 1)[:, :2], alone)
    assert not torch.allclose(predictor.logits(ids)[:, :2], alone)


def test_order_and_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_transformer(bos=True, dtype=torch.float64)
    sequences = [row[::-1] for row in all_sequences(model)[::7]]
    together = predict(model, sequences)
    for answers in (predict(model, sequences, batch_size=3), predict(model, sequences[::-1])[::-1]):
        for left, right in zip(together, answers, strict=True):
            assert_alike(left, right)
    monkeypatch.setattr(transformer_predict, "_CELLS", 100)
    for left, right in zip(together, predict(model, sequences), strict=True):
        assert_alike(left, right)
    assert predict(model, []) == []


def test_numbers_are_of_the_type_asked_for() -> None:
    model = random_transformer(outputs=(Output("number", None),))
    assert model.state["embed.W_E"].dtype == torch.float32
    (single,), (double,) = (
        predict(model, [("a", "b")], dtype=dtype) for dtype in (None, torch.float64)
    )
    assert single["number"] == pytest.approx(double["number"], rel=1e-3)
    assert single != double
    assert all(np.float32(x) == x for x in single["number"])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "sequence 2 is empty"),
        (("a",) * 6, "sequence 2 has 6 tokens; the context is 5"),
        (("a", "d"), '"d" is not in the vocabulary'),
        ((1,), "1 is not in the vocabulary"),
    ],
)
def test_sequences_that_are_no_input(tokens: tuple[Value, ...], message: str) -> None:
    with pytest.raises(TpirError, match=message):
        predict(random_transformer(), [("a",), tokens])


def test_tokens_are_told_apart_by_type() -> None:
    model = random_transformer(vocabulary=(1, True, 1.0, "1"), dtype=torch.float64)
    found = predict(model, [(token,) for token in model.vocabulary])
    assert len({answers["number"] for answers in found}) == 4


def codes_of(length: int, tokens: int) -> NDArray[np.int64]:
    """All inputs of a length as a batch (position, input)."""
    return np.array(list(itertools.product(range(tokens), repeat=length))).T


@pytest.mark.parametrize("bos", [False, True])
def test_the_runner_gives_what_predict_gives(bos: bool) -> None:
    model = random_transformer(5, bos=bos, dtype=torch.float64)
    runner = TransformerRunner(model)
    for length in (1, 3, 5):
        batch = codes_of(length, 3)
        result = runner.run_batch(batch.astype(np.uint8))
        assert result.approximate == {"number"}
        assert not result.failures.any()
        sequences = [[model.vocabulary[code] for code in row] for row in batch.T]
        for outcome, answers in zip(result.outcomes(), predict(model, sequences), strict=True):
            assert outcome.values is not None
            assert_alike(dict(outcome.values), answers)


def test_differences_of_float32_are_counted_where_weights_are_float64() -> None:
    single = TransformerRunner(random_transformer())
    single.run_batch(codes_of(3, 3))
    assert single.float32_differences() is None
    model = random_transformer(dtype=torch.float64)
    double = TransformerRunner(model)
    double.run_batch(codes_of(3, 3))
    assert double.float32_differences() == 0
    state = dict(model.state)
    # A margin that only float64 sees: one logit is another plus 1e-12.
    state["unembed.W_U"] = state["unembed.W_U"].clone()
    state["unembed.b_U"] = state["unembed.b_U"].clone()
    state["unembed.W_U"][:, 1] = state["unembed.W_U"][:, 0]
    state["unembed.W_U"][:, 2] = 0
    state["unembed.b_U"][:3] = torch.tensor([0.0, 1e-12, -1e6])
    near = TransformerRunner(dataclasses.replace(model, state=state))
    assert set(near.run_batch(codes_of(3, 3)).outputs["word"].data.flatten().tolist()) == {1}
    assert near.float32_differences() == 27
    numbers = dataclasses.replace(
        model, outputs=tuple(Output(f"n{k}", None) for k in range(sum(o.width for o in OUTPUTS)))
    )
    close = TransformerRunner(numbers)
    close.run_batch(codes_of(3, 3))
    assert close.float32_differences() == 0


def test_logits_that_overflow_are_a_failure() -> None:
    model = random_transformer()
    state = dict(model.state)
    state["embed.W_E"] = state["embed.W_E"].clone()
    state["embed.W_E"][1] = 3e38
    runner = TransformerRunner(dataclasses.replace(model, state=state))
    outcomes = runner.run_batch(np.array([[0, 1]])).outcomes()
    assert outcomes[0].values is not None
    assert outcomes[1].values is None and outcomes[1].failure in FAILURES
