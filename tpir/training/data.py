"""Examples as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.models.config import TransformerProgramConfig
from tpir.training.examples import Examples, Label
from tpir.training.problem import IGNORED as IGNORED


@dataclass(frozen=True)
class EncodedExamples:
    """``tokens`` [example, position] and ``targets``, the same or [example, 1] if pooled; int64.

    Inputs are padded at their end to the longest one with the model's ``<pad>``, targets with
    ``IGNORED``.
    """

    tokens: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, indices: Tensor) -> EncodedExamples:
        """The examples at ``indices`` [example], in that order."""
        return EncodedExamples(self.tokens[indices], self.targets[indices])


def encode(examples: Examples, config: TransformerProgramConfig) -> tuple[EncodedExamples, ...]:
    """Examples as indices in the model's vocabulary and labels: groups that can be batched.

    That is all of them; or, for a model that knows no ``<pad>``, those of each length. Raises
    TpirError, naming the input, for a token or label that the model does not know, and for an input
    longer than its context.
    """
    if len(examples) == 0:
        raise TpirError("there are no examples")
    encoder = _Encoder(config)
    groups: dict[int, list[_Row]] = {}
    for i, (tokens, labels) in enumerate(zip(examples.tokens, examples.labels, strict=True)):
        row = encoder.encode(i, tokens, labels)
        groups.setdefault(len(row[0]) if config.pad_id is None else 0, []).append(row)
    return tuple(_padded(groups[key], config) for key in sorted(groups))


_Row = tuple[list[int], list[int]]


class _Encoder:
    def __init__(self, config: TransformerProgramConfig) -> None:
        self.config = config
        self.token_ids = {token: i for i, token in enumerate(config.vocabulary)}
        self.label_ids: dict[Label, int] = {label: i for i, label in enumerate(config.labels)}
        self.label_ids[None] = IGNORED

    def encode(self, index: int, tokens: tuple[str, ...], labels: tuple[Label, ...]) -> _Row:
        """Indices of the tokens and of the labels of input ``index`` (from 0)."""
        where, context = f"input {index + 1}", self.config.context
        if len(tokens) > context:
            raise TpirError(f"{where} has {len(tokens)} tokens, the model's context is {context}")
        if len(labels) != (1 if self.config.pooled else len(tokens)):
            raise TpirError(f"{where} has {len(labels)} labels for {len(tokens)} tokens")
        try:
            return [self.token_ids[t] for t in tokens], [self.label_ids[y] for y in labels]
        except KeyError as error:
            name = error.args[0]
            raise TpirError(f"{where}: {name!r} is no token or label of the model") from None


def _padded(rows: list[_Row], config: TransformerProgramConfig) -> EncodedExamples:
    length, width = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    pad = config.pad_id if config.pad_id is not None else 0
    tokens = [tokens + [pad] * (length - len(tokens)) for tokens, _ in rows]
    targets = [targets + [IGNORED] * (width - len(targets)) for _, targets in rows]
    return EncodedExamples(torch.tensor(tokens), torch.tensor(targets))
