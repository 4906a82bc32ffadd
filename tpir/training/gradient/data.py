"""The data of a run as tensors, and the minibatches drawn of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from tpir.errors import TpirError
from tpir.training.examples import Examples, Label
from tpir.training.problem import IGNORED, UNLISTED, Problem


@dataclass(frozen=True)
class Data:
    """Inputs of a problem: ``tokens`` [input, position] and ``lengths`` [input].

    ``targets`` are as the tokens, or [input, 1] if pooled; ``IGNORED`` where there is no label,
    ``UNLISTED`` where the label is none of the problem's. Inputs are padded at their end to the
    context with ``<pad>``, targets with ``IGNORED``.
    """

    tokens: Tensor
    targets: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, problem: Problem, examples: Examples, device: torch.device) -> Self:
        """Examples of ``problem``. Raises TpirError where there are none, or an unknown token."""
        if not len(examples):
            raise TpirError(f"{problem.name} has no examples in one of its splits")
        token_ids = {token: i for i, token in enumerate(problem.vocabulary)}
        label_ids: dict[Label, int] = {label: i for i, label in enumerate(problem.labels)}
        label_ids[None] = IGNORED
        width = 1 if problem.pooled else problem.context
        tokens = torch.zeros(len(examples), problem.context, dtype=torch.long)
        targets = torch.full((len(examples), width), IGNORED)
        for i, (words, labels) in enumerate(zip(examples.tokens, examples.labels, strict=True)):
            unknown = [word for word in words if word not in token_ids]
            if unknown or len(words) > problem.context:
                what = f"{unknown[0]!r} is no token" if unknown else "an input is too long"
                raise TpirError(f"the examples do not fit {problem.name}: {what}")
            tokens[i, : len(words)] = torch.tensor([token_ids[word] for word in words])
            found = [label_ids.get(label, UNLISTED) for label in labels]
            targets[i, : len(found)] = torch.tensor(found)
        lengths = torch.tensor([len(words) for words in examples.tokens])
        return cls(tokens.to(device), targets.to(device), lengths.to(device))

    def __len__(self) -> int:
        return len(self.tokens)

    def learnable(self) -> Self:
        """The same; labels that the model does not have are left out."""
        targets = self.targets.masked_fill(self.targets == UNLISTED, IGNORED)
        return type(self)(self.tokens, targets, self.lengths)

    def weights(self, evenness: float) -> Tensor:
        """How often each input is drawn, on the CPU: n ^ -``evenness`` for n of its length."""
        lengths = self.lengths.cpu()
        return torch.bincount(lengths)[lengths].double() ** -evenness


def fingerprint(problem: Problem) -> str:
    """A digest of all that training and validation read of ``problem``."""
    parts = (problem.splits.train, problem.splits.validation)
    read = (problem.vocabulary, problem.labels, problem.context, problem.causal, problem.pooled)
    text = repr((read, [(part.tokens, part.labels) for part in parts]))
    return hashlib.sha256(text.encode()).hexdigest()
