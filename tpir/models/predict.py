"""What a discretised model answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.models.config import PAD, TransformerProgramConfig
from tpir.models.stored import Checkpoint
from tpir.models.transformer_program import TransformerProgram


def predict(
    model: Checkpoint | TransformerProgram,
    sequences: Sequence[Sequence[str]],
    *,
    dtype: torch.dtype | None = None,
    batch_size: int = 4096,
) -> list[list[str]]:
    """The label at each position of each sequence; of a pooled model, one label a sequence.

    A checkpoint runs in ``dtype`` or else float64, a model in ``dtype`` or else its own type;
    always discretised. Raises TpirError for a sequence that is empty, too long, or holds a token
    outside the vocabulary.
    """
    runnable = _runnable(model, dtype)
    config = runnable.config
    results: list[list[str]] = [[]] * len(sequences)
    # Sequences of one length need no padding, which a model's vocabulary may not have.
    for places, ids in _by_length(config, sequences):
        for start in range(0, len(places), batch_size):
            predicted = predict_ids(runnable, ids[start : start + batch_size]).tolist()
            for place, labels in zip(places[start : start + batch_size], predicted, strict=True):
                chosen = [labels] if config.pooled else labels
                results[place] = [config.labels[label] for label in chosen]
    return results


def predict_ids(model: TransformerProgram, ids: Tensor) -> Tensor:
    """Label indices [batch, position], or [batch] of a pooled model, of equal logits the first.

    ``ids`` [batch, position] are vocabulary indices, padded at the end.
    """
    return _discrete_logits(model, ids).argmax(-1)


def margins(model: TransformerProgram, ids: Tensor) -> Tensor:
    """How far the best label's logit is above the next; infinite where there is but one label."""
    logits = _discrete_logits(model, ids)
    if logits.shape[-1] == 1:
        return torch.full_like(logits[..., 0], torch.inf)
    best = logits.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


def encode(config: TransformerProgramConfig, sequences: Sequence[Sequence[str]]) -> Tensor:
    """Vocabulary indices [batch, position], shorter sequences padded at the end.

    Raises TpirError as ``predict`` does, and where lengths differ but the vocabulary has no
    padding.
    """
    rows = [_indices(config, number, tokens) for number, tokens in enumerate(sequences)]
    longest = max(map(len, rows), default=0)
    pad_id = config.pad_id
    if pad_id is None:
        if any(len(row) != longest for row in rows):
            raise TpirError("the model knows no <pad>: all sequences must be of one length")
        pad_id = 0
    return torch.tensor(
        [row + [pad_id] * (longest - len(row)) for row in rows], dtype=torch.long
    ).view(len(rows), longest)


def _runnable(
    model: Checkpoint | TransformerProgram, dtype: torch.dtype | None
) -> TransformerProgram:
    if isinstance(model, Checkpoint):
        return model.model(dtype or torch.float64)
    if dtype is None or dtype == model.unembed.W_U.dtype:
        return model
    return copy.deepcopy(model).to(dtype)


def _by_length(
    config: TransformerProgramConfig, sequences: Sequence[Sequence[str]]
) -> Iterator[tuple[list[int], Tensor]]:
    """For each length, which sequences have it and their indices [batch, position]."""
    groups: dict[int, list[tuple[int, list[int]]]] = {}
    for number, tokens in enumerate(sequences):
        row = _indices(config, number, tokens)
        groups.setdefault(len(row), []).append((number, row))
    for group in groups.values():
        yield [number for number, _ in group], torch.tensor([row for _, row in group])


def _indices(config: TransformerProgramConfig, number: int, tokens: Sequence[str]) -> list[int]:
    if not tokens:
        raise TpirError(f"sequence {number + 1} is empty; a model needs at least one token")
    if len(tokens) > config.context:
        raise TpirError(
            f"sequence {number + 1} has {len(tokens)} tokens; the context is {config.context}"
        )
    for token in tokens:
        if token == PAD or token not in config.vocabulary:
            raise TpirError(f"sequence {number + 1}: {token!r} is not in the vocabulary")
    return [config.vocabulary.index(token) for token in tokens]


@torch.no_grad()
def _discrete_logits(model: TransformerProgram, ids: Tensor) -> Tensor:
    with _discrete(model):
        logits: Tensor = model(ids.to(model.unembed.W_U.device))
    return logits


@contextmanager
def _discrete(model: TransformerProgram) -> Iterator[None]:
    """Run ``model`` discretised, and leave it in the mode it was in."""
    mode = model.mode
    if mode == "discrete":
        yield
        return
    model.set_mode("discrete")
    try:
        yield
    finally:
        model.set_mode(mode)
